/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_MERGE_H
#define NFVCAP_MERGE_H

#include "outfile.h"

/* One of the files to merge; open `fd` and set `path`, the rest is merge's. */
struct merge_input {
    const char *path;
    int fd;
    struct reader reader;
    struct record_batch batch;
    unsigned at;      /* the record of the batch that is next */
    uint64_t time_ns; /* of that record */
    uint32_t *out;    /* pcapng: interface in the output for each of ours, UINT32_MAX: none yet */
    uint32_t n_out;
    uint64_t packets;
    uint64_t backward; /* records earlier than the one before in the same file */
    uint64_t untimed;
    uint64_t options_dropped; /* packet options in the other byte order, which cannot be carried over */
};

struct merge {
    struct merge_input *inputs;
    unsigned n;
    unsigned *heap; /* inputs that have a record, the earliest first; of equal times the first input */
    unsigned n_heap;
    struct outfile *out;
    struct {
        uint32_t link, snaplen;
        char name[64];
    } *known; /* interfaces of the output */
    uint32_t n_known;
    uint64_t packets;
    uint64_t backward; /* of the output: not 0 only where an input goes backward */
    uint64_t last_ns;
};

enum merge_result {
    MERGE_OK,
    MERGE_MEMORY,
    MERGE_INPUT,  /* an input cannot be read or is damaged: see its reader */
    MERGE_LINKS,  /* pcap output has one link type, the inputs have several */
    MERGE_TIME,   /* pcap output cannot say a time that an input has */
    MERGE_OUTPUT, /* writing failed: m->out->error */
};

/*
 * Joins the inputs in time order. *culprit is the input the result speaks of. Cut tails are not an error: the
 * whole records are taken, and input.reader.end tells.
 */
enum merge_result merge_run(struct merge *m, unsigned *culprit);
void merge_free(struct merge *m);

#endif
