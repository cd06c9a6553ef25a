/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include "../error.h"
#include "../output_file.h"
#include "capture_file.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

void session_snapshot(struct session *s, unsigned queue, struct queue_snapshot *out)
{
    counters_snapshot(&s->capture_counters[queue], &s->storage_counters[queue], out);
}

void session_total(struct session *s, struct queue_snapshot *out)
{
    memset(out, 0, sizeof(*out));
    for (unsigned i = 0; i < s->n_queues; i++) {
        struct queue_snapshot one;
        session_snapshot(s, i, &one);
        snapshot_add(out, &one);
    }
}

void session_progress(struct session *s, struct progress *out)
{
    struct queue_snapshot t;
    session_total(s, &t);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    *out = (struct progress){
        .monotonic_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec,
        .received = t.received,
        .stored = t.stored,
    };
    for (unsigned i = 0; i < s->n_workers; i++) {
        out->capture_cpu_ns += worker_cpu_ns(s->workers[i]);
        if (s->storage_threads[i] != NULL)
            out->storage_cpu_ns += storage_thread_cpu_ns(s->storage_threads[i]);
    }
}

uint64_t session_nic_losses(struct session *s)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < s->options.n_ports; i++) {
        struct port_counters c;
        port_read_counters(&s->ports[i], &c);
        sum += c.nic_missed + c.nic_errors + c.nic_no_mbuf;
    }
    return sum;
}

bool report_any_loss(struct session *s)
{
    struct queue_snapshot t;
    session_total(s, &t);
    return t.lost_buffer + t.lost_full + t.lost_write + session_nic_losses(s) > 0;
}

const char *session_failure(struct session *s)
{
    for (unsigned i = 0; i < s->n_queues && s->storages != NULL; i++) {
        if (atomic_load_explicit(&s->storages[i].failed, memory_order_acquire))
            return s->storages[i].failure;
    }
    return NULL;
}

static void json_counter(void *arg, const char *name, uint64_t value, const char *help)
{
    json_u64(arg, name, value);
}

static const char *const trilean_names[] = {[NO] = "no", [YES] = "yes", [UNKNOWN] = "unknown"};

static void report_stamps(struct session *s, struct json *j, unsigned i)
{
    json_string(j, "timestamps", stamp_source_names[s->ports[i].stamps.source]);
    if (s->ports[i].stamps.source != STAMPS_NIC) {
        json_null(j, "nic_clock");
        return;
    }
    const struct nic_clock *n = &s->nic_clocks[i];
    json_object(j, "nic_clock");
    json_double(j, "hz", n->discipline.ticks_per_ns * 1e9);
    json_i64(j, "error_ns", n->discipline.last_error_ns);
    json_i64(j, "max_error_ns", n->discipline.max_error_ns);
    json_u64(j, "reading_uncertainty_ns", n->reading_uncertainty_ns);
    json_u64(j, "steps", n->n_steps);
    json_u64(j, "failed_readings", n->n_failed);
    json_object_end(j);
}

static void report_port(struct session *s, struct json *j, unsigned i)
{
    struct port *p = &s->ports[i];
    struct port_counters c;
    port_read_counters(p, &c);
    json_object(j, NULL);
    json_string(j, "port", p->spec.text);
    json_string(j, "driver", p->driver);
    json_i64(j, "numa_node", p->socket);
    json_bool(j, "link_up", p->link_up);
    if (p->link_mbps != 0)
        json_u64(j, "link_mbps", p->link_mbps);
    else
        json_null(j, "link_mbps");
    json_u64(j, "link_changes", p->link_changes);
    json_string(j, "promiscuous", trilean_names[p->promiscuous]);
    json_string(j, "allmulticast", trilean_names[p->allmulticast]);
    json_string(j, "symmetric_rss", trilean_names[p->symmetric_rss]);
    report_stamps(s, j, i);
    json_u64(j, "rx_descriptors", p->n_rx_desc);
    if (s->storages != NULL)
        json_u64(j, "burst_buffer_bytes", s->storages[(size_t)i * s->options.n_queues].config.buffer_bytes);
    else
        json_null(j, "burst_buffer_bytes");
    if (c.missed_known)
        json_u64(j, "nic_missed", c.nic_missed);
    else
        json_null(j, "nic_missed");
    json_u64(j, "nic_errors", c.nic_errors);
    json_u64(j, "nic_no_mbuf", c.nic_no_mbuf);
    json_array(j, "queues");
    for (unsigned q = 0; q < s->options.n_queues; q++) {
        struct queue_snapshot snapshot;
        session_snapshot(s, i * s->options.n_queues + q, &snapshot);
        json_object(j, NULL);
        json_u64(j, "queue", q);
        snapshot_visit(&snapshot, json_counter, j);
        json_object_end(j);
    }
    json_array_end(j);
    json_object_end(j);
}

