/* SPDX-License-Identifier: Apache-2.0 */
#include "mapped_file.h"

#include "capture_file.h"
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define PAGE_BYTES 4096ull
#define STEP_BYTES (8 * HUGE_PAGE_BYTES)
#define FIRST_STEP_BYTES (2 * HUGE_PAGE_BYTES)
#define SMALLEST_STEP_BYTES (64ull << 10)

struct mapped_file *mapped_file_create(const char *path, uint64_t capacity, bool huge)
{
    struct mapped_file *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return NULL;
    f->capacity = capacity;
    f->huge = huge;
    f->small_from = capacity;
    f->path = strdup(path);
    f->fd = capture_file_create(path);
    f->base = f->fd >= 0 ? memory_reserve_addresses(capacity) : NULL;
    if (f->base == NULL ||
        mmap(f->base, capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, f->fd, 0) == MAP_FAILED) {
        int error = errno;
        mapped_file_destroy(f);
        errno = error;
        return NULL;
    }
    return f;
}

bool mapped_file_rename(struct mapped_file *f, const char *path)
{
    if (capture_file_busy(path)) {
        errno = EBUSY;
        return false;
    }
    if (rename(f->path, path) != 0)
        return false;
    free(f->path);
    f->path = strdup(path);
    return f->path != NULL;
}

bool mapped_file_reuse(struct mapped_file *f, const char *old_path, const char *path)
{
    if (!mapped_file_rename(f, path))
        return false;
    /* The pages that were in use are still there. Cutting the file split the huge page at its end, and unmapped it. */
    uint64_t huge_end = f->used & ~(HUGE_PAGE_BYTES - 1);
    uint64_t ready = huge_end < f->small_from ? huge_end : f->used & ~(PAGE_BYTES - 1);
    if (huge_end < f->small_from)
        f->small_from = huge_end;
    atomic_store_explicit(&f->ready, ready, memory_order_relaxed);
    atomic_store_explicit(&f->progress, 0, memory_order_relaxed);
    atomic_store_explicit(&f->started, false, memory_order_relaxed);
    f->named = false;
    f->used = 0;
    f->head_bytes = 0;
    return true;
}

static bool lengthen(struct mapped_file *f, uint64_t bytes)
{
    if (bytes <= f->file_bytes)
        return true;
    if (ftruncate(f->fd, (off_t)bytes) != 0)
        return false;
    f->file_bytes = bytes;
    return true;
}

/*
 * Huge pages at offset, wherever a whole one fits. One call for all of them, because each call waits for every CPU of
 * the machine. Returns how many bytes are ready; less than asked for means that small pages are to be used.
 */
static uint64_t prepare_huge(struct mapped_file *f, uint64_t offset, uint64_t bytes)
{
    bytes &= ~(HUGE_PAGE_BYTES - 1);
    if (!f->huge || offset % HUGE_PAGE_BYTES != 0 || bytes < 2 * HUGE_PAGE_BYTES)
        return 0;
    for (uint64_t i = 0; i < bytes; i += HUGE_PAGE_BYTES) {
        if (fallocate(f->fd, 0, (off_t)(offset + i), PAGE_BYTES) != 0)
            return 0;
        *(volatile uint8_t *)(f->base + offset + i) = 0;
    }
    if (madvise(f->base + offset, bytes, MADV_COLLAPSE) == 0)
        return bytes;
    f->huge = false;
    return 0;
}

static int prepare_small(struct mapped_file *f, uint64_t offset, uint64_t bytes)
{
    if (fallocate(f->fd, 0, (off_t)offset, (off_t)bytes) != 0)
        return errno;
    if (madvise(f->base + offset, bytes, MADV_POPULATE_WRITE) == 0)
        return 0;
    if (errno != EINVAL)
        return errno == EFAULT ? ENOSPC : errno;
    for (uint64_t i = 0; i < bytes; i += PAGE_BYTES) /* a kernel before 5.14 */
        *(volatile uint8_t *)(f->base + offset + i) = 0;
    return 0;
}

static int prepare_stretch(struct mapped_file *f, uint64_t offset, uint64_t bytes)
{
    if (!lengthen(f, offset + bytes))
        return errno;
    uint64_t huge = prepare_huge(f, offset, bytes);
    return bytes > huge ? prepare_small(f, offset + huge, bytes - huge) : 0;
}

int mapped_file_prepare(struct mapped_file *f, uint64_t least)
{
    uint64_t ready = atomic_load_explicit(&f->ready, memory_order_relaxed);
    if (ready == f->capacity)
        return 0;
    uint64_t left = f->capacity - ready;
    uint64_t step = ready == 0 ? FIRST_STEP_BYTES : STEP_BYTES;
    if (step > left)
        step = left;
    if (ready == 0 && step < least)
        step = least < left ? least : left;
    int error;
    while ((error = prepare_stretch(f, ready, step)) == ENOSPC) {
        step = (step / 2) & ~(PAGE_BYTES - 1);
        if (step < SMALLEST_STEP_BYTES || (ready == 0 && step < least))
            break;
    }
    if (error == 0)
        atomic_store_explicit(&f->ready, ready + step, memory_order_release);
    return error;
}

bool mapped_file_finish(struct mapped_file *f, bool sync)
{
    f->file_bytes = f->used;
    if (ftruncate(f->fd, (off_t)f->used) != 0)
        return false;
    return !sync || capture_file_sync(f->fd, f->path);
}

void mapped_file_destroy(struct mapped_file *f)
{
    if (f->base != NULL)
        munmap(f->base, f->capacity);
    if (f->fd >= 0)
        close(f->fd);
    free(f->path);
    free(f);
}

void mapped_file_discard(struct mapped_file *f)
{
    unlink(f->path);
    mapped_file_destroy(f);
}
