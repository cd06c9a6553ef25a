/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include "eal.h"
#include "error.h"
#include "quiesce.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <rte_pause.h>

#define IDLE_ROUNDS 256u /* rounds without a packet before the clock is looked at, or the thread sleeps */
#define WAIT_MS 10       /* what is asked of a thread that waits for its descriptors is seen so late */

enum request { REQUEST_RUN, REQUEST_PAUSE, REQUEST_STOP };

struct worker {
    pthread_t thread;
    struct poller poller;
    struct worker_config config;
    struct {
        struct queue *queue;
        poll_function poll;
        poll_function parked; /* what `poll` is to be again; NULL: it is */
    } *queues;
    unsigned n_queues;
    struct pollfd *descriptors; /* one for each queue; NULL: there are queues that have to be polled */
    _Atomic int request;
    _Atomic bool paused;
    _Atomic bool ready;
    _Atomic bool rotate;
    clockid_t cpu_clock;
    uint64_t cpu_ns;
};

struct worker *worker_create(const struct worker_config *config, unsigned max_queues)
{
    struct worker *w = aligned_alloc(_Alignof(struct worker), sizeof(*w));
    if (w != NULL)
        memset(w, 0, sizeof(*w));
    if (w == NULL || (w->queues = calloc(max_queues, sizeof(w->queues[0]))) == NULL)
        die(EXIT_INTERNAL, "out of memory", NULL, NULL);
    w->config = *config;
    return w;
}

void worker_add(struct worker *w, struct queue *q, poll_function poll)
{
    w->queues[w->n_queues].queue = q;
    w->queues[w->n_queues].poll = poll;
    w->n_queues++;
}

/* Where all queues tell when they have something, this thread need not look. */
static void note_descriptors(struct worker *w)
{
    w->descriptors = calloc(w->n_queues, sizeof(*w->descriptors));
    for (unsigned i = 0; w->descriptors != NULL && i < w->n_queues; i++) {
        w->descriptors[i] = (struct pollfd){.fd = w->queues[i].queue->descriptor, .events = POLLIN};
        if (w->descriptors[i].fd < 0) {
            free(w->descriptors);
            w->descriptors = NULL;
        }
    }
}

bool worker_polls(const struct worker *w, uint16_t port)
{
    for (unsigned i = 0; i < w->n_queues; i++) {
        if (w->queues[i].queue->port == port)
            return true;
    }
    return false;
}

static unsigned poll_nothing(struct queue *q)
{
    return 0;
}

void worker_park(struct worker *w, uint16_t port)
{
    for (unsigned i = 0; i < w->n_queues; i++) {
        if (w->queues[i].queue->port != port || w->queues[i].parked != NULL)
            continue;
        w->queues[i].parked = w->queues[i].poll;
        w->queues[i].poll = poll_nothing;
    }
}

void worker_unpark(struct worker *w, uint16_t port, uint64_t since_tsc)
{
    for (unsigned i = 0; i < w->n_queues; i++) {
        if (w->queues[i].queue->port != port)
            continue;
        if (w->queues[i].parked != NULL)
            w->queues[i].poll = w->queues[i].parked;
        w->queues[i].parked = NULL;
        /* Or the first burst would be spread over the time without the port. */
        w->queues[i].queue->poll_tsc = since_tsc;
    }
}

static void prepare_thread(struct worker *w)
{
    char name[16];
    snprintf(name, sizeof(name), "nfvcap-rx%u", w->config.index);
    pthread_setname_np(pthread_self(), name);
    if (w->config.cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(w->config.cpu, &set);
        pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
    }
    eal_register_thread();
}

/* An interface that went down leaves an error behind, which is to be taken away: else nobody waits any longer. */
static void wait_for_packets(struct worker *w)
{
    if (poll(w->descriptors, w->n_queues, WAIT_MS) <= 0)
        return;
    for (unsigned i = 0; i < w->n_queues; i++) {
        int error;
        socklen_t length = sizeof(error);
        if ((w->descriptors[i].revents & POLLERR) != 0)
            getsockopt(w->descriptors[i].fd, SOL_SOCKET, SO_ERROR, &error, &length);
    }
}

