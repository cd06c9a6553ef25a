/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_FRAME_BATCH_H
#define NFVCAP_FRAME_BATCH_H

#include "frame.h"

#define FRAME_BATCH 64u

/* So many bytes after the start of every frame may be read, whatever its length. */
#define FRAME_BATCH_SLACK 96u

/* What frame_judge() says of up to FRAME_BATCH frames; the rest of a row is set where `good` has its bit. */
struct frame_batch {
    uint64_t seq[FRAME_BATCH];
    uint64_t time_ns[FRAME_BATCH];
    uint64_t flow[FRAME_BATCH];
    uint64_t udp_sum[FRAME_BATCH];    /* of no use outside */
    unsigned singly;                  /* frames that the vector code left to frame_judge() */
    uint64_t good, corrupt, is_short; /* bit i: frame i; none of them: foreign */
};

/*
 * Judges n Ethernet frames, with the widest vectors that this CPU has. The same verdicts as frame_judge(),
 * several times faster where most frames are numbered.
 */
void frame_judge_batch(struct frame_batch *out, unsigned n, const uint8_t *const *data, const uint32_t *caplen,
                       const uint32_t *wirelen);

/* The name of the code in use: "avx512", "avx2" or "scalar". */
const char *frame_judge_name(void);

/* Have one of those used instead of the widest; false if this CPU cannot. For tests and benchmarks. */
bool frame_judge_use(const char *name);

#endif
