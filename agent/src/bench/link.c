/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receivers of AF_PACKET on one end of a virtual cable in a network namespace of its own, and our sender at the other.
 * The value is the highest rate at which the receiver's file has every packet.
 *
 * The sender, with the kernel's half of receiving, takes a CPU of its own and is slower than any receiver with another
 * one. So that receivers reach their limit they share their CPU with a loop that leaves them a thirtieth of it, and
 * each has a ring of RING_MIB: one that holds all of a trial would make any receiver as good as any other.
 *
 * What else the machine does makes a receiver lose that would not have lost: of ATTEMPTS one has to be whole.
 */
#include "bench.h"
#include "process.h"

#include "../error.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOWEST_KPPS 5.0
#define STEP 1.3
#define STEPS 20 /* up to 731 kpps (`most` in cases.c): four or five rates are tried */
#define ATTEMPTS 2
#define SETTLE_MS 1300u /* tcpdump has the kernel keep a block for a second, unless it is full */
#define RING_MIB "8"
#define RING_KIB "8192"
#define TRIAL_MS 600u
#define RECEIVER_NICE 15 /* beside a loop with 0: weights of 36 and 1024 */

struct cable {
    char *space;
    const char *receiver;
    char *path;
    uint32_t record_bytes;
};

static bool run_quietly(const char *const *argv)
{
    struct process p;
    bool ok = process_start(&p, argv, NULL) && process_wait(&p, 10000) == 0;
    process_forget(&p);
    return ok;
}

#define RUN(...) run_quietly((const char *const[]){__VA_ARGS__, NULL})

static bool lay_cable(const struct cable *c)
{
    bool ok = RUN("ip", "netns", "add", c->space) &&
              RUN("ip", "-n", c->space, "link", "add", "near", "type", "veth", "peer", "name", "far");
    const char *ends[] = {"near", "far"};
    for (unsigned i = 0; i < 2 && ok; i++)
        ok = RUN("ip", "netns", "exec", c->space, "sh", "-c",
                 text("echo 1 >/proc/sys/net/ipv6/conf/%s/disable_ipv6", ends[i])) &&
             RUN("ip", "-n", c->space, "link", "set", ends[i], "up", "promisc", "on");
    return ok;
}

/* Something that wants all of a CPU. */
static pid_t start_loop(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        process_pin_self(1);
        setpriority(PRIO_PROCESS, 0, 0); /* however urgent the bench is: the receiver's share depends on it */
        for (volatile uint64_t i = 0;; i++)
            continue;
    }
    return pid;
}

static bool start_receiver(const struct bench_options *o, const struct cable *c, struct process *p, const char **why)
{
    char *ready = text("%s.ready", c->path);
    const char *in_space[] = {"ip", "netns", "exec", c->space, "taskset", "-c", "1"};
    /* clang-format off */
    const char *ours[] = {o->self, "capture", "--quiet", "--port", "af_packet:far,ring=" RING_MIB "M", "--write", c->path,
                          "--lcores", "1", "--ready-file", ready, NULL};
    const char *tcpdump[] = {"tcpdump", "-n", "-i", "far", "-w", c->path, "-B", RING_KIB, NULL};
    const char *netsniff[] = {"netsniff-ng", "--in", "far", "--out", c->path, "--silent", "--ring-size", RING_MIB "MiB",
                              NULL};
    /* clang-format on */
    const bool is_ours = strcmp(c->receiver, "nfvcap-agent") == 0;
    const char *const *command = is_ours ? ours : strcmp(c->receiver, "tcpdump") == 0 ? tcpdump : netsniff;
    const char *argv[PROCESS_ARGS_MAX];
    unsigned n = 0;
    for (unsigned i = 0; i < sizeof(in_space) / sizeof(in_space[0]); i++)
        argv[n++] = in_space[i];
    for (unsigned i = 0; command[i] != NULL; i++)
        argv[n++] = command[i];
    argv[n] = NULL;
    if (!process_start(p, argv, NULL)) {
        *why = text("%s cannot be started", c->receiver);
        return false;
    }
    bool up = false;
    for (unsigned waited = 0; waited < 10000 && !up && process_alive(p); waited += 50) {
        sleep_ms(50);
        char *said = is_ours ? NULL : process_output(p);
        up = is_ours ? access(ready, F_OK) == 0
                     : said != NULL && (strstr(said, "listening on") != NULL || strstr(said, "Running") != NULL);
        free(said);
    }
    if (!up)
        *why = text("%s did not begin to receive", c->receiver);
    sleep_ms(100);
    return up;
}

