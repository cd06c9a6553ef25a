/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_PACE_H
#define NFVCAP_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_WIRE_OVERHEAD 20u /* preamble and gap between frames, in bytes */

enum rate_kind {
    RATE_MAX,     /* as fast as the driver takes them */
    RATE_PACKETS, /* so many a second, whatever their size */
    RATE_LINE,    /* as fast as the link carries them */
    RATE_FILE,    /* at the times of the replayed file */
};

struct rate {
    enum rate_kind kind;
    double packets_per_s;
};

/* "line", "max", "file", "1.5" (Mpps), "1.5Mpps", "300kpps", "2000pps". NULL, or what is wrong. */
const char *rate_parse(struct rate *rate, const char *text);

/*
 * A schedule: each frame has its time, in TSC ticks with 32 binary places, that of its predecessor plus an
 * interval. Frames whose time has come may go, a burst of them at most. Whoever comes so late that more than
 * a burst is due does not make up for it: the schedule slips, and says by how much.
 */
struct pace {
    bool paced;
    unsigned burst;
    unsigned __int128 next;            /* ticks << 32 */
    unsigned __int128 interval;        /* after the last frame */
    unsigned __int128 packet_interval; /* RATE_PACKETS: constant */
    unsigned __int128 slack;           /* RATE_FILE: so late is not yet too late */
    double ticks_per_byte;             /* RATE_LINE */
    uint64_t slips;
    uint64_t slipped_ticks;
    uint64_t lag_max_ticks; /* how late the first frame of a burst was, slips included */
};

/* link_mbps is for RATE_LINE only and must not be 0 then. */
void pace_start(struct pace *p, const struct rate *rate, unsigned burst, double ticks_per_ns, uint32_t link_mbps,
                uint64_t now);

/* Call it before each burst: true if at least one frame is due. */
bool pace_begin_burst(struct pace *p, uint64_t now);

/* May one more frame go in this burst, at `now`? */
static inline bool pace_is_due(const struct pace *p, uint64_t now)
{
    return !p->paced || (uint64_t)(p->next >> 32) <= now;
}

/* A frame of so many bytes on the wire (with frame check sequence) has been taken. */
void pace_took(struct pace *p, uint32_t wire_bytes);

/* RATE_FILE: the frame after the last one comes so much later. */
void pace_wait(struct pace *p, uint64_t gap_ns, double ticks_per_ns);

/* Ticks until the next frame, 0 if it is due. */
uint64_t pace_ticks_left(const struct pace *p, uint64_t now);

#endif
