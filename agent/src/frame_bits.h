/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic of the numbered frame, shared by the code that judges one frame and the code that judges
 * several at once. Layout, formulas and names are those of frame.h.
 *
 * From the EtherType on, the 48 bytes that number a frame are six 64-bit words, read as they lie in memory
 * (little endian), so a field of the frame is a fixed group of bits of a word:
 *
 *   word  bits 0-15            16-31             32-47             48-63
 *   0     EtherType            0x45, DSCP        total length      identification
 *   1     flags and offset     TTL, protocol     IPv4 checksum     source, prefix
 *   2     source, flow         destination, two groups             source port
 *   3     destination port     UDP length        UDP checksum      magic
 *   4     sequence
 *   5     time
 */
#ifndef NFVCAP_FRAME_BITS_H
#define NFVCAP_FRAME_BITS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define FRAME_K1 0x9e3779b97f4a7c15u
#define FRAME_K2 0xd6e8feb86659fd93u

#define FRAME_WORDS 6u
#define FRAME_IP_LEN 46u /* from the IPv4 header to the end of the time */

/* The constant bits: EtherType and 0x45; flags, protocol and prefix; port and magic. */
#define FRAME_W0_MASK 0x0000000000ffffffu
#define FRAME_W0 0x0000000000450008u
#define FRAME_W1_MASK 0xffff0000ff00ffffu
#define FRAME_W1 0x12c6000011000040u
#define FRAME_W3_MASK 0xffff00000000ffffu
#define FRAME_W3 0x666e00000000fecau

/* What the words of the pseudo-header that are in no word of the frame add to the UDP checksum. */
#define FRAME_UDP_PROTO 0x1100u

static inline uint16_t frame_check16(uint64_t seq, uint64_t time_ns, uint64_t flow, uint64_t total)
{
    uint64_t h = (seq ^ flow << 48 ^ total << 32) * FRAME_K1;

    h ^= h >> 32;
    return (uint16_t)((h + time_ns) * FRAME_K2 >> 48);
}

static inline uint64_t frame_fill_base(uint64_t seq, uint64_t flow)
{
    return (seq + 1) * FRAME_K2 + (flow << 48);
}

/* Does the UDP checksum come out right, the sum without the `len` bytes of fill being `sum`? */
bool frame_udp_right(uint64_t sum, uint32_t len, uint64_t base);

/*
 * Are the `len` bytes at `p`, the start of the fill, those of the frame with this base? The headers have to
 * lie right before them.
 */
bool frame_fill_right(const uint8_t *p, uint32_t len, uint64_t base);

#endif
