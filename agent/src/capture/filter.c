/* SPDX-License-Identifier: Apache-2.0 */
#include "filter.h"

#include "../error.h"

#include <pcap/pcap.h>

#include <rte_bpf.h>
#include <rte_errno.h>
#include <rte_malloc.h>

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

/* The interpreter's form of a filter_function; one program per process is all that a capture has. */
static const struct rte_bpf *interpreted;

static uint64_t interpret(void *mbuf)
{
    return rte_bpf_exec(interpreted, mbuf);
}

void filter_compile(struct filter *f, const char *expression)
{
    struct bpf_program program;
    const char *why;
    *f = (struct filter){0};
    if (!compile(expression, &program, &why))
        die(EXIT_USAGE, text("the filter \"%s\" is not understood", expression), why,
            "man pcap-filter describes the language");
    f->matches_all = program.bf_len == 1 && program.bf_insns[0].code == (BPF_RET | BPF_K) &&
                     program.bf_insns[0].k != 0;
    struct rte_bpf_prm *prm = rte_bpf_convert(&program);
    pcap_freecode(&program);
    if (prm == NULL)
        die(EXIT_USAGE, text("the filter \"%s\" cannot be run by DPDK", expression), rte_strerror(rte_errno),
            "use a simpler expression, or filter when reading");
    struct rte_bpf *bpf = rte_bpf_load(prm);
    rte_free(prm);
    if (bpf == NULL)
        die(EXIT_USAGE, text("the filter \"%s\" cannot be run by DPDK", expression), rte_strerror(rte_errno),
            "use a simpler expression, or filter when reading");
    f->handle = bpf;
    struct rte_bpf_jit jit = {0};
    if (rte_bpf_get_jit(bpf, &jit) == 0 && jit.func != NULL) {
        f->jit = true;
        f->run = (filter_function)jit.func;
    } else {
        interpreted = bpf;
        f->run = interpret;
    }
}

void filter_release(struct filter *f)
{
    rte_bpf_destroy(f->handle);
    f->handle = NULL;
}
