/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classic BPF to x86-64, one instruction at a time. Small on purpose: every jump has a 32-bit distance, every load its
 * own check of the length, no instruction depends on another one's code. fuzz_filter.c holds it to libpcap's
 * interpreter. (DPDK's code generator was given up: three faults of it, found by the same fuzzer, ended in garbage that
 * was run, "ether multicast" among them.)
 *
 * Registers: eax A, ecx X, rsi the packet, edx its length, r8 to r10 scratch; M[] lies in the red zone below rsp, which
 * a function that calls nothing may use.
 */
#include "filter_code.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <pcap/pcap.h>

#define CODE_BYTES_PER_INSTRUCTION 48u /* the longest is an indirect load */
#define CODE_BYTES_BESIDE 128u

struct code {
    uint8_t *bytes;
    size_t n;
    uint32_t *starts; /* of each instruction; one more for what follows the last */
    uint32_t reject;  /* where 0 is returned */
    bool measuring;   /* first pass: only the places of instructions are wanted */
};

static void put(struct code *c, const void *bytes, size_t n)
{
    if (!c->measuring)
        memcpy(c->bytes + c->n, bytes, n);
    c->n += n;
}

#define PUT(c, ...) put((c), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void put_u32(struct code *c, uint32_t value)
{
    put(c, &value, sizeof(value));
}

/* The distance from behind these four bytes to a place. */
static void put_distance(struct code *c, uint32_t to)
{
    put_u32(c, to - (uint32_t)(c->n + 4));
}

enum condition { BELOW = 0x2, NOT_BELOW = 0x3, EQUAL = 0x4, NOT_EQUAL = 0x5, NOT_ABOVE = 0x6, ABOVE = 0x7 };

static void jump_if(struct code *c, enum condition condition, uint32_t to)
{
    PUT(c, 0x0f, (uint8_t)(0x80 | condition));
    put_distance(c, to);
}

static void jump(struct code *c, uint32_t to)
{
    PUT(c, 0xe9);
    put_distance(c, to);
}

/* eax = what the address means as a big-endian number; `form` is the address part of the instruction. */
static void put_load(struct code *c, uint16_t size, const uint8_t *form, size_t n_form, bool indirect)
{
    if (indirect)
        PUT(c, 0x42); /* REX.X: the index is r8 */
    if (size == BPF_W)
        PUT(c, 0x8b);
    else
        PUT(c, 0x0f, size == BPF_H ? 0xb7 : 0xb6);
    put(c, form, n_form);
    if (size == BPF_W)
        PUT(c, 0x0f, 0xc8); /* bswap eax */
    else if (size == BPF_H)
        PUT(c, 0x66, 0xc1, 0xc0, 8); /* rol ax, 8 */
}

static uint32_t bytes_of(uint16_t size)
{
    return size == BPF_W ? 4 : size == BPF_H ? 2 : 1;
}

/* An offset that no packet reaches; as a displacement it would be negative. */
static bool is_out_of_reach(uint32_t offset)
{
    return offset > INT32_MAX - 8;
}

/* On to the next instructions only when edx is at least `bytes`. */
static void need_bytes(struct code *c, uint32_t bytes)
{
    PUT(c, 0x81, 0xfa); /* cmp edx, imm32 */
    put_u32(c, bytes);
    jump_if(c, BELOW, c->reject);
}

static void load_absolute(struct code *c, const struct bpf_insn *i)
{
    uint8_t form[5] = {0x86}; /* [rsi + disp32] */
    if (is_out_of_reach(i->k)) {
        jump(c, c->reject);
        return;
    }
    need_bytes(c, i->k + bytes_of(BPF_SIZE(i->code)));
    memcpy(form + 1, &i->k, 4);
    put_load(c, BPF_SIZE(i->code), form, sizeof(form), false);
}

