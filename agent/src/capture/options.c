/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include "../error.h"
#include "../port.h"
#include "../units.h"
#include "capture_file.h"
#include "options_help.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TERMINAL_INTERVAL_NS 1000000000ull /* somebody is looking: a line per second, unless told otherwise */

/* clang-format off */
enum {
    OPT_COUNT = 256, OPT_ENGINE, OPT_FORMAT, OPT_ROTATE_SIZE, OPT_ROTATE_TIME, OPT_MAX_FILES, OPT_QUOTA, OPT_BUFFER,
    OPT_CHUNK, OPT_FLUSH, OPT_FSYNC, OPT_NO_URING, OPT_NO_MAPPED_HUGE, OPT_NO_STREAM, OPT_WHEN_FULL, OPT_LCORES, OPT_ISA,
    OPT_IDLE_SLEEP, OPT_BURST, OPT_RX_DESC, OPT_MTU, OPT_NO_PROMISC, OPT_REQUIRE_PROMISC, OPT_HUGE, OPT_TAI, OPT_STAMPS,
    OPT_DURATION, OPT_PACKETS, OPT_STOP_IDLE, OPT_WAIT_LINK, OPT_READY, OPT_METRICS, OPT_PIPE, OPT_STATS, OPT_JSON,
    OPT_FAIL_ON_LOSS, OPT_WARM_UP, OPT_DIRECT, OPT_MMAP, OPT_NULL,
};
/* clang-format on */

static const struct option long_options[] = {
    {"port", required_argument, NULL, 'p'},
    {"queues", required_argument, NULL, 'q'},
    {"write", required_argument, NULL, 'w'},
    {"snaplen", required_argument, NULL, 's'},
    {"filter", required_argument, NULL, 'f'},
    {"help", no_argument, NULL, 'h'},
    {"quiet", no_argument, NULL, 'Q'},
    {"count-only", no_argument, NULL, OPT_COUNT},
    {"engine", required_argument, NULL, OPT_ENGINE},
    {"direct", no_argument, NULL, OPT_DIRECT},
    {"mmap", no_argument, NULL, OPT_MMAP},
    {"null", no_argument, NULL, OPT_NULL},
    {"format", required_argument, NULL, OPT_FORMAT},
    {"rotate-size", required_argument, NULL, OPT_ROTATE_SIZE},
    {"rotate-time", required_argument, NULL, OPT_ROTATE_TIME},
    {"max-files", required_argument, NULL, OPT_MAX_FILES},
    {"disk-quota", required_argument, NULL, OPT_QUOTA},
    {"burst-buffer", required_argument, NULL, OPT_BUFFER},
    {"chunk", required_argument, NULL, OPT_CHUNK},
    {"flush", required_argument, NULL, OPT_FLUSH},
    {"fsync", required_argument, NULL, OPT_FSYNC},
    {"no-io-uring", no_argument, NULL, OPT_NO_URING},
    {"no-mapped-huge", no_argument, NULL, OPT_NO_MAPPED_HUGE},
    {"no-streaming", no_argument, NULL, OPT_NO_STREAM},
    {"when-full", required_argument, NULL, OPT_WHEN_FULL},
    {"lcores", required_argument, NULL, OPT_LCORES},
    {"isa", required_argument, NULL, OPT_ISA},
    {"idle-sleep", required_argument, NULL, OPT_IDLE_SLEEP},
    {"burst", required_argument, NULL, OPT_BURST},
    {"rx-desc", required_argument, NULL, OPT_RX_DESC},
    {"mtu", required_argument, NULL, OPT_MTU},
    {"no-promiscuous", no_argument, NULL, OPT_NO_PROMISC},
    {"require-promiscuous", no_argument, NULL, OPT_REQUIRE_PROMISC},
    {"huge-pages", required_argument, NULL, OPT_HUGE},
    {"tai", no_argument, NULL, OPT_TAI},
    {"timestamps", required_argument, NULL, OPT_STAMPS},
    {"duration", required_argument, NULL, OPT_DURATION},
    {"warm-up", required_argument, NULL, OPT_WARM_UP},
    {"packets", required_argument, NULL, OPT_PACKETS},
    {"stop-idle", required_argument, NULL, OPT_STOP_IDLE},
    {"wait-link", required_argument, NULL, OPT_WAIT_LINK},
    {"ready-file", required_argument, NULL, OPT_READY},
    {"metrics-file", required_argument, NULL, OPT_METRICS},
    {"pipe", required_argument, NULL, OPT_PIPE},
    {"stats-interval", required_argument, NULL, OPT_STATS},
    {"json", optional_argument, NULL, OPT_JSON},
    {"fail-on-loss", no_argument, NULL, OPT_FAIL_ON_LOSS},
    {NULL, 0, NULL, 0},
};

