/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbered frame: what the generator sends and what `check` recounts.
 *
 * An ordinary Ethernet + IPv4 + UDP frame, so that switches, RSS, BPF filters and every packet reader treat
 * it like traffic, with all that is needed to account for it inside the smallest Ethernet frame: 60 bytes,
 * 64 with the frame check sequence that never reaches software. Offsets are those of an untagged frame; each
 * 802.1Q/802.1ad tag moves everything after the MAC addresses by 4. Big endian, unless a line says otherwise.
 *
 *   offset  size  field
 *        0     6  destination MAC                    free, not judged
 *        6     6  source MAC                         free, not judged
 *       12     4  VLAN tag, none to two of them      0x8100 or 0x88a8, then the tag; only in tagged frames
 *       12     2  EtherType                          0x0800
 *       14     2  IPv4 version, length, DSCP, ECN    0x45, the second byte free
 *       16     2  IPv4 total length                  frame size - 14 - 4 per tag
 *       18     2  IPv4 identification                check16, see below
 *       20     2  IPv4 flags and offset              0x4000 (do not fragment)
 *       22     2  IPv4 TTL, protocol                 TTL free (64 when sent), 17
 *       24     2  IPv4 header checksum
 *       26     4  IPv4 source                        198.18.0.0 + flow (RFC 2544 benchmark range)
 *       30     4  IPv4 destination                   free (198.19.0.1 when sent)
 *       34     2  UDP source port                    0xc000 | (flow & 0x3fff)
 *       36     2  UDP destination port               0xcafe
 *       38     2  UDP length                         IPv4 total length - 20
 *       40     2  UDP checksum                       always there; 0xffff where the sum is 0
 *       42     2  magic                              0x6e66, "nf"
 *       44     8  sequence number                    counts from a first number, each flow on its own
 *       52     8  transmit time                      ns since 1970-01-01 UTC, the sender's clock
 *       60     -  fill up to the frame size          see below
 *
 * The smallest frame is 60 bytes untagged, 64 with one tag, 68 with two; the largest IPv4 total length 65535.
 *
 * check16, all arithmetic modulo 2^64:
 *       h = (sequence ^ (flow << 48) ^ (IPv4 total length << 32)) * 0x9e3779b97f4a7c15;  h ^= h >> 32;
 *       check16 = ((h + time) * 0xd6e8feb86659fd93) >> 48
 *
 * fill: groups of 16 bytes, j = 0, 1, 2, ...; the last one is cut where the frame ends:
 *       base = (sequence + 1) * 0xd6e8feb86659fd93 + (flow << 48)        (modulo 2^64)
 *       x    = base + j * 0x9e3779b97f4a7c15                             (modulo 2^64)
 *       the group is x, then ~x, both little endian
 * A whole group adds nothing to a one's complement sum, so the UDP checksum follows from the first 60 bytes
 * and the last, cut group alone; and yet every byte of a frame is judged, whatever its size, and a piece of
 * another frame of the same size does not pass.
 *
 * A frame cut by a snap length is judged by what is left of it, from 60 bytes on (64, 68 with tags): header
 * checksum, UDP checksum (the missing fill is known), check16 and the fill that is there.
 *
 * Ours or not: three marks say that a frame is numbered, the source prefix 198.18/16, the destination port
 * and the magic. All of them and every check right: good. Two or three of them, but anything wrong: corrupt.
 * Fewer: not ours. So a damaged frame is not mistaken for a foreign one, nor a foreign one for a damaged one.
 * An unknown EtherType in front of the marks is damage too: they are looked for behind none, one and two
 * tags. IPv4 of which fewer bytes were captured than it takes to judge is short: neither ours nor foreign.
 *
 * Packet k of a run (k = 0, 1, ...) over F flows belongs to flow k mod F and has number first + k div F.
 */
#ifndef NFVCAP_FRAME_H
#define NFVCAP_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_SIZE_MIN 60u
#define FRAME_L2_LEN 14u
#define FRAME_TAG_LEN 4u
#define FRAME_TAGS_MAX 2u
#define FRAME_SIZE_MAX (FRAME_L2_LEN + FRAME_TAGS_MAX * FRAME_TAG_LEN + 65535u)
#define FRAME_FLOWS_MAX 65536u
#define FRAME_MAGIC 0x6e66u
#define FRAME_PORT 0xcafeu
#define FRAME_FCS_LEN 4u

/* What a frame carries. */
struct frame_id {
    uint64_t seq;
    uint64_t time_ns;
    uint16_t flow;
};

/* The free parts, the same for all frames of a run. */
struct frame_layout {
    uint8_t dst_mac[6];
    uint8_t src_mac[6];
    uint8_t tags;            /* 0 to FRAME_TAGS_MAX */
    uint16_t tag_type[2];    /* outermost first, host order: 0x8100, 0x88a8 */
    uint16_t tag_control[2]; /* PCP, DEI, VLAN ID */
    uint32_t dst_ip;         /* host order; 0 means 198.19.0.1 */
};

enum frame_verdict { FRAME_GOOD, FRAME_CORRUPT, FRAME_FOREIGN, FRAME_SHORT };

/* Smallest frame for a number of tags, without the frame check sequence. */
static inline uint32_t frame_size_min(unsigned tags)
{
    return FRAME_SIZE_MIN + FRAME_TAG_LEN * tags;
}

/*
 * Writes a whole frame of `size` bytes (without frame check sequence) to `buf`. False, and nothing written,
 * when the size is below frame_size_min() or above what IPv4 can say.
 */
bool frame_build(uint8_t *buf, uint32_t size, const struct frame_layout *layout, const struct frame_id *id);

/*
 * Gives a frame that frame_build() made another number, flow and time. Touches the fields that depend on them
 * only; the fill is rewritten too. `size` and `tags` are those of the frame.
 */
void frame_renumber(uint8_t *buf, uint32_t size, unsigned tags, const struct frame_id *id);

/*
 * Judges what was captured of an Ethernet frame: `caplen` bytes at `data` of `wirelen` on the wire. Bytes
 * after the IPv4 datagram (padding, a kept frame check sequence) are not judged. `id` is filled for
 * FRAME_GOOD only.
 */
enum frame_verdict frame_judge(const uint8_t *data, uint32_t caplen, uint32_t wirelen, struct frame_id *id);

/* The same for what follows the link layer: `l3` points to the IPv4 header. */
enum frame_verdict frame_judge_ip(const uint8_t *l3, uint32_t caplen, uint32_t wirelen, struct frame_id *id);

#endif
