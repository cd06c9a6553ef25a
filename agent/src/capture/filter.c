/* SPDX-License-Identifier: Apache-2.0 */
#include "filter.h"

#include "../error.h"
#include "filter_code.h"

#include <stddef.h>
#include <stdlib.h>

#include <pcap/pcap.h>

#include <rte_mbuf.h>

#define SNAPLEN 262144

static bool compile(const char *expression, struct bpf_program *program, const char **why)
{
    pcap_t *dead = pcap_open_dead(DLT_EN10MB, SNAPLEN);
    if (dead == NULL) {
        *why = "libpcap has no memory";
        return false;
    }
    bool ok = pcap_compile(dead, program, expression, 1, PCAP_NETMASK_UNKNOWN) == 0;
    if (!ok)
        *why = text("%s", pcap_geterr(dead));
    pcap_close(dead);
    return ok;
}

const char *filter_explain(const char *expression)
{
    struct bpf_program program;
    const char *why = NULL;
    if (compile(expression, &program, &why))
        pcap_freecode(&program);
    return why;
}

/* One program per process is all that a capture has. */
static struct bpf_program program;

/* Where there is no machine code, and for packets in several buffers, of which libpcap wants a copy in one. */
static uint64_t interpret(void *packet)
{
    static _Thread_local uint8_t copy[SNAPLEN];
    struct rte_mbuf *m = packet;
    uint32_t length = m->pkt_len < SNAPLEN ? m->pkt_len : SNAPLEN;
    const uint8_t *bytes = rte_pktmbuf_read(m, 0, length, copy);
    return bytes != NULL ? bpf_filter(program.bf_insns, bytes, m->pkt_len, length) : 0;
}

void filter_compile(struct filter *f, const char *expression)
{
    static const struct filter_packet layout = {
        .n_segments_at = offsetof(struct rte_mbuf, nb_segs),
        .data_at = offsetof(struct rte_mbuf, buf_addr),
        .data_offset_at = offsetof(struct rte_mbuf, data_off),
        .length_at = offsetof(struct rte_mbuf, data_len),
        .in_pieces = interpret,
    };
    const char *why;
    *f = (struct filter){0};
    if (!compile(expression, &program, &why))
        die(EXIT_USAGE, text("the filter \"%s\" is not understood", expression), why,
            "man pcap-filter describes the language");
    f->matches_all = program.bf_len == 1 && program.bf_insns[0].code == (BPF_RET | BPF_K) && program.bf_insns[0].k != 0;
    batch_filter_load(&f->batch, &program);
    f->interpreter = interpret;
    f->run = filter_code(&program, &layout);
    f->jit = f->run != NULL;
    if (!f->jit)
        f->run = interpret;
}

void filter_release(struct filter *f)
{
    if (f->jit)
        filter_code_free((void *)(uintptr_t)f->run);
    pcap_freecode(&program);
    *f = (struct filter){0};
}
