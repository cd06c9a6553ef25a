/* SPDX-License-Identifier: Apache-2.0 */
#include "nic_clock.h"

#include <time.h>

#define SAMPLE_TRIES 8
#define SLOWEST_HZ 8e6 /* below, a slope does not fit: see clock.h */

/* The quickest of a few readings. */
static bool take_sample(struct nic_clock *n, const struct clock_line *ours, struct clock_sample *out)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < SAMPLE_TRIES; i++) {
        uint64_t ticks, before = __rdtsc();
        if (!n->read(n->arg, &ticks))
            return false;
        uint64_t took = __rdtsc() - before;
        if (took >= least)
            continue;
        least = took;
        *out = (struct clock_sample){.tsc = ticks, .ns = (int64_t)clock_line_ns(ours, before + took / 2)};
    }
    n->reading_uncertainty_ns = (uint64_t)((unsigned __int128)least * ours->slope >> CLOCK_SLOPE_SHIFT);
    return true;
}

static bool runs(const struct clock_sample *from, const struct clock_sample *to)
{
    double ticks = (double)(int64_t)(to->tsc - from->tsc), ns = (double)(to->ns - from->ns);
    return ns > 0 && ticks / ns * 1e9 > SLOWEST_HZ;
}

static bool begin(struct nic_clock *n, const struct clock_line *ours)
{
    struct clock_sample samples[CLOCK_FIRST_SAMPLES];
    struct timespec pause = {.tv_nsec = CLOCK_FIRST_PAUSE_NS};
    for (unsigned i = 0; i < CLOCK_FIRST_SAMPLES; i++) {
        if (i > 0)
            nanosleep(&pause, NULL);
        if (!take_sample(n, ours, &samples[i]) || (i > 0 && !runs(&samples[i - 1], &samples[i])))
            return false;
    }
    discipline_begin(&n->discipline, &n->clock, samples, CLOCK_FIRST_SAMPLES);
    return true;
}

bool nic_clock_start(struct nic_clock *n, nic_clock_reader read, void *arg, const struct clock_line *ours)
{
    *n = (struct nic_clock){.read = read, .arg = arg};
    return begin(n, ours);
}

bool nic_clock_feed(struct nic_clock *n, const struct clock_sample *sample)
{
    /* A clock that stands still or goes back cannot be fitted; a line through its past would be nonsense. */
    const struct discipline *d = &n->discipline;
    if (!runs(&d->window[d->n_window - 1], sample))
        return false;
    return !discipline_feed(&n->discipline, sample);
}

void nic_clock_update(struct nic_clock *n, const struct clock_line *ours)
{
    struct clock_sample sample;
    if (!take_sample(n, ours, &sample)) {
        n->n_failed++;
        return;
    }
    if (nic_clock_feed(n, &sample))
        return;
    n->n_steps++;
    if (!begin(n, ours))
        n->n_failed++;
}
