/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <cpuid.h>
#include <math.h>
#include <string.h>
#include <time.h>

#define SAMPLE_TRIES 16
#define CORRECTION_TIME_NS 2e9 /* an error is worked off over this time */
#define MAX_SLEW ((double)CLOCK_MAX_SLEW_PPM * 1e-6)

bool clock_tsc_is_invariant(void)
{
    unsigned eax, ebx, ecx, edx;
    if (__get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) == 0)
        return false;
    return (edx & (1u << 8)) != 0;
}

/* Neither before what comes before it nor after what comes after. RDTSCP would do half of it, and is not in x86-64-v2.
 */
static uint64_t fenced_tsc(void)
{
    _mm_lfence();
    uint64_t tsc = __rdtsc();
    _mm_lfence();
    return tsc;
}

/* The tightest of a few rdtsc - clock - rdtsc brackets. */
static struct clock_sample take_sample(int clock_id)
{
    struct clock_sample best = {.bracket_ticks = UINT64_MAX};
    for (int i = 0; i < SAMPLE_TRIES; i++) {
        struct timespec t;
        uint64_t before = fenced_tsc();
        clock_gettime(clock_id, &t);
        uint64_t after = fenced_tsc();
        if (after - before >= best.bracket_ticks)
            continue;
        best.bracket_ticks = after - before;
        best.tsc = before + (after - before) / 2;
        best.ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    }
    return best;
}

static void publish(struct discipline *d, const struct clock_line *line)
{
    union {
        struct clock_line line;
        uint64_t words[CLOCK_LINE_WORDS];
    } copy = {.line = *line};
    struct clock *clock = d->clock;
    d->line = *line;
    uint32_t generation = atomic_load_explicit(&clock->generation, memory_order_relaxed);
    atomic_store_explicit(&clock->generation, generation + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (unsigned i = 0; i < CLOCK_LINE_WORDS; i++)
        atomic_store_explicit(&clock->words[i], copy.words[i], memory_order_relaxed);
    atomic_store_explicit(&clock->generation, generation + 2, memory_order_release);
}

static void remember(struct discipline *d, const struct clock_sample *s)
{
    if (d->n_window == CLOCK_WINDOW) {
        memmove(&d->window[0], &d->window[1], (CLOCK_WINDOW - 1) * sizeof(d->window[0]));
        d->n_window--;
    }
    d->window[d->n_window++] = *s;
}

/* Nanoseconds per tick by least squares over the window, relative to its first sample. */
static double fitted_rate(const struct discipline *d)
{
    double n = d->n_window, sx = 0, sy = 0, sxx = 0, sxy = 0;
    for (unsigned i = 0; i < d->n_window; i++) {
        double x = (double)(d->window[i].tsc - d->window[0].tsc);
        double y = (double)(d->window[i].ns - d->window[0].ns);
        sx += x;
        sy += y;
        sxx += x * x;
        sxy += x * y;
    }
    return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

static void forget_window(struct discipline *d, const struct clock_sample *s)
{
    d->n_window = 0;
    remember(d, s);
}

void discipline_begin(struct discipline *d, struct clock *clock, const struct clock_sample *samples, unsigned n)
{
    const struct clock_sample *last = &samples[n - 1];
    memset(d, 0, sizeof(*d));
    d->clock = clock;
    for (unsigned i = 0; i < n; i++)
        remember(d, &samples[i]);
    double rate = fitted_rate(d);
    d->ticks_per_ns = 1 / rate;
    d->bracket_ns = (uint64_t)((double)last->bracket_ticks * rate);
    struct clock_line line = {
        .tsc0 = last->tsc,
        .ns0 = (uint64_t)last->ns,
        .slope = (uint64_t)(ldexp(rate, CLOCK_SLOPE_SHIFT)),
    };
    publish(d, &line);
}

void discipline_start(struct discipline *d, struct clock *clock, bool use_tai)
{
    const int clock_id = use_tai ? CLOCK_TAI : CLOCK_REALTIME;
    struct clock_sample samples[CLOCK_FIRST_SAMPLES];
    struct timespec pause = {.tv_nsec = CLOCK_FIRST_PAUSE_NS};
    for (unsigned i = 0; i < CLOCK_FIRST_SAMPLES; i++) {
        if (i > 0)
            nanosleep(&pause, NULL);
        samples[i] = take_sample(clock_id);
    }
    discipline_begin(d, clock, samples, CLOCK_FIRST_SAMPLES);
    d->clock_id = clock_id;
}

bool discipline_feed(struct discipline *d, const struct clock_sample *s)
{
    struct clock_line line = d->line;
    uint64_t now_ns = clock_line_ns(&line, s->tsc);
    int64_t error = s->ns - (int64_t)now_ns - line.step_ns;
    bool stepped = error > CLOCK_STEP_NS || error < -CLOCK_STEP_NS;
    if (stepped) {
        line.step_ns += error;
        d->n_steps++;
        forget_window(d, s);
        error = 0;
    } else {
        remember(d, s);
    }
    double rate = 1 / d->ticks_per_ns;
    uint64_t span = d->window[d->n_window - 1].tsc - d->window[0].tsc;
    if (d->n_window >= 4 && (double)span * rate > 0.5e9)
        rate = fitted_rate(d);
    d->ticks_per_ns = 1 / rate;
    double bend = (double)error / CORRECTION_TIME_NS;
    bend = fmin(fmax(bend, -MAX_SLEW), MAX_SLEW);
    d->slew_ppm = bend * 1e6;
    d->last_error_ns = error;
    int64_t magnitude = error < 0 ? -error : error;
    if (magnitude > d->max_error_ns)
        d->max_error_ns = magnitude;
    d->bracket_ns = (uint64_t)((double)s->bracket_ticks * rate);
    line.tsc0 = s->tsc;
    line.ns0 = now_ns;
    line.slope = (uint64_t)ldexp(rate * (1 + bend), CLOCK_SLOPE_SHIFT);
    publish(d, &line);
    return stepped;
}

bool discipline_update(struct discipline *d)
{
    struct clock_sample s = take_sample(d->clock_id);
    return discipline_feed(d, &s);
}
