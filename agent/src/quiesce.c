/* SPDX-License-Identifier: Apache-2.0 */
#include "quiesce.h"

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct poller *pollers;

void quiesce_enter(struct poller *p)
{
    pthread_mutex_lock(&lock);
    p->next = pollers;
    pollers = p;
    pthread_mutex_unlock(&lock);
}

void quiesce_leave(struct poller *p)
{
    pthread_mutex_lock(&lock);
    for (struct poller **at = &pollers; *at != NULL; at = &(*at)->next) {
        if (*at == p) {
            *at = p->next;
            break;
        }
    }
    pthread_mutex_unlock(&lock);
}

/* False: p has left meanwhile, and may be gone. */
static bool await_passes(const struct poller *p)
{
    const struct timespec moment = {.tv_nsec = 20000};
    uint64_t from = atomic_load_explicit(&p->passes, memory_order_acquire);
    /* Two passes: what follows the first one may have been read before the caller's change became visible. */
    while (atomic_load_explicit(&p->passes, memory_order_acquire) < from + 2) {
        pthread_mutex_unlock(&lock); /* a thread that ends must be able to leave */
        nanosleep(&moment, NULL);
        pthread_mutex_lock(&lock);
        const struct poller *at = pollers;
        while (at != NULL && at != p)
            at = at->next;
        if (at == NULL)
            return false;
    }
    return true;
}

void quiesce_wait(void)
{
    atomic_thread_fence(memory_order_seq_cst);
    pthread_mutex_lock(&lock);
    for (const struct poller *p = pollers; p != NULL;)
        p = await_passes(p) ? p->next : pollers;
    pthread_mutex_unlock(&lock);
}
