/* SPDX-License-Identifier: Apache-2.0 */
/* The start of a device and the address that it was given, which a VF has to ask its PF for. */
#include "error.h"
#include "port.h"

#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

/*
 * igbvf waits for an answer of the PF for a second (E1000_VF_MBX_INIT_TIMEOUT polls), then says nothing to its PF any
 * more until the next start, and tells nobody: the VF is not enabled, or has not its address. With a PF that DPDK's igb
 * drives that was one start in ten, in an emulated machine. Why is not proven: igb answers each acknowledgement of a VF
 * with a message of its own (igb_rcv_ack_from_vf), which can overwrite the VF's next one in their common mailbox. An
 * answer takes milliseconds, so the time that a call takes tells, and another start mends it.
 */
#define GIVEN_UP_S 1u
#define TRIES 5u

static bool given_up(const struct port *p, uint64_t begun)
{
    return strcmp(p->driver, "net_e1000_igb_vf") == 0 && rte_rdtsc() - begun >= GIVEN_UP_S * rte_get_tsc_hz();
}

static int set_mac(const struct port *p, bool *silent)
{
    static const uint8_t none[6];
    struct rte_ether_addr address;
    if (memcmp(p->spec.mac, none, sizeof(none)) == 0)
        return 0;
    memcpy(address.addr_bytes, p->spec.mac, sizeof(p->spec.mac));
    uint64_t begun = rte_rdtsc();
    int rc = rte_eth_dev_default_mac_addr_set(p->id, &address);
    *silent = given_up(p, begun);
    return rc;
}

/* The address not before the start: that resets a VF, and its PF gives it the address that it had. */
static int start_once(const struct port *p, const char **what, const char **fix, bool *silent)
{
    *what = "cannot be started";
    *fix = NULL;
    uint64_t begun = rte_rdtsc();
    int rc = rte_eth_dev_start(p->id);
    *silent = given_up(p, begun);
    if (rc != 0 || *silent)
        return rc;
    *what = "cannot have this address";
    *fix = "leave ,mac= out";
    return set_mac(p, silent);
}

int port_start_device(const struct port *p, const char **what, const char **fix)
{
    for (unsigned i = 1;; i++) {
        bool silent;
        int rc = start_once(p, what, fix, &silent);
        if (rc != 0 || !silent)
            return rc;
        if (i == TRIES) {
            warn(text("%s: its PF does not answer", p->spec.text), text("it was started %u times", i),
                 "is the PF up, and does its driver run? Until it is started again it may receive nothing");
            return 0;
        }
        rte_eth_dev_stop(p->id);
    }
}
