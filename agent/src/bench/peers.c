/* SPDX-License-Identifier: Apache-2.0 */
/* Measurements of other programs, from outside: CPU time of their threads, and how far their counters or files grew. */
#include "bench.h"
#include "process.h"

#include "../error.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PREFIX "nfvcap-bench"
#define MEMPOOL_LIBRARY "/usr/lib/x86_64-linux-gnu/librte_mempool_dpaa.so.23"

/* A primary process with a secondary needs a mounted hugetlbfs. */
static bool huge_pages_mounted(const char **why)
{
    struct stat st;
    if (stat("/dev/hugepages", &st) != 0)
        mkdir("/dev/hugepages", 0755);
    FILE *mounts = fopen("/proc/self/mounts", "re");
    char line[1024];
    bool mounted = false;
    while (mounts != NULL && fgets(line, sizeof(line), mounts) != NULL)
        mounted = mounted || strstr(line, " hugetlbfs ") != NULL;
    if (mounts != NULL)
        fclose(mounts);
    if (mounted || mount("nodev", "/dev/hugepages", "hugetlbfs", 0, NULL) == 0)
        return true;
    *why = text("hugetlbfs is not mounted and cannot be: %s", errno_text(errno));
    return false;
}

/* Ask testpmd how many packets port 0 received. */
static double received_packets(int fd)
{
    static const char request[] = "/ethdev/stats,0";
    char answer[16384];
    if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
        return NAN;
    ssize_t n = recv(fd, answer, sizeof(answer) - 1, 0);
    if (n <= 0)
        return NAN;
    answer[n] = '\0';
    const char *at = strstr(answer, "\"ipackets\":");
    return at != NULL ? strtod(at + 11, NULL) : NAN;
}

static int connect_telemetry(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *runtime = geteuid() == 0 ? "/var/run" : getenv("XDG_RUNTIME_DIR");
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/dpdk/" PREFIX "/dpdk_telemetry.v2",
             runtime != NULL ? runtime : "/tmp");
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    const struct timeval patience = {.tv_sec = 5};
    char greeting[1024];
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        recv(fd, greeting, sizeof(greeting), 0) > 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool start_testpmd(struct process *p, unsigned size_bytes, const char **why)
{
    if (!program_installed("dpdk-testpmd")) {
        *why = "dpdk-testpmd is not installed";
        return false;
    }
    if (!huge_pages_mounted(why))
        return false;
    /* clang-format off */
    const char *argv[] = {"dpdk-testpmd", "--lcores", "0@0,1@1", "--no-pci", "--vdev",
                          text("net_null0,size=%u", size_bytes), "--file-prefix=" PREFIX, "-m", "200", "--",
                          "--forward-mode=rxonly", "--total-num-mbufs=16384", "--burst=64", NULL};
    /* clang-format on */
    if (!process_start(p, argv, NULL)) {
        *why = "dpdk-testpmd cannot be started";
        return false;
    }
    return true;
}

static int wait_for_testpmd(struct process *p, const char **why)
{
    for (unsigned i = 0; i < 100 && process_alive(p); i++) {
        sleep_ms(100);
        int fd = connect_telemetry();
        if (fd >= 0 && received_packets(fd) > 0)
            return fd;
        if (fd >= 0)
            close(fd);
    }
    char *output = process_output(p);
    *why = text("dpdk-testpmd did not begin to receive: %.300s", output != NULL ? output : "");
    return -1;
}

static void end(struct process *p)
{
    process_stop(p);
    process_forget(p);
}

double run_testpmd(const struct bench_options *o, const struct measurement *m, const char **why)
{
    struct process p;
    if (!start_testpmd(&p, m->size_bytes, why))
        return NAN;
    double value = NAN;
    int fd = wait_for_testpmd(&p, why);
    if (fd >= 0) {
        if (o->urgent)
            process_make_urgent(&p);
        sleep_ms(o->warm_up_ms);
        uint64_t cpu = process_cpu_ns(&p, "rte-worker");
        cpu += process_cpu_ns(&p, "lcore-worker");
        double packets = received_packets(fd);
        sleep_ms(o->measure_ms);
        uint64_t cpu_after = process_cpu_ns(&p, "rte-worker") + process_cpu_ns(&p, "lcore-worker");
        packets = received_packets(fd) - packets;
        value = (double)(cpu_after - cpu) / packets;
        close(fd);
    }
    end(&p);
    return value;
}

/* The length of the first enhanced packet block of a pcapng file: all packets of one size have the same. */
static uint32_t packet_block_bytes(const char *path)
{
    uint32_t head[2] = {0};
    off_t at = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && pread(fd, head, sizeof(head), at) == sizeof(head) && head[1] >= 12 && head[0] != 6)
        at += head[1];
    if (fd >= 0)
        close(fd);
    return head[0] == 6 ? head[1] : 0;
}

