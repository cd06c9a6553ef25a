/* SPDX-License-Identifier: Apache-2.0 */
#include "block_writer.h"

#include "../error.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef NFVCAP_HAVE_URING
#include <liburing.h>
#endif

struct pending {
    struct block_result result;
    int fd;
    bool seekable;
    bool done;
    const uint8_t *data;
    uint64_t bytes, offset;
};

struct block_writer {
    struct pending *slots;
    unsigned depth;
    unsigned head, tail; /* submitted and taken, counted for ever */
    bool uring;
#ifdef NFVCAP_HAVE_URING
    struct io_uring ring;
#endif
};

struct block_writer *block_writer_create(bool use_io_uring, unsigned depth)
{
    struct block_writer *w = calloc(1, sizeof(*w));
    if (w == NULL || (w->slots = calloc(depth, sizeof(w->slots[0]))) == NULL)
        die(EXIT_INTERNAL, "out of memory", NULL, NULL);
    w->depth = depth;
#ifdef NFVCAP_HAVE_URING
    /* Refused in many containers: then one write at a time. */
    w->uring = use_io_uring && io_uring_queue_init(depth, &w->ring, 0) == 0;
#endif
    return w;
}

bool block_writer_uses_io_uring(const struct block_writer *w)
{
    return w->uring;
}

unsigned block_writer_pending(const struct block_writer *w)
{
    return w->head - w->tail;
}

bool block_writer_full(const struct block_writer *w)
{
    return block_writer_pending(w) == w->depth;
}

/* Write the rest of a block, however many calls it takes. */
static void write_rest(struct pending *p)
{
    while (p->result.bytes < p->bytes) {
        const uint8_t *from = p->data + p->result.bytes;
        uint64_t left = p->bytes - p->result.bytes;
        ssize_t n =
            p->seekable ? pwrite(p->fd, from, left, (off_t)(p->offset + p->result.bytes)) : write(p->fd, from, left);
        if (n > 0) {
            p->result.bytes += (uint64_t)n;
        } else if (n == 0 || errno != EINTR) {
            p->result.error = n == 0 ? ENOSPC : errno;
            break;
        }
    }
    p->done = true;
}

void block_writer_submit(struct block_writer *w, int fd, bool seekable, const uint8_t *data, uint64_t bytes,
                         uint64_t offset, void *tag)
{
    struct pending *p = &w->slots[w->head % w->depth];
    *p = (struct pending){
        .result = {.tag = tag},
        .fd = fd,
        .seekable = seekable,
        .data = data,
        .bytes = bytes,
        .offset = offset,
    };
    w->head++;
#ifdef NFVCAP_HAVE_URING
    if (w->uring && seekable && bytes > 0) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&w->ring);
        if (sqe != NULL) {
            io_uring_prep_write(sqe, fd, data, (unsigned)bytes, offset);
            io_uring_sqe_set_data(sqe, p);
            if (io_uring_submit(&w->ring) >= 0)
                return;
            io_uring_prep_nop(sqe); /* it stays in the ring: make it harmless */
            io_uring_sqe_set_data(sqe, NULL);
        }
    }
#endif
    write_rest(p);
}

#ifdef NFVCAP_HAVE_URING
static void take_completions(struct block_writer *w, uint32_t timeout_us)
{
    struct io_uring_cqe *cqe = NULL;
    if (timeout_us > 0) {
        struct __kernel_timespec t = {.tv_sec = timeout_us / 1000000,
                                      .tv_nsec = (long long)(timeout_us % 1000000) * 1000};
        if (io_uring_wait_cqe_timeout(&w->ring, &cqe, &t) != 0)
            return;
    }
    while (io_uring_peek_cqe(&w->ring, &cqe) == 0 && cqe != NULL) {
        struct pending *p = io_uring_cqe_get_data(cqe);
        int result = cqe->res;
        io_uring_cqe_seen(&w->ring, cqe);
        cqe = NULL;
        if (p == NULL)
            continue;
        if (result > 0)
            p->result.bytes = (uint64_t)result;
        if (result >= 0 || result == -EAGAIN || result == -EINTR) {
            write_rest(p); /* nothing to do when all of it was written */
        } else {
            p->result.error = -result;
            p->done = true;
        }
    }
}
#endif

bool block_writer_result(struct block_writer *w, uint32_t timeout_us, struct block_result *out)
{
    if (w->head == w->tail)
        return false;
    struct pending *p = &w->slots[w->tail % w->depth];
#ifdef NFVCAP_HAVE_URING
    if (!p->done && w->uring)
        take_completions(w, timeout_us);
#endif
    if (!p->done)
        return false;
    *out = p->result;
    w->tail++;
    return true;
}

void block_writer_destroy(struct block_writer *w)
{
#ifdef NFVCAP_HAVE_URING
    if (w->uring)
        io_uring_queue_exit(&w->ring);
#endif
    free(w->slots);
    free(w);
}
