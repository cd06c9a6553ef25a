/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_WAKE_H
#define NFVCAP_WAKE_H

#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * Lets one thread sleep until another has work for it. The caller of wake_up pays for a system call only
 * when the other one really sleeps.
 */
struct wake {
    _Atomic uint32_t sleeping;
};

/* Announce sleep; look for work once more after it, then wake_wait or wake_cancel. */
static inline void wake_prepare(struct wake *w)
{
    atomic_store_explicit(&w->sleeping, 1, memory_order_seq_cst);
}

static inline void wake_cancel(struct wake *w)
{
    atomic_store_explicit(&w->sleeping, 0, memory_order_relaxed);
}

static inline void wake_wait(struct wake *w, uint32_t timeout_us)
{
    struct timespec t = {.tv_sec = timeout_us / 1000000, .tv_nsec = (long)(timeout_us % 1000000) * 1000};
    syscall(SYS_futex, &w->sleeping, FUTEX_WAIT_PRIVATE, 1, &t, NULL, 0);
    wake_cancel(w);
}

static inline void wake_up(struct wake *w)
{
    if (atomic_load_explicit(&w->sleeping, memory_order_seq_cst) == 0)
        return;
    atomic_store_explicit(&w->sleeping, 0, memory_order_relaxed);
    syscall(SYS_futex, &w->sleeping, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

#endif
