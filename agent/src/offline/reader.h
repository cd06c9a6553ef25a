/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_READER_H
#define NFVCAP_READER_H

#include "source.h"

#define READER_BATCH 64u
#define READER_INTERFACES_MAX 65536u
#define READER_NO_TIME UINT64_MAX

/* Link types that are looked into (see LINKTYPE_ in the pcap documentation). */
enum link_type {
    LINK_ETHERNET = 1,
    LINK_RAW = 101,
    LINK_LINUX_SLL = 113,
    LINK_IPV4 = 228,
    LINK_LINUX_SLL2 = 276,
};

enum capture_format { FORMAT_NONE, FORMAT_PCAP, FORMAT_PCAPNG };

/* How the reading of a file ended. */
enum reader_end {
    END_NOT_YET,
    END_WHOLE,     /* behind a whole record */
    END_CUT,       /* in the middle of a record */
    END_UNWRITTEN, /* from `whole_bytes` on nothing but zeros, or what follows the capture's end marker */
    END_CORRUPT,   /* what stands at `whole_bytes` cannot be a record */
    END_UNKNOWN,   /* not a capture file, or one of a kind that is not read */
    END_IO,        /* reading failed: `error` */
};

/* Up to READER_BATCH records in the order of the file. Pointers hold until the next call. */
struct record_batch {
    unsigned n;
    uint32_t link; /* the same for all of them */
    const uint8_t *data[READER_BATCH];
    uint32_t caplen[READER_BATCH];
    uint32_t wirelen[READER_BATCH];
    uint64_t time_ns[READER_BATCH]; /* since 1970; READER_NO_TIME if the record has none */
    /* pcapng only: the interface, counted over all sections, and the length of the options, which begin at
     * data + caplen rounded up to 4. */
    uint32_t interface[READER_BATCH];
    uint32_t options_len[READER_BATCH];
};

/* A pcapng interface, or the one of a pcap file. */
struct capture_interface {
    uint32_t link;
    uint32_t snaplen; /* 0: no limit */
    uint32_t fcs_bytes;
    uint64_t ticks_per_s; /* resolution of the time stamps */
    int64_t offset_s;
    char name[64];  /* empty if the file has none */
    bool has_drops; /* the interface's last statistics block, as its writer counted */
    uint64_t received, dropped;
};

struct reader {
    struct source src;
    enum capture_format format;
    bool swapped;        /* byte order is not this machine's (pcapng: of the current section) */
    uint32_t minor;      /* pcap: version 2.minor */
    uint32_t frac_limit; /* pcap: fractions of a second, 1e6 or 1e9 */
    uint32_t frac_ns;
    uint32_t caplen_max;
    uint32_t record_header; /* bytes between the start of a record of the last batch and its data */

    struct capture_interface *interfaces;
    uint32_t n_interfaces;
    uint32_t section_first; /* pcapng: first interface of the current section */
    uint64_t sections;
    uint64_t section_offset; /* of the last section header */
    bool section_sized;      /* it says how long its section is */
    uint64_t other_blocks;   /* pcapng blocks that hold no packet, interface or statistics */
    uint64_t odd_times;      /* time stamps that are none: fraction of a second or more, not in 1970 to 2554 */

    enum reader_end end;
    int error;
    uint64_t whole_bytes; /* valid from the first byte to here */
    char why[160];        /* for END_CORRUPT and END_UNKNOWN */
};

/*
 * Takes over an open source (reader_close() closes it) and reads the file header. False: r->end, r->why and
 * r->error say what is wrong.
 */
bool reader_open(struct reader *r);
void reader_close(struct reader *r);

/*
 * Instead of reader_open(), for a source that begins at a record in the middle of the file: takes what
 * `head`, which has read the beginning of that file, knows. False when memory is not enough.
 */
bool reader_join(struct reader *r, const struct reader *head);

/*
 * A place in the `len` bytes at `p`, taken from the middle of the file that `head` has begun to read, where a
 * record seems to begin: many records follow each other from there. NULL if there is none.
 */
const uint8_t *reader_find_record(const struct reader *head, const uint8_t *p, size_t len);

/* Fills the batch; false when there is nothing more, and r->end says how it ended. */
bool reader_next(struct reader *r, struct record_batch *batch);

/*
 * Whether the record that comes next lies whole in the window: reader_next() then neither reads nor waits. Said of
 * packets alone, so false where something else comes first, or what looks like no record.
 */
bool reader_has_next(const struct reader *r);

/* File offset of the header of a record of the last batch. */
static inline uint64_t reader_offset(const struct reader *r, const uint8_t *data)
{
    return source_offset(&r->src, data) - r->record_header;
}

/*
 * Where a record ends is known when its header has come: each of them would wait for memory anew. So fetch what lies
 * half a page behind it, more than small records take in that time; of large ones every second line comes by itself.
 */
static inline void reader_fetch_ahead(const uint8_t *record)
{
    __builtin_prefetch(record + 2048);
    __builtin_prefetch(record + 2048 + 64);
}

/* For the formats. Both return false, for `return reader_stop(...)`. */
bool reader_stop(struct reader *r, enum reader_end end, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool reader_stop_short(struct reader *r);  /* the stream ended inside a record: cut, unwritten or an error */
bool reader_stop_marker(struct reader *r); /* the capture's end marker: what follows is left over */
bool reader_stop_zeros(struct reader *r);  /* a header of zeros: unwritten, unless data follow */
struct capture_interface *reader_add_interface(struct reader *r);

/* Length of the record at p if it looks like one, as far as the bytes up to `end` tell; else 0. */
size_t pcapfile_plausible(const struct reader *head, const uint8_t *p, const uint8_t *end, const uint8_t *before);
size_t pcapngfile_plausible(const struct reader *head, const uint8_t *p, const uint8_t *end);

bool pcapfile_open(struct reader *r);
bool pcapfile_next(struct reader *r, struct record_batch *batch);
bool pcapngfile_open(struct reader *r);
bool pcapngfile_next(struct reader *r, struct record_batch *batch);

#endif
