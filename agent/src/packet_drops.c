/* SPDX-License-Identifier: Apache-2.0 */
#include "packet_drops.h"

#include <dirent.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

static bool is_bound_to(int fd, unsigned interface)
{
    int domain = 0;
    socklen_t length = sizeof(domain);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0 || domain != AF_PACKET)
        return false;
    struct sockaddr_ll address;
    length = sizeof(address);
    return getsockname(fd, (struct sockaddr *)&address, &length) == 0 && (unsigned)address.sll_ifindex == interface;
}

void packet_drops_find(struct packet_drops *d, const char *interface)
{
    unsigned index = if_nametoindex(interface);
    DIR *dir = index != 0 ? opendir("/proc/self/fd") : NULL;
    for (struct dirent *e; dir != NULL && d->n_sockets < PACKET_SOCKETS_MAX && (e = readdir(dir)) != NULL;) {
        int fd = atoi(e->d_name);
        if (e->d_name[0] != '.' && is_bound_to(fd, index))
            d->sockets[d->n_sockets++] = fd;
    }
    if (dir != NULL)
        closedir(dir);
}

uint64_t packet_drops_read(struct packet_drops *d)
{
    uint64_t more = 0;
    for (unsigned i = 0; i < d->n_sockets; i++) {
        struct tpacket_stats stats;
        socklen_t length = sizeof(stats);
        if (getsockopt(d->sockets[i], SOL_PACKET, PACKET_STATISTICS, &stats, &length) == 0)
            more += stats.tp_drops;
    }
    return atomic_fetch_add(&d->total, more) + more;
}