static void rest(struct worker *w)
{
    for (unsigned i = 0; i < w->n_queues; i++)
        queue_idle(w->queues[i].queue);
    if (w->descriptors != NULL) {
        wait_for_packets(w);
        return;
    }
    if (w->config.idle_sleep_us == 0)
        return;
    uint32_t us = w->config.idle_sleep_us;
    struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};
    nanosleep(&t, NULL);
}

static void begin_new_files(struct worker *w)
{
    atomic_store_explicit(&w->rotate, false, memory_order_relaxed);
    for (unsigned i = 0; i < w->n_queues; i++) {
        struct storage *s = w->queues[i].queue->storage;
        if (s != NULL)
            s->ops->rotate(s);
    }
}

/* What is asked for between rounds; false: stop. */
static bool obey(struct worker *w)
{
    int request;
    quiesce_pass(&w->poller);
    while ((request = atomic_load_explicit(&w->request, memory_order_acquire)) == REQUEST_PAUSE) {
        atomic_store_explicit(&w->paused, true, memory_order_release);
        usleep(200);
        quiesce_pass(&w->poller);
    }
    atomic_store_explicit(&w->paused, false, memory_order_release);
    if (atomic_load_explicit(&w->rotate, memory_order_relaxed))
        begin_new_files(w);
    return request == REQUEST_RUN;
}

static void *run(void *arg)
{
    struct worker *w = arg;
    prepare_thread(w);
    unsigned idle = 0;
    const unsigned n = w->n_queues;
    note_descriptors(w);
    const unsigned idle_rounds = w->descriptors != NULL ? 1 : IDLE_ROUNDS;
    for (unsigned i = 0; i < n; i++)
        w->queues[i].queue->poll_tsc = __rdtsc(); /* nothing that comes is older than this */
    quiesce_enter(&w->poller);
    while (obey(w)) {
        for (unsigned round = 0; round < 64; round++) {
            unsigned got = 0;
            for (unsigned i = 0; i < n; i++)
                got += w->queues[i].poll(w->queues[i].queue);
            if (got > 0) {
                idle = 0;
            } else if (++idle >= idle_rounds) {
                rest(w);
                idle = w->config.idle_sleep_us == 0 ? 0 : idle_rounds;
                break;
            } else {
                rte_pause();
            }
        }
        atomic_store_explicit(&w->ready, true, memory_order_release);
    }
    quiesce_leave(&w->poller);
    for (unsigned i = 0; i < n; i++) {
        struct storage *s = w->queues[i].queue->storage;
        if (s != NULL)
            s->ops->end(s);
    }
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    w->cpu_ns = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
    return NULL;
}

void worker_start(struct worker *w)
{
    int rc = pthread_create(&w->thread, NULL, run, w);
    if (rc != 0)
        die(EXIT_INTERNAL, "cannot start a capture thread", errno_text(rc), NULL);
    pthread_getcpuclockid(w->thread, &w->cpu_clock);
}

void worker_wait_ready(struct worker *w)
{
    while (!atomic_load_explicit(&w->ready, memory_order_acquire))
        usleep(500);
}

void worker_pause(struct worker *w)
{
    atomic_store_explicit(&w->request, REQUEST_PAUSE, memory_order_release);
    while (!atomic_load_explicit(&w->paused, memory_order_acquire))
        usleep(100);
}

void worker_resume(struct worker *w)
{
    int expected = REQUEST_PAUSE;
    atomic_compare_exchange_strong(&w->request, &expected, REQUEST_RUN);
    /* Or the next pause would take this one's answer for its own. */
    while (atomic_load_explicit(&w->paused, memory_order_acquire))
        usleep(100);
}

void worker_rotate(struct worker *w)
{
    atomic_store_explicit(&w->rotate, true, memory_order_relaxed);
}

void worker_stop(struct worker *w)
{
    atomic_store_explicit(&w->request, REQUEST_STOP, memory_order_release);
}

uint64_t worker_join(struct worker *w)
{
    pthread_join(w->thread, NULL);
    uint64_t cpu_ns = w->cpu_ns;
    free(w->descriptors);
    free(w->queues);
    free(w);
    return cpu_ns;
}

uint64_t worker_cpu_ns(const struct worker *w)
{
    struct timespec t;
    if (clock_gettime(w->cpu_clock, &t) != 0)
        return 0;
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}
