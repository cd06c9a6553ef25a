/* SPDX-License-Identifier: Apache-2.0 */
#include "port.h"

#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_ethdev.h>

uint32_t port_fastest_mbps(uint32_t capabilities)
{
    static const struct {
        uint32_t capability, mbps;
    } speeds[] = {
        {RTE_ETH_LINK_SPEED_200G, 200000}, {RTE_ETH_LINK_SPEED_100G, 100000}, {RTE_ETH_LINK_SPEED_56G, 56000},
        {RTE_ETH_LINK_SPEED_50G, 50000},   {RTE_ETH_LINK_SPEED_40G, 40000},   {RTE_ETH_LINK_SPEED_25G, 25000},
        {RTE_ETH_LINK_SPEED_20G, 20000},   {RTE_ETH_LINK_SPEED_10G, 10000},   {RTE_ETH_LINK_SPEED_5G, 5000},
        {RTE_ETH_LINK_SPEED_2_5G, 2500},   {RTE_ETH_LINK_SPEED_1G, 1000},
    };
    for (unsigned i = 0; i < RTE_DIM(speeds); i++) {
        if ((capabilities & speeds[i].capability) != 0)
            return speeds[i].mbps;
    }
    return 0;
}

/* The drivers for the kernel's interfaces say that the link is up, whatever the interface says. */
static bool interface_is_running(const char *name)
{
    struct ifreq request;
    memset(&request, 0, sizeof(request));
    memcpy(request.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool running = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_RUNNING) != 0;
    if (fd >= 0)
        close(fd);
    return running;
}

bool port_poll_link(struct port *p)
{
    struct rte_eth_link link;
    memset(&link, 0, sizeof(link));
    if (rte_eth_link_get_nowait(p->id, &link) != 0)
        return false;
    bool up = link.link_status == RTE_ETH_LINK_UP;
    if (p->spec.interface[0] != '\0')
        up = interface_is_running(p->spec.interface);
    p->link_mbps = p->packets != NULL ? 0 : link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
    if (up == p->link_up)
        return false;
    p->link_up = up;
    p->link_changes++;
    return true;
}

bool port_wait_link(struct port *p, unsigned timeout_ms)
{
    for (unsigned waited = 0;; waited += 20) {
        port_poll_link(p);
        if (p->link_up || waited >= timeout_ms)
            return p->link_up;
        usleep(20 * 1000);
    }
}
