/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_FILTER_LANES_H
#define NFVCAP_FILTER_LANES_H

#include "filter_batch.h"
#include "inline.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>
#include <x86intrin.h>

/*
 * Running a batch filter; compiled once per instruction set. A packet is a lane: one bit of a mask, one word of the
 * accumulator.
 */
typedef uint32_t lane_block __attribute__((vector_size(64), may_alias)); /* sixteen lanes */

union lanes {
    lane_block block[BATCH_LANES / 16];
    uint32_t word[BATCH_LANES];
};

struct lane_state {
    union lanes a, x;
    const uint8_t *data[BATCH_LANES];
    uint32_t length[BATCH_LANES]; /* of data */
    struct rte_mbuf *const *packets;
    uint64_t pending; /* lanes that have not returned */
    uint64_t keep;
    uint64_t at[BATCH_INSTRUCTIONS_MAX]; /* lanes that have come to an instruction */
    union lanes scratch[BATCH_SCRATCH_WORDS];
};

/* NOLINTBEGIN(bugprone-macro-parentheses): a name that is declared */
#define EACH_LANE(i, mask) \
    for (uint64_t rest_ = (mask), i = 0; rest_ != 0 && (i = (uint64_t)__builtin_ctzll(rest_), true); rest_ &= rest_ - 1)
/* NOLINTEND(bugprone-macro-parentheses) */

/* One bit for each lane of a comparison's result. */
ALWAYS_INLINE uint64_t block_mask(lane_block c)
{
#ifdef __AVX512DQ__
    return _mm512_movepi32_mask((__m512i)c);
#elif defined(__AVX2__)
    __m256 half[2];
    memcpy(half, &c, sizeof(c));
    return (uint64_t)(uint32_t)_mm256_movemask_ps(half[0]) | (uint64_t)(uint32_t)_mm256_movemask_ps(half[1]) << 8;
#else
    __m128 quarter[4];
    uint64_t mask = 0;
    memcpy(quarter, &c, sizeof(c));
    for (unsigned i = 0; i < 4; i++)
        mask |= (uint64_t)(uint32_t)_mm_movemask_ps(quarter[i]) << (4 * i);
    return mask;
#endif
}

ALWAYS_INLINE union lanes all_lanes(uint32_t value)
{
    union lanes l;
    for (unsigned i = 0; i < BATCH_LANES / 16; i++)
        l.block[i] = (lane_block){0} + value;
    return l;
}

ALWAYS_INLINE void put_lanes(union lanes *to, const union lanes *from, uint64_t lanes, uint64_t pending)
{
    if (likely_(lanes == pending)) {
        *to = *from; /* nobody who still needs the old value */
        return;
    }
    EACH_LANE(i, lanes)
    to->word[i] = from->word[i];
}

/* Load from the packet; a lane whose packet is too short returns 0, and the lanes that go on are returned. */
ALWAYS_INLINE uint64_t load_lanes(struct lane_state *s, uint64_t lanes, uint32_t k, bool indirect, const unsigned size)
{
    uint64_t shorter = 0;
    EACH_LANE(i, lanes)
    {
        uint64_t offset = k + (indirect ? (uint64_t)s->x.word[i] : 0);
        if (unlikely_(offset + size > s->length[i])) {
            shorter |= 1ull << i;
            continue;
        }
        const uint8_t *p = s->data[i] + offset;
        uint32_t word = *p;
        uint16_t half;
        if (size == 2) {
            memcpy(&half, p, 2);
            word = rte_be_to_cpu_16(half);
        } else if (size == 4) {
            memcpy(&word, p, 4);
            word = rte_be_to_cpu_32(word);
        }
        s->a.word[i] = word;
    }
    s->pending &= ~shorter;
    return lanes & ~shorter;
}

ALWAYS_INLINE uint64_t load_header_length(struct lane_state *s, uint64_t lanes, uint32_t k)
{
    uint64_t shorter = 0;
    EACH_LANE(i, lanes)
    {
        if (k >= s->length[i])
            shorter |= 1ull << i;
        else
            s->x.word[i] = (s->data[i][k] & 0xfu) << 2;
    }
    s->pending &= ~shorter;
    return lanes & ~shorter;
}

