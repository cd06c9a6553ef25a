/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include "../error.h"
#include "../output_file.h"

#include <errno.h>
#include <inttypes.h>

/* OpenMetrics wants all samples of one name together: a counter is looked up by its place in the visiting order. */
struct lookup {
    unsigned wanted, at;
    const char *name, *help;
    uint64_t value;
};

static void pick(void *arg, const char *name, uint64_t value, const char *help)
{
    struct lookup *l = arg;
    if (l->at++ != l->wanted)
        return;
    l->name = name;
    l->help = help;
    l->value = value;
}

static bool is_gauge(const char *name)
{
    return name[0] == 'b' || name[0] == 'm'; /* buffered, max_gap_ns */
}

static void write_queues(struct session *s, FILE *out)
{
    for (unsigned wanted = 0;; wanted++) {
        for (unsigned i = 0; i < s->n_queues; i++) {
            struct queue_snapshot snapshot;
            struct lookup l = {.wanted = wanted};
            session_snapshot(s, i, &snapshot);
            snapshot_visit(&snapshot, pick, &l);
            if (l.name == NULL)
                return;
            bool gauge = is_gauge(l.name);
            if (i == 0)
                fprintf(out, "# TYPE nfvcap_%s %s\n# HELP nfvcap_%s %s\n", l.name, gauge ? "gauge" : "counter", l.name,
                        l.help);
            fprintf(out, "nfvcap_%s%s{port=\"%s\",queue=\"%u\"} %" PRIu64 "\n", l.name, gauge ? "" : "_total",
                    s->ports[i / s->options.n_queues].spec.device, i % s->options.n_queues, l.value);
        }
    }
}

static void write_ports(struct session *s, FILE *out)
{
    static const char *const names[] = {"nic_missed", "nic_errors", "nic_no_mbuf"};
    for (unsigned k = 0; k < 3; k++) {
        fprintf(out, "# TYPE nfvcap_%s counter\n", names[k]);
        for (unsigned i = 0; i < s->options.n_ports; i++) {
            struct port_counters c;
            port_read_counters(&s->ports[i], &c);
            const uint64_t values[] = {c.nic_missed, c.nic_errors, c.nic_no_mbuf};
            if (k == 0 && !c.missed_known)
                continue; /* absent is not zero */
            fprintf(out, "nfvcap_%s_total{port=\"%s\"} %" PRIu64 "\n", names[k], s->ports[i].spec.device, values[k]);
        }
    }
    fputs("# TYPE nfvcap_link_up gauge\n", out);
    for (unsigned i = 0; i < s->options.n_ports; i++)
        fprintf(out, "nfvcap_link_up{port=\"%s\"} %d\n", s->ports[i].spec.device, s->ports[i].link_up);
    fprintf(out, "# TYPE nfvcap_link_gap_ns counter\nnfvcap_link_gap_ns_total %" PRIu64 "\n",
            session_link_gap_ns(s, NULL));
    fprintf(out, "# TYPE nfvcap_port_restarts counter\nnfvcap_port_restarts_total %" PRIu64 "\n", s->port_restarts);
    fprintf(out, "# TYPE nfvcap_clock_error_ns gauge\nnfvcap_clock_error_ns %" PRId64 "\n",
            s->discipline.last_error_ns);
}

void metrics_write(struct session *s, const char *path)
{
    struct output_file f;
    bool ok = output_file_begin(&f, path, false);
    if (ok) {
        write_queues(s, f.out);
        write_ports(s, f.out);
        fputs("# EOF\n", f.out);
        ok = output_file_finish(&f);
    }
    static bool complained;
    if (!ok && !complained) {
        complained = true;
        warn(text("cannot write %s", path), errno_text(errno), "the capture goes on without it");
    }
}
