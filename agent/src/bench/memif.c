/* SPDX-License-Identifier: Apache-2.0 */
#include "memif.h"

#include "../error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READY_MS 10000u

static const char *port(const struct memif_trial *t, unsigned link, const char *role, unsigned device)
{
    return text("vdev:net_memif%u,role=%s,socket=%s,socket-abstract=no,rsize=11", device, role, t->sockets[link]);
}

static unsigned add(const char **argv, unsigned n, const char *const *options)
{
    for (unsigned i = 0; options[i] != NULL && n < PROCESS_ARGS_MAX - 1; i++)
        argv[n++] = options[i];
    argv[n] = NULL;
    return n;
}

bool memif_open(struct memif_trial *t, const struct bench_options *o, const char *directory, unsigned n_links,
                const char *const *options, const char **why)
{
    *t = (struct memif_trial){.n_links = n_links};
    t->stem = text("%s/nfvcap-bench-%d", directory, (int)getpid());
    t->ready = text("%s.ready", t->stem);
    const char *argv[PROCESS_ARGS_MAX] = {o->self, "capture", "--quiet", "--json", "--ready-file", t->ready};
    unsigned n = 6;
    for (unsigned i = 0; i < n_links; i++) {
        t->sockets[i] = text("/tmp/nfvcap-bench-%d-%u.memif", (int)getpid(), i);
        argv[n++] = "--port";
        argv[n++] = port(t, i, "server", i);
    }
    argv[n++] = "--write";
    argv[n++] = text("%s.pcap", t->stem);
    add(argv, n, options);
    if (!process_start(&t->capture, argv, NULL)) {
        *why = "cannot start a process";
        return false;
    }
    for (unsigned waited = 0; waited < READY_MS && process_alive(&t->capture); waited += 20) {
        if (access(t->ready, F_OK) == 0) {
            if (o->urgent)
                process_make_urgent(&t->capture);
            return true;
        }
        sleep_ms(20);
    }
    *why = text("the capture did not become ready: %s", process_output(&t->capture));
    return false;
}

bool memif_send(struct memif_trial *t, const struct bench_options *o, unsigned link, unsigned cpu,
                const char *const *options, const char **why)
{
    const char *argv[PROCESS_ARGS_MAX] = {o->self, "generate",     "--json", "--port", port(t, link, "client", 0),
                                          "--cpu", text("%u", cpu)};
    add(argv, 7, options);
    bool started = process_start(&t->senders[link], argv, NULL);
    if (!started)
        *why = "cannot start a process";
    return started;
}

static char *ended(struct process *p, unsigned timeout_ms, const char *what, const char **why)
{
    int code = process_wait(p, timeout_ms);
    char *output = process_output(p);
    process_forget(p);
    if (code == 0 && output != NULL)
        return output;
    *why = text("%s ended with %d: %.300s", what, code, output != NULL ? output : "");
    free(output);
    return NULL;
}

char *memif_sent(struct memif_trial *t, unsigned link, unsigned timeout_ms, const char **why)
{
    return ended(&t->senders[link], timeout_ms, "the sender", why);
}

char *memif_captured(struct memif_trial *t, unsigned timeout_ms, const char **why)
{
    if (timeout_ms == 0)
        process_stop(&t->capture);
    return timeout_ms == 0 ? process_output(&t->capture) : ended(&t->capture, timeout_ms, "the capture", why);
}

void memif_forget(struct memif_trial *t)
{
    for (unsigned i = 0; i < t->n_links; i++) {
        process_stop(&t->senders[i]);
        process_forget(&t->senders[i]);
        unlink(t->sockets[i]);
    }
    process_stop(&t->capture);
    process_forget(&t->capture);
    unlink(t->ready);
    remove_files(t->stem);
}

/* CPU time of receiving and storing, per packet, of as many links as `extra` says, each with a thread of its own. The
 * files go round within what a slow sender fills before measuring begins. */
double run_memif(const struct bench_options *o, const struct measurement *m, const char **why)
{
    const unsigned n_links = m->extra[0] == '2' ? 2 : 1;
    const unsigned warm_up_ms = o->warm_up_ms + m->more_warm_up_ms, total_ms = warm_up_ms + o->measure_ms;
    /* clang-format off */
    const char *const storing[] = {"--lcores", n_links == 2 ? "0,1" : "1", "--when-full", "wait", "--idle-sleep", "50us",
                                   "--rotate-size", "16M", "--max-files", "4", "--warm-up", text("%ums", warm_up_ms),
                                   "--duration", text("%ums", total_ms), NULL};
    const char *const sending[] = {"--size", text("%u", m->size_bytes + 4), "--rate", "max", "--burst", "64",
                                   "--duration", text("%ums", total_ms + 2000), NULL};
    /* clang-format on */
    struct memif_trial t;
    bool ok = memif_open(&t, o, o->memory_dir, n_links, storing, why);
    for (unsigned i = 0; i < n_links && ok; i++)
        ok = memif_send(&t, o, i, i, sending, why);
    char *report = ok ? memif_captured(&t, total_ms + 20000, why) : NULL;
    memif_forget(&t);
    if (report == NULL)
        return NAN;
    const char *part = "\"after_warm_up\"";
    double packets = number_after(report, part, "stored");
    double cpu = number_after(report, part, "capture_cpu_ns") + number_after(report, part, "storage_cpu_ns");
    free(report);
    if (packets > 0)
        return cpu / packets;
    *why = "nothing was stored in the measured time";
    return NAN;
}
