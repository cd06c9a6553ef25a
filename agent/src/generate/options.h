/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_GENERATE_OPTIONS_H
#define NFVCAP_GENERATE_OPTIONS_H

#include "destinations.h"
#include "eal.h"
#include "pace.h"
#include "port_spec.h"
#include "sizes.h"

#define BURST_MAX 64u

struct generate_options {
    struct port_spec port;
    struct sizes sizes;
    const char *sizes_text;
    bool untagged_size; /* the sizes are those without tags */
    struct destinations destinations;
    uint32_t n_flows;
    uint64_t first;
    const char *replay; /* a file, or NULL */
    bool renumber;
    struct rate rate;
    const char *rate_text;
    uint64_t count;       /* frames; UINT64_MAX: no limit */
    uint64_t duration_ns; /* UINT64_MAX: no limit */
    uint64_t rounds;      /* of the file; UINT64_MAX: no limit */
    unsigned burst;
    bool drop_when_full; /* frames that the port does not take at once are given up */
    uint64_t omit_every; /* every so manieth frame is numbered and not sent; 0: none */
    uint64_t linger_ns;  /* keep the port for so long after the report */
    uint32_t link_mbps;  /* instead of what the driver says; 0: ask it */
    int cpu;             /* of the sending thread; -1: any */
    enum huge_pages huge_pages;
    bool json;
};

/* Fills the options or leaves the program with help or with what is wrong. */
void generate_parse(struct generate_options *o, int argc, char **argv);

#endif