/* The lanes for which the condition of a jump is true. */
ALWAYS_INLINE uint64_t compare_lanes(const struct lane_state *s, const struct bpf_insn *p)
{
    union lanes right = BPF_SRC(p->code) == BPF_X ? s->x : all_lanes(p->k);
    const lane_block *a = s->a.block, *b = right.block;
    uint64_t mask = 0;
    for (unsigned i = 0; i < BATCH_LANES / 16; i++) {
        lane_block c;
        switch (BPF_OP(p->code)) {
        case BPF_JEQ:
            c = (lane_block)(a[i] == b[i]);
            break;
        case BPF_JGT:
            c = (lane_block)(a[i] > b[i]);
            break;
        case BPF_JGE:
            c = (lane_block)(a[i] >= b[i]);
            break;
        default:
            c = (lane_block)((a[i] & b[i]) != 0);
        }
        mask |= block_mask(c) << (16 * i);
    }
    return mask;
}

static __attribute__((noinline)) uint64_t divide_lanes(struct lane_state *s, const struct bpf_insn *p, uint64_t lanes)
{
    uint64_t by_zero = 0;
    EACH_LANE(i, lanes)
    {
        uint32_t right = BPF_SRC(p->code) == BPF_X ? s->x.word[i] : p->k;
        if (right == 0)
            by_zero |= 1ull << i;
        else
            s->a.word[i] = BPF_OP(p->code) == BPF_DIV ? s->a.word[i] / right : s->a.word[i] % right;
    }
    s->pending &= ~by_zero;
    return lanes & ~by_zero;
}

static __attribute__((noinline)) void shift_lanes(struct lane_state *s, const struct bpf_insn *p, uint64_t lanes)
{
    EACH_LANE(i, lanes)
    {
        uint32_t right = BPF_SRC(p->code) == BPF_X ? s->x.word[i] : p->k, a = s->a.word[i];
        s->a.word[i] = right > 31 ? 0 : BPF_OP(p->code) == BPF_LSH ? a << right : a >> right;
    }
}

static __attribute__((noinline)) uint64_t compute_lanes(struct lane_state *s, const struct bpf_insn *p, uint64_t lanes)
{
    unsigned op = BPF_OP(p->code);
    if (op == BPF_DIV || op == BPF_MOD)
        return divide_lanes(s, p, lanes);
    if (op == BPF_LSH || op == BPF_RSH) {
        shift_lanes(s, p, lanes);
        return lanes;
    }
    union lanes right = BPF_SRC(p->code) == BPF_X ? s->x : all_lanes(p->k), v;
    for (unsigned i = 0; i < BATCH_LANES / 16; i++) {
        lane_block a = s->a.block[i], b = right.block[i];
        lane_block c = a;
        if (op == BPF_ADD)
            c += b;
        else if (op == BPF_SUB)
            c -= b;
        else if (op == BPF_MUL)
            c *= b;
        else if (op == BPF_AND)
            c &= b;
        else if (op == BPF_OR)
            c |= b;
        else if (op == BPF_XOR)
            c ^= b;
        else
            c = (lane_block){0} - c; /* BPF_NEG */
        v.block[i] = c;
    }
    put_lanes(&s->a, &v, lanes, s->pending);
    return lanes;
}

static __attribute__((noinline)) void load_packet_lengths(struct lane_state *s, union lanes *to, uint64_t lanes)
{
    EACH_LANE(i, lanes)
    to->word[i] = s->packets[i]->pkt_len;
}

