/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A NIC that stamps packets, for tests of the whole program: linked into a second nfvcap-agent in front of DPDK (ld's
 * --wrap), it lends net_null the offload, a clock of its own rate, and a time in every packet. $NFVCAP_FAKE_NIC says
 * what is wrong with it: "stopped" its clock stands still, "mute" it does not tell its clock, "holes" one packet in
 * five has no time, "scale" the packets' times are of another clock than the one that it tells, "set" its clock is set
 * on after 1 s.
 */
#include "fake_vf.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf_dyn.h>

#define HZ 156.25e6    /* 6.4 ns, as NICs of 10 Gb/s have it */
#define APART_TICKS 5u /* from one packet of a burst to the next: 32 ns */
#define SET_ON_S 3600.0

int __real_rte_eth_dev_info_get(uint16_t port, struct rte_eth_dev_info *info);
int __wrap_rte_eth_dev_info_get(uint16_t port, struct rte_eth_dev_info *info);
int __real_rte_eth_dev_configure(uint16_t port, uint16_t n_rx, uint16_t n_tx, const struct rte_eth_conf *conf);
int __wrap_rte_eth_dev_configure(uint16_t port, uint16_t n_rx, uint16_t n_tx, const struct rte_eth_conf *conf);
int __real_rte_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t n, unsigned socket,
                                  const struct rte_eth_rxconf *conf, struct rte_mempool *pool);
int __wrap_rte_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t n, unsigned socket,
                                  const struct rte_eth_rxconf *conf, struct rte_mempool *pool);
int __wrap_rte_eth_read_clock(uint16_t port, uint64_t *ticks);

static int offset;
static uint64_t flag, first_tsc;

static bool fault(const char *name)
{
    const char *set = getenv("NFVCAP_FAKE_NIC");
    return set != NULL && strcmp(set, name) == 0;
}

static uint64_t now_ticks(void)
{
    if (first_tsc == 0)
        first_tsc = rte_rdtsc();
    double seconds = (double)(rte_rdtsc() - first_tsc) / (double)rte_get_tsc_hz();
    if (fault("set") && seconds > 1)
        seconds += SET_ON_S;
    return (1ull << 50) + (fault("stopped") ? 0 : (uint64_t)(seconds * HZ));
}

static uint16_t stamp(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t n, uint16_t most, void *arg)
{
    uint64_t ticks = now_ticks() * (fault("scale") ? 1000 : 1);
    for (uint16_t i = 0; i < n; i++) {
        if (fault("holes") && i % 5 == 3)
            continue;
        *RTE_MBUF_DYNFIELD(packets[i], offset, rte_mbuf_timestamp_t *) = ticks - (uint64_t)(n - i) * APART_TICKS;
        packets[i]->ol_flags |= flag;
    }
    return n;
}

int __wrap_rte_eth_dev_info_get(uint16_t port, struct rte_eth_dev_info *info)
{
    int rc = __real_rte_eth_dev_info_get(port, info);
    info->rx_offload_capa |= RTE_ETH_RX_OFFLOAD_TIMESTAMP;
    fake_vf_describe(info);
    return rc;
}

int __wrap_rte_eth_dev_configure(uint16_t port, uint16_t n_rx, uint16_t n_tx, const struct rte_eth_conf *conf)
{
    struct rte_eth_conf inner = *conf;
    fake_vf_configure(&inner);
    inner.rxmode.offloads &= ~RTE_ETH_RX_OFFLOAD_TIMESTAMP;
    int rc = __real_rte_eth_dev_configure(port, n_rx, n_tx, &inner);
    if (rc != 0 || inner.rxmode.offloads == conf->rxmode.offloads)
        return rc;
    if (rte_mbuf_dyn_rx_timestamp_register(&offset, &flag) != 0)
        return -ENOTSUP;
    for (uint16_t q = 0; q < n_rx; q++) {
        if (rte_eth_add_rx_callback(port, q, stamp, NULL) == NULL)
            return -ENOTSUP;
    }
    return 0;
}

int __wrap_rte_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t n, unsigned socket,
                                  const struct rte_eth_rxconf *conf, struct rte_mempool *pool)
{
    struct rte_eth_rxconf inner = *conf;
    inner.offloads &= ~RTE_ETH_RX_OFFLOAD_TIMESTAMP;
    return __real_rte_eth_rx_queue_setup(port, queue, n, socket, &inner, pool);
}

int __wrap_rte_eth_read_clock(uint16_t port, uint64_t *ticks)
{
    if (fault("mute"))
        return -ENOTSUP;
    *ticks = now_ticks();
    return 0;
}
