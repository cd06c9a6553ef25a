/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_FILTER_H
#define NFVCAP_FILTER_H

#include "filter_batch.h"
#include "queue.h"

#include <stdbool.h>

/* A tcpdump expression, compiled by libpcap and turned into machine code (filter_code.c). */
struct filter {
    filter_function run;         /* not 0: keep the packet */
    filter_function interpreter; /* the same by libpcap's interpreter, slower */
    bool jit;                    /* false: no machine code is allowed here, the interpreter runs */
    bool matches_all;            /* libpcap found that it says yes to everything: no need to run it */
    struct batch_filter batch;   /* the same for a whole burst; n is 0 when it cannot be had */
};

/* Dies with libpcap's explanation when the expression is wrong. */
void filter_compile(struct filter *f, const char *expression);

/* Only the parsing, without DPDK: NULL when the expression is right, else what is wrong (a leaked string). */
const char *filter_explain(const char *expression);

void filter_release(struct filter *f);

#endif