/* One instruction for all lanes that have come to it; those that go on to the next one are returned. */
ALWAYS_INLINE uint64_t step_lanes(struct lane_state *s, const struct bpf_insn *p, uint64_t *next, uint64_t lanes)
{
    union lanes constant;
    uint64_t yes;
    switch (p->code) {
    case BPF_LD | BPF_H | BPF_ABS:
        return load_lanes(s, lanes, p->k, false, 2);
    case BPF_LD | BPF_B | BPF_ABS:
        return load_lanes(s, lanes, p->k, false, 1);
    case BPF_LD | BPF_W | BPF_ABS:
        return load_lanes(s, lanes, p->k, false, 4);
    case BPF_LD | BPF_H | BPF_IND:
        return load_lanes(s, lanes, p->k, true, 2);
    case BPF_LD | BPF_B | BPF_IND:
        return load_lanes(s, lanes, p->k, true, 1);
    case BPF_LD | BPF_W | BPF_IND:
        return load_lanes(s, lanes, p->k, true, 4);
    case BPF_LDX | BPF_MSH | BPF_B:
        return load_header_length(s, lanes, p->k);
    case BPF_RET | BPF_K:
        s->pending &= ~lanes;
        s->keep |= p->k != 0 ? lanes : 0;
        return 0;
    case BPF_RET | BPF_A:
        s->pending &= ~lanes;
        EACH_LANE(i, lanes)
        s->keep |= (uint64_t)(s->a.word[i] != 0) << i;
        return 0;
    case BPF_JMP | BPF_JA:
        next[p->k] |= lanes;
        return 0;
    case BPF_LD | BPF_IMM:
        constant = all_lanes(p->k);
        put_lanes(&s->a, &constant, lanes, s->pending);
        return lanes;
    case BPF_LDX | BPF_W | BPF_IMM:
        constant = all_lanes(p->k);
        put_lanes(&s->x, &constant, lanes, s->pending);
        return lanes;
    case BPF_LD | BPF_W | BPF_LEN:
        load_packet_lengths(s, &s->a, lanes);
        return lanes;
    case BPF_LDX | BPF_W | BPF_LEN:
        load_packet_lengths(s, &s->x, lanes);
        return lanes;
    case BPF_LD | BPF_MEM:
        put_lanes(&s->a, &s->scratch[p->k], lanes, s->pending);
        return lanes;
    case BPF_LDX | BPF_W | BPF_MEM:
        put_lanes(&s->x, &s->scratch[p->k], lanes, s->pending);
        return lanes;
    case BPF_ST:
        put_lanes(&s->scratch[p->k], &s->a, lanes, s->pending);
        return lanes;
    case BPF_STX:
        put_lanes(&s->scratch[p->k], &s->x, lanes, s->pending);
        return lanes;
    case BPF_MISC | BPF_TAX:
        put_lanes(&s->x, &s->a, lanes, s->pending);
        return lanes;
    case BPF_MISC | BPF_TXA:
        put_lanes(&s->a, &s->x, lanes, s->pending);
        return lanes;
    }
    if (BPF_CLASS(p->code) == BPF_ALU)
        return compute_lanes(s, p, lanes);
    yes = compare_lanes(s, p);
    next[p->jt] |= lanes & yes;
    next[p->jf] |= lanes & ~yes;
    return 0;
}

/* One bit per packet that the filter wants; 1 to BATCH_LANES packets, each in one segment. */
static __attribute__((noinline)) uint64_t batch_filter_run(const struct batch_filter *f,
                                                           struct rte_mbuf *const *packets, unsigned n)
{
    struct lane_state s;
    s.packets = packets;
    s.keep = 0;
    s.pending = UINT64_MAX >> (64 - n);
    s.a = s.x = all_lanes(0);
    if (f->uses_scratch)
        memset(s.scratch, 0, sizeof(s.scratch));
    for (unsigned i = 0; i < n; i++) {
        s.data[i] = rte_pktmbuf_mtod(packets[i], const uint8_t *);
        s.length[i] = packets[i]->data_len;
    }
    memset(s.at, 0, f->n * sizeof(s.at[0]));
    s.at[0] = s.pending;
    for (unsigned i = 0; s.pending != 0; i++) {
        if (s.at[i] == 0)
            continue;
        uint64_t on = step_lanes(&s, &f->code[i], &s.at[i + 1], s.at[i]);
        if (on != 0)
            s.at[i + 1] |= on;
    }
    return s.keep;
}

#endif
