/* SPDX-License-Identifier: Apache-2.0 */
#include "storage.h"

#include "error.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_WAIT_US 5000

struct storage_thread {
    pthread_t thread;
    struct storage **storages;
    unsigned n_storages, max_storages;
    struct wake wake;
    _Atomic bool finish;
    bool started;
    cpu_set_t cpus;
    clockid_t cpu_clock;
    uint64_t cpu_ns;
    char name[16];
};

struct storage_thread *storage_thread_create(unsigned max_storages)
{
    struct storage_thread *t = calloc(1, sizeof(*t));
    if (t == NULL || (t->storages = calloc(max_storages, sizeof(struct storage *))) == NULL)
        die(EXIT_INTERNAL, "out of memory", NULL, NULL);
    t->max_storages = max_storages;
    return t;
}

void storage_thread_add(struct storage_thread *t, struct storage *s)
{
    t->storages[t->n_storages++] = s;
    s->wake = &t->wake;
    s->thread = t;
}

void storage_fail(struct storage *s, const char *path, const char *what, int error)
{
    if (atomic_load_explicit(&s->failed, memory_order_relaxed))
        return;
    s->failure = text("%s: %s%s%s", path, what, what[0] != '\0' ? ": " : "", errno_text(error));
    atomic_store_explicit(&s->failed, true, memory_order_release);
}

static bool service_all(struct storage_thread *t)
{
    bool busy = false;
    for (unsigned i = 0; i < t->n_storages; i++)
        busy = t->storages[i]->ops->service(t->storages[i]) || busy;
    return busy;
}

static void close_all(struct storage_thread *t)
{
    for (unsigned i = 0; i < t->n_storages; i++) {
        while (!t->storages[i]->ops->close(t->storages[i]))
            continue;
    }
}

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;
    if (clock_gettime(id, &t) != 0)
        return 0;
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void *run(void *arg)
{
    struct storage_thread *t = arg;
    pthread_setname_np(pthread_self(), t->name);
    pthread_setaffinity_np(pthread_self(), sizeof(t->cpus), &t->cpus);
    while (!atomic_load_explicit(&t->finish, memory_order_acquire)) {
        if (service_all(t))
            continue;
        wake_prepare(&t->wake);
        if (service_all(t) || atomic_load_explicit(&t->finish, memory_order_acquire))
            wake_cancel(&t->wake);
        else
            wake_wait(&t->wake, IDLE_WAIT_US);
    }
    close_all(t);
    t->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    return NULL;
}

void storage_thread_start(struct storage_thread *t, const char *name, const cpu_set_t *capture_cpus)
{
    snprintf(t->name, sizeof(t->name), "%s", name);
    cpu_set_t allowed, common;
    sched_getaffinity(0, sizeof(allowed), &allowed);
    CPU_AND(&common, &allowed, capture_cpus);
    CPU_XOR(&t->cpus, &allowed, &common);
    if (CPU_COUNT(&t->cpus) == 0)
        t->cpus = allowed;
    int rc = pthread_create(&t->thread, NULL, run, t);
    if (rc != 0)
        die(EXIT_INTERNAL, "cannot start a storage thread", errno_text(rc), NULL);
    pthread_getcpuclockid(t->thread, &t->cpu_clock);
    t->started = true;
}

void storage_thread_finish(struct storage_thread *t)
{
    atomic_store_explicit(&t->finish, true, memory_order_release);
    wake_up(&t->wake);
    if (t->started)
        pthread_join(t->thread, NULL);
    t->started = false;
    for (unsigned i = 0; i < t->n_storages; i++)
        t->storages[i]->ops->destroy(t->storages[i]);
}

uint64_t storage_thread_cpu_ns(const struct storage_thread *t)
{
    return t->started ? clock_ns(t->cpu_clock) : t->cpu_ns;
}
