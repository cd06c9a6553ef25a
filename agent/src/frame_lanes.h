/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judges LANES untagged frames side by side: word k of all of them is one vector. Included by frame_batch.c
 * once for each width, with these defined:
 *
 *   LANES            frames at once
 *   LANES_FN         name of the function
 *   LANES_TARGET     the instruction sets it may use
 *   LANES_LOAD       (vec w[8], const uint8_t *const *data): words of data[i] + 12 into lane i
 *   LANES_SWAP64     byte swap of each lane
 *   LANES_U32        (const uint32_t *p): LANES values, widened
 *   LANES_NONZERO    (vec): bit i where lane i is not 0
 *
 * No include guard on purpose. Same arithmetic as judge() in frame.c, but the fill is not looked at, and the
 * UDP sum, left in out->udp_sum, is without it. Returns lanes in two groups of 16 bits. Low: the header is
 * not right. High: there may be fill, or the UDP sum is not right without it; whoever is in neither is good.
 */
#define VEC LANES_VEC(LANES)

static inline __attribute__((always_inline, target(LANES_TARGET))) VEC LANES_NAME(swap16)(VEC v)
{
    return (v >> 8 & 0xff) | (v & 0xff) << 8;
}

/* Adds the four 16-bit groups of each lane; sums of a few of these stay far below 2^32. */
static inline __attribute__((always_inline, target(LANES_TARGET))) VEC LANES_NAME(halves)(VEC v)
{
    return (v & 0xffffffff) + (v >> 32);
}

static inline __attribute__((always_inline, target(LANES_TARGET))) VEC LANES_NAME(fold)(VEC s)
{
    s = (s & 0xffff) + (s >> 16 & 0xffff) + (s >> 32);
    s = (s & 0xffff) + (s >> 16);
    return (s & 0xffff) + (s >> 16);
}

static __attribute__((target(LANES_TARGET))) unsigned LANES_NAME(judge)(struct frame_batch *out, unsigned at,
                                                                        const uint8_t *const *data,
                                                                        const uint32_t *caplen, const uint32_t *wirelen)
{
    VEC w[8], wrong, total, flow, seq, time_ns, h, sum;

    LANES_LOAD(w, data);
    wrong =
        ((w[0] ^ FRAME_W0) & FRAME_W0_MASK) | ((w[1] ^ FRAME_W1) & FRAME_W1_MASK) | ((w[3] ^ FRAME_W3) & FRAME_W3_MASK);

    total = LANES_NAME(swap16)(w[0] >> 32);
    flow = LANES_NAME(swap16)(w[2]);
    seq = LANES_SWAP64(w[4]);
    time_ns = LANES_SWAP64(w[5]);
    wrong |= LANES_NAME(swap16)(w[3] >> 16) ^ (total - 20);
    wrong |= (w[2] >> 48) ^ ((w[2] & 0xff3f) | 0xc0);
    h = (seq ^ flow << 48 ^ total << 32) * FRAME_K1;
    h ^= h >> 32;
    wrong |= (w[0] >> 48) ^ LANES_NAME(swap16)((h + time_ns) * FRAME_K2 >> 48);

    sum = (w[0] >> 16 & 0xffffffff) + (w[0] >> 48) + LANES_NAME(halves)(w[1]) + (w[2] & 0xffffffff) +
          (w[2] >> 32 & 0xffff);
    wrong |= LANES_NAME(fold)(sum) ^ 0xffff;
    sum = (w[1] >> 48) + LANES_NAME(halves)(w[2]) + LANES_NAME(halves)(w[3]) + LANES_NAME(halves)(w[4]) +
          LANES_NAME(halves)(w[5]) + (w[3] >> 16 & 0xffff) + FRAME_UDP_PROTO;
    wrong |= ((w[3] >> 32 & 0xffff) - 1) >> 63; /* no UDP checksum */
    /* Lengths: a negative difference has bit 63. */
    wrong |=
        ((LANES_U32(caplen) - FRAME_SIZE_MIN) | (LANES_U32(wirelen) - FRAME_L2_LEN - total) | (total - FRAME_IP_LEN)) >>
        63;

    memcpy(&out->seq[at], &seq, sizeof(seq));
    memcpy(&out->time_ns[at], &time_ns, sizeof(time_ns));
    memcpy(&out->flow[at], &flow, sizeof(flow));
    memcpy(&out->udp_sum[at], &sum, sizeof(sum));
    /* A frame of the smallest size has no fill: the difference is then not negative. */
    sum = (LANES_NAME(fold)(sum) ^ 0xffff) | (FRAME_SIZE_MIN - LANES_U32(wirelen)) >> 63;
    return LANES_NONZERO(wrong) | LANES_NONZERO(sum) << 16;
}

#undef VEC
#undef LANES
#undef LANES_NAME
#undef LANES_TARGET
#undef LANES_LOAD
#undef LANES_SWAP64
#undef LANES_U32
#undef LANES_NONZERO
