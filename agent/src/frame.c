/* SPDX-License-Identifier: Apache-2.0 */
/* Building and judging numbered frames, one at a time. The layout and its reasons are in frame.h. */
#include "frame.h"

#include "frame_bits.h"

/* Offsets from the EtherType, where word 0 begins. */
enum {
    AT_TOTAL = 4,
    AT_ID = 6,
    AT_IP_SUM = 12,
    AT_SRC = 14,
    AT_FLOW = 16,
    AT_DST = 18,
    AT_SPORT = 22,
    AT_DPORT = 24,
    AT_UDP_LEN = 26,
    AT_UDP_SUM = 28,
    AT_MAGIC = 30,
    AT_SEQ = 32,
    AT_TIME = 40,
    AT_FILL = 48,
};

#define SRC_PREFIX 0xc612u      /* 198.18 */
#define DST_DEFAULT 0xc6130001u /* 198.19.0.1 */

typedef unsigned __int128 sum_t;
typedef unsigned __int128 group_t;

static inline unsigned get16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static inline void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void put64(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof(v));
}

static inline unsigned swap16(uint64_t bits)
{
    return __builtin_bswap16((uint16_t)bits);
}

/*
 * One's complement sums care neither about byte order nor about the size of the words: 2^64 - 1 is a multiple
 * of 2^16 - 1, so 64-bit words are added as they lie in memory and only the end is folded.
 */
static unsigned fold(sum_t sum)
{
    uint64_t s = (uint64_t)sum, carry = (uint64_t)(sum >> 64);

    s = (s & 0xffffffffu) + (s >> 32) + carry;
    s = (s & 0xffffu) + (s >> 16 & 0xffffu) + (s >> 32);
    s = (s & 0xffffu) + (s >> 16);
    s = (s & 0xffffu) + (s >> 16);
    return (unsigned)s;
}

static inline sum_t ip_sum(const uint64_t w[FRAME_WORDS])
{
    return (sum_t)(w[0] >> 16) + w[1] + (w[2] & 0x0000ffffffffffffu);
}

/* Without the fill. The length is in the sum twice: in the header and in the pseudo-header. */
static inline sum_t udp_sum(const uint64_t w[FRAME_WORDS])
{
    return (sum_t)(w[1] >> 48) + w[2] + w[3] + w[4] + w[5] + (w[3] >> 16 & 0xffffu) + FRAME_UDP_PROTO;
}

/* The first `len` (1 to 15) bytes of the group x, ~x. */
static inline group_t cut_group(uint32_t len, uint64_t x)
{
    return ((group_t)~x << 64 | x) & (((group_t)1 << 8 * len) - 1);
}

/* What the fill adds: only its last group counts, and only when it is cut. */
static inline sum_t fill_sum(uint32_t len, uint64_t base)
{
    group_t group;

    if ((len & 15) == 0)
        return 0;
    group = cut_group(len & 15, base + (len >> 4) * FRAME_K1);
    return (sum_t)(uint64_t)group + (uint64_t)(group >> 64);
}

bool frame_udp_right(uint64_t sum, uint32_t len, uint64_t base)
{
    return fold((sum_t)sum + fill_sum(len, base)) == 0xffffu;
}

static void fill_write(uint8_t *p, uint32_t len, uint64_t x)
{
    for (; len >= 16; len -= 16, p += 16, x += FRAME_K1) {
        uint64_t group[2] = {x, ~x};

        memcpy(p, group, 16);
    }
    uint64_t last[2] = {x, ~x};

    memcpy(p, last, len);
}

bool frame_fill_right(const uint8_t *p, uint32_t len, uint64_t base)
{
    uint64_t wrong = 0, x = base, there[2];
    group_t last;

    for (; len >= 16; len -= 16, p += 16, x += FRAME_K1) {
        memcpy(there, p, 16);
        wrong |= (there[0] ^ x) | (there[1] ^ ~x);
    }
    if (len != 0) {
        /* 16 bytes that end with the fill, and begin in front of it. */
        memcpy(&last, p + len - 16, 16);
        wrong |= last >> 8 * (16 - len) != cut_group(len, x);
    }
    return wrong == 0;
}

