/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <math.h>
#include <string.h>

/* Nothing is lost, and a thread that has to wait sleeps: what remains is the work that a stored packet takes. */
#define PATIENT "--when-full wait --idle-sleep 50us --write "
/* Files that go round: once each of them has been filled, no page is new any more. */
#define RING PATIENT "@ --rotate-size 64M --max-files 6 --burst-buffer 128M"
#define FILL_RING_MS 1300

#define NS "ns/packet"
#define STAMPS "99 of 100 stamps are as right as this, frames in bursts of "
#define AF_PACKET "60 B frames over veth, no loss, a thirtieth of a CPU, up to 731 kpps: "
#define LINK_MOST .most = 731 /* link.c: what the sender reaches, or nearly */

/* In each run all of these are measured once, in this order: what is compared stands close together. */
struct measurement bench_measurements[] = {
    {"floor-count-64", "receive and give back, nothing else", NS, run_floor, 64, "count"},
    {"count-64", "nfvcap-agent, count only", NS, run_ours, 64, "--count-only"},
    {"testpmd-64", "dpdk-testpmd rxonly", NS, run_testpmd, 64, ""},
    {"floor-record-64", "+ a record in memory", NS, run_floor, 64, "record"},
    {"null-64", "nfvcap-agent, records built and dropped", NS, run_ours, 64, "--null"},
    {"floor-mapped-64", "+ a record in a mapped file", NS, run_floor, 64, "mapped"},
    {"memory-64", "nfvcap-agent, 64 B into memory files", NS, run_ours, 64, RING, FILL_RING_MS},
    {"memory-64-pcapng", "nfvcap-agent, the same as pcapng", NS, run_ours, 64, "--format pcapng " RING, FILL_RING_MS},
    {"memory-64-filter", "nfvcap-agent, the same behind \"not arp\"", NS, run_ours, 64, "--filter _ " RING,
     FILL_RING_MS},
    {"memory-64-2-queues", "nfvcap-agent, the same on two cores", NS, run_ours, 64, "--queues 2 --lcores 0,1 " RING,
     FILL_RING_MS},
    {"dumpcap-memory-64", "dpdk-dumpcap, 64 B into a memory file", NS, run_dumpcap, 64, "memory"},
    {"dpdkcap-memory-64", "dpdkcap, 64 B into a memory file", NS, run_dpdkcap, 64, "memory",
     .elsewhere = "about 308 measured on another machine"},
    {"memory-64-new", "nfvcap-agent, 64 B into one growing memory file", NS, run_ours, 64, PATIENT "@"},
    {"floor-mapped-1024", "a 1024-byte record in a mapped file", NS, run_floor, 1024, "mapped"},
    {"memory-1024", "nfvcap-agent, 1024 B into memory files", NS, run_ours, 1024, RING, FILL_RING_MS},
    {"dumpcap-memory-1024", "dpdk-dumpcap, 1024 B into a memory file", NS, run_dumpcap, 1024, "memory"},
    {"floor-imix", "a record of IMIX out of a file (net_pcap) in a mapped file", NS, run_floor, 0, "mapped"},
    {"imix", "nfvcap-agent, IMIX out of a file into memory files", NS, run_ours, 0, RING, FILL_RING_MS},
    {"memif-64", "nfvcap-agent, 64 B through shared memory into memory files", NS, run_memif, 64, "1", FILL_RING_MS},
    {"memif-64-2-links", "the same, two links on two cores, senders beside", NS, run_memif, 64, "2", FILL_RING_MS},
    {"devnull-64", "nfvcap-agent, 64 B to /dev/null", NS, run_ours, 64, PATIENT "/dev/null"},
    {"dumpcap-devnull-64", "dpdk-dumpcap, 64 B to /dev/null", NS, run_dumpcap, 64, "null"},
    {"dpdkcap-devnull-64", "dpdkcap, 64 B to /dev/null", NS, run_dpdkcap, 64, "null",
     .elsewhere = "about 75 measured on another machine"},
    {"disk-1024", "nfvcap-agent, 1024 B to the disk", "MB/s", run_disk, 1024, "--direct " PATIENT "@"},
    {"dd", "dd oflag=direct to the same disk", "MB/s", run_dd, 0, ""},
    {"disk-lost", "packets lost of 1024 B at 0.9 x that rate or more", "packets", run_disk_lost, 1024, "dd",
     .again = true},
    {"check-memory-64", "nfvcap-agent check, 64 B frames in memory", "MB/s", run_check, 64, "memory"},
    {"read-memory-64", "reading the same file, with as many threads", "MB/s", run_read, 64, "memory"},
    {"check-disk-64", "nfvcap-agent check, 64 B frames from the disk", "MB/s", run_check, 64, "disk"},
    {"read-disk-64", "reading the same file, with as many threads", "MB/s", run_read, 64, "disk"},
    {"link-ours", AF_PACKET "nfvcap-agent", "kpps", run_link, 60, "nfvcap-agent", LINK_MOST},
    {"link-tcpdump", AF_PACKET "tcpdump", "kpps", run_link, 60, "tcpdump", LINK_MOST},
    {"link-netsniff-ng", AF_PACKET "netsniff-ng", "kpps", run_link, 60, "netsniff-ng", LINK_MOST},
    {"clock", "largest error of the clock in seven times --measure", "ns", run_clock, 0, "7"},
    {"clock-minute", "the same in twice --soak, once", "ns", run_clock, 0, "minute", .soaks = 2},
    {"stamps-1", STAMPS "1", "ns", run_stamps, 60, "1"},
    {"stamps-1-middle", "the median of these", "ns", run_stamps_more, 60, "middle"},
    {"stamps-8", STAMPS "8", "ns", run_stamps, 60, "8"},
    {"stamps-8-middle", "the median of these", "ns", run_stamps_more, 60, "middle"},
    {"stamps-32", STAMPS "32", "ns", run_stamps, 60, "32"},
    {"stamps-32-middle", "the median of these", "ns", run_stamps_more, 60, "middle"},
    {"stamps-1-slow", STAMPS "1, polled every 100 us", "ns", run_stamps, 60, "1 --idle-sleep 100us"},
    {"stamps-1-slow-middle", "the median of these", "ns", run_stamps_more, 60, "middle"},
    {"stamps-32-slow", STAMPS "32, polled every 100 us", "ns", run_stamps, 60, "32 --idle-sleep 100us"},
    {"stamps-32-slow-middle", "the median of these", "ns", run_stamps_more, 60, "middle"},
    {"stamps-early", "stamps of these that are earlier than sending, by more than was reported", "packets",
     run_stamps_more, 60, "early"},
    {"stamps-late", "stamps of these that are later than handing over, by more than was reported", "packets",
     run_stamps_more, 60, "late", .again = true},
    {"memory-growth", "nfvcap-agent, memory from 1/4 to the end of a long run", "KiB", run_soak, 64, RING, .soaks = 1},
    {"memory-growth-disk", "the same of one that writes to the disk", "KiB", run_soak, 1024,
     "--direct " PATIENT "@ --rotate-size 64M --max-files 4", .soaks = 1},
};
const unsigned n_bench_measurements = sizeof(bench_measurements) / sizeof(bench_measurements[0]);

