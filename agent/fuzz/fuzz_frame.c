/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as captured frames: each of the ways to judge frames says the same. The input is a list of
 * frames: two bytes for the length on the wire, two for what was captured, then that.
 */
#include <stdlib.h>
#include <string.h>

#include "frame_batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void compare(const char *width, unsigned n, const uint8_t *const *frames, const uint32_t *caplen,
                    const uint32_t *wirelen)
{
    struct frame_batch out;

    if (!frame_judge_use(width))
        return;
    frame_judge_batch(&out, n, frames, caplen, wirelen);
    for (unsigned i = 0; i < n; i++) {
        struct frame_id id;
        enum frame_verdict verdict = frame_judge(frames[i], caplen[i], wirelen[i], &id);

        if ((out.good >> i & 1) != (verdict == FRAME_GOOD) || (out.corrupt >> i & 1) != (verdict == FRAME_CORRUPT) ||
            (out.is_short >> i & 1) != (verdict == FRAME_SHORT))
            abort();
        if (verdict == FRAME_GOOD && (out.seq[i] != id.seq || out.time_ns[i] != id.time_ns || out.flow[i] != id.flow))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len + FRAME_BATCH_SLACK);
    const uint8_t *frames[FRAME_BATCH];
    uint32_t caplen[FRAME_BATCH], wirelen[FRAME_BATCH];
    unsigned n = 0;

    memcpy(copy, data, len);
    memset(copy + len, 0xff, FRAME_BATCH_SLACK);
    for (size_t at = 0; n < FRAME_BATCH && len - at > 4; n++) {
        wirelen[n] = (uint32_t)copy[at] << 8 | copy[at + 1];
        caplen[n] = (uint32_t)copy[at + 2] << 8 | copy[at + 3];
        if (caplen[n] > len - at - 4)
            caplen[n] = (uint32_t)(len - at - 4);
        frames[n] = copy + at + 4;
        at += 4 + caplen[n];
    }
    compare("avx512", n, frames, caplen, wirelen);
    compare("avx2", n, frames, caplen, wirelen);
    compare("scalar", n, frames, caplen, wirelen);
    free(copy);
    return 0;
}
