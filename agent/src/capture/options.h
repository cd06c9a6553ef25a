/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_CAPTURE_OPTIONS_H
#define NFVCAP_CAPTURE_OPTIONS_H

#include "../eal.h"
#include "../port_stamps.h"
#include "queue.h"
#include "storage.h"

#include <stdbool.h>
#include <stdint.h>

#define MAX_PORTS 16
#define MAX_CPUS 1024

struct capture_options {
    const char *port_texts[MAX_PORTS];
    unsigned n_ports;
    unsigned n_queues;

    bool count_only;
    const char *pattern; /* --write */
    enum engine engine;
    enum record_format format;
    uint32_t snaplen;
    const char *filter;

    uint64_t rotate_bytes, rotate_ns;
    uint32_t max_files;
    uint64_t quota_bytes;
    uint64_t buffer_bytes; /* --burst-buffer as a size; or */
    uint64_t buffer_ns;    /* as a time */
    uint32_t chunk_bytes;
    uint64_t flush_ns;
    bool sync_on_close;
    bool no_io_uring;
    bool no_mapped_huge;
    bool no_streaming;
    enum when_full when_full;

    bool cpus[MAX_CPUS]; /* --lcores */
    bool cpus_given;
    const char *isa;
    uint32_t idle_sleep_us;
    uint16_t burst;
    uint16_t rx_desc;
    uint32_t mtu;
    bool no_promiscuous, require_promiscuous;
    enum huge_pages huge_pages;
    bool tai;
    enum stamp_source stamps;

    uint64_t duration_ns; /* 0: until a signal */
    uint64_t warm_up_ns;  /* the report tells apart what came after it */
    uint64_t packets;     /* 0: no limit */
    uint64_t stop_idle_ns;
    uint32_t wait_link_ms;

    const char *ready_file;
    const char *metrics_file;
    const char *pipe;
    uint64_t stats_interval_ns; /* 0: none */
    bool stats_given;           /* that interval was asked for */
    const char *json;           /* the final report: a path, "-" standard output; NULL: a table */
    bool fail_on_loss;
    bool quiet;
};

/* Parse and judge; dies with the reason. Returns false after --help. */
bool capture_options_parse(int argc, char **argv, struct capture_options *out);

#endif
