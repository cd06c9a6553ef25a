/* SPDX-License-Identifier: Apache-2.0 */
/* Filters over a burst say what libpcap's bpf_filter() says of each packet, whatever the program and the packets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pcap/pcap.h>

#include "capture/filter_lanes.h"
#include "capture/filter_tree.h"

#define ROOM 128u
#define PROGRAMS 4000u

static struct rte_mbuf mbufs[BATCH_LANES];
static struct rte_mbuf *packets[BATCH_LANES];
static uint8_t room[BATCH_LANES][ROOM];
static uint64_t random_state = 1;

static uint32_t draw(uint32_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % below;
}

/* Few different values, so that comparisons come out both ways. */
static void draw_packets(unsigned n, uint32_t shortest)
{
    for (unsigned i = 0; i < n; i++) {
        uint32_t length = shortest + draw(ROOM - shortest + 1);
        for (uint32_t k = 0; k < ROOM; k++)
            room[i][k] = (uint8_t)(draw(3) == 0 ? draw(256) : draw(4));
        mbufs[i] =
            (struct rte_mbuf){.buf_addr = room[i], .data_len = (uint16_t)length, .pkt_len = length, .nb_segs = 1};
        packets[i] = &mbufs[i];
    }
}

static uint64_t expected(const struct bpf_insn *code, unsigned n)
{
    uint64_t keep = 0;
    for (unsigned i = 0; i < n; i++)
        keep |= (uint64_t)(bpf_filter(code, room[i], mbufs[i].pkt_len, mbufs[i].data_len) != 0) << i;
    return keep;
}

static void compare(const struct bpf_program *program)
{
    struct batch_filter f;
    assert_true(batch_filter_load(&f, program));
    unsigned n = 1 + draw(BATCH_LANES);
    draw_packets(n, draw(2) == 0 ? 0 : 64);
    assert_int_equal(batch_filter_run(&f, packets, n), expected(program->bf_insns, n));
    if (!f.is_tree)
        return;
    draw_packets(n, f.tree_bytes < ROOM ? f.tree_bytes : ROOM);
    assert_int_equal(tree_filter_run(&f, packets, n), expected(program->bf_insns, n));
}

static void expressions(void **state)
{
    /* clang-format off */
    static const char *const all[] = {
        "not arp", "ip", "ip6", "tcp", "udp port 53", "host 10.0.0.1 and not port 22", "net 198.18.0.0/15", "vlan and ip",
        "tcp[tcpflags] & (tcp-syn|tcp-ack) != 0", "ip[2:2] > 576", "less 64", "greater 100 or icmp", "ether broadcast",
        "ether[0] & 1 = 0 and ip[16] >= 224", "ip[8] % 4 = 1", "ip[8] / ip[9] = 0", "(ip[0] & 0xf) * 4 + ip[1] << 2 = 20",
        "ip proto 17 or ip proto 6 or ip proto 1", "portrange 0-3", "ip6 proto 17", "mpls", "pppoes and ip",
    };
    /* clang-format on */
    pcap_t *dead = pcap_open_dead(DLT_EN10MB, 262144);
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct bpf_program program;
        if (pcap_compile(dead, &program, all[i], (int)draw(2), PCAP_NETMASK_UNKNOWN) != 0)
            fail_msg("%s: %s", all[i], pcap_geterr(dead));
        for (unsigned k = 0; k < 50; k++)
            compare(&program);
        pcap_freecode(&program);
    }
    pcap_close(dead);
}

static void what_is_a_tree(void **state)
{
    const struct {
        const char *expression;
        bool tree;
    } all[] = {
        {"not arp", true}, {"host 10.0.0.1", true}, {"tcp", true}, {"tcp port 80", false}, {"ip[2:2] + 1 > 5", false}};
    pcap_t *dead = pcap_open_dead(DLT_EN10MB, 262144);
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct bpf_program program;
        struct batch_filter f;
        assert_int_equal(pcap_compile(dead, &program, all[i].expression, 1, PCAP_NETMASK_UNKNOWN), 0);
        assert_true(batch_filter_load(&f, &program));
        assert_int_equal(f.is_tree, all[i].tree);
        pcap_freecode(&program);
    }
    pcap_close(dead);
}

