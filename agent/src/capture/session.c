/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include "../eal.h"
#include "../error.h"
#include "capture_file.h"
#include "stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ASSUMED_LINK_MBPS 10000
#define DEFAULT_BUFFER_BYTES (64ull << 20)
#define LARGE_PACKET_BYTES (66u << 10) /* room for one packet in several segments */

static void *cache_aligned(size_t n, size_t size)
{
    size_t bytes = (n * size + 63) & ~63ull;
    void *p = aligned_alloc(64, bytes);
    if (p == NULL)
        die(EXIT_INTERNAL, "out of memory", NULL, NULL);
    memset(p, 0, bytes);
    return p;
}

static uint64_t wall_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void open_ports(struct session *s)
{
    const struct capture_options *o = &s->options;
    struct port_spec specs[MAX_PORTS];
    struct port_config config = {
        .n_queues = (uint16_t)o->n_queues,
        .n_rx_desc = o->rx_desc,
        .mtu = o->mtu,
        .promiscuous = !o->no_promiscuous,
        .stamps = o->stamps,
    };
    struct eal_options eal = {.ports = specs, .n_ports = o->n_ports, .huge_pages = o->huge_pages};
    for (unsigned i = 0; i < o->n_ports; i++) {
        const char *why;
        if (!port_spec_parse(o->port_texts[i], PORT_RECEIVES, i, o->n_queues, &specs[i], &why))
            die(EXIT_USAGE, text("--port %s is not understood", o->port_texts[i]), why, NULL);
        eal.memory_bytes += port_memory_bytes(&specs[i], &config);
    }
    eal_start(&eal);
    for (unsigned i = 0; i < o->n_ports; i++) {
        port_open(&s->ports[i], &specs[i], &config);
        if (o->require_promiscuous && s->ports[i].promiscuous != YES)
            die(EXIT_USAGE, text("%s: promiscuous mode is not on", o->port_texts[i]), "--require-promiscuous was given",
                "on the host: ip link set dev PF vf N trust on");
    }
}

/* The most that one packet in one mbuf segment adds to a file (the copy may touch 64 bytes more). */
static uint32_t plain_record_bytes(const struct session *s, const struct port *p)
{
    uint32_t room = rte_pktmbuf_data_room_size(p->pools[0]);
    uint32_t captured = room < s->options.snaplen ? room : s->options.snaplen;
    return (captured < 64 ? 64 : captured) + RECORD_OVERHEAD_MAX + 64;
}

/* Not every driver knows its link before the port is started: then it is taken for the fastest one that it can have. */
static uint64_t buffer_bytes(const struct session *s, const struct port *p)
{
    const struct capture_options *o = &s->options;
    if (o->buffer_ns == 0)
        return o->buffer_bytes != 0 ? o->buffer_bytes : DEFAULT_BUFFER_BYTES;
    uint64_t mbps = p->link_mbps != 0 ? p->link_mbps : p->fastest_mbps != 0 ? p->fastest_mbps : ASSUMED_LINK_MBPS;
    double bytes = (double)mbps * 1e6 / 8 * 1.25 * ((double)o->buffer_ns / 1e9) / o->n_queues;
    return bytes < 4e6 ? 4000000 : (uint64_t)bytes;
}