/* How many bytes one packet takes, from a short capture into a file. */
static uint32_t dumpcap_packet_bytes(const struct bench_options *o, const char *preload, const char **why)
{
    struct process p;
    char *path = text("%s/nfvcap-bench-probe-%d.pcapng", o->memory_dir, (int)getpid());
    const char *argv[] = {"dpdk-dumpcap", "--file-prefix=" PREFIX, "-i", "0", "-c", "100", "-q", "-w", path, NULL};
    uint32_t bytes = 0;
    if (process_start(&p, argv, preload)) {
        process_wait(&p, 10000);
        bytes = packet_block_bytes(path);
        process_forget(&p);
    }
    unlink(path);
    if (bytes == 0)
        *why = "dpdk-dumpcap captured nothing";
    return bytes;
}

/* extra: "null" or "memory". Both sides count: the receiving thread, which copies, and the writer. */
static double measure_dumpcap(const struct bench_options *o, const struct measurement *m, struct process *pmd,
                              const char **why)
{
    /* In Debian the two programs number their mempool drivers differently, and no packet comes through without this. */
    const char *preload = access(MEMPOOL_LIBRARY, R_OK) == 0 ? MEMPOOL_LIBRARY : NULL;
    uint32_t packet_bytes = dumpcap_packet_bytes(o, preload, why);
    if (packet_bytes == 0)
        return NAN;
    bool to_null = strcmp(m->extra, "null") == 0;
    char *path = to_null ? text("/dev/null") : text("%s/nfvcap-bench-peer-%d.pcapng", o->memory_dir, (int)getpid());
    const char *argv[] = {"dpdk-dumpcap", "--file-prefix=" PREFIX, "-i", "0", "-q", "-w", path, NULL};
    struct process p;
    if (!process_start(&p, argv, preload)) {
        *why = "dpdk-dumpcap cannot be started";
        return NAN;
    }
    sleep_ms(1000);
    if (o->urgent) {
        process_make_urgent(&p);
        process_make_urgent(pmd);
    }
    sleep_ms(o->warm_up_ms);
    uint64_t cpu = process_cpu_ns(&p, NULL) + process_cpu_ns(pmd, "rte-worker") + process_cpu_ns(pmd, "lcore-worker");
    uint64_t bytes = process_bytes_written(&p);
    sleep_ms(o->measure_ms);
    uint64_t cpu_after =
        process_cpu_ns(&p, NULL) + process_cpu_ns(pmd, "rte-worker") + process_cpu_ns(pmd, "lcore-worker");
    double packets = (double)(process_bytes_written(&p) - bytes) / packet_bytes;
    bool alive = process_alive(&p) && process_alive(pmd);
    end(&p);
    if (!to_null)
        unlink(path);
    if (!alive || packets < 1000) {
        *why = alive ? "dpdk-dumpcap wrote nothing" : "dpdk-dumpcap or its primary crashed";
        return NAN;
    }
    return (double)(cpu_after - cpu) / packets;
}

double run_dumpcap(const struct bench_options *o, const struct measurement *m, const char **why)
{
    if (!program_installed("dpdk-dumpcap")) {
        *why = "dpdk-dumpcap is not installed";
        return NAN;
    }
    struct process pmd;
    if (!start_testpmd(&pmd, m->size_bytes, why))
        return NAN;
    double value = NAN;
    int fd = wait_for_testpmd(&pmd, why);
    if (fd >= 0) {
        close(fd);
        value = measure_dumpcap(o, m, &pmd, why);
    }
    end(&pmd);
    return value;
}

/* extra: "null" or "memory". Its records are plain pcap. No distribution has it: it is measured where PATH has it. */
double run_dpdkcap(const struct bench_options *o, const struct measurement *m, const char **why)
{
    const char *program = "dpdkcap";
    if (!program_installed(program)) {
        *why = "dpdkcap is not in PATH";
        return NAN;
    }
    if (!huge_pages_mounted(why))
        return NAN;
    bool to_null = strcmp(m->extra, "null") == 0;
    char *stem = text("%s/nfvcap-bench-dpdkcap-%d", o->memory_dir, (int)getpid());
    /* clang-format off */
    const char *argv[] = {program, "--lcores", "0@0,1@0,2@1", "--no-pci", "--vdev",
                          text("net_null0,size=%u", m->size_bytes), "--file-prefix=" PREFIX, "--", "-m", "16383", "-G",
                          "100000", "--no-compression", "-S", "-o", to_null ? "/dev/null" : text("%s_%%COREID", stem),
                          NULL};
    /* clang-format on */
    struct process p;
    if (!process_start(&p, argv, NULL)) {
        *why = "dpdkcap cannot be started";
        return NAN;
    }
    sleep_ms(1500);
    if (o->urgent)
        process_make_urgent(&p);
    sleep_ms(o->warm_up_ms);
    uint64_t cpu = process_cpu_ns(&p, NULL), bytes = process_bytes_written(&p);
    sleep_ms(o->measure_ms);
    uint64_t cpu_after = process_cpu_ns(&p, NULL);
    double packets = (double)(process_bytes_written(&p) - bytes) / (m->size_bytes + 16);
    end(&p);
    remove_files(stem);
    if (packets < 1000) {
        *why = "dpdkcap wrote nothing";
        return NAN;
    }
    return (double)(cpu_after - cpu) / packets;
}