static double send_packets(const struct bench_options *o, const struct cable *c, unsigned size_bytes, double kpps,
                           const char **why)
{
    /* clang-format off */
    const char *argv[] = {"ip", "netns", "exec", c->space, o->self, "generate", "--json", "--port", "af_packet:near",
                          "--size", text("%u", size_bytes + 4), "--rate", text("%.0fpps", kpps * 1000), "--duration",
                          text("%ums", TRIAL_MS), "--cpu", "0", NULL};
    /* clang-format on */
    char *report = run_to_end(&(struct bench_options){0}, argv, 30000, why);
    double sent = report != NULL ? number_after(report, "{", "sent") : NAN;
    free(report);
    return sent;
}

struct trial {
    double sent, stored; /* packets; NaN: the receiver or the sender failed */
};

static struct trial try_rate(const struct bench_options *o, const struct cable *c, unsigned size_bytes, double kpps,
                             const char **why)
{
    struct trial t = {NAN, NAN};
    struct process p = {0};
    if (start_receiver(o, c, &p, why)) {
        process_renice(&p, RECEIVER_NICE);
        pid_t loop = start_loop();
        t.sent = send_packets(o, c, size_bytes, kpps, why);
        sleep_ms(200);
        kill(loop, SIGKILL);
        waitpid(loop, NULL, 0);
        sleep_ms(SETTLE_MS);
    }
    process_stop(&p);
    process_forget(&p);
    struct stat st;
    if (stat(c->path, &st) == 0)
        t.stored = floor((double)(st.st_size - 24) / c->record_bytes);
    unlink(c->path);
    return t;
}

/* The rate at which everything arrived, 0 when something was lost each time; NaN when a trial failed. */
static double whole_kpps(const struct bench_options *o, const struct cable *c, unsigned size_bytes, double kpps,
                         const char **why)
{
    for (unsigned attempt = 0; attempt < ATTEMPTS; attempt++) {
        struct trial t = try_rate(o, c, size_bytes, kpps, why);
        if (isnan(t.sent) || isnan(t.stored))
            return NAN;
        /* What the sender is told and what it reaches differ on a busy machine: what it reached counts. */
        if (t.sent > 0 && t.stored >= t.sent)
            return t.sent / TRIAL_MS;
    }
    return 0;
}

static double highest_rate(const struct bench_options *o, const struct cable *c, unsigned size_bytes, const char **why)
{
    int whole = -1, beyond = STEPS;
    double highest_kpps = 0;
    while (beyond - whole > 1) {
        int middle = (whole + beyond) / 2;
        double kpps = whole_kpps(o, c, size_bytes, SLOWEST_KPPS * pow(STEP, middle), why);
        if (isnan(kpps))
            return NAN;
        if (kpps > 0)
            whole = middle;
        else
            beyond = middle;
        highest_kpps = fmax(highest_kpps, kpps);
    }
    if (highest_kpps > 0)
        return highest_kpps;
    *why = text("%s lost packets even at %.0f kpps: something else has the CPU", c->receiver, SLOWEST_KPPS);
    return NAN;
}

/* extra: the receiver. */
double run_link(const struct bench_options *o, const struct measurement *m, const char **why)
{
    const struct cable c = {
        .space = text("nfvcap-bench-%d", (int)getpid()),
        .receiver = m->extra,
        .path = text("%s/nfvcap-bench-%d.pcap", o->memory_dir, (int)getpid()),
        .record_bytes = 16 + m->size_bytes,
    };
    if (strcmp(c.receiver, "nfvcap-agent") != 0 && !program_installed(c.receiver)) {
        *why = text("%s is not installed", c.receiver);
        return NAN;
    }
    double value = NAN;
    if (lay_cable(&c))
        value = highest_rate(o, &c, m->size_bytes, why);
    else
        *why = "only root can make a network namespace with a veth pair (and ip has to be installed)";
    RUN("ip", "netns", "del", c.space);
    return value;
}