static void configure_storage(struct session *s, unsigned i, struct storage *out, struct file_set *files)
{
    const struct capture_options *o = &s->options;
    unsigned port = i / o->n_queues;
    struct file_set_config fc = {
        .pattern = o->pattern,
        .port = port,
        .queue = i % o->n_queues,
        .many_ports = o->n_ports > 1,
        .many_queues = o->n_queues > 1,
        .rotates = o->rotate_bytes != 0 || o->rotate_ns != 0,
        .max_files = o->max_files,
        .quota_bytes = o->quota_bytes / s->n_queues,
    };
    if (o->rotate_bytes != 0 && o->rotate_bytes < 2ull * s->queues[i].reserve_bytes)
        die(EXIT_USAGE, "the files would be too small",
            text("one burst of this port's largest packets can take %u KiB", s->queues[i].reserve_bytes >> 10),
            "give a larger --rotate-size or --disk-quota, or a smaller --burst or --snaplen");
    file_set_init(files, &fc);
    static const struct engine_ops *const ops[] = {
        [ENGINE_NULL] = &engine_null,
        [ENGINE_MAPPED] = &engine_mapped,
        [ENGINE_DIRECT] = &engine_chunked,
        [ENGINE_WRITE] = &engine_chunked,
    };
    out->ops = ops[s->engine];
    out->files = files;
    out->capture = &s->capture_counters[i];
    out->counters = &s->storage_counters[i];
    out->config = (struct storage_config){
        .engine = s->engine,
        .head = {.format = o->format,
                 .snaplen = o->snaplen,
                 .interface_name = text("%s queue %u", s->ports[port].spec.text, fc.queue),
                 .filter = o->filter},
        .burst_bytes = s->queues[i].reserve_bytes,
        .rotate_bytes = o->rotate_bytes,
        .rotate_ns = o->rotate_ns,
        .buffer_bytes = buffer_bytes(s, &s->ports[port]),
        .chunk_bytes = o->chunk_bytes,
        .flush_ns = o->flush_ns,
        .sync_on_close = o->sync_on_close,
        .io_uring = !o->no_io_uring,
        .mapped_huge = !o->no_mapped_huge,
        .numa_node = s->ports[port].socket,
    };
}

/* Where the packets bring their times along. */
static struct packet_stamps *packet_stamps_of(struct session *s, unsigned port)
{
    const struct port_stamps *from = &s->ports[port].stamps;
    if (from->source != STAMPS_NIC && from->source != STAMPS_FILE)
        return NULL;
    struct packet_stamps *stamps = cache_aligned(1, sizeof(*stamps));
    stamps->from = *from;
    stamps->clock = from->source == STAMPS_NIC ? &s->nic_clocks[port].clock : NULL;
    stamps->generation = UINT32_MAX;
    return stamps;
}

static void open_queues(struct session *s)
{
    const struct capture_options *o = &s->options;
    s->queues = cache_aligned(s->n_queues, sizeof(struct queue));
    s->capture_counters = cache_aligned(s->n_queues, sizeof(struct capture_counters));
    s->storage_counters = cache_aligned(s->n_queues, sizeof(struct storage_counters));
    for (unsigned i = 0; i < s->n_queues; i++) {
        struct port *port = &s->ports[i / o->n_queues];
        struct queue *q = &s->queues[i];
        queue_init(q, &s->clock);
        q->port = port->id;
        q->id = (uint16_t)(i % o->n_queues);
        q->pool = port->pools[q->id];
        q->arrivals = port_arrivals(port, q->id);
        q->packet_stamps = packet_stamps_of(s, i / o->n_queues);
        if (q->packet_stamps != NULL)
            q->arrivals = q->packet_stamps->stamps;
        q->descriptor = port_descriptor(port, q->id);
        q->burst = o->burst;
        q->plain_record_bytes = plain_record_bytes(s, port);
        q->reserve_bytes = q->burst * q->plain_record_bytes + LARGE_PACKET_BYTES;
        q->snaplen = o->snaplen < 65600 ? o->snaplen : 65600;
        q->when_full = o->when_full;
        q->filter = s->filter.run;
        q->batch_filter = s->filter.batch.n > 0 ? &s->filter.batch : NULL;
        q->counters = &s->capture_counters[i];
        q->storage_counters = &s->storage_counters[i];
        if (o->packets != 0)
            q->budget = &s->budget;
    }
}

/* At the end, and when the start fails half way: nothing hidden stays behind. */
static void unlock_storages(void *arg)
{
    struct session *s = arg;
    for (unsigned i = 0; i < s->n_queues && s->storages != NULL; i++) {
        if (s->storages[i].lock_fd > 0)
            capture_file_unlock(&s->file_sets[i], s->storages[i].lock_fd);
        s->storages[i].lock_fd = 0;
    }
}

