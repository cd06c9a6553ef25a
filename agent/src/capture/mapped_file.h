/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_MAPPED_FILE_H
#define NFVCAP_MAPPED_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* One file that is written through a mapping. `ready` bytes of it are allocated and mapped. */
struct mapped_file {
    int fd;
    uint8_t *base;
    uint64_t capacity;
    _Atomic uint64_t ready;    /* storage thread to capture thread */
    _Atomic uint64_t progress; /* capture thread to storage thread: bytes used, now and then */
    _Atomic bool started;      /* the capture thread has entered it */
    uint32_t head_bytes;
    bool huge;
    bool named;
    uint64_t small_from; /* from here on pages are certainly small ones */
    uint64_t file_bytes; /* present length of the file */
    uint64_t used;       /* set by the capture thread when it leaves */
    uint64_t packets_end;
    uint64_t first_ns, last_ns;
    char *path;
};

/* Storage thread (or main, before it runs). NULL or false: errno says why. */
struct mapped_file *mapped_file_create(const char *path, uint64_t capacity, bool huge);
bool mapped_file_reuse(struct mapped_file *f, const char *old_path, const char *path);
bool mapped_file_rename(struct mapped_file *f, const char *path);

/*
 * Make the next stretch of the file ready (about 16 MiB; less when the file system is nearly full, but not less than
 * least_bytes in a file that has nothing yet). Returns 0, or an errno: ENOSPC when nothing could be added.
 */
int mapped_file_prepare(struct mapped_file *f, uint64_t least_bytes);

bool mapped_file_finish(struct mapped_file *f, bool sync); /* cut to the used length; the mapping stays */
void mapped_file_destroy(struct mapped_file *f);           /* unmap and close; the file stays */
void mapped_file_discard(struct mapped_file *f);           /* unmap, close and remove */

#endif