/* Writes all that depends on the number into a frame whose other fields are there; `e`: its EtherType. */
static void write_id(uint8_t *e, uint32_t total, const struct frame_id *id)
{
    uint64_t base = frame_fill_base(id->seq, id->flow), w[FRAME_WORDS];
    uint32_t fill = total - FRAME_IP_LEN;
    uint16_t sum;

    put16(e + AT_ID, frame_check16(id->seq, id->time_ns, id->flow, total));
    put16(e + AT_IP_SUM, 0);
    put16(e + AT_FLOW, id->flow);
    put16(e + AT_SPORT, 0xc000u | (id->flow & 0x3fffu));
    put16(e + AT_UDP_SUM, 0);
    put64(e + AT_SEQ, id->seq);
    put64(e + AT_TIME, id->time_ns);
    fill_write(e + AT_FILL, fill, base);

    memcpy(w, e, sizeof(w));
    sum = (uint16_t)~fold(ip_sum(w));
    memcpy(e + AT_IP_SUM, &sum, 2);
    sum = (uint16_t)~fold(udp_sum(w) + fill_sum(fill, base));
    if (sum == 0)
        sum = 0xffff;
    memcpy(e + AT_UDP_SUM, &sum, 2);
}

bool frame_build(uint8_t *buf, uint32_t size, const struct frame_layout *layout, const struct frame_id *id)
{
    uint32_t dst_ip = layout->dst_ip != 0 ? layout->dst_ip : DST_DEFAULT;
    uint32_t l2 = FRAME_L2_LEN + FRAME_TAG_LEN * layout->tags;
    uint8_t *e = buf + l2 - 2;

    if (layout->tags > FRAME_TAGS_MAX || size < frame_size_min(layout->tags) || size - l2 > 65535)
        return false;
    memcpy(buf, layout->dst_mac, 6);
    memcpy(buf + 6, layout->src_mac, 6);
    for (unsigned i = 0; i < layout->tags; i++) {
        put16(buf + 12 + (size_t)FRAME_TAG_LEN * i, layout->tag_type[i]);
        put16(buf + 14 + (size_t)FRAME_TAG_LEN * i, layout->tag_control[i]);
    }
    put16(e, 0x0800);
    put16(e + 2, 0x4500);
    put16(e + AT_TOTAL, size - l2);
    put16(e + 8, 0x4000);
    put16(e + 10, 64 << 8 | 17);
    put16(e + AT_SRC, SRC_PREFIX);
    put16(e + AT_DST, dst_ip >> 16);
    put16(e + AT_DST + 2, dst_ip & 0xffffu);
    put16(e + AT_DPORT, FRAME_PORT);
    put16(e + AT_UDP_LEN, size - l2 - 20);
    put16(e + AT_MAGIC, FRAME_MAGIC);
    write_id(e, size - l2, id);
    return true;
}

void frame_renumber(uint8_t *buf, uint32_t size, unsigned tags, const struct frame_id *id)
{
    uint32_t l2 = FRAME_L2_LEN + FRAME_TAG_LEN * tags;

    write_id(buf + l2 - 2, size - l2, id);
}

static unsigned count_marks(const uint8_t *e)
{
    return (get16(e + AT_SRC) == SRC_PREFIX) + (get16(e + AT_DPORT) == FRAME_PORT) +
           (get16(e + AT_MAGIC) == FRAME_MAGIC);
}

/*
 * Judges from the EtherType `e` on; `caplen` (at least FRAME_IP_LEN) and `wirelen` count from the IPv4 header
 * behind it, and the fill is looked for at `fill`.
 */
