/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_FILTER_BATCH_H
#define NFVCAP_FILTER_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include <pcap/pcap.h>

/*
 * A classic BPF program that is run over a burst at a time: each instruction once, for all packets that have come to
 * it. Jumps only lead forward, so when an instruction's turn comes, every packet that will ever reach it has arrived.
 * Fetching and deciding is paid once for a burst, and what is not a load is done for sixteen packets at once.
 */
#define BATCH_LANES 64u
#define BATCH_INSTRUCTIONS_MAX 256u
#define BATCH_SCRATCH_WORDS 16u

struct batch_filter {
    unsigned n; /* 0: none */
    bool uses_scratch;
    /*
     * A tree: nothing but loads from fixed places, comparisons of what was loaded with constants, and verdicts. Then
     * nothing has to be kept for a packet, and a comparison looks into the packet itself.
     */
    bool is_tree;
    uint32_t tree_bytes; /* what a tree looks at at most */
    struct bpf_insn code[BATCH_INSTRUCTIONS_MAX];
    uint16_t load[BATCH_INSTRUCTIONS_MAX]; /* of a tree's comparison: the instruction that loaded what it compares */
};

/* False when the program is too long or has an instruction that is not known: then each packet is filtered alone. */
bool batch_filter_load(struct batch_filter *f, const struct bpf_program *program);

#endif
