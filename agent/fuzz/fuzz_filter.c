/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A filter expression and a packet: libpcap's interpreter and our machine code have to agree, whether the packet lies
 * in one buffer or in two.
 *
 * The first bytes build the expression (see build()) or, where the first is 0x80 or above, are its text (see raw()).
 * The byte after them says where the packet is cut in two, the rest is the packet.
 */
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include "capture/filter.h"

#define PACKET_MAX 1500u
#define SNAPLEN 262144

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int __real_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found);
int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found);
struct netent *__wrap_getnetbyname(const char *name);

/* A text may name hosts and networks: nobody is asked for them, addresses are understood as ever. */
int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    struct addrinfo numeric = hints != NULL ? *hints : (struct addrinfo){0};
    numeric.ai_flags |= AI_NUMERICHOST;
    return __real_getaddrinfo(node, service, &numeric, found);
}

struct netent *__wrap_getnetbyname(const char *name)
{
    return NULL;
}

/* clang-format off */
static const char *const primitives[] = {
    "arp", "ip", "ip6", "tcp", "udp", "icmp", "vlan", "vlan 9", "mpls", "ether broadcast", "ether multicast",
    "host 198.18.0.1", "src net 198.18.0.0/15", "dst host 2001:db8::1", "port 53", "src port 51966", "portrange 1-1023",
    "tcp[tcpflags] & tcp-syn != 0", "ether host 02:00:00:00:00:01", "ether proto 0x88cc", "less 128", "greater 1000",
    "len = 60", "ip[8] < 64", "ip[6:2] & 0x1fff = 0", "udp[4:2] > 100", "ether[0] & 1 = 1", "ether[12:2] = 0x0800",
    "ip[2:2] + 14 <= len", "ip6[6] = 17", "icmp[icmptype] = icmp-echo", "ip proto 50", "ip broadcast",
    "tcp port 80 or tcp port 443", "ether[len - 1] = 0", "ip[0] & 0xf != 5", "ip[2:2] * 2 / 3 % 7 = 1", "pppoes",
    "ether[20:4] ^ 0x12345678 > 9", "udp[8:4] << 3 = 8",
};
/* clang-format on */
#define N_PRIMITIVES (sizeof(primitives) / sizeof(primitives[0]))

static struct rte_mbuf *segment[2];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char *words[] = {"fuzz",           "--no-huge", "--no-pci", "--no-shconf",
                     "--no-telemetry", "-m",        "64",       "--log-level=*:critical"};

    if (rte_eal_init(sizeof(words) / sizeof(words[0]), words) < 0)
        abort();
    struct rte_mempool *pool = rte_pktmbuf_pool_create("p", 63, 0, 0, PACKET_MAX + RTE_PKTMBUF_HEADROOM, 0);
    if (pool == NULL || rte_pktmbuf_alloc_bulk(pool, segment, 2) != 0)
        abort();
    return 0;
}

/* Up to four primitives, each with a byte that says: not, and or or before it, and whether it is the last one. */
static size_t build(char *out, size_t room, const uint8_t *data, size_t len)
{
    size_t used = 0, at = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < 4 && used + 2 <= len; i++, used += 2) {
        uint8_t how = data[used];
        const char *join = i == 0 ? "" : how & 1 ? " and " : " or ";

        at += (size_t)snprintf(out + at, room - at, "%s%s(%s)", join, how & 2 ? "not " : "",
                               primitives[data[used + 1] % N_PRIMITIVES]);
        if (how & 4)
            return used + 2;
    }
    return used;
}

/* As it stands, without the byte that says so, up to a zero or to the longest that is tried. */
static size_t raw(char *out, size_t room, const uint8_t *data, size_t len)
{
    size_t at = 0;

    while (at + 1 < len && at + 1 < room && data[at + 1] != '\0') {
        out[at] = (char)data[at + 1];
        at++;
    }
    out[at] = '\0';
    return at + 2 <= len ? at + 2 : len;
}

static struct rte_mbuf *packet(const uint8_t *data, uint16_t len, uint16_t cut)
{
    struct rte_mbuf *first = segment[0], *second = segment[1];

    rte_pktmbuf_reset(first);
    rte_pktmbuf_reset(second);
    memcpy(rte_pktmbuf_mtod(first, void *), data, cut);
    memcpy(rte_pktmbuf_mtod(second, void *), data + cut, len - cut);
    first->data_len = cut;
    first->pkt_len = len;
    second->data_len = len - cut;
    if (cut < len) {
        first->next = second;
        first->nb_segs = 2;
    }
    return first;
}

static void compare(const struct filter *f, const char *expression, const uint8_t *data, uint16_t len, uint16_t cut,
                    bool wanted)
{
    struct rte_mbuf *m = packet(data, len, cut);
    bool run = f->run(m) != 0, interpreted = f->interpreter(m) != 0;

    if (run == wanted && interpreted == wanted)
        return;
    fprintf(stderr, "\"%s\" on %u bytes cut at %u: libpcap %d, machine code %d, interpreter %d\n", expression, len, cut,
            wanted, run, interpreted);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char expression[512];
    bool is_text = len > 0 && data[0] >= 0x80;
    size_t used = (is_text ? raw : build)(expression, sizeof(expression), data, len);
    struct bpf_program program;
    struct filter filter;

    if (used == 0 || len - used < 2 || len - used - 1 > PACKET_MAX || filter_explain(expression) != NULL)
        return 0;
    uint16_t packet_len = (uint16_t)(len - used - 1);
    uint16_t cut = (uint16_t)(data[used] % packet_len);
    const uint8_t *bytes = data + used + 1;
    pcap_t *dead = pcap_open_dead(DLT_EN10MB, SNAPLEN);
    if (dead == NULL || pcap_compile(dead, &program, expression, 1, PCAP_NETMASK_UNKNOWN) != 0)
        abort();
    bool wanted = bpf_filter(program.bf_insns, bytes, packet_len, packet_len) != 0;
    pcap_freecode(&program);
    pcap_close(dead);
    filter_compile(&filter, expression);
    compare(&filter, expression, bytes, packet_len, packet_len, wanted);
    if (cut != 0)
        compare(&filter, expression, bytes, packet_len, cut, wanted);
    filter_release(&filter);
    return 0;
}