static void load_indirect(struct code *c, const struct bpf_insn *i)
{
    static const uint8_t form[] = {0x04, 0x06}; /* [rsi + r8] */
    if (is_out_of_reach(i->k)) {
        jump(c, c->reject);
        return;
    }
    PUT(c, 0x41, 0x89, 0xc8); /* mov r8d, ecx */
    PUT(c, 0x49, 0x81, 0xc0); /* add r8, imm32 */
    put_u32(c, i->k);
    PUT(c, 0x4d, 0x8d, 0x48, (uint8_t)bytes_of(BPF_SIZE(i->code))); /* lea r9, [r8 + size] */
    PUT(c, 0x49, 0x39, 0xd1);                                       /* cmp r9, rdx */
    jump_if(c, ABOVE, c->reject);
    put_load(c, BPF_SIZE(i->code), form, sizeof(form), true);
}

/* X = 4 * the low half of a byte: the length of an IPv4 header. */
static void load_header_length(struct code *c, const struct bpf_insn *i)
{
    if (is_out_of_reach(i->k)) {
        jump(c, c->reject);
        return;
    }
    need_bytes(c, i->k + 1);
    PUT(c, 0x0f, 0xb6, 0x8e); /* movzx ecx, byte [rsi + disp32] */
    put_u32(c, i->k);
    PUT(c, 0x83, 0xe1, 0x0f, 0xc1, 0xe1, 2); /* and ecx, 15; shl ecx, 2 */
}

/* Where M[k] lies, as an 8-bit distance from rsp. */
static uint8_t memory_at(uint32_t k)
{
    return (uint8_t)(-64 + 4 * (int)k);
}

/* The second operand in r9d: a constant, or X. */
static void operand_to_r9(struct code *c, const struct bpf_insn *i)
{
    if (BPF_SRC(i->code) == BPF_X) {
        PUT(c, 0x41, 0x89, 0xc9); /* mov r9d, ecx */
        return;
    }
    PUT(c, 0x41, 0xb9); /* mov r9d, imm32 */
    put_u32(c, i->k);
}

static void divide(struct code *c, const struct bpf_insn *i)
{
    operand_to_r9(c, i);
    PUT(c, 0x45, 0x85, 0xc9); /* test r9d, r9d */
    jump_if(c, EQUAL, c->reject);
    PUT(c, 0x41, 0x89, 0xd2);             /* mov r10d, edx */
    PUT(c, 0x31, 0xd2, 0x41, 0xf7, 0xf1); /* xor edx, edx; div r9d */
    if (BPF_OP(i->code) == BPF_MOD)
        PUT(c, 0x89, 0xd0);   /* mov eax, edx */
    PUT(c, 0x44, 0x89, 0xd2); /* mov edx, r10d */
}

/* A shift by 32 and more leaves nothing; the processor would take it modulo 32. */
static void shift(struct code *c, const struct bpf_insn *i)
{
    PUT(c, 0x41, 0x89, 0xca); /* mov r10d, ecx */
    operand_to_r9(c, i);
    PUT(c, 0x44, 0x89, 0xc9);                                   /* mov ecx, r9d */
    PUT(c, 0xd3, BPF_OP(i->code) == BPF_LSH ? 0xe0 : 0xe8);     /* shl or shr eax, cl */
    PUT(c, 0x83, 0xf9, 32, 0x45, 0x19, 0xc9, 0x44, 0x21, 0xc8); /* cmp ecx, 32; sbb r9d, r9d; and eax, r9d */
    PUT(c, 0x44, 0x89, 0xd1);                                   /* mov ecx, r10d */
}