static void lock_storage(struct storage *storage)
{
    storage->lock_fd = capture_file_lock(storage->files);
    if (storage->lock_fd >= 0)
        return;
    storage->lock_fd = 0;
    die(EXIT_USAGE, text("cannot write to %s", storage->files->config.pattern),
        errno == EBUSY ? "another agent writes to it" : errno_text(errno), "choose another --write");
}

static void open_storages(struct session *s)
{
    const struct capture_options *o = &s->options;
    s->engine = o->engine;
    bool lock = false;
    if (s->engine != ENGINE_NULL) {
        struct file_system_probe probe;
        file_system_probe(o->pattern, &probe);
        if (s->engine == ENGINE_AUTO)
            s->engine = file_system_engine(&probe);
        if (probe.kind == FS_NOT_A_FILE && s->engine != ENGINE_WRITE)
            die(EXIT_USAGE, text("%s is not a regular file", o->pattern), "it can only be written to in sequence",
                "leave the engine to be chosen, or give --engine write");
        lock = probe.kind != FS_NOT_A_FILE;
        if (!lock && (o->rotate_bytes != 0 || o->rotate_ns != 0))
            die(EXIT_USAGE, text("%s is not a regular file", o->pattern), "there is nothing to rotate", NULL);
        if (s->engine == ENGINE_DIRECT && !probe.direct)
            die(EXIT_USAGE, text("%s: O_DIRECT does not work there", o->pattern), NULL, "leave --direct out");
    }
    s->storages = cache_aligned(s->n_queues, sizeof(struct storage));
    s->file_sets = cache_aligned(s->n_queues, sizeof(struct file_set));
    on_die(unlock_storages, s);
    for (unsigned i = 0; i < s->n_queues; i++) {
        struct storage *storage = &s->storages[i];
        configure_storage(s, i, storage, &s->file_sets[i]);
        storage_thread_add(s->storage_threads[i % s->n_workers], storage);
        if (lock)
            lock_storage(storage);
        storage->ops->open(storage, wall_ns());
        struct queue *q = &s->queues[i];
        q->storage = storage;
        q->stored_at_once = s->engine == ENGINE_NULL || s->engine == ENGINE_MAPPED;
        q->view = s->view != NULL ? view_ring_of(s->view, i) : NULL;
        const bool streams = s->engine == ENGINE_MAPPED && !o->no_streaming;
        q->stream_from_bytes = streams ? STREAM_FROM_BYTES : UINT32_MAX;
        q->stage = cache_aligned(1, STREAM_FLUSH_BYTES + q->plain_record_bytes + 2 * STREAM_LINE);
    }
}

