/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_SESSION_H
#define NFVCAP_SESSION_H

#include "../json.h"
#include "../port.h"
#include "filter.h"
#include "link_gaps.h"
#include "nic_clock.h"
#include "options.h"
#include "view.h"
#include "worker.h"

#define MAX_QUEUES 256u

_Static_assert(LINK_GAPS_PORTS >= MAX_PORTS, "a gap for each port");

/* How far a capture has come, and what it cost. */
struct progress {
    uint64_t monotonic_ns;
    uint64_t received, stored;
    uint64_t capture_cpu_ns, storage_cpu_ns;
};

/* Everything of one capture. The main thread owns it; threads get pointers to their own parts. */
struct session {
    struct capture_options options;
    struct port ports[MAX_PORTS];
    unsigned n_queues; /* of all ports together */
    struct queue *queues;
    struct capture_counters *capture_counters;
    struct storage_counters *storage_counters;
    struct storage *storages; /* NULL: count only */
    struct file_set *file_sets;
    struct worker *workers[MAX_QUEUES];
    struct storage_thread *storage_threads[MAX_QUEUES];
    unsigned n_workers;
    const struct datapath *datapath;
    enum engine engine;
    struct filter filter;
    struct budget budget;
    struct view *view;
    struct clock clock;
    struct discipline discipline;
    struct nic_clock nic_clocks[MAX_PORTS]; /* of the ports whose packets have the NIC's time */
    uint64_t start_ns, end_ns;              /* wall clock: ready, and stopped */
    uint64_t capture_cpu_ns, storage_cpu_ns;
    struct progress warm, last; /* at the end of --warm-up, and when the capture was told to stop */
    const char *stop_reason;
    _Atomic uint64_t stopped_ns; /* CLOCK_MONOTONIC, when the capture was told to stop; 0: it runs */
    _Atomic uint64_t port_restarts;
    _Atomic uint32_t restart_wanted; /* one bit per port: stop it and start it again */
    _Atomic uint32_t reset_wanted;   /* the driver asks for a reset first (a virtual function whose host reset it) */
    _Atomic uint64_t away_since[MAX_PORTS]; /* CLOCK_MONOTONIC, when that was wanted first; 0: not */
    uint32_t parked;                        /* one bit per port: it could not be started again yet */
    _Atomic int removed;                    /* 1 + the port whose device was taken away; 0: none */
    struct link_gaps gaps;                  /* ports without link, or not started */
};

/* session.c: build, run and take apart; each dies with the reason on failure. */
void session_open(struct session *s);
void session_start(struct session *s); /* returns once packets would be stored */
void session_stop(struct session *s);

/* restart.c: ports that must be stopped and started while the capture goes on. */
void restart_watch(struct session *s); /* learn of resets that drivers ask for, and of devices that go */
void restart_want(struct session *s, unsigned port, bool reset); /* from any thread */
void restart_if_wanted(struct session *s);
const char *restart_removed(struct session *s);                    /* the port whose device was taken away, or NULL */
uint64_t session_link_gap_ns(struct session *s, unsigned *n_open); /* up to now, or to the end; see link_gaps_total */

/* monitor.c: signals, clock, links, counters, until something ends the capture. */
int monitor_block_signals(void); /* before any thread: the descriptor that session_monitor reads */
void session_monitor(struct session *s, int signal_fd);
void monitor_killed(int signal_number);

/* report.c */
void session_snapshot(struct session *s, unsigned queue, struct queue_snapshot *out);
void session_total(struct session *s, struct queue_snapshot *out);
void session_progress(struct session *s, struct progress *out);
uint64_t session_nic_losses(struct session *s);
void session_json(struct session *s, struct json *j);
bool report_final(struct session *s); /* where --json says, or a table on stdout; false: it could not be written */
void report_line(struct session *s);  /* one line on stderr */
bool report_any_loss(struct session *s);
const char *session_failure(struct session *s); /* why storage stopped for good, or NULL */

/* metrics.c: an OpenMetrics file, replaced in one piece. */
void metrics_write(struct session *s, const char *path);

/* telemetry.c: /nfvcap/... on DPDK's telemetry socket. */
void telemetry_register(struct session *s);

#endif
