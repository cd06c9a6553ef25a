/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_BLOCK_WRITER_H
#define NFVCAP_BLOCK_WRITER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Writes of one thread, several under way where the kernel has io_uring, one after the other where not. Results come in
 * the order of submission.
 */
struct block_writer;

struct block_result {
    void *tag;
    uint64_t bytes; /* written from the start of the block on */
    int error;      /* 0, or why not all of it */
};

struct block_writer *block_writer_create(bool use_io_uring, unsigned depth);
bool block_writer_uses_io_uring(const struct block_writer *w);
unsigned block_writer_pending(const struct block_writer *w);
bool block_writer_full(const struct block_writer *w);

/* seekable false: a pipe or a device, written to in sequence. */
void block_writer_submit(struct block_writer *w, int fd, bool seekable, const uint8_t *data, uint64_t bytes,
                         uint64_t offset, void *tag);

/* The oldest result; false when it is not there yet (after waiting up to timeout_us). */
bool block_writer_result(struct block_writer *w, uint32_t timeout_us, struct block_result *out);
void block_writer_destroy(struct block_writer *w);

#endif
