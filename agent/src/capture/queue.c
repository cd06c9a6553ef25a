/* SPDX-License-Identifier: Apache-2.0 */
#include "queue.h"

#include "arrivals.h"
#include "view.h"

#include <string.h>
#include <time.h>

#define BILLION 1000000000ull

const struct datapath *datapath_choose(const char *name)
{
    const struct {
        const struct datapath *datapath;
        bool runs;
    } all[] = {
        {&datapath_v4, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                           __builtin_cpu_supports("avx512cd")},
        {&datapath_v3,
         __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma")},
        {&datapath_v2, true},
    };
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i].runs && (name == NULL || strcmp(name, all[i].datapath->name) == 0))
            return all[i].datapath;
    }
    return NULL;
}

void queue_init(struct queue *q, const struct clock *clock)
{
    static struct rte_mbuf nothing; /* what the prefetch sees before the first burst */
    for (unsigned i = 0; i < RTE_DIM(q->packets); i++)
        q->packets[i] = &nothing;
    q->clock = clock;
    q->line_generation = UINT32_MAX;
    q->event_ns = UINT64_MAX;
    clock_follow(clock, &q->line_generation, &q->line);
    q->step_ns = q->line.step_ns;
    q->poll_tsc = __rdtsc();
}

/* Both clocks at one moment: a thread that is interrupted between them tries again. */
static uint64_t read_clocks(const struct queue *q, uint64_t *system_ns)
{
    uint64_t before, after;
    for (unsigned attempt = 0; attempt < 3; attempt++) {
        struct timespec t;
        before = __rdtsc();
        clock_gettime(CLOCK_REALTIME, &t);
        after = __rdtsc();
        *system_ns = (uint64_t)t.tv_sec * BILLION + (uint64_t)t.tv_nsec;
        if (after - before < 10000)
            break;
    }
    return clock_line_ns(&q->line, before + (after - before) / 2) + (uint64_t)q->step_ns;
}

/* Now, in the time of the present file. */
static uint64_t line_now_ns(const struct queue *q)
{
    return clock_line_ns(&q->line, __rdtsc()) + (uint64_t)q->step_ns;
}

static void take_packet_stamps(struct queue *q, unsigned n)
{
    const struct packet_moment moment = {.now_ns = line_now_ns(q), .step_ns = q->step_ns};
    unsigned without = packet_stamps_take(q->packet_stamps, q->packets, n, &moment, &q->stamp_ns);
    count_add(&q->counters->unstamped, without);
}

void queue_stamp_arrivals(struct queue *q, unsigned n)
{
    uint64_t system_ns;
    clock_follow(q->clock, &q->line_generation, &q->line);
    if (q->packet_stamps != NULL) {
        take_packet_stamps(q, n);
        return;
    }
    const uint64_t now_ns = read_clocks(q, &system_ns);
    q->stamp_ns = arrivals_to_stamps(q->arrivals, n, system_ns, now_ns, q->stamp_ns);
}

static uint64_t next_boundary(uint64_t now_ns, uint64_t interval_ns)
{
    return now_ns - now_ns % interval_ns + interval_ns;
}

static void schedule(struct queue *q, uint64_t now_ns)
{
    const struct storage_config *c = &q->storage->config;
    q->event_ns = UINT64_MAX;
    if (c->flush_ns != 0)
        q->event_ns = now_ns + c->flush_ns;
    if (c->rotate_ns != 0) {
        if (now_ns >= q->rotate_at_ns)
            q->rotate_at_ns = next_boundary(now_ns, c->rotate_ns);
        if (q->rotate_at_ns < q->event_ns)
            q->event_ns = q->rotate_at_ns;
    }
}

void queue_begin_file(struct queue *q)
{
    struct storage *s = q->storage;
    s->new_file = false;
    s->position.first_ns = 0;
    clock_follow(q->clock, &q->line_generation, &q->line);
    if (q->step_ns != q->line.step_ns) {
        q->step_ns = q->line.step_ns;
        q->stamp_ns = 0;
        q->rotate_at_ns = 0;
    }
    uint64_t now_ns = line_now_ns(q);
    if (q->rotate_at_ns == 0 && s->config.rotate_ns != 0)
        q->rotate_at_ns = next_boundary(now_ns, s->config.rotate_ns);
    schedule(q, now_ns);
}

void queue_event(struct queue *q, uint64_t now_ns)
{
    struct storage *s = q->storage;
    if (q->packet_stamps != NULL && q->packet_stamps->from.source == STAMPS_FILE)
        now_ns = line_now_ns(q); /* the file's time may be any */
    if (s->config.rotate_ns != 0 && now_ns >= q->rotate_at_ns)
        s->ops->rotate(s);
    else
        s->ops->flush(s);
    schedule(q, now_ns);
}

void queue_idle(struct queue *q)
{
    if (q->storage == NULL || q->event_ns == UINT64_MAX)
        return;
    uint64_t now_ns = clock_line_ns(&q->line, q->poll_tsc) + (uint64_t)q->step_ns;
    if (now_ns >= q->event_ns)
        queue_event(q, now_ns);
}
