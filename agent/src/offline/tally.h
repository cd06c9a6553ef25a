/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_TALLY_H
#define NFVCAP_TALLY_H

#include "flow.h"
#include "frame.h"
#include "reader.h"

#define TALLY_SIZE_MAX 16384u /* larger packets are one entry of the histogram */
#define TALLY_NONE UINT64_MAX

/* Of one file, or of all of them. Times in ns since 1970, offsets in bytes. */
struct counts {
    uint64_t packets;
    uint64_t captured_bytes;
    uint64_t wire_bytes;
    uint64_t cut_short; /* packets of which less was captured than was on the wire */

    uint64_t good; /* numbered frames, every check right */
    uint64_t corrupt;
    uint64_t foreign;   /* not numbered */
    uint64_t too_short; /* snapped below what can be judged */
    uint64_t corrupt_first_offset;

    uint64_t begin_ns; /* of the first packet of a file that has a time, and of its last */
    uint64_t end_ns;
    uint64_t untimed;  /* packets of blocks that have no time stamp */
    uint64_t first_ns; /* earliest and latest */
    uint64_t last_ns;
    uint64_t backward; /* time stamps earlier than the one before in the file */
    uint64_t backward_max_ns;
    uint64_t backward_first_offset;

    int64_t delay_min_ns; /* capture time minus transmit time of good frames; max < min if there were none */
    int64_t delay_max_ns;
};

/* What one thread has counted over its files. */
struct tally {
    struct counts file;
    struct flow *flows[FRAME_FLOWS_MAX];
    uint16_t used[FRAME_FLOWS_MAX]; /* the flows that are there, in order of appearance */
    uint32_t n_used;
    uint64_t sizes[TALLY_SIZE_MAX + 2]; /* by wire length; the last one: larger */
    size_t memory_limit;
};

struct tally *tally_new(size_t memory_limit); /* NULL: out of memory */
void tally_free(struct tally *t);

/* Counts start anew for a file. */
void tally_begin_file(struct tally *t);

/* False when the numbers take more memory than allowed or than there is. */
bool tally_batch(struct tally *t, const struct reader *r, const struct record_batch *batch);
bool tally_end_file(struct tally *t);

/*
 * `from` has counted the part of the same file that follows on what `t` has counted, both ended: adds all of
 * it, so that `t` is as if it had counted both. False, and nothing added, when that cannot be told from the
 * two alone, because a flow's numbers overlap, or when memory is not enough. The record at `seam_offset`
 * should be the first one of `from`.
 */
bool tally_append(struct tally *t, const struct tally *from, uint64_t seam_offset);

/* Adds flows and sizes of `from`, not the counts of its file. */
bool tally_join(struct tally *t, const struct tally *from);

void counts_begin(struct counts *c);
void counts_join(struct counts *c, const struct counts *from);

#endif
