/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_FILTER_TREE_H
#define NFVCAP_FILTER_TREE_H

#include "filter_batch.h"
#include "inline.h"

#include <stdbool.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

/*
 * Running a batch filter that is a tree. It stores nothing: behind a burst's records on their way to memory, every
 * other store would have to queue.
 */
ALWAYS_INLINE uint32_t packet_field(const uint8_t *p, const unsigned size)
{
    uint16_t half;
    uint32_t word;
    if (size == 1)
        return *p;
    if (size == 2) {
        memcpy(&half, p, 2);
        return rte_be_to_cpu_16(half);
    }
    memcpy(&word, p, 4);
    return rte_be_to_cpu_32(word);
}

ALWAYS_INLINE uint64_t compare_field(struct rte_mbuf *const *packets, unsigned n, uint32_t offset, uint32_t k,
                                     const unsigned size, const unsigned op)
{
    uint64_t mask = 0;
    for (unsigned i = 0; i < n; i++) {
        uint32_t a = packet_field(rte_pktmbuf_mtod_offset(packets[i], const uint8_t *, offset), size);
        bool yes = op == BPF_JEQ ? a == k : op == BPF_JGT ? a > k : op == BPF_JGE ? a >= k : (a & k) != 0;
        mask |= (uint64_t)yes << i;
    }
    return mask;
}

ALWAYS_INLINE uint64_t compare_sized(struct rte_mbuf *const *packets, unsigned n, const struct bpf_insn *load,
                                     uint32_t k, const unsigned op)
{
    switch (BPF_SIZE(load->code)) {
    case BPF_B:
        return compare_field(packets, n, load->k, k, 1, op);
    case BPF_H:
        return compare_field(packets, n, load->k, k, 2, op);
    default:
        return compare_field(packets, n, load->k, k, 4, op);
    }
}

static __attribute__((noinline)) uint64_t tree_compare(struct rte_mbuf *const *packets, unsigned n,
                                                       const struct bpf_insn *load, const struct bpf_insn *jump)
{
    switch (BPF_OP(jump->code)) {
    case BPF_JEQ:
        return compare_sized(packets, n, load, jump->k, BPF_JEQ);
    case BPF_JGT:
        return compare_sized(packets, n, load, jump->k, BPF_JGT);
    case BPF_JGE:
        return compare_sized(packets, n, load, jump->k, BPF_JGE);
    default:
        return compare_sized(packets, n, load, jump->k, BPF_JSET);
    }
}

/* One bit per packet that the filter wants; 1 to BATCH_LANES packets, each in one segment of tree_bytes or more. */
static __attribute__((noinline)) uint64_t tree_filter_run(const struct batch_filter *f, struct rte_mbuf *const *packets,
                                                          unsigned n)
{
    uint64_t at[BATCH_INSTRUCTIONS_MAX], pending = UINT64_MAX >> (64 - n), keep = 0;
    for (unsigned i = 1; i < f->n; i++)
        at[i] = 0;
    at[0] = pending;
    for (unsigned i = 0; pending != 0; i++) {
        const struct bpf_insn *p = &f->code[i];
        const uint64_t lanes = at[i];
        if (lanes == 0)
            continue;
        switch (BPF_CLASS(p->code)) {
        case BPF_LD:
            at[i + 1] |= lanes;
            break;
        case BPF_RET:
            pending &= ~lanes;
            keep |= p->k != 0 ? lanes : 0;
            break;
        default:
            if (BPF_OP(p->code) == BPF_JA) {
                at[i + 1 + p->k] |= lanes;
                break;
            }
            uint64_t yes = tree_compare(packets, n, &f->code[f->load[i]], p);
            at[i + 1 + p->jt] |= lanes & yes;
            at[i + 1 + p->jf] |= lanes & ~yes;
        }
    }
    return keep;
}

#endif
