/* SPDX-License-Identifier: Apache-2.0 */
/* A file of frames of several sizes with contents that differ, for net_pcap to hand out over and over. */
#include "bench.h"

#include "../error.h"
#include "../frame.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS 20u /* few enough that the port's buffers hold all of them */

/* IMIX without the frame check sequence: 7 x 64, 4 x 594, 1 x 1518. */
static const uint32_t sizes[] = {60, 590, 60, 60, 590, 60, 1514, 60, 590, 60, 590, 60};
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static char *path_of(const struct bench_options *o)
{
    return text("%s/nfvcap-bench-%d-imix-frames.pcap", o->memory_dir, (int)getpid());
}

static void write_frames(FILE *out)
{
    const uint32_t head[6] = {0xa1b23c4d, 2 | 4 << 16, 0, 0, 262144, 1};
    const struct frame_layout layout = {.dst_mac = {2, 0, 0, 0, 0, 2}, .src_mac = {2, 0, 0, 0, 0, 1}};
    uint8_t frame[2048];
    fwrite(head, sizeof(head), 1, out);
    for (uint64_t i = 0; i < (uint64_t)ROUNDS * N_SIZES; i++) {
        uint32_t size = sizes[i % N_SIZES];
        const struct frame_id id = {.seq = i, .time_ns = 1700000000000000000u + i};
        const uint32_t record[4] = {1700000000, (uint32_t)i, size, size};
        frame_build(frame, size, &layout, &id);
        fwrite(record, sizeof(record), 1, out);
        fwrite(frame, size, 1, out);
    }
}

const char *mix_file(const struct bench_options *o, const char **why)
{
    char *path = path_of(o);
    if (access(path, R_OK) == 0)
        return path;
    FILE *out = fopen(path, "wex");
    if (out != NULL) {
        write_frames(out);
        if (fclose(out) == 0)
            return path;
    }
    *why = text("cannot write %s: %s", path, errno_text(errno));
    return NULL;
}

void mix_forget(const struct bench_options *o)
{
    unlink(path_of(o));
}
