/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_telemetry.h>
#include <rte_version.h>

/* DPDK's telemetry has one process-wide set of commands; so have we one session. */
static struct session *shown;

static int add_u64(struct rte_tel_data *d, const char *name, uint64_t value)
{
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
    return rte_tel_data_add_dict_uint(d, name, value);
#else
    return rte_tel_data_add_dict_u64(d, name, value);
#endif
}

static void add_counter(void *arg, const char *name, uint64_t value, const char *help)
{
    add_u64(arg, name, value);
}

static int show_total(const char *cmd, const char *params, struct rte_tel_data *d)
{
    struct queue_snapshot total;
    session_total(shown, &total);
    rte_tel_data_start_dict(d);
    snapshot_visit(&total, add_counter, d);
    return 0;
}

static int show_queue(const char *cmd, const char *params, struct rte_tel_data *d)
{
    char *end = NULL;
    unsigned long queue = params != NULL ? strtoul(params, &end, 10) : 0;
    if (params == NULL || end == params || queue >= shown->n_queues)
        return -EINVAL;
    struct queue_snapshot snapshot;
    session_snapshot(shown, (unsigned)queue, &snapshot);
    rte_tel_data_start_dict(d);
    rte_tel_data_add_dict_string(d, "port", shown->ports[queue / shown->options.n_queues].spec.device);
    add_u64(d, "queue", queue % shown->options.n_queues);
    snapshot_visit(&snapshot, add_counter, d);
    return 0;
}

static int restart_port(const char *cmd, const char *params, struct rte_tel_data *d)
{
    char *end = NULL;
    unsigned long port = params != NULL ? strtoul(params, &end, 10) : 0;
    if (params == NULL || end == params || port >= shown->options.n_ports)
        return -EINVAL;
    restart_want(shown, (unsigned)port, false);
    rte_tel_data_string(d, "the port will be stopped and started");
    return 0;
}

static int show_clock(const char *cmd, const char *params, struct rte_tel_data *d)
{
    rte_tel_data_start_dict(d);
    add_u64(d, "tsc_hz", (uint64_t)(shown->discipline.ticks_per_ns * 1e9));
    add_u64(d, "max_error_ns", (uint64_t)shown->discipline.max_error_ns);
    add_u64(d, "reading_uncertainty_ns", shown->discipline.bracket_ns);
    add_u64(d, "steps", shown->discipline.n_steps);
    return 0;
}

static int show_links(const char *cmd, const char *params, struct rte_tel_data *d)
{
    unsigned n_away;
    uint64_t gap_ns = session_link_gap_ns(shown, &n_away);
    rte_tel_data_start_dict(d);
    add_u64(d, "link_gap_ns", gap_ns);
    add_u64(d, "ports_away", n_away);
    add_u64(d, "port_restarts", shown->port_restarts);
    return 0;
}

void telemetry_register(struct session *s)
{
    shown = s;
    rte_telemetry_register_cmd("/nfvcap/total", show_total, "Counters of all queues together. No parameters.");
    rte_telemetry_register_cmd("/nfvcap/queue", show_queue, "Counters of one queue. Parameter: its number.");
    rte_telemetry_register_cmd("/nfvcap/restart", restart_port,
                               "Stop and start a port. Parameter: its place among --port.");
    rte_telemetry_register_cmd("/nfvcap/links", show_links, "Time without link, all ports together. No parameters.");
    rte_telemetry_register_cmd("/nfvcap/clock", show_clock,
                               "How well the stamps follow the system clock. No parameters.");
}
