/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_EAL_H
#define NFVCAP_EAL_H

#include "port_spec.h"

#include <stdint.h>

enum huge_pages {
    HUGE_AUTO,    /* use them when enough are free; a PCI port needs them */
    HUGE_REQUIRE, /* refuse to start without */
    HUGE_OFF,
};

struct eal_options {
    const struct port_spec *ports; /* only these devices are ever probed */
    unsigned n_ports;
    uint64_t memory_bytes; /* what mbuf pools and rings will need */
    enum huge_pages huge_pages;
};

/* Start DPDK in this process, or die with the reason. May be called once. */
void eal_start(const struct eal_options *options);

/* The last lines that DPDK logged while it started, or NULL: why a device was left out, after a start that went well.
 */
const char *eal_log_reason(void);

/* True when the EAL's memory lies in huge pages. */
bool eal_uses_huge_pages(void);

/* Stop DPDK; its runtime directory is removed. */
void eal_stop(void);

/* Make the calling thread known to DPDK (its own lcore id, so that mbuf pool caches work). Dies on failure. */
void eal_register_thread(void);

#endif
