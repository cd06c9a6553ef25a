/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_FEED_H
#define NFVCAP_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "destinations.h"
#include "offline/reader.h"
#include "sizes.h"

/*
 * Where the frames come from: numbered ones made here, or those of a file. A frame is first looked at (how
 * long is it, when is it due), then written; sizes are without frame check sequence.
 */
struct feed {
    uint32_t room; /* the largest frame that can be sent */

    /*
     * Numbered frames: packet k belongs to flow k mod n_flows and has number first + k div n_flows; flow i is
     * for destination i mod n.
     */
    const struct frame_layout *to;       /* destination of the next frame, */
    const struct frame_layout *first_to; /* the first of them all, */
    const struct frame_layout *end_to;   /* and behind the last */
    struct sizes sizes;
    uint32_t tag_bytes; /* what each tag adds to a size */
    uint32_t n_flows;
    uint32_t flow; /* its flow */
    uint64_t seq;  /* its number */

    /* A file, over and over. */
    const char *path; /* NULL: numbered frames */
    int fd;
    cpu_set_t cpus;     /* where the file is read ahead: wherever this program may run, and not where it sends */
    bool renumber;      /* frames of the file that are numbered get new numbers and times */
    uint64_t *next_seq; /* of each flow, while renumbering */
    struct reader reader;
    struct record_batch batch;
    unsigned at;
    uint64_t taken;    /* frames written in this round */
    uint64_t rounds;   /* how often the file has been sent whole */
    uint64_t last_ns;  /* of the record before in this round; READER_NO_TIME: there is none */
    uint64_t gaps_ns;  /* in this round: from one moment to the next, added up, */
    uint64_t n_gaps;   /* and how many; frames of the same time are of one moment */
    uint64_t wrap_ns;  /* between the last moment of the round before and the first of this one */
    uint64_t too_long; /* frames that were left out */
    uint64_t cut;      /* frames sent as short as they were captured */
    uint64_t padded;   /* frames shorter than 60 bytes, filled up with zeros */
    uint64_t foreign;  /* while renumbering: frames without number, sent as they are */
};

/* `untagged`: the sizes are those without tags, which make the frames longer. */
void feed_numbered(struct feed *f, const struct destinations *destinations, const struct sizes *sizes, bool untagged,
                   uint32_t n_flows, uint64_t first);

/* NULL, or what is wrong with the file. `first` is the number of the first frame of each flow if renumbered.
 */
const char *feed_file(struct feed *f, const char *path, bool renumber, uint64_t first);

/*
 * Whether feed_look() will answer at once. If not it may have to wait for a file that is read, or to open it for the
 * next round, which takes hundreds of microseconds.
 */
bool feed_is_ready(struct feed *f);

/* Size of the next frame, and the time that lies between it and the one before; 0: there is none, see
 * feed_why. */
uint32_t feed_look(struct feed *f, uint64_t *gap_ns);

/* Writes that frame, of the size that feed_look() said, and moves on. */
void feed_write(struct feed *f, uint8_t *to, uint32_t size, uint64_t time_ns);

/* Why feed_look() said 0. */
const char *feed_why(const struct feed *f);
void feed_close(struct feed *f);

#endif
