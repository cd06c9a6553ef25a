/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_CHECK_H
#define NFVCAP_CHECK_H

#include "tally.h"

/* What is left of one file when it has been read. */
struct file_result {
    const char *path;
    bool opened;        /* else `error` of opening it */
    bool out_of_memory; /* numbers too scattered for the memory allowed, or no memory left */
    int error;
    enum capture_format format;
    bool big_endian; /* of the first section */
    uint64_t resolution_ticks_per_s;
    uint32_t link;
    uint32_t n_interfaces;
    uint64_t sections;
    uint64_t section_offset; /* of the last one; section_sized: it says how long it is */
    bool section_sized;
    uint64_t other_blocks;
    uint64_t odd_times;
    bool has_drops; /* what the writer's statistics say it received and dropped, over all interfaces */
    uint64_t writer_received;
    uint64_t writer_dropped;
    enum reader_end end;
    uint64_t whole_bytes;
    uint64_t file_bytes;
    uint64_t removed_bytes; /* by --repair */
    bool repaired;
    char why[160];
    struct counts counts;
};

struct check_options {
    unsigned n_threads; /* 0: as many as there are CPUs to run on */
    size_t memory_limit;
    uint64_t part_bytes; /* a file of twice that is read in parts by threads that have no file of their own;
                            0: 32 MiB */
};

/*
 * Reads all files, several at a time, and counts them as one set: `tally` (the caller frees it) holds flows
 * and sizes, `all` the sum of the counts. False when memory is not enough; the results say for which file.
 */
bool check_files(struct file_result *results, unsigned n, const struct check_options *options, struct tally **tally,
                 struct counts *all);

#endif
