/* SPDX-License-Identifier: Apache-2.0 */
#include "filter_batch.h"

#include <string.h>

static bool known(const struct bpf_insn *p, unsigned left)
{
    switch (p->code) {
    case BPF_LD | BPF_W | BPF_ABS:
    case BPF_LD | BPF_H | BPF_ABS:
    case BPF_LD | BPF_B | BPF_ABS:
    case BPF_LD | BPF_W | BPF_IND:
    case BPF_LD | BPF_H | BPF_IND:
    case BPF_LD | BPF_B | BPF_IND:
    case BPF_LD | BPF_W | BPF_LEN:
    case BPF_LD | BPF_IMM:
    case BPF_LDX | BPF_W | BPF_IMM:
    case BPF_LDX | BPF_W | BPF_LEN:
    case BPF_LDX | BPF_MSH | BPF_B:
    case BPF_ALU | BPF_NEG:
    case BPF_MISC | BPF_TAX:
    case BPF_MISC | BPF_TXA:
    case BPF_RET | BPF_K:
    case BPF_RET | BPF_A:
        return true;
    case BPF_LD | BPF_MEM:
    case BPF_LDX | BPF_W | BPF_MEM:
    case BPF_ST:
    case BPF_STX:
        return p->k < BATCH_SCRATCH_WORDS;
    case BPF_JMP | BPF_JA:
        return p->k < left;
    }
    if (BPF_CLASS(p->code) == BPF_JMP) {
        unsigned op = BPF_OP(p->code);
        return (op == BPF_JEQ || op == BPF_JGT || op == BPF_JGE || op == BPF_JSET) && p->jt < left && p->jf < left;
    }
    if (BPF_CLASS(p->code) != BPF_ALU)
        return false;
    switch (BPF_OP(p->code)) {
    case BPF_DIV:
    case BPF_MOD:
        return BPF_SRC(p->code) == BPF_X || p->k != 0;
    case BPF_ADD:
    case BPF_SUB:
    case BPF_MUL:
    case BPF_AND:
    case BPF_OR:
    case BPF_XOR:
    case BPF_LSH:
    case BPF_RSH:
        return true;
    }
    return false;
}

static bool uses_scratch(const struct bpf_insn *p)
{
    unsigned class = BPF_CLASS(p->code);
    return class == BPF_ST || class == BPF_STX ||
           ((class == BPF_LD || class == BPF_LDX) && BPF_MODE(p->code) == BPF_MEM);
}

#define NO_LOAD UINT16_MAX
#define SEVERAL_LOADS (UINT16_MAX - 1)

static void arrive(uint16_t *at, uint16_t load)
{
    *at = *at == NO_LOAD || *at == load ? load : SEVERAL_LOADS;
}

/* Find out which load each comparison is about; jumps lead forward, so one pass does. False: it is no tree. */
static bool plant_tree(struct batch_filter *f)
{
    for (unsigned i = 0; i < f->n; i++)
        f->load[i] = NO_LOAD;
    f->tree_bytes = 0;
    for (unsigned i = 0; i < f->n; i++) {
        const struct bpf_insn *p = &f->code[i];
        switch (BPF_CLASS(p->code)) {
        case BPF_LD:
            if (BPF_MODE(p->code) != BPF_ABS || p->k > UINT16_MAX)
                return false;
            if (p->k + 4 > f->tree_bytes)
                f->tree_bytes = p->k + 4;
            arrive(&f->load[i + 1], (uint16_t)i);
            break;
        case BPF_JMP:
            if (BPF_OP(p->code) == BPF_JA) {
                arrive(&f->load[i + 1 + p->k], f->load[i]);
                break;
            }
            if (BPF_SRC(p->code) != BPF_K || f->load[i] >= SEVERAL_LOADS)
                return false;
            arrive(&f->load[i + 1 + p->jt], f->load[i]);
            arrive(&f->load[i + 1 + p->jf], f->load[i]);
            break;
        case BPF_RET:
            if (p->code != (BPF_RET | BPF_K))
                return false;
            break;
        default:
            return false;
        }
    }
    return true;
}

bool batch_filter_load(struct batch_filter *f, const struct bpf_program *program)
{
    f->n = 0;
    f->uses_scratch = false;
    if (program->bf_len == 0 || program->bf_len > BATCH_INSTRUCTIONS_MAX)
        return false;
    for (unsigned i = 0; i < program->bf_len; i++) {
        const struct bpf_insn *p = &program->bf_insns[i];
        unsigned left = program->bf_len - 1 - i; /* instructions behind this one */
        if (!known(p, left) || (left == 0 && BPF_CLASS(p->code) != BPF_RET))
            return false;
        f->uses_scratch = f->uses_scratch || uses_scratch(p);
    }
    memcpy(f->code, program->bf_insns, program->bf_len * sizeof(f->code[0]));
    f->n = program->bf_len;
    f->is_tree = plant_tree(f);
    return true;
}