/* One capture thread per CPU that was named, else one per queue (at most one per CPU that there is). */
static void plan_workers(struct session *s)
{
    const struct capture_options *o = &s->options;
    int cpus[MAX_CPUS];
    unsigned n_cpus = 0;
    for (int i = 0; o->cpus_given && i < MAX_CPUS; i++) {
        if (o->cpus[i])
            cpus[n_cpus++] = i;
    }
    unsigned most = o->cpus_given ? n_cpus : (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    s->n_workers = s->n_queues < most ? s->n_queues : most;
    if (s->n_workers == 0)
        s->n_workers = 1;
    for (unsigned i = 0; i < s->n_workers; i++) {
        struct worker_config config = {
            .cpu = o->cpus_given ? cpus[i] : -1,
            .idle_sleep_us = o->idle_sleep_us,
            .index = i,
        };
        s->workers[i] = worker_create(&config, s->n_queues);
        if (!o->count_only)
            s->storage_threads[i] = storage_thread_create(s->n_queues);
    }
}

static void assign_queues(struct session *s)
{
    const struct capture_options *o = &s->options;
    bool filtered = s->filter.run != NULL && !s->filter.matches_all;
    for (unsigned i = 0; i < s->n_queues; i++) {
        poll_function poll = s->datapath->count;
        if (!o->count_only)
            poll = filtered ? s->datapath->store_filtered[o->format] : s->datapath->store[o->format];
        if (!filtered)
            s->queues[i].filter = NULL;
        worker_add(s->workers[i % s->n_workers], &s->queues[i], poll);
    }
}

void session_open(struct session *s)
{
    const struct capture_options *o = &s->options;
    s->datapath = datapath_choose(o->isa);
    if (s->datapath == NULL)
        die(EXIT_USAGE, text("--isa %s cannot run here", o->isa), NULL, "leave it out");
    if (o->filter != NULL) {
        const char *why = filter_explain(o->filter);
        if (why != NULL)
            die(EXIT_USAGE, text("the filter \"%s\" is not understood", o->filter), why,
                "man pcap-filter describes the language");
    }
    s->n_queues = o->n_ports * o->n_queues;
    if (s->n_queues > MAX_QUEUES)
        die(EXIT_USAGE, text("%u queues are too many", s->n_queues), "one agent takes up to 256", NULL);
    if (!clock_tsc_is_invariant())
        warn("this processor does not promise a constant time stamp counter", "stamps may jump with its frequency",
             "compare the stamps with another clock before relying on them");
    discipline_start(&s->discipline, &s->clock, o->tai);
    open_ports(s);
    if (o->filter != NULL)
        filter_compile(&s->filter, o->filter);
    atomic_store(&s->budget.left, (int64_t)o->packets);
    plan_workers(s);
    open_queues(s);
    if (o->pipe != NULL) {
        struct file_description head = {.format = o->format, .snaplen = o->snaplen};
        s->view = view_open(o->pipe, &head, s->n_queues);
    }
    if (!o->count_only)
        open_storages(s);
    assign_queues(s);
}

static void start_nic_clock(struct session *s, unsigned i)
{
    struct port *p = &s->ports[i];
    if (p->stamps.source == STAMPS_NIC && !nic_clock_start(&s->nic_clocks[i], port_read_clock, p, &s->discipline.line))
        die(EXIT_USAGE, text("%s: the NIC's clock cannot be followed", p->spec.text),
            "its driver does not answer, or the clock does not run", "leave --timestamps out");
}

void session_start(struct session *s)
{
    const struct capture_options *o = &s->options;
    for (unsigned i = 0; i < o->n_ports; i++) {
        port_start(&s->ports[i]);
        start_nic_clock(s, i);
    }
    for (unsigned i = 0; i < o->n_ports; i++) {
        if (!port_wait_link(&s->ports[i], o->wait_link_ms))
            warn(text("%s: no link yet", o->port_texts[i]), NULL, "the capture starts when it comes");
    }
    cpu_set_t capture_cpus;
    CPU_ZERO(&capture_cpus);
    for (int i = 0; i < CPU_SETSIZE && i < MAX_CPUS && o->cpus_given; i++) {
        if (o->cpus[i])
            CPU_SET(i, &capture_cpus);
    }
    for (unsigned i = 0; i < s->n_workers && !o->count_only; i++)
        storage_thread_start(s->storage_threads[i], text("nfvcap-disk%u", i), &capture_cpus);
    if (s->view != NULL)
        view_start(s->view);
    for (unsigned i = 0; i < s->n_workers; i++)
        worker_start(s->workers[i]);
    for (unsigned i = 0; i < s->n_workers; i++)
        worker_wait_ready(s->workers[i]);
    restart_watch(s);
    s->start_ns = wall_ns();
}

void session_stop(struct session *s)
{
    for (unsigned i = 0; i < s->options.n_ports; i++)
        port_settle(&s->ports[i]);
    for (unsigned i = 0; i < s->n_workers; i++)
        worker_stop(s->workers[i]);
    for (unsigned i = 0; i < s->n_workers; i++)
        s->capture_cpu_ns += worker_join(s->workers[i]);
    s->end_ns = wall_ns();
    for (unsigned i = 0; i < s->options.n_ports; i++)
        port_end(&s->ports[i]);
    for (unsigned i = 0; i < s->n_workers && !s->options.count_only; i++) {
        storage_thread_finish(s->storage_threads[i]);
        s->storage_cpu_ns += storage_thread_cpu_ns(s->storage_threads[i]);
    }
    unlock_storages(s);
    if (s->view != NULL)
        view_stop(s->view);
}
