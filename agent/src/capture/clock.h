/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_CLOCK_H
#define NFVCAP_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <x86intrin.h>

/*
 * Time of day from the TSC.
 *
 * A line ns = ns0 + (tsc - tsc0) * slope is fitted to CLOCK_REALTIME (or TAI) by one housekeeping thread, and read by
 * any number of capture threads. A correction bends the line and never breaks it: the new line begins where the
 * old one ends, with a slope at most 500 ppm from the measured one. A step of the system clock (more than
 * CLOCK_STEP_NS) is not followed: it is collected in step_ns, which each file adopts when it begins.
 *
 * Overflow: slope is below 2^63 for a TSC above 8 MHz, the product is taken in 128 bits.
 */
#define CLOCK_SLOPE_SHIFT 56
#define CLOCK_STEP_NS 100000000
#define CLOCK_MAX_SLEW_PPM 500

struct clock_line {
    uint64_t tsc0;
    uint64_t ns0;
    uint64_t slope; /* nanoseconds per tick, times 2^56 */
    int64_t step_ns;
};

#define CLOCK_LINE_WORDS (sizeof(struct clock_line) / sizeof(uint64_t))

struct clock {
    _Atomic uint32_t generation; /* odd while the line is being written */
    _Atomic uint64_t words[CLOCK_LINE_WORDS];
};

/* Only the discipline's owner uses these. All times in nanoseconds. */
struct clock_sample {
    uint64_t tsc;
    int64_t ns;
    uint64_t bracket_ticks; /* width of the rdtsc pair around the clock read */
};

#define CLOCK_WINDOW 32
#define CLOCK_FIRST_SAMPLES 7u /* of which the first line is made */
#define CLOCK_FIRST_PAUSE_NS 10000000

struct discipline {
    struct clock *clock;
    struct clock_line line; /* what was published last */
    int clock_id;
    struct clock_sample window[CLOCK_WINDOW]; /* the last samples, oldest first */
    unsigned n_window;
    double ticks_per_ns;
    int64_t last_error_ns; /* system clock - our line, at the last sample */
    int64_t max_error_ns;  /* largest |error| since the start */
    uint64_t bracket_ns;   /* uncertainty of the last sample */
    uint64_t n_steps;
    double slew_ppm; /* current bend of the line */
};

/* tsc may lie before tsc0: the last poll is older than a line that has just been published. */
static inline uint64_t clock_line_ns(const struct clock_line *line, uint64_t tsc)
{
    int64_t ticks = (int64_t)(tsc - line->tsc0);
    return line->ns0 + (uint64_t)(int64_t)(((__int128)ticks * (int64_t)line->slope) >> CLOCK_SLOPE_SHIFT);
}

/* Copy the line when it changed since *generation; a relaxed load per call when it did not. */
static inline void clock_follow(const struct clock *clock, uint32_t *generation, struct clock_line *mine)
{
    uint32_t seen = atomic_load_explicit(&clock->generation, memory_order_acquire);
    if (__builtin_expect(seen == *generation || (seen & 1) != 0, 1))
        return;
    union {
        struct clock_line line;
        uint64_t words[CLOCK_LINE_WORDS];
    } copy;
    for (unsigned i = 0; i < CLOCK_LINE_WORDS; i++)
        copy.words[i] = atomic_load_explicit(&clock->words[i], memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&clock->generation, memory_order_relaxed) != seen)
        return; /* changed meanwhile: the next call gets it */
    *mine = copy.line;
    *generation = seen;
}

/* True when this machine's TSC runs at a constant rate through sleep states. */
bool clock_tsc_is_invariant(void);

/* Publish the first line from n samples, 2 <= n <= CLOCK_WINDOW, the oldest first. */
void discipline_begin(struct discipline *d, struct clock *clock, const struct clock_sample *samples, unsigned n);

/* Take the first samples (about 60 ms) and publish the first line. use_tai: CLOCK_TAI instead of REALTIME. */
void discipline_start(struct discipline *d, struct clock *clock, bool use_tai);

/* Sample and bend; call it about every 100 ms to 1 s. True when a step of the system clock was seen. */
bool discipline_update(struct discipline *d);

/* The arithmetic of discipline_update, given a sample; for tests. */
bool discipline_feed(struct discipline *d, const struct clock_sample *sample);

#endif
