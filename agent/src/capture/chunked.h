/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_CHUNKED_H
#define NFVCAP_CHUNKED_H

#include "block_writer.h"
#include "memory.h"
#include "spsc.h"
#include "storage.h"

#define BLOCK_BYTES 4096u

/* A stretch of one file in memory, on its way from the capture thread to the file. */
struct chunk {
    uint8_t *data;        /* aligned to BLOCK_BYTES */
    uint64_t offset;      /* where in the file data[0] belongs; a multiple of BLOCK_BYTES with O_DIRECT */
    uint32_t length;      /* bytes that are valid */
    uint64_t file_number; /* which file of this queue */
    uint64_t packets_end; /* packets accepted by the queue up to the end of this chunk */
    uint64_t first_ns, last_ns;
    bool begins_file;
    bool ends_file;
    bool partial; /* write all of it although it is not a whole number of blocks */
};

/* Whether the file system takes data; passed between the two threads. */
enum disk_state { DISK_OK, DISK_FULL /* set by the storage thread */, DISK_ROOM_AGAIN /* too */ };

/* The capture thread's half. */
struct chunk_source {
    struct chunk *current;
    struct chunk **stack; /* free chunks, the one used last on top: it is still in the cache */
    unsigned n_stack;
    uint64_t file_number;
    uint64_t next_offset; /* of the chunk after `current` */
    uint32_t carry_bytes; /* the tail of the last chunk, which did not fill a block */
    bool begin_file;
    uint64_t submitted_packets;
    uint8_t carry[BLOCK_BYTES];
    uint8_t head[FILE_HEAD_MAX];
    uint32_t head_bytes;
};

/* The storage thread's half: the file being written. */
struct chunk_file {
    int fd;
    bool open, broken;
    bool seekable;
    uint64_t number;
    uint64_t safe_bytes;                     /* a record boundary before which everything is in the file */
    uint64_t written_bytes;                  /* end of what is in the file */
    uint64_t pending_bytes, pending_packets; /* end of the last chunk written: of its tail a part may be missing */
    char path[FILE_PATH_MAX];
};

struct chunked {
    struct spsc full;  /* capture thread to storage thread */
    struct spsc empty; /* and back */
    _Atomic int disk;
    struct chunk_source source;
    struct chunk_file file;
    struct block_writer *writer;
    uint64_t accounted_packets; /* stored or lost, by the storage thread */
    uint64_t retry_ns;
    bool direct;
    struct memory memory;
    struct chunk *chunks;
    struct chunk last; /* small, for the end of the capture */
    unsigned n_chunks;
};

/* chunk_source.c */
void chunk_source_start(struct storage *s);
enum room chunk_source_advance(struct storage *s);
void chunk_source_rotate(struct storage *s);
void chunk_source_flush(struct storage *s);
void chunk_source_end(struct storage *s);

/* chunk_file.c: open the next file, say how a chunk's write ended, close the file. */
bool chunk_file_open(struct storage *s, struct chunk_file *f, uint64_t number, uint64_t wall_ns);
void chunk_file_written(struct storage *s, const struct chunk *c, uint64_t bytes, int error);
void chunk_file_close(struct storage *s, const struct chunk *last /* NULL: the file broke off */);
uint64_t chunk_write_length(const struct chunked *k, const struct chunk *c);

#endif