/* clang-format off */
static const uint16_t straight[] = {
    BPF_LD | BPF_W | BPF_ABS, BPF_LD | BPF_H | BPF_ABS, BPF_LD | BPF_B | BPF_ABS, BPF_LD | BPF_W | BPF_IND,
    BPF_LD | BPF_H | BPF_IND, BPF_LD | BPF_B | BPF_IND, BPF_LD | BPF_W | BPF_LEN, BPF_LD | BPF_IMM,
    BPF_LDX | BPF_W | BPF_IMM, BPF_LDX | BPF_W | BPF_LEN, BPF_LDX | BPF_MSH | BPF_B, BPF_ALU | BPF_NEG,
    BPF_MISC | BPF_TAX, BPF_MISC | BPF_TXA, BPF_LD | BPF_MEM, BPF_LDX | BPF_W | BPF_MEM, BPF_ST, BPF_STX,
    BPF_ALU | BPF_ADD | BPF_K, BPF_ALU | BPF_SUB | BPF_X, BPF_ALU | BPF_MUL | BPF_X, BPF_ALU | BPF_DIV | BPF_X,
    BPF_ALU | BPF_MOD | BPF_X, BPF_ALU | BPF_MOD | BPF_K, BPF_ALU | BPF_AND | BPF_K, BPF_ALU | BPF_OR | BPF_X,
    BPF_ALU | BPF_XOR | BPF_K, BPF_ALU | BPF_LSH | BPF_X, BPF_ALU | BPF_RSH | BPF_K,
};
/* clang-format on */
static const uint16_t jumps[] = {BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET};

/* Any program that libpcap would accept; with `tree`, of the instructions that a tree has. */
static unsigned draw_program(struct bpf_insn *code, bool tree)
{
    unsigned n = 4 + draw(28);
    /* Scratch words are not read before they are written: what they hold then is nobody's promise. */
    for (unsigned i = 0; i < n; i++) {
        unsigned left = n - 1 - i;
        struct bpf_insn *p = &code[i];
        *p = (struct bpf_insn){.code = BPF_RET | BPF_K, .k = draw(2)};
        if (left == 0 || (i > 2 && draw(8) == 0))
            continue;
        if (!tree && i < 4 && left > 0) {
            *p = (struct bpf_insn){.code = BPF_ST, .k = i};
        } else if (i > 0 && draw(2) == 0) {
            p->code = (uint16_t)(BPF_JMP | jumps[draw(4)] | (tree || draw(2) == 0 ? BPF_K : BPF_X));
            p->jt = (uint8_t)draw(left);
            p->jf = (uint8_t)draw(left);
            p->k = draw(2) == 0 ? draw(4) : draw(1u << 16);
            if (draw(10) == 0)
                *p = (struct bpf_insn){.code = BPF_JMP | BPF_JA, .k = draw(left)};
        } else {
            p->code = tree ? straight[draw(3)] : straight[draw(sizeof(straight) / sizeof(straight[0]))];
            unsigned class = BPF_CLASS(p->code);
            bool memory = class == BPF_ST || class == BPF_STX || (class <= BPF_LDX && BPF_MODE(p->code) == BPF_MEM);
            p->k = memory ? draw(4) : 1 + draw(31 + 32 * (class <= BPF_LDX));
        }
    }
    return n;
}

static void random_programs(void **state)
{
    struct bpf_insn code[64];
    unsigned trees = 0;
    for (unsigned i = 0; i < PROGRAMS; i++) {
        struct bpf_program program = {.bf_insns = code};
        program.bf_len = draw_program(code, i % 2 == 0);
        compare(&program);
        struct batch_filter f;
        trees += batch_filter_load(&f, &program) && f.is_tree;
    }
    assert_true(trees > PROGRAMS / 20 && trees < PROGRAMS * 3 / 4);
}

static void refused(void **state)
{
    struct batch_filter f;
    struct bpf_insn no_end[] = {{.code = BPF_LD | BPF_H | BPF_ABS, .k = 12}};
    struct bpf_insn too_far[] = {{.code = BPF_JMP | BPF_JEQ, .jt = 1, .jf = 0}, {.code = BPF_RET}};
    struct bpf_insn zero[] = {{.code = BPF_ALU | BPF_DIV | BPF_K}, {.code = BPF_RET}};
    struct bpf_insn scratch[] = {{.code = BPF_ST, .k = BATCH_SCRATCH_WORDS}, {.code = BPF_RET}};
    struct bpf_insn unknown[] = {{.code = 0xffff}, {.code = BPF_RET}};
    assert_false(batch_filter_load(&f, &(struct bpf_program){1, no_end}));
    assert_false(batch_filter_load(&f, &(struct bpf_program){2, too_far}));
    assert_false(batch_filter_load(&f, &(struct bpf_program){2, zero}));
    assert_false(batch_filter_load(&f, &(struct bpf_program){2, scratch}));
    assert_false(batch_filter_load(&f, &(struct bpf_program){2, unknown}));
    assert_false(batch_filter_load(&f, &(struct bpf_program){0, NULL}));
}

int main(void)
{
#if defined(__AVX512DQ__)
    if (!__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return 77;
#elif defined(__AVX2__)
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2"))
        return 77;
#endif
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions),
        cmocka_unit_test(what_is_a_tree),
        cmocka_unit_test(random_programs),
        cmocka_unit_test(refused),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