static _Noreturn void bad(const char *option, const char *value, const char *fix)
{
    die(EXIT_USAGE, text("--%s %s is not understood", option, value), NULL, fix);
}

static uint64_t number(const char *option, const char *s, uint64_t min, uint64_t max)
{
    uint64_t v;
    if (!parse_count(s, &v) || v < min || v > max)
        bad(option, s, text("give a number from %llu to %llu", (unsigned long long)min, (unsigned long long)max));
    return v;
}

static uint64_t bytes(const char *option, const char *s, uint64_t min)
{
    uint64_t v;
    if (!parse_bytes(s, &v) || v < min)
        bad(option, s, text("give a size like 64M or 4G, at least %llu bytes", (unsigned long long)min));
    return v;
}

static uint64_t duration_or_zero(const char *option, const char *s)
{
    uint64_t v;
    if (!parse_duration(s, &v))
        bad(option, s, "give a time like 10, 500ms, 5m or 1h (seconds without a unit)");
    return v;
}

static uint64_t duration(const char *option, const char *s)
{
    uint64_t v = duration_or_zero(option, s);
    if (v == 0)
        bad(option, s, "give a time above 0");
    return v;
}

static int choice(const char *option, const char *s, const char *const *names, int n)
{
    const char *all = "";
    for (int i = 0; i < n; i++) {
        if (strcmp(s, names[i]) == 0)
            return i;
        all = text("%s%s%s", all, i > 0 ? ", " : "", names[i]);
    }
    bad(option, s, text("give one of %s", all));
}

