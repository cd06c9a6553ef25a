/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_OUTPUT_FILE_H
#define NFVCAP_OUTPUT_FILE_H

#include <stdbool.h>
#include <stdio.h>

/*
 * Small files that a run leaves beside its packets (reports, readiness, metrics): whether they can be written is asked
 * before the work, and each appears under its name when it is whole, with a file of that name replaced.
 */
struct output_file {
    FILE *out;
    const char *path;
    char *temporary; /* NULL: written in place */
};

/*
 * Leaves with EXIT_USAGE and one message when no file can be made at `path`; nothing stays behind. `option` is what the
 * user gave it with. in_place: what is there may also be a pipe or a device, or a file in a directory that takes no
 * new ones; it is then written to when its contents are known.
 */
void output_file_check(const char *option, const char *path, bool in_place);

/* False, with errno, when it cannot be begun. */
bool output_file_begin(struct output_file *f, const char *path, bool in_place);

/* Publishes what was written to f->out and closes it. False, with errno: what was there before is still there, unless
 * it was written in place. */
bool output_file_finish(struct output_file *f);

#endif
