/* SPDX-License-Identifier: Apache-2.0 */
/* The start of a port and the address that it was given, which a VF has to ask its PF for. */
#include "port.h"

#include <string.h>
#include <unistd.h>

#include <rte_ethdev.h>

#define ANSWER_US 200000
#define SAID 3 /* times */

/*
 * DPDK's igb, which drives the PF then, answers each acknowledgement of a VF with a message of its own, as it says in
 * igb_rcv_ack_from_vf(). That may overwrite the VF's next one in their common mailbox, and igbvf does not look: the VF
 * is not enabled or does not have its address, and as far as anybody is told it is and has. So nothing important is
 * said before the PF has had the time for its answer, and what can be said again is.
 */
static bool pf_by_igb_of_dpdk(const struct port *p)
{
    return p->spec.vf_token[0] != '\0' && strcmp(p->driver, "net_e1000_igb_vf") == 0;
}

int port_start_device(const struct port *p)
{
    if (pf_by_igb_of_dpdk(p))
        usleep(ANSWER_US); /* the start resets the VF, as the opening did */
    return rte_eth_dev_start(p->id);
}

int port_set_mac(const struct port *p)
{
    static const uint8_t none[6];
    struct rte_ether_addr address;
    if (memcmp(p->spec.mac, none, sizeof(none)) == 0)
        return 0;
    memcpy(address.addr_bytes, p->spec.mac, sizeof(p->spec.mac));
    int rc = rte_eth_dev_default_mac_addr_set(p->id, &address);
    for (int i = 1; rc == 0 && i < SAID && pf_by_igb_of_dpdk(p); i++) {
        usleep(ANSWER_US);
        rc = rte_eth_dev_default_mac_addr_set(p->id, &address);
    }
    return rc;
}