#define CHOICE(option, ...)                                    \
    choice(option, optarg, (const char *const[]){__VA_ARGS__}, \
           sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void parse_storage_option(int c, struct capture_options *o)
{
    uint64_t ns;
    switch (c) {
    case OPT_ENGINE:
        o->engine = (enum engine)CHOICE("engine", "auto", "null", "mmap", "direct", "write");
        break;
    case OPT_DIRECT:
        o->engine = ENGINE_DIRECT;
        break;
    case OPT_MMAP:
        o->engine = ENGINE_MAPPED;
        break;
    case OPT_NULL:
        o->engine = ENGINE_NULL;
        break;
    case OPT_FORMAT:
        o->format = (enum record_format)CHOICE("format", "pcap-ns", "pcap-us", "pcapng");
        break;
    case OPT_ROTATE_SIZE:
        o->rotate_bytes = bytes("rotate-size", optarg, 1 << 20);
        break;
    case OPT_ROTATE_TIME:
        o->rotate_ns = duration("rotate-time", optarg);
        break;
    case OPT_MAX_FILES:
        o->max_files = (uint32_t)number("max-files", optarg, 2, 1000000);
        break;
    case OPT_QUOTA:
        o->quota_bytes = bytes("disk-quota", optarg, 1 << 20);
        break;
    case OPT_BUFFER:
        if (parse_duration(optarg, &ns) && strpbrk(optarg, "sun") != NULL)
            o->buffer_ns = ns;
        else
            o->buffer_bytes = bytes("burst-buffer", optarg, 1 << 20);
        break;
    case OPT_CHUNK:
        o->chunk_bytes = (uint32_t)bytes("chunk", optarg, 64 << 10);
        if (o->chunk_bytes > 64u << 20)
            bad("chunk", optarg, "give at most 64M");
        break;
    case OPT_FLUSH:
        o->flush_ns = duration_or_zero("flush", optarg);
        break;
    case OPT_FSYNC:
        o->sync_on_close = CHOICE("fsync", "never", "close") == 1;
        break;
    case OPT_NO_URING:
        o->no_io_uring = true;
        break;
    case OPT_NO_STREAM:
        o->no_streaming = true;
        break;
    case OPT_NO_MAPPED_HUGE:
        o->no_mapped_huge = true;
        break;
    default:
        o->when_full = (enum when_full)CHOICE("when-full", "drop", "wait");
        break;
    }
}

static enum stamp_source stamp_source(const char *name)
{
    static const enum stamp_source all[] = {STAMPS_TSC, STAMPS_NIC, STAMPS_AUTO, STAMPS_FILE};
    return all[choice("timestamps", name, (const char *const[]){"tsc", "nic", "auto", "file"}, 4)];
}

/* A thread that cannot have its CPU would run anywhere. Only trying tells: the CPUs that this process has at first may
 * be fewer, as those of isolcpus= are not among them, and a cpuset may leave out some that are online. */
static void need_cpus(const char *list, const bool *cpus)
{
    cpu_set_t before, one;
    if (sched_getaffinity(0, sizeof(before), &before) != 0)
        return;
    for (unsigned i = 0; i < MAX_CPUS; i++) {
        if (!cpus[i])
            continue;
        CPU_ZERO(&one);
        CPU_SET(i, &one);
        int error = sched_setaffinity(0, sizeof(one), &one) != 0 ? errno : 0;
        sched_setaffinity(0, sizeof(before), &before);
        if (error != 0)
            die(EXIT_USAGE, text("--lcores %s: this process cannot have CPU %u", list, i), errno_text(error),
                "give CPUs that are online (lscpu) and in its cpuset, or leave --lcores out");
    }
}

static void parse_port_option(int c, struct capture_options *o)
{
    switch (c) {
    case OPT_LCORES:
        if (!parse_cpu_list(optarg, o->cpus, MAX_CPUS))
            bad("lcores", optarg, "give CPU numbers like 2,3 or 4-7");
        need_cpus(optarg, o->cpus);
        o->cpus_given = true;
        break;
    case OPT_ISA:
        o->isa = optarg;
        break;
    case OPT_IDLE_SLEEP:
        o->idle_sleep_us = (uint32_t)(duration_or_zero("idle-sleep", optarg) / 1000);
        break;
    case OPT_BURST:
        o->burst = (uint16_t)number("burst", optarg, 4, BURST_MAX);
        break;
    case OPT_RX_DESC:
        o->rx_desc = (uint16_t)number("rx-desc", optarg, 32, 32768);
        break;
    case OPT_MTU:
        o->mtu = (uint32_t)number("mtu", optarg, 68, 65500);
        break;
    case OPT_NO_PROMISC:
        o->no_promiscuous = true;
        break;
    case OPT_REQUIRE_PROMISC:
        o->require_promiscuous = true;
        break;
    case OPT_HUGE:
        o->huge_pages = (enum huge_pages)CHOICE("huge-pages", "auto", "require", "off");
        break;
    case OPT_STAMPS:
        o->stamps = stamp_source(optarg);
        break;
    default:
        o->tai = true;
        break;
    }
}

static void parse_run_option(int c, struct capture_options *o)
{
    switch (c) {
    case OPT_DURATION:
        o->duration_ns = duration("duration", optarg);
        break;
    case OPT_WARM_UP:
        o->warm_up_ns = duration("warm-up", optarg);
        break;
    case OPT_PACKETS:
        o->packets = number("packets", optarg, 1, INT64_MAX);
        break;
    case OPT_STOP_IDLE:
        o->stop_idle_ns = duration("stop-idle", optarg);
        break;
    case OPT_WAIT_LINK:
        o->wait_link_ms = (uint32_t)(duration_or_zero("wait-link", optarg) / 1000000);
        break;
    case OPT_READY:
        o->ready_file = optarg;
        break;
    case OPT_METRICS:
        o->metrics_file = optarg;
        break;
    case OPT_PIPE:
        o->pipe = optarg;
        break;
    case OPT_STATS:
        o->stats_interval_ns = duration_or_zero("stats-interval", optarg);
        o->stats_given = true;
        break;
    case OPT_JSON:
        o->json = optarg != NULL ? optarg : "-";
        break;
    default:
        o->fail_on_loss = true;
        break;
    }
}

static void judge(struct capture_options *o)
{
    const char *why;
    if (o->n_ports == 0)
        die(EXIT_USAGE, "no port is named", "only devices that are named are ever touched",
            "give --port, for instance --port 0000:81:10.0 or --port vdev:net_null0,size=64");
    if (o->pattern == NULL && o->engine == ENGINE_NULL)
        o->pattern = "null";
    if ((o->pattern != NULL) == o->count_only)
        die(EXIT_USAGE, "what should become of the packets?", NULL, "give either --write FILE or --count-only");
    if (o->pattern != NULL && !file_pattern_valid(o->pattern, &why))
        die(EXIT_USAGE, text("--write %s cannot be used", o->pattern), why, NULL);
    if (o->quota_bytes != 0 && o->rotate_bytes == 0 && o->rotate_ns == 0)
        o->rotate_bytes = o->quota_bytes / 8 < 1 << 20 ? 1 << 20 : o->quota_bytes / 8;
    if (o->max_files != 0 && o->rotate_bytes == 0 && o->rotate_ns == 0)
        die(EXIT_USAGE, "--max-files without rotation", "there would never be a second file",
            "add --rotate-size or --rotate-time");
    if (o->stamps == STAMPS_FILE && o->rotate_ns != 0)
        die(EXIT_USAGE, "--rotate-time does not go with --timestamps file", "the file's time is not ours",
            "give --rotate-size");
    if (!o->stats_given && !o->quiet && isatty(STDERR_FILENO))
        o->stats_interval_ns = TERMINAL_INTERVAL_NS;
    if (o->pipe != NULL && o->count_only)
        die(EXIT_USAGE, "--pipe needs --write", "the live view shows what is stored", "add --write FILE or --null");
}

bool capture_options_parse(int argc, char **argv, struct capture_options *o)
{
    memset(o, 0, sizeof(*o));
    o->n_queues = 1;
    o->snaplen = 262144;
    o->chunk_bytes = 1 << 20;
    o->flush_ns = 1000000000;
    o->burst = BURST_MAX;
    int c;
    while ((c = getopt_long(argc, argv, "p:q:w:s:f:hQ", long_options, NULL)) != -1) {
        switch (c) {
        case 'p':
            if (o->n_ports == MAX_PORTS)
                die(EXIT_USAGE, "too many ports", "one agent takes up to 16", "start another agent");
            o->port_texts[o->n_ports++] = optarg;
            break;
        case 'q':
            o->n_queues = (unsigned)number("queues", optarg, 1, PORT_MAX_QUEUES);
            break;
        case 'w':
            o->pattern = optarg;
            break;
        case 's':
            o->snaplen = (uint32_t)number("snaplen", optarg, 0, 262144);
            if (o->snaplen == 0)
                o->snaplen = 262144;
            break;
        case 'f':
            o->filter = optarg;
            break;
        case 'Q':
            o->quiet = true;
            break;
        case 'h':
            capture_print_help();
            return false;
        case OPT_COUNT:
            o->count_only = true;
            break;
        case '?':
            die(EXIT_USAGE, "an option is not understood", NULL, "nfvcap-agent capture --help lists them");
        case OPT_ENGINE:
        case OPT_DIRECT:
        case OPT_MMAP:
        case OPT_NULL:
        case OPT_FORMAT:
        case OPT_ROTATE_SIZE:
        case OPT_ROTATE_TIME:
        case OPT_MAX_FILES:
        case OPT_QUOTA:
        case OPT_BUFFER:
        case OPT_CHUNK:
        case OPT_FLUSH:
        case OPT_FSYNC:
        case OPT_NO_URING:
        case OPT_NO_MAPPED_HUGE:
        case OPT_NO_STREAM:
        case OPT_WHEN_FULL:
            parse_storage_option(c, o);
            break;
        case OPT_LCORES:
        case OPT_ISA:
        case OPT_IDLE_SLEEP:
        case OPT_BURST:
        case OPT_RX_DESC:
        case OPT_MTU:
        case OPT_NO_PROMISC:
        case OPT_REQUIRE_PROMISC:
        case OPT_HUGE:
        case OPT_TAI:
        case OPT_STAMPS:
            parse_port_option(c, o);
            break;
        default:
            parse_run_option(c, o);
            break;
        }
    }
    if (optind < argc)
        die(EXIT_USAGE, text("\"%s\" is not understood", argv[optind]), NULL,
            o->json != NULL ? "a report in a file is asked for with --json=FILE"
                            : "every argument belongs to an option");
    judge(o);
    return true;
}