static enum frame_verdict judge(const uint8_t *e, const uint8_t *fill, uint32_t caplen, uint32_t wirelen,
                                struct frame_id *id)
{
    uint64_t w[FRAME_WORDS], seq, time_ns, base;
    unsigned total, flow, wrong;

    memcpy(w, e, sizeof(w));
    if (((w[0] ^ FRAME_W0) & FRAME_W0_MASK) | ((w[1] ^ FRAME_W1) & FRAME_W1_MASK) | ((w[3] ^ FRAME_W3) & FRAME_W3_MASK))
        return count_marks(e) < 2 ? FRAME_FOREIGN : FRAME_CORRUPT;

    total = swap16(w[0] >> 32);
    flow = swap16(w[2]);
    seq = __builtin_bswap64(w[4]);
    time_ns = __builtin_bswap64(w[5]);
    wrong = swap16(w[3] >> 16) ^ (total - 20);
    wrong |= swap16(w[2] >> 48) ^ (0xc000u | (flow & 0x3fffu));
    wrong |= swap16(w[0] >> 48) ^ frame_check16(seq, time_ns, flow, total);
    wrong |= fold(ip_sum(w)) ^ 0xffffu;
    wrong |= (w[3] >> 32 & 0xffffu) == 0; /* no UDP checksum */
    if (wrong != 0 || total < FRAME_IP_LEN || total > wirelen)
        return FRAME_CORRUPT;

    base = frame_fill_base(seq, flow);
    total -= FRAME_IP_LEN;
    caplen -= FRAME_IP_LEN;
    if (fold(udp_sum(w) + fill_sum(total, base)) != 0xffffu ||
        !frame_fill_right(fill, caplen < total ? caplen : total, base))
        return FRAME_CORRUPT;
    id->seq = seq;
    id->time_ns = time_ns;
    id->flow = (uint16_t)flow;
    return FRAME_GOOD;
}

enum frame_verdict frame_judge_ip(const uint8_t *l3, uint32_t caplen, uint32_t wirelen, struct frame_id *id)
{
    uint8_t head[2 + FRAME_IP_LEN] = {0x08, 0x00};

    if (caplen < FRAME_IP_LEN)
        return wirelen < FRAME_IP_LEN ? FRAME_FOREIGN : FRAME_SHORT;
    memcpy(head + 2, l3, FRAME_IP_LEN);
    return judge(head, l3 + FRAME_IP_LEN, caplen, wirelen, id);
}

/* A frame that does not look like IPv4 behind its tags: foreign, unless the marks are there all the same. */
static enum frame_verdict judge_unknown(const uint8_t *data, uint32_t caplen)
{
    for (unsigned tags = 0; tags <= FRAME_TAGS_MAX; tags++)
        if (caplen >= frame_size_min(tags) && count_marks(data + 12 + (size_t)FRAME_TAG_LEN * tags) >= 2)
            return FRAME_CORRUPT;
    return FRAME_FOREIGN;
}

enum frame_verdict frame_judge(const uint8_t *data, uint32_t caplen, uint32_t wirelen, struct frame_id *id)
{
    for (unsigned tags = 0;; tags++) {
        uint32_t l2 = FRAME_L2_LEN + FRAME_TAG_LEN * tags;
        unsigned type;

        if (caplen < l2 || wirelen < l2)
            return wirelen < FRAME_SIZE_MIN ? FRAME_FOREIGN : FRAME_SHORT;
        type = get16(data + l2 - 2);
        if (type == 0x0800) {
            if (caplen < l2 + FRAME_IP_LEN)
                return wirelen < l2 + FRAME_IP_LEN ? FRAME_FOREIGN : FRAME_SHORT;
            return judge(data + l2 - 2, data + l2 + FRAME_IP_LEN, caplen - l2, wirelen - l2, id);
        }
        if ((type != 0x8100 && type != 0x88a8) || tags == FRAME_TAGS_MAX)
            return judge_unknown(data, caplen);
    }
}
