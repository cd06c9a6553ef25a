/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <string.h>

/* Nothing is lost, and a thread that has to wait sleeps: what remains is the work that a stored packet takes. */
#define PATIENT "--when-full wait --idle-sleep 50us --write "
#define RING PATIENT "@ --rotate-size 64M --max-files 8 --burst-buffer 128M"

/* In each run all of these are measured once, in this order. */
struct measurement bench_measurements[] = {
    {"floor-count-64", "receive and give back, nothing else", "ns/packet", run_floor, 64, "count"},
    {"count-64", "nfvcap-agent, count only", "ns/packet", run_ours, 64, "--count-only"},
    {"testpmd-64", "dpdk-testpmd rxonly", "ns/packet", run_testpmd, 64, ""},
    {"floor-record-64", "+ a record in memory", "ns/packet", run_floor, 64, "record"},
    {"null-64", "nfvcap-agent, records built and dropped", "ns/packet", run_ours, 64, "--null"},
    {"floor-mapped-64", "+ a record in a mapped file", "ns/packet", run_floor, 64, "mapped"},
    {"memory-64", "nfvcap-agent, 64 B into memory files", "ns/packet", run_ours, 64, RING},
    {"dumpcap-memory-64", "dpdk-dumpcap, 64 B into a memory file", "ns/packet", run_dumpcap, 64, "memory"},
    {"dpdkcap-memory-64", "dpdkcap, 64 B into a memory file", "ns/packet", run_dpdkcap, 64, "memory"},
    {"memory-64-pcapng", "nfvcap-agent, the same as pcapng", "ns/packet", run_ours, 64,
     "--format pcapng " RING},
    {"memory-64-filter", "nfvcap-agent, the same behind a filter", "ns/packet", run_ours, 64,
     "--filter _ " RING},
    {"memory-64-new", "nfvcap-agent, 64 B into one growing memory file", "ns/packet", run_ours, 64,
     PATIENT "@"},
    {"floor-mapped-1024", "a 1024-byte record in a mapped file", "ns/packet", run_floor, 1024, "mapped"},
    {"memory-1024", "nfvcap-agent, 1024 B into memory files", "ns/packet", run_ours, 1024, RING},
    {"dumpcap-memory-1024", "dpdk-dumpcap, 1024 B into a memory file", "ns/packet", run_dumpcap, 1024, "memory"},
    {"devnull-64", "nfvcap-agent, 64 B to /dev/null", "ns/packet", run_ours, 64, PATIENT "/dev/null"},
    {"dumpcap-devnull-64", "dpdk-dumpcap, 64 B to /dev/null", "ns/packet", run_dumpcap, 64, "null"},
    {"dpdkcap-devnull-64", "dpdkcap, 64 B to /dev/null", "ns/packet", run_dpdkcap, 64, "null"},
    {"disk-1024", "nfvcap-agent, 1024 B to the disk", "MB/s", run_disk, 1024, "--direct " PATIENT "@"},
    {"dd", "dd oflag=direct to the same disk", "MB/s", run_dd, 0, ""},
    {"check-64", "nfvcap-agent check, 64 B packets in memory", "MB/s", run_check, 64, ""},
    {"read", "one thread reading the same file", "MB/s", run_memory_read, 64, ""},
};
const unsigned n_bench_measurements = sizeof(bench_measurements) / sizeof(bench_measurements[0]);

const struct figure bench_figures[] = {
    {"count only, against testpmd rxonly", "count-64", "testpmd-64", 1 / 0.95, 1, false, 0},
    {"count only, against the floor", "count-64", "floor-count-64", 0, 1.2, false, 0},
    {"64 B to memory, against dpdk-dumpcap", "memory-64", "dumpcap-memory-64", 1.0 / 8, 1.0 / 20, false, 40},
    {"64 B to memory, against the floor", "memory-64", "floor-mapped-64", 0, 1.3, false, 0},
    {"1024 B to memory, against dpdk-dumpcap", "memory-1024", "dumpcap-memory-1024", 1.0 / 3, 0, false, 0},
    {"1024 B to memory, against the floor", "memory-1024", "floor-mapped-1024", 0, 1.3, false, 0},
    {"pcapng against pcap", "memory-64-pcapng", "memory-64", 1.25, 1.15, false, 0},
    {"with a filter against without", "memory-64-filter", "memory-64", 1.5, 1.2, false, 0},
    {"64 B to memory, against dpdkcap", "memory-64", "dpdkcap-memory-64", 1.0 / 4, 1.0 / 10, false, 0},
    {"64 B to /dev/null, against dpdkcap", "devnull-64", "dpdkcap-devnull-64", 1.0 / 2, 1.0 / 4, false, 0},
    {"64 B to /dev/null, against dpdk-dumpcap", "devnull-64", "dumpcap-devnull-64", 0, 1.0 / 8, false, 0},
    {"64 B to a growing file, against dpdk-dumpcap", "memory-64-new", "dumpcap-memory-64", 0, 1.0 / 8, false, 0},
    {"1024 B to the disk, against dd", "disk-1024", "dd", 0.9, 0.97, true, 0},
    {"check, against reading alone", "check-64", "read", 0.5, 0.8, true, 0},
};
const unsigned n_bench_figures = sizeof(bench_figures) / sizeof(bench_figures[0]);

struct measurement *bench_find(const char *name)
{
    for (unsigned i = 0; i < n_bench_measurements; i++) {
        if (strcmp(bench_measurements[i].name, name) == 0)
            return &bench_measurements[i];
    }
    return NULL;
}
