/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_OUTFILE_H
#define NFVCAP_OUTFILE_H

#include "reader.h"

/*
 * A capture file that is written from its beginning to its end, with nanoseconds. It appears under its name
 * when it is whole; until then it is NAME.partial.
 */
struct outfile {
    const char *path; /* "-": standard output */
    char *partial;    /* NULL for standard output */
    enum capture_format format;
    int fd;
    int error; /* errno of the first write that failed; all later ones are dropped */
    uint8_t *buf;
    size_t used;
    uint32_t n_interfaces;
    uint64_t bytes; /* written, and in the buffer */
};

/* False with errno set. */
bool outfile_open(struct outfile *o, const char *path, enum capture_format format);

/* pcap: must be called once, before the first packet. pcapng: returns the number of the new interface. */
uint32_t outfile_interface(struct outfile *o, uint32_t link, uint32_t snaplen, const char *name);

struct out_packet {
    uint64_t time_ns; /* pcap: before 2106-02-07 */
    const uint8_t *data;
    uint32_t caplen;
    uint32_t wirelen;
    uint32_t interface;     /* pcapng: */
    const uint8_t *options; /* as they are, a multiple of 4 bytes, or NULL */
    uint32_t options_len;
};

void outfile_packet(struct outfile *o, const struct out_packet *p);

/* Writes what is left and gives the file its name; false with o->error set, and nothing left behind. */
bool outfile_finish(struct outfile *o);
void outfile_abandon(struct outfile *o);

#endif
