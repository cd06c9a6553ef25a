/* SPDX-License-Identifier: Apache-2.0 */
#include "merge.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000u
#define KNOWN_LOOKED_AT 256u
#define MANY_INPUTS 16u
#define NO_INTERFACE UINT32_MAX

static bool earlier(const struct merge *m, unsigned a, unsigned b)
{
    uint64_t x = m->inputs[a].time_ns, y = m->inputs[b].time_ns;

    return x != y ? x < y : a < b;
}

static void sift_down(struct merge *m, unsigned i)
{
    unsigned top = m->heap[i];

    for (;;) {
        unsigned child = 2 * i + 1;

        if (child + 1 < m->n_heap && earlier(m, m->heap[child + 1], m->heap[child]))
            child++;
        if (child >= m->n_heap || !earlier(m, m->heap[child], top))
            break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = top;
}

/* Sets the time of the next record, reading on where the batch is used up. False at the end of the input. */
static bool advance(struct merge_input *in)
{
    uint64_t now;

    if (in->at == in->batch.n) {
        in->at = 0;
        if (!reader_next(&in->reader, &in->batch))
            return false;
    }
    now = in->batch.time_ns[in->at];
    if (now == READER_NO_TIME) { /* it stays behind the record before it */
        in->untimed++;
        now = in->time_ns;
    }
    in->backward += now < in->time_ns;
    in->time_ns = now;
    return true;
}

static bool ended_well(const struct merge_input *in)
{
    return in->reader.end == END_WHOLE || in->reader.end == END_CUT || in->reader.end == END_UNWRITTEN;
}

static bool open_input(struct merge *m, struct merge_input *in)
{
    struct source_options options = {.chunk_bytes = m->n > MANY_INPUTS ? 128u << 10 : 1u << 20};

    return source_open_fd(&in->reader.src, in->fd, &options);
}

static enum merge_result open_all(struct merge *m, unsigned *culprit)
{
    m->heap = calloc(m->n, sizeof(*m->heap));
    if (m->heap == NULL)
        return MERGE_MEMORY;
    for (unsigned i = 0; i < m->n; i++) {
        struct merge_input *in = &m->inputs[i];

        *culprit = i;
        if (!open_input(m, in))
            return MERGE_MEMORY;
        if (!reader_open(&in->reader))
            return MERGE_INPUT;
        if (advance(in))
            m->heap[m->n_heap++] = i;
        else if (!ended_well(in))
            return MERGE_INPUT;
    }
    for (unsigned i = m->n_heap / 2; i-- > 0;)
        sift_down(m, i);
    return MERGE_OK;
}

/* pcap: one interface does for all, of the link type of the first records. */
static enum merge_result one_interface(struct merge *m, unsigned *culprit)
{
    uint32_t link = LINK_ETHERNET, snaplen = 0;
    bool unlimited = false;

    for (unsigned i = m->n; i-- > 0;) {
        const struct reader *r = &m->inputs[i].reader;

        if (m->inputs[i].batch.n != 0)
            link = m->inputs[i].batch.link;
        else if (r->n_interfaces != 0 && m->n_heap == 0)
            link = r->interfaces[0].link;
        for (uint32_t k = 0; k < r->n_interfaces; k++) {
            unlimited |= r->interfaces[k].snaplen == 0;
            snaplen = r->interfaces[k].snaplen > snaplen ? r->interfaces[k].snaplen : snaplen;
        }
    }
    for (unsigned i = 0; i < m->n; i++) {
        *culprit = i;
        if (m->inputs[i].batch.n != 0 && m->inputs[i].batch.link != link)
            return MERGE_LINKS;
    }
    outfile_interface(m->out, link, unlimited ? 0 : snaplen, "");
    m->known[0].link = link;
    m->n_known = 1;
    return MERGE_OK;
}

/* pcapng: the interface of the output that is like this one, made where there is none. */
static uint32_t find_interface(struct merge *m, const struct capture_interface *i)
{
    uint32_t from = m->n_known > KNOWN_LOOKED_AT ? m->n_known - KNOWN_LOOKED_AT : 0;

    for (uint32_t k = from; k < m->n_known; k++)
        if (m->known[k].link == i->link && m->known[k].snaplen == i->snaplen && strcmp(m->known[k].name, i->name) == 0)
            return k;
    if ((m->n_known & (m->n_known - 1)) == 0) {
        void *known = realloc(m->known, 2 * (size_t)(m->n_known + 1) * sizeof(*m->known));

        if (known == NULL)
            return NO_INTERFACE;
        m->known = known;
    }
    m->known[m->n_known].link = i->link;
    m->known[m->n_known].snaplen = i->snaplen;
    memcpy(m->known[m->n_known].name, i->name, sizeof(i->name));
    m->n_known++;
    return outfile_interface(m->out, i->link, i->snaplen, i->name);
}

static uint32_t interface_of(struct merge *m, struct merge_input *in, uint32_t number)
{
    if (number >= in->n_out) {
        uint32_t n = in->reader.n_interfaces;
        uint32_t *out = realloc(in->out, n * sizeof(*out));

        if (out == NULL)
            return NO_INTERFACE;
        while (in->n_out < n)
            out[in->n_out++] = NO_INTERFACE;
        in->out = out;
    }
    if (in->out[number] == NO_INTERFACE)
        in->out[number] = find_interface(m, &in->reader.interfaces[number]);
    return in->out[number];
}

static void take_options(struct merge_input *in, struct out_packet *p)
{
    p->options_len = in->batch.options_len[in->at];
    if (p->options_len == 0)
        return;
    if (in->reader.swapped) {
        in->options_dropped++;
        p->options_len = 0;
        return;
    }
    p->options = p->data + ((p->caplen + 3u) & ~3u);
}

static enum merge_result write_record(struct merge *m, struct merge_input *in)
{
    const struct record_batch *b = &in->batch;
    struct out_packet p = {
        .time_ns = in->time_ns,
        .data = b->data[in->at],
        .caplen = b->caplen[in->at],
        .wirelen = b->wirelen[in->at],
    };

    if (m->out->format == FORMAT_PCAP) {
        if (b->link != m->known[0].link)
            return MERGE_LINKS;
        if (p.time_ns / NS_PER_S > UINT32_MAX)
            return MERGE_TIME;
    } else {
        p.interface = interface_of(m, in, in->reader.format == FORMAT_PCAP ? 0 : b->interface[in->at]);
        if (p.interface == NO_INTERFACE)
            return MERGE_MEMORY;
        if (in->reader.format == FORMAT_PCAPNG)
            take_options(in, &p);
    }
    outfile_packet(m->out, &p);
    m->backward += p.time_ns < m->last_ns;
    m->last_ns = p.time_ns;
    m->packets++;
    in->packets++;
    in->at++;
    return m->out->error == 0 ? MERGE_OK : MERGE_OUTPUT;
}

static enum merge_result join(struct merge *m, unsigned *culprit)
{
    while (m->n_heap != 0) {
        unsigned i = m->heap[0];
        struct merge_input *in = &m->inputs[i];
        enum merge_result result = write_record(m, in);

        *culprit = i;
        if (result != MERGE_OK)
            return result;
        if (!advance(in)) {
            if (!ended_well(in))
                return MERGE_INPUT;
            m->heap[0] = m->heap[--m->n_heap];
            if (m->n_heap == 0)
                break;
        }
        sift_down(m, 0);
    }
    return MERGE_OK;
}

enum merge_result merge_run(struct merge *m, unsigned *culprit)
{
    enum merge_result result = open_all(m, culprit);

    m->known = calloc(1, sizeof(*m->known));
    if (m->known == NULL)
        return MERGE_MEMORY;
    if (result == MERGE_OK && m->out->format == FORMAT_PCAP)
        result = one_interface(m, culprit);
    return result == MERGE_OK ? join(m, culprit) : result;
}

void merge_free(struct merge *m)
{
    for (unsigned i = 0; i < m->n; i++) {
        reader_close(&m->inputs[i].reader);
        free(m->inputs[i].out);
    }
    free(m->heap);
    free(m->known);
}
