/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_FILE_SET_H
#define NFVCAP_FILE_SET_H

#include <stdbool.h>
#include <stdint.h>

#define FILE_PATH_MAX 1024

/*
 * The names and the number of the files of one queue. Used by one storage thread (before it starts: by main).
 *
 * A pattern may hold %p port, %q queue, %n number of the file (six digits), %t UTC start time (20240131T235959Z), %%.
 * What is needed to tell files apart and is not in the pattern is put before its extension: -p0q1, -000001.
 */
struct file_set_config {
    const char *pattern;
    unsigned port, queue;
    bool many_ports, many_queues, rotates;
    uint32_t max_files;   /* 0: no limit; else the oldest goes when one more is begun */
    uint64_t quota_bytes; /* 0: no limit; this queue's share */
};

struct file_set {
    struct file_set_config config;
    uint64_t number; /* of the next file */
    struct closed_file *oldest, *newest;
    uint32_t n_closed;
    uint64_t closed_bytes;
};

struct closed_file {
    struct closed_file *next;
    uint64_t bytes;
    void *recycle; /* the engine's handle on the file's pages, or NULL */
    char path[];
};

/* False when the pattern is not usable; *why says so. */
bool file_pattern_valid(const char *pattern, const char **why);

void file_set_init(struct file_set *set, const struct file_set_config *config);

/* The path of the next file, which starts at now_ns. */
void file_set_next(struct file_set *set, uint64_t now_ns, char path[FILE_PATH_MAX]);

/* A file is complete. */
void file_set_closed(struct file_set *set, const char *path, uint64_t bytes, void *recycle);

/*
 * The file that has to go so that there may be n_open files of together open_bytes beside the closed ones, taken out
 * of the set; NULL when none has to, or none is left. The caller removes or reuses it and frees it.
 */
struct closed_file *file_set_evict(struct file_set *set, uint32_t n_open, uint64_t open_bytes);

void file_set_destroy(struct file_set *set);

#endif