void session_json(struct session *s, struct json *j)
{
    struct queue_snapshot total;
    session_total(s, &total);
    json_string(j, "schema", "nfvcap/agent-capture/1");
    json_string(j, "version", NFVCAP_VERSION);
    json_string(j, "engine", s->options.count_only ? "none" : engine_name(s->engine));
    json_string(j, "instruction_set", s->datapath->name);
    json_string(j, "filter", s->options.filter);
    json_bool(j, "filter_jit", s->filter.jit);
    json_string(j, "stop_reason", s->stop_reason);
    json_string(j, "failure", session_failure(s));
    json_u64(j, "start_ns", s->start_ns);
    json_u64(j, "end_ns", s->end_ns);
    json_u64(j, "capture_cpu_ns", s->capture_cpu_ns);
    json_u64(j, "storage_cpu_ns", s->storage_cpu_ns);
    json_object(j, "total");
    snapshot_visit(&total, json_counter, j);
    json_object_end(j);
    if (s->options.warm_up_ns != 0) {
        json_object(j, "after_warm_up");
        json_u64(j, "wall_ns", s->last.monotonic_ns - s->warm.monotonic_ns);
        json_u64(j, "received", s->last.received - s->warm.received);
        json_u64(j, "stored", s->last.stored - s->warm.stored);
        json_u64(j, "capture_cpu_ns", s->last.capture_cpu_ns - s->warm.capture_cpu_ns);
        json_u64(j, "storage_cpu_ns", s->last.storage_cpu_ns - s->warm.storage_cpu_ns);
        json_object_end(j);
    }
    json_object(j, "clock");
    json_string(j, "follows", s->options.tai ? "TAI" : "REALTIME");
    json_double(j, "tsc_hz", s->discipline.ticks_per_ns * 1e9);
    json_i64(j, "error_ns", s->discipline.last_error_ns);
    json_i64(j, "max_error_ns", s->discipline.max_error_ns);
    json_u64(j, "reading_uncertainty_ns", s->discipline.bracket_ns);
    json_u64(j, "steps", s->discipline.n_steps);
    json_object_end(j);
    json_u64(j, "port_restarts", s->port_restarts);
    json_u64(j, "link_gap_ns", session_link_gap_ns(s, NULL));
    json_array(j, "ports");
    for (unsigned i = 0; i < s->options.n_ports; i++)
        report_port(s, j, i);
    json_array_end(j);
}

static void print_table(struct session *s)
{
    struct queue_snapshot t;
    session_total(s, &t);
    printf("%20" PRIu64 " packets received\n", t.received);
    if (s->options.count_only)
        printf("%20" PRIu64 " counted\n", t.counted);
    else
        printf("%20" PRIu64 " stored in %" PRIu64 " files, %" PRIu64 " bytes\n", t.stored, t.files, t.stored_bytes);
    if (s->options.filter != NULL)
        printf("%20" PRIu64 " not wanted by the filter\n", t.filtered);
    printf("%20" PRIu64 " lost: no buffer free\n", t.lost_buffer);
    printf("%20" PRIu64 " lost: file system full\n", t.lost_full);
    printf("%20" PRIu64 " lost: write failed\n", t.lost_write);
    for (unsigned i = 0; i < s->options.n_ports; i++) {
        struct port_counters c;
        port_read_counters(&s->ports[i], &c);
        const char *name = s->ports[i].spec.text;
        if (c.missed_known)
            printf("%20" PRIu64 " missed by the NIC (%s)\n", c.nic_missed, name);
        else
            printf("%20s missed by the NIC (%s: its driver cannot tell)\n", "?", name);
        printf("%20" PRIu64 " without a packet buffer, %" PRIu64 " damaged (%s)\n", c.nic_no_mbuf, c.nic_errors, name);
    }
    uint64_t gap_ns = session_link_gap_ns(s, NULL);
    if (gap_ns > 0)
        printf("%20" PRIu64 " ms without link, all ports together\n", gap_ns / 1000000);
}

static void write_json(struct session *s, FILE *out)
{
    struct json j;
    json_start(&j, out);
    session_json(s, &j);
    json_finish(&j);
}

bool report_final(struct session *s)
{
    const char *path = s->options.json;
    if (path == NULL) {
        if (!s->options.quiet)
            print_table(s);
        return true;
    }
    if (strcmp(path, "-") == 0) {
        write_json(s, stdout);
        return true; /* main() looks at standard output */
    }
    struct output_file f;
    bool ok = output_file_begin(&f, path, true);
    if (ok) {
        write_json(s, f.out);
        ok = output_file_finish(&f);
    }
    if (!ok)
        warn(text("cannot write the report to %s", path), errno_text(errno), "the packets are stored all the same");
    return ok;
}

void report_line(struct session *s)
{
    struct queue_snapshot t;
    unsigned n_away;
    session_total(s, &t);
    uint64_t gap_ns = session_link_gap_ns(s, &n_away);
    fprintf(stderr,
            "received %" PRIu64 " stored %" PRIu64 " counted %" PRIu64 " buffered %" PRIu64 " filtered %" PRIu64
            " lost: buffer %" PRIu64 " full %" PRIu64 " write %" PRIu64 " nic %" PRIu64,
            t.received, t.stored, t.counted, t.buffered, t.filtered, t.lost_buffer, t.lost_full, t.lost_write,
            session_nic_losses(s));
    if (gap_ns > 0)
        fprintf(stderr, " without link %" PRIu64 " ms%s", gap_ns / 1000000, n_away > 0 ? " (still)" : "");
    fputc('\n', stderr);
}
