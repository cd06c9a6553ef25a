/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_CAPTURE_FILE_H
#define NFVCAP_CAPTURE_FILE_H

#include "file_set.h"
#include "storage.h"

#include <stdbool.h>
#include <stddef.h>

/* Create path, empty, locked against a second agent. The descriptor, or -1 with errno (EBUSY: another agent has it). */
int capture_file_create(const char *path);

/* True when another agent writes to path. */
bool capture_file_busy(const char *path);

/*
 * Begin the file `path` with its head, in one step: it appears under its name when it is valid. What stood there is
 * replaced. A pipe or a device is only opened. The descriptor, or -1 with errno.
 */
int capture_file_begin(const char *path, const char *hidden, const void *head, size_t head_bytes);

/* Put a file that is complete, and its entry in its directory, on the disk. False: errno says why. */
bool capture_file_sync(int fd, const char *path);

/* The hidden name that a file prepared for later has: same directory, one per queue and slot. */
#define CAPTURE_FILE_SLOTS 8u
void capture_file_hidden_path(const struct file_set *set, unsigned slot, char path[FILE_PATH_MAX]);

/*
 * Keep other agents away from this set's names, for as long as the descriptor is open. -1 with errno on failure (EBUSY:
 * another agent has them).
 */
int capture_file_lock(const struct file_set *set);

/* Remove the lock file and whatever was prepared and not used. */
void capture_file_unlock(const struct file_set *set, int fd);

enum file_system { FS_MEMORY, FS_BLOCK, FS_OTHER, FS_NOT_A_FILE };

struct file_system_probe {
    enum file_system kind;
    uint64_t size_bytes; /* of the whole file system; 0 unknown */
    bool direct;         /* O_DIRECT works here */
};

/* Look at the file system that path lies (or will lie) on. Dies when the directory cannot be written to. */
void file_system_probe(const char *pattern, struct file_system_probe *out);

/* The engine that AUTO stands for there. */
enum engine file_system_engine(const struct file_system_probe *probe);

const char *engine_name(enum engine engine);

#endif