static bool calculate(struct code *c, const struct bpf_insn *i)
{
    switch (BPF_OP(i->code)) {
    case BPF_LSH:
    case BPF_RSH:
        shift(c, i);
        return true;
    case BPF_DIV:
    case BPF_MOD:
        divide(c, i);
        return true;
    case BPF_NEG:
        PUT(c, 0xf7, 0xd8); /* neg eax */
        return true;
    default:
        break;
    }
    operand_to_r9(c, i);
    switch (BPF_OP(i->code)) { /* op eax, r9d */
    case BPF_ADD:
        PUT(c, 0x44, 0x01, 0xc8);
        return true;
    case BPF_SUB:
        PUT(c, 0x44, 0x29, 0xc8);
        return true;
    case BPF_AND:
        PUT(c, 0x44, 0x21, 0xc8);
        return true;
    case BPF_OR:
        PUT(c, 0x44, 0x09, 0xc8);
        return true;
    case BPF_XOR:
        PUT(c, 0x44, 0x31, 0xc8);
        return true;
    case BPF_MUL:
        PUT(c, 0x41, 0x0f, 0xaf, 0xc1);
        return true;
    default:
        return false;
    }
}

static bool branch(struct code *c, const struct bpf_insn *i, uint32_t index)
{
    enum condition condition;
    if (BPF_OP(i->code) == BPF_JA) {
        jump(c, c->starts[index + 1 + i->k]);
        return true;
    }
    switch (BPF_OP(i->code)) {
    case BPF_JEQ:
        condition = EQUAL;
        break;
    case BPF_JGT:
        condition = ABOVE;
        break;
    case BPF_JGE:
        condition = NOT_BELOW;
        break;
    case BPF_JSET:
        condition = NOT_EQUAL;
        break;
    default:
        return false;
    }
    const bool set = BPF_OP(i->code) == BPF_JSET;
    if (BPF_SRC(i->code) == BPF_X) {
        PUT(c, set ? 0x85 : 0x39, 0xc8); /* test or cmp eax, ecx */
    } else {
        PUT(c, set ? 0xa9 : 0x3d); /* test or cmp eax, imm32 */
        put_u32(c, i->k);
    }
    if (i->jt != 0)
        jump_if(c, condition, c->starts[index + 1 + i->jt]);
    else
        jump_if(c, condition ^ 1, c->starts[index + 1 + i->jf]);
    if (i->jt != 0 && i->jf != 0)
        jump(c, c->starts[index + 1 + i->jf]);
    return true;
}

static bool translate(struct code *c, const struct bpf_insn *i, uint32_t index)
{
    switch (i->code) {
    case BPF_LD | BPF_W | BPF_ABS:
    case BPF_LD | BPF_H | BPF_ABS:
    case BPF_LD | BPF_B | BPF_ABS:
        load_absolute(c, i);
        return true;
    case BPF_LD | BPF_W | BPF_IND:
    case BPF_LD | BPF_H | BPF_IND:
    case BPF_LD | BPF_B | BPF_IND:
        load_indirect(c, i);
        return true;
    case BPF_LDX | BPF_MSH | BPF_B:
        load_header_length(c, i);
        return true;
    case BPF_LD | BPF_W | BPF_LEN:
        PUT(c, 0x89, 0xd0); /* mov eax, edx */
        return true;
    case BPF_LDX | BPF_W | BPF_LEN:
        PUT(c, 0x89, 0xd1); /* mov ecx, edx */
        return true;
    case BPF_LD | BPF_IMM:
        PUT(c, 0xb8); /* mov eax, imm32 */
        put_u32(c, i->k);
        return true;
    case BPF_LDX | BPF_IMM:
        PUT(c, 0xb9); /* mov ecx, imm32 */
        put_u32(c, i->k);
        return true;
    case BPF_LD | BPF_MEM:
        PUT(c, 0x8b, 0x44, 0x24, memory_at(i->k)); /* mov eax, [rsp + disp8] */
        return true;
    case BPF_LDX | BPF_MEM:
        PUT(c, 0x8b, 0x4c, 0x24, memory_at(i->k)); /* mov ecx, [rsp + disp8] */
        return true;
    case BPF_ST:
        PUT(c, 0x89, 0x44, 0x24, memory_at(i->k)); /* mov [rsp + disp8], eax */
        return true;
    case BPF_STX:
        PUT(c, 0x89, 0x4c, 0x24, memory_at(i->k)); /* mov [rsp + disp8], ecx */
        return true;
    case BPF_MISC | BPF_TAX:
        PUT(c, 0x89, 0xc1); /* mov ecx, eax */
        return true;
    case BPF_MISC | BPF_TXA:
        PUT(c, 0x89, 0xc8); /* mov eax, ecx */
        return true;
    case BPF_RET | BPF_K:
        PUT(c, 0xb8); /* mov eax, imm32 */
        put_u32(c, i->k);
        PUT(c, 0xc3);
        return true;
    case BPF_RET | BPF_A:
        PUT(c, 0xc3);
        return true;
    default:
        return BPF_CLASS(i->code) == BPF_ALU   ? calculate(c, i)
               : BPF_CLASS(i->code) == BPF_JMP ? branch(c, i, index)
                                               : false;
    }
}