#define AT_MOST(must_, goal_) .must = (must_), .goal = (goal_)
#define AT_LEAST(must_, goal_) .must = (must_), .goal = (goal_), .at_least = true

const struct figure bench_figures[] = {
    {"count only, against testpmd rxonly", "count-64", "testpmd-64", AT_MOST(1 / 0.95, 1)},
    {"count only, against the floor", "count-64", "floor-count-64", AT_MOST(NAN, 1.2)},
    {"64 B to memory, against dpdk-dumpcap", "memory-64", "dumpcap-memory-64", AT_MOST(1.0 / 8, 1.0 / 20)},
    {"64 B to memory, ns of CPU per packet", "memory-64", NULL, AT_MOST(40, 1000.0 / 60)},
    {"64 B to memory, against the floor", "memory-64", "floor-mapped-64", AT_MOST(NAN, 1.3)},
    {"1024 B to memory, against dpdk-dumpcap", "memory-1024", "dumpcap-memory-1024", AT_MOST(1.0 / 3, NAN)},
    {"1024 B to memory, against the floor", "memory-1024", "floor-mapped-1024", AT_MOST(NAN, 1.3)},
    {"pcapng against pcap", "memory-64-pcapng", "memory-64", AT_MOST(1.25, 1.15)},
    {"with a filter against without", "memory-64-filter", "memory-64", AT_MOST(1.5, 1.2)},
    {"CPU per packet, two queues against one", "memory-64-2-queues", "memory-64", AT_MOST(NAN, 1.2)},
    {"CPU per packet, two memif links against one", "memif-64-2-links", "memif-64", AT_MOST(NAN, 1.2)},
    {"IMIX out of a file to memory, against the floor", "imix", "floor-imix", AT_MOST(NAN, 1.3)},
    {"64 B to memory, against dpdkcap", "memory-64", "dpdkcap-memory-64", AT_MOST(1.0 / 4, 1.0 / 10)},
    {"64 B to /dev/null, against dpdkcap", "devnull-64", "dpdkcap-devnull-64", AT_MOST(1.0 / 2, 1.0 / 4)},
    {"64 B to /dev/null, against dpdk-dumpcap", "devnull-64", "dumpcap-devnull-64", AT_MOST(NAN, 1.0 / 8)},
    {"64 B to a growing file, against dpdk-dumpcap", "memory-64-new", "dumpcap-memory-64", AT_MOST(NAN, 1.0 / 8)},
    {"1024 B to the disk, against dd", "disk-1024", "dd", AT_LEAST(0.9, 0.97)},
    {"lost at 0.9 x the rate of dd", "disk-lost", NULL, AT_MOST(0, NAN)},
    {"check, against reading memory", "check-memory-64", "read-memory-64", AT_LEAST(0.5, 0.8)},
    {"check, against reading the disk", "check-disk-64", "read-disk-64", AT_LEAST(0.5, 0.8)},
    {"af_packet without loss, against tcpdump", "link-ours", "link-tcpdump", AT_LEAST(1, 1.5)},
    {"af_packet without loss, against netsniff-ng", "link-ours", "link-netsniff-ng", AT_LEAST(1, 1.5)},
    {"stamps earlier than the reported bound", "stamps-early", NULL, AT_MOST(0, NAN)},
    {"stamps later than the reported bound", "stamps-late", NULL, AT_MOST(0, NAN)},
    {"growth of memory, KiB", "memory-growth", NULL, AT_MOST(64, 0)},
    {"growth of memory, to the disk, KiB", "memory-growth-disk", NULL, AT_MOST(64, 0)},
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
