/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_SOURCE_MAP_H
#define NFVCAP_SOURCE_MAP_H

#include "source.h"

/* A file of a file system in memory, looked at where it is: reading it would copy it, and take longer than counting. */
struct source_map;

/* Bytes [from, to) of the file; to is not behind its end. False with errno set. One for each thread at a time. */
bool source_map_open(struct source *s, int fd, uint64_t from, uint64_t to);
void source_map_close(struct source *s);

/* As source_more(). */
size_t source_map_more(struct source *s, size_t want);

/* True when the file was cut while it was looked at: zeros were seen where it ended. */
bool source_map_was_cut(const struct source *s);

/* Does this regular file lie in memory for good? */
bool source_map_worthwhile(int fd);

#endif
