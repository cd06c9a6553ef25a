/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_STORAGE_H
#define NFVCAP_STORAGE_H

#include "counters.h"
#include "file_set.h"
#include "record.h"
#include "wake.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Where the records of one queue go. The capture thread writes them straight into a window of memory; what that
 * memory is (a mapped file, a buffer for a writer thread, a buffer that nobody reads) is the engine's business.
 * An engine is a table of functions, each marked with the thread that calls it.
 */
enum engine { ENGINE_AUTO, ENGINE_NULL, ENGINE_MAPPED, ENGINE_DIRECT, ENGINE_WRITE };

enum room {
    ROOM_OK,
    ROOM_NO_BUFFER, /* the storage thread is behind */
    ROOM_FULL,      /* the file system is full, or the quota is used up */
};

struct storage_config {
    enum engine engine;
    struct file_description head;
    uint32_t burst_bytes;  /* the most that one burst can add */
    uint64_t rotate_bytes; /* 0: no rotation by size */
    uint64_t rotate_ns;    /* 0: no rotation by time */
    uint64_t buffer_bytes; /* chunks, or how far a mapped file is prepared ahead */
    uint32_t chunk_bytes;
    uint64_t flush_ns;  /* a part-filled chunk waits no longer than this */
    bool sync_on_close; /* fsync a file, and its name, before it counts as closed */
    bool io_uring;
    bool mapped_huge; /* try to back mapped files with huge pages */
    int numa_node;
};

/* Part of the window that the datapath reads and writes. */
struct window {
    uint8_t *cur;   /* the next record goes here */
    uint8_t *limit; /* a burst may begin while cur <= limit */
};

struct storage;

struct engine_ops {
    const char *name;
    void (*open)(struct storage *s, uint64_t now_ns); /* main thread, before the capture starts; dies on failure */
    enum room (*advance)(struct storage *s);          /* capture thread: cur > limit */
    void (*rotate)(struct storage *s);                /* capture thread: the next record begins a new file */
    void (*flush)(struct storage *s);                 /* capture thread: let go of what is old */
    void (*end)(struct storage *s);                   /* capture thread: nothing more will come */
    bool (*service)(struct storage *s);               /* storage thread: true when there was something to do */
    bool (*close)(struct storage *s);                 /* storage thread: after end(); true when all is written */
    void (*destroy)(struct storage *s);               /* main thread: release the memory */
};

/* How far the capture thread has come; engines read it at file boundaries. */
struct stream_position {
    uint64_t packets;  /* accepted since the start */
    uint64_t first_ns; /* stamps of the present file */
    uint64_t last_ns;
};

struct storage {
    struct window window;
    const struct engine_ops *ops;
    struct storage_config config;
    struct capture_counters *capture;
    struct storage_counters *counters;
    struct file_set *files;
    struct stream_position position; /* the capture thread's */
    struct wake *wake;               /* the storage thread of this queue */
    struct storage_thread *thread;
    void *engine;
    int lock_fd;         /* keeps other agents away from these files; 0: none */
    bool rotate_pending; /* asked for when there was no buffer to begin a file in */
    bool new_file;       /* the window has just entered a new file: stamps may adopt a clock step */
    _Atomic bool failed; /* a write error other than "no space": the file set is closed for good */
    const char *failure;
};

/* Storage thread: writing is over for good, because of an error that waiting does not heal. The first reason counts. */
void storage_fail(struct storage *s, const char *path, const char *what, int error);

extern const struct engine_ops engine_null;
extern const struct engine_ops engine_mapped;
extern const struct engine_ops engine_chunked; /* direct and write */

/* Threads that serve storages. */
struct storage_thread;
struct storage_thread *storage_thread_create(unsigned max_storages);
void storage_thread_add(struct storage_thread *t, struct storage *s); /* before start */
/* It keeps away from the CPUs of the capture threads, if any are left then. */
void storage_thread_start(struct storage_thread *t, const char *name, const cpu_set_t *capture_cpus);
/* All capture threads have called end(): write what is left, close the files, join. */
void storage_thread_finish(struct storage_thread *t);
uint64_t storage_thread_cpu_ns(const struct storage_thread *t); /* CPU time used so far */

#endif
