/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_FLOW_H
#define NFVCAP_FLOW_H

#include "seqset.h"

/*
 * What is known of one flow of numbered frames. Numbers that follow each other are only counted up; the set
 * hears of them when the run ends.
 *
 * Reordering is that of RFC 4737, judged within one file, duplicates left out: a packet is reordered when a
 * higher number arrived before it; its extent is the distance, in packets of the flow, to the first of those.
 */
struct flow_run {
    uint64_t first;
    uint64_t last;
    uint64_t index; /* arrival of `first`: packets of the flow before it in this file, duplicates left out */
};

struct flow {
    uint64_t run_first; /* the open run: [run_first, run_next) */
    uint64_t run_next;
    uint64_t run_index;
    uint64_t low; /* the lowest number of the file; run_next is one above the highest */
    bool in_file; /* the flow has been seen in the current file */
    bool runs_lost;
    unsigned n_runs;
    unsigned runs_room;
    struct flow_run *runs; /* closed runs of this file, each above all before it */

    struct seqset seen;
    uint64_t packets;
    uint64_t reordered;
    uint64_t extent_max;
    bool extent_at_least; /* the real extent_max may be larger: older runs have been forgotten */
};

/* Counts a frame that does not simply follow its predecessor. False when memory cannot be had. */
bool flow_count_odd(struct flow *f, uint64_t seq);

/* Counts n frames, numbers seq to seq + n - 1 in this order. */
static inline bool flow_count_run(struct flow *f, uint64_t seq, uint64_t n)
{
    if (__builtin_expect(seq == f->run_next && f->in_file, 1)) {
        f->run_next += n;
        return true;
    }
    for (uint64_t i = 0; i < n; i++, seq++) {
        if (f->in_file && seq == f->run_next)
            f->run_next++;
        else if (!flow_count_odd(f, seq))
            return false;
    }
    return true;
}

static inline bool flow_count(struct flow *f, uint64_t seq)
{
    return flow_count_run(f, seq, 1);
}

/* Ends the open run; the next frame begins a new file. */
bool flow_end_file(struct flow *f);

/* Adds what `from` has counted (files ended in both). */
bool flow_join(struct flow *f, const struct flow *from);

size_t flow_bytes(const struct flow *f);
void flow_free(struct flow *f);

#endif