static void begin(struct code *c, const struct filter_packet *p)
{
    uint64_t in_pieces = (uint64_t)(uintptr_t)p->in_pieces;
    PUT(c, 0x66, 0x83, 0x7f, p->n_segments_at, 1); /* cmp word [rdi + n_segments], 1 */
    PUT(c, 0x74, 12);                              /* je over the next two */
    PUT(c, 0x48, 0xb8);                            /* mov rax, imm64 */
    put(c, &in_pieces, sizeof(in_pieces));
    PUT(c, 0xff, 0xe0);                          /* jmp rax */
    PUT(c, 0x48, 0x8b, 0x77, p->data_at);        /* mov rsi, [rdi + data] */
    PUT(c, 0x0f, 0xb7, 0x47, p->data_offset_at); /* movzx eax, word [rdi + data_offset] */
    PUT(c, 0x48, 0x01, 0xc6);                    /* add rsi, rax */
    PUT(c, 0x0f, 0xb7, 0x57, p->length_at);      /* movzx edx, word [rdi + length] */
    PUT(c, 0x31, 0xc0, 0x31, 0xc9);              /* xor eax, eax; xor ecx, ecx */
}

/* One pass over the program. Every instruction has the same length in both passes. */
static bool pass(struct code *c, const struct bpf_program *program, const struct filter_packet *packet)
{
    c->n = 0;
    begin(c, packet);
    for (uint32_t i = 0; i < program->bf_len; i++) {
        c->starts[i] = (uint32_t)c->n;
        if (!translate(c, &program->bf_insns[i], i))
            return false;
    }
    c->reject = (uint32_t)c->n;
    PUT(c, 0x31, 0xc0, 0xc3); /* xor eax, eax; ret */
    return true;
}

uint64_t (*filter_code(const struct bpf_program *program, const struct filter_packet *packet))(void *)
{
    struct code c = {.measuring = true};
    size_t room = program->bf_len * CODE_BYTES_PER_INSTRUCTION + CODE_BYTES_BESIDE;
    c.starts = calloc(program->bf_len + 1u, sizeof(*c.starts));
    if (c.starts == NULL)
        return NULL;
    bool ok = pass(&c, program, packet) && c.n + sizeof(uint64_t) <= room;
    uint64_t *memory = MAP_FAILED;
    if (ok)
        memory = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    else
        errno = ENOTSUP;
    if (memory != MAP_FAILED) {
        memory[0] = room;
        c.bytes = (uint8_t *)(memory + 1);
        c.measuring = false;
        pass(&c, program, packet);
        if (mprotect(memory, room, PROT_READ | PROT_EXEC) != 0) {
            munmap(memory, room);
            memory = MAP_FAILED;
        }
    }
    free(c.starts);
    return memory == MAP_FAILED ? NULL : (uint64_t (*)(void *))(uintptr_t)(memory + 1);
}

void filter_code_free(void *code)
{
    uint64_t *memory = (uint64_t *)code - 1;
    munmap(memory, memory[0]);
}
