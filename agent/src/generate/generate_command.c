/* SPDX-License-Identifier: Apache-2.0 */
/* nfvcap-agent generate: from options to a report. The sending itself has a thread of its own. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <rte_ethdev.h>

#include "command.h"
#include "eal.h"
#include "error.h"
#include "generate_report.h"
#include "options.h"
#include "sender.h"

#define LINK_WAIT_MS 10000u
#define LARGEST_FRAME 16018u /* the letter j of RFC 6985 and two tags, as large as any NIC takes */
#define MTU_USUAL 1500u
#define TICK_US 100000u

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    interrupted = 1;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* Frames without frame check sequence: the largest that will be asked for. */
static uint32_t largest_frame(const struct generate_options *o)
{
    if (o->replay != NULL)
        return LARGEST_FRAME - FRAME_FCS_LEN;
    return sizes_largest(&o->sizes) - FRAME_FCS_LEN +
           (o->untagged_size ? FRAME_TAG_LEN * o->destinations.most_tags : 0);
}

/* What the largest one holds behind its tags, which need no room in the MTU. */
static uint32_t largest_payload(const struct generate_options *o)
{
    unsigned tags = o->untagged_size ? o->destinations.most_tags : o->destinations.fewest_tags;

    return largest_frame(o) - FRAME_L2_LEN - FRAME_TAG_LEN * tags;
}

static void open_port(struct port *port, const struct generate_options *o, uint32_t room)
{
    struct port_config config = {.n_queues = 1, .n_rx_desc = 128, .n_tx_desc = 1024};
    struct eal_options eal = {.ports = &o->port, .n_ports = 1, .huge_pages = o->huge_pages};

    if (o->replay == NULL && largest_payload(o) > MTU_USUAL)
        config.mtu = largest_payload(o);
    eal.memory_bytes = port_memory_bytes(&o->port, &config) + sender_memory_bytes(room);
    eal_start(&eal);
    port_open(port, &o->port, &config);
    port_start(port);
    if (!port_wait_link(port, LINK_WAIT_MS))
        die(EXIT_USAGE, text("the link of %s is down", o->port.text), "it did not come up within 10 s",
            "connect it, or bring the other end up");
}

static uint32_t link_speed(const struct port *port, const struct generate_options *o)
{
    uint32_t mbps = o->link_mbps != 0 ? o->link_mbps : port->link_mbps;

    if (mbps == 0 && o->rate.kind == RATE_LINE)
        die(EXIT_USAGE, text("the speed of the link of %s is not known", o->port.text), NULL,
            "give --link-mbps, or a rate in packets per second, or --rate max");
    return mbps;
}

static void open_feed(struct sender *s)
{
    const struct generate_options *o = s->options;
    const char *why;

    s->feed.room = largest_frame(o);
    if (o->replay == NULL) {
        feed_numbered(&s->feed, &o->destinations, &o->sizes, o->untagged_size, o->n_flows, o->first);
        return;
    }
    why = feed_file(&s->feed, o->replay, o->renumber, o->first);
    if (why != NULL)
        die(s->feed.fd < 0 ? EXIT_USAGE : EXIT_CHECK_FAILED, text("cannot replay %s", o->replay), why, NULL);
}

static void *send_thread(void *arg)
{
    struct sender *s = arg;

    prctl(PR_SET_TIMERSLACK, 1); /* ns: sleeps end when they should */
    prctl(PR_SET_NAME, "generate");
    eal_register_thread();
    sender_run(s);
    return NULL;
}

static pthread_t start_thread(struct sender *s)
{
    pthread_attr_t attributes;
    pthread_t thread;
    cpu_set_t cpus;
    int error;

    pthread_attr_init(&attributes);
    if (s->options->cpu >= 0) {
        CPU_ZERO(&cpus);
        CPU_SET(s->options->cpu, &cpus);
        pthread_attr_setaffinity_np(&attributes, sizeof(cpus), &cpus);
    }
    error = pthread_create(&thread, &attributes, send_thread, s);
    if (error != 0)
        die(EXIT_USAGE, "the sending thread cannot be started", errno_text(error),
            s->options->cpu >= 0 ? "--cpu has to name a CPU that this program may use" : NULL);
    pthread_attr_destroy(&attributes);
    return thread;
}

