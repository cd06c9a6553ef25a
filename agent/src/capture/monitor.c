/* SPDX-License-Identifier: Apache-2.0 */
/* The main thread while packets are captured: it does everything that is not receiving and storing. */
#include "notify.h"
#include "session.h"

#include "../error.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 20
#define CLOCK_INTERVAL_NS 250000000ull
#define LINK_INTERVAL_NS 100000000ull
#define METRICS_INTERVAL_NS 1000000000ull

struct timers {
    uint64_t start, clock, link, stats, metrics;
    uint64_t last_progress, last_received;
};

static uint64_t monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static bool due(uint64_t *next, uint64_t now, uint64_t interval)
{
    if (interval == 0 || now < *next)
        return false;
    *next = now + interval;
    return true;
}

static void watch_clock(struct session *s)
{
    bool stepped = discipline_update(&s->discipline);
    for (unsigned i = 0; i < s->options.n_ports; i++) {
        if (s->ports[i].stamps.source == STAMPS_NIC)
            nic_clock_update(&s->nic_clocks[i], &s->discipline.line);
    }
    if (!stepped)
        return;
    warn("the system clock was set",
         text("%lld ms away from the capture's time in all", (long long)(s->discipline.line.step_ns / 1000000)),
         "stamps go on without a jump; each file begun from now on has the new time");
    for (unsigned i = 0; i < s->n_workers && (s->options.rotate_bytes != 0 || s->options.rotate_ns != 0); i++)
        worker_rotate(s->workers[i]);
}

static void watch_links(struct session *s, uint64_t now)
{
    for (unsigned i = 0; i < s->options.n_ports; i++) {
        struct port *p = &s->ports[i];
        /* Of a port that is about to be started again the link says nothing; its gap is counted by restart.c. */
        if (atomic_load(&s->away_since[i]) != 0 || !port_poll_link(p))
            continue;
        if (!p->link_up) {
            link_gaps_begin(&s->gaps, i, now);
            warn(text("%s: link down", p->spec.text), NULL, NULL);
        } else {
            uint64_t gap = link_gaps_end(&s->gaps, i, now);
            note("%s: link up again after %llu ms", p->spec.text, (unsigned long long)(gap / 1000000));
        }
    }
}

/* A port that has no link when the capture begins is away from then on. */
static void begin_gaps(struct session *s, uint64_t now)
{
    for (unsigned i = 0; i < s->options.n_ports; i++) {
        if (!s->ports[i].link_up)
            link_gaps_begin(&s->gaps, i, now);
    }
}

/* The report's gaps end here, those of ports that are still away, too. */
static void end_gaps(struct session *s)
{
    unsigned n_open;
    atomic_store(&s->stopped_ns, monotonic_ns());
    uint64_t gap = session_link_gap_ns(s, &n_open);
    if (n_open > 0)
        warn(text("%u of %u ports had no link at the end", n_open, s->options.n_ports),
             text("%llu ms without link in all", (unsigned long long)(gap / 1000000)), NULL);
}

/* The signal that ends the capture, or 0. */
static int read_signals(struct session *s, int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, timeout_ms) <= 0)
        return 0;
    struct signalfd_siginfo info;
    if (read(fd, &info, sizeof(info)) != sizeof(info))
        return 0;
    if (info.ssi_signo == SIGHUP) {
        for (unsigned i = 0; i < s->n_workers; i++)
            worker_rotate(s->workers[i]);
        return 0;
    }
    if (info.ssi_signo == SIGUSR1) {
        report_line(s);
        return 0;
    }
    return (int)info.ssi_signo;
}

static const char *finished(struct session *s, struct timers *t, uint64_t now)
{
    const struct capture_options *o = &s->options;
    if (o->duration_ns != 0 && now - t->start >= o->duration_ns)
        return "duration";
    if (o->packets != 0 && atomic_load_explicit(&s->budget.left, memory_order_relaxed) <= 0)
        return "packets";
    if (session_failure(s) != NULL)
        return "storage failed";
    if (restart_removed(s) != NULL)
        return "port removed";
    if (o->stop_idle_ns != 0) {
        struct queue_snapshot total;
        session_total(s, &total);
        if (total.received != t->last_received) {
            t->last_received = total.received;
            t->last_progress = now;
        } else if (now - t->last_progress >= o->stop_idle_ns) {
            return "idle";
        }
    }
    return NULL;
}

static int tick_ms(const struct session *s, const struct timers *t, uint64_t now)
{
    uint64_t left_ms = TICK_MS;
    if (s->options.duration_ns != 0) {
        uint64_t end = t->start + s->options.duration_ns;
        uint64_t until = end > now ? (end - now + 999999) / 1000000 : 0;
        if (until < left_ms)
            left_ms = until;
    }
    return (int)left_ms;
}

int monitor_block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaddset(&set, signals[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        die(EXIT_INTERNAL, "cannot watch for signals", errno_text(errno), NULL);
    return fd;
}

void session_monitor(struct session *s, int signal_fd)
{
    const struct capture_options *o = &s->options;
    uint64_t now = monotonic_ns();
    struct timers t = {.start = now, .last_progress = now, .stats = now + o->stats_interval_ns};
    begin_gaps(s, now);
    while (s->stop_reason == NULL) {
        int signal_number = read_signals(s, signal_fd, tick_ms(s, &t, now));
        now = monotonic_ns();
        if (signal_number != 0) {
            s->stop_reason = signal_number == SIGINT ? "SIGINT" : "SIGTERM";
            break;
        }
        if (due(&t.clock, now, CLOCK_INTERVAL_NS))
            watch_clock(s);
        if (due(&t.link, now, LINK_INTERVAL_NS)) {
            restart_if_wanted(s);
            watch_links(s, now);
        }
        if (due(&t.stats, now, o->stats_interval_ns))
            report_line(s);
        if (due(&t.metrics, now, METRICS_INTERVAL_NS)) {
            if (o->metrics_file != NULL)
                metrics_write(s, o->metrics_file);
            notify_watchdog();
        }
        if (o->warm_up_ns != 0 && s->warm.monotonic_ns == 0 && now - t.start >= o->warm_up_ns)
            session_progress(s, &s->warm);
        s->stop_reason = finished(s, &t, now);
    }
    session_progress(s, &s->last);
    end_gaps(s);
    /* From here on a second signal kills: the first one is being obeyed. */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    signal(SIGINT, monitor_killed);
    signal(SIGTERM, monitor_killed);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void monitor_killed(int signal_number)
{
    static const char message[] = "nfvcap-agent: ended by a second signal, files may lack their tail\n";
    ssize_t ignored = write(STDERR_FILENO, message, sizeof(message) - 1);
    (void)ignored;
    _exit(EXIT_INTERRUPTED);
}
