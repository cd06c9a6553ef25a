/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_RECORD_H
#define NFVCAP_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * The bytes of capture files, as this program writes them (always little endian).
 *
 * pcap:    file header (24 bytes), then per packet
 *            u32 seconds, u32 fraction, u32 captured length, u32 wire length, data
 * pcapng:  section header, interface description, then per packet an enhanced packet block
 *            u32 type 6, u32 block length, u32 interface 0, u32 time high, u32 time low,
 *            u32 captured length, u32 wire length, data, zeros to a multiple of 4, u32 block length
 *          and at the end an interface statistics block.
 *
 * The end marker. A mapped file is longer than its contents while it is being written, and its tail may hold
 * zeros or the records of an older file. After the last record therefore stands a header that no reader
 * accepts (a captured length, or a block length, of 0xffffffff): readers stop there and keep what they have read.
 * A burst of records becomes visible at once, because the word that turns the marker into the first record is stored
 * last.
 */
enum record_format { FORMAT_PCAP_NS, FORMAT_PCAP_US, FORMAT_PCAPNG, N_FORMATS };

#define PCAP_MAGIC_US 0xa1b2c3d4u
#define PCAP_MAGIC_NS 0xa1b23c4du
#define PCAP_FILE_HEADER_BYTES 24u
#define PCAP_RECORD_HEADER_BYTES 16u
#define LINKTYPE_ETHERNET 1u

#define PCAPNG_SECTION_HEADER 0x0a0d0d0au
#define PCAPNG_INTERFACE_DESCRIPTION 1u
#define PCAPNG_INTERFACE_STATISTICS 5u
#define PCAPNG_ENHANCED_PACKET 6u
#define PCAPNG_BYTE_ORDER_MAGIC 0x1a2b3c4du
#define PCAPNG_PACKET_HEADER_BYTES 28u

#define END_MARKER_BYTES 16u
#define END_MARKER_LENGTH 0xffffffffu

/* The largest file head that record_file_head builds. */
#define FILE_HEAD_MAX 1024u

/* Most bytes that one packet adds to a file besides its data (and that may be written behind it). */
#define RECORD_OVERHEAD_MAX 36u

static inline uint32_t pad4(uint32_t n)
{
    return (n + 3u) & ~3u;
}

static inline uint32_t record_bytes(enum record_format format, uint32_t captured)
{
    if (format == FORMAT_PCAPNG)
        return PCAPNG_PACKET_HEADER_BYTES + pad4(captured) + 4;
    return PCAP_RECORD_HEADER_BYTES + captured;
}

/* The bytes of the record that starts at p; only for records that this program has just built. */
static inline uint32_t record_length_at(enum record_format format, const uint8_t *p)
{
    uint32_t word;
    if (format == FORMAT_PCAPNG) {
        memcpy(&word, p + 4, sizeof(word));
        return word;
    }
    memcpy(&word, p + 8, sizeof(word));
    return PCAP_RECORD_HEADER_BYTES + word;
}

static inline void write_end_marker(enum record_format format, uint8_t *p)
{
    if (format == FORMAT_PCAPNG) {
        const uint64_t marker = (uint64_t)END_MARKER_LENGTH << 32;
        memcpy(p, &marker, 8);
    } else {
        const uint64_t marker = END_MARKER_LENGTH;
        memcpy(p + 8, &marker, 8);
    }
}

struct file_description {
    enum record_format format;
    uint32_t snaplen;
    const char *interface_name; /* these three for pcapng; NULL: left out */
    const char *filter;
    const char *comment;
};

/* Write what stands at the beginning of a file; at most FILE_HEAD_MAX bytes. Returns the length. */
size_t record_file_head(const struct file_description *d, uint8_t *out);

/* Write the interface statistics that end a pcapng file; returns the length (0 for pcap), at most 128. */
size_t record_file_tail(enum record_format format, uint64_t start_ns, uint64_t end_ns, uint64_t received,
                        uint64_t dropped, uint8_t *out);

#endif