static void read_driver(const struct port *port, struct rte_eth_stats *stats, bool *known)
{
    memset(stats, 0, sizeof(*stats));
    *known = rte_eth_stats_get(port->id, stats) == 0;
}

/* Waits until the frames in the port's ring have left it, as far as the driver counts. */
static struct driver_counts drained(const struct sender *s, const struct rte_eth_stats *before)
{
    struct driver_counts d = {0};
    struct rte_eth_stats now;

    for (unsigned tries = 0; tries < 100; tries++) {
        read_driver(s->port, &now, &d.known);
        d.packets = now.opackets - before->opackets;
        d.bytes = now.obytes - before->obytes;
        d.errors = now.oerrors - before->oerrors;
        if (!d.known || d.packets + d.errors >= s->sent)
            break;
        usleep(10000);
    }
    return d;
}

static const char *end_of(const struct sender *s)
{
    const struct generate_options *o = s->options;

    if (s->feed_failed)
        return "file";
    if (sender_numbered(s) >= o->count)
        return "count";
    if (s->feed.rounds >= o->rounds)
        return "rounds";
    if (s->unsent != 0 && !interrupted)
        return "port";
    return interrupted ? "signal" : "duration";
}

static int exit_code(const struct sender *s, const char *end)
{
    if (strcmp(end, "signal") == 0)
        return EXIT_INTERRUPTED;
    if (strcmp(end, "file") == 0) {
        warn(text("%s could not be replayed", s->options->replay), feed_why(&s->feed), NULL);
        return EXIT_CHECK_FAILED;
    }
    if (s->unsent == 0)
        return EXIT_OK;
    warn(text("%s does not take frames", s->options->port.text), "its ring stayed full for seconds", NULL);
    return EXIT_INCONCLUSIVE;
}

/* Keeps the clock in order while the thread sends. */
static void wait_for(struct sender *s, struct discipline *discipline, pthread_t thread)
{
    while (!atomic_load(&s->ended)) {
        usleep(TICK_US);
        discipline_update(discipline);
        if (interrupted)
            atomic_store(&s->stop, true);
    }
    pthread_join(thread, NULL);
}

/* Some links (memif) are torn down for both sides when one of them leaves: stay until the receiver is done. */
static void linger(uint64_t ns)
{
    for (uint64_t left_us = ns / 1000; left_us >= TICK_US && !interrupted; left_us -= TICK_US)
        usleep(TICK_US);
}

int command_generate(int argc, char **argv)
{
    struct generate_options options;
    struct sender sender = {.options = &options};
    struct rte_eth_stats before;
    struct driver_counts driver;
    struct discipline discipline;
    struct clock clock = {0};
    struct port port;
    const char *end;
    uint32_t room;
    bool known;
    int code;

    generate_parse(&options, argc, argv);
    open_feed(&sender);
    room = sender_room(largest_frame(&options));
    open_port(&port, &options, room);
    sender.port = &port;
    sender.link_mbps = link_speed(&port, &options);
    sender_make_pool(&sender, room);
    discipline_start(&discipline, &clock, false);
    sender.clock = &clock;
    sender.ticks_per_ns = discipline.ticks_per_ns;
    catch_signals();
    read_driver(&port, &before, &known);
    wait_for(&sender, &discipline, start_thread(&sender));
    driver = drained(&sender, &before);
    end = end_of(&sender);
    code = exit_code(&sender, end);
    (options.json ? generate_report_json : generate_report_text)(stdout, &sender, &driver, end);
    fflush(stdout);
    linger(options.linger_ns);
    feed_close(&sender.feed);
    port_close(&port);
    eal_stop();
    return code;
}
