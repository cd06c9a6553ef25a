/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "units.h"

static const char help[] =
    "usage: nfvcap-agent generate --port SPEC [--size SIZES | --replay FILE] [OPTION]...\n"
    "\n"
    "Sends numbered frames (or the frames of a file) at a precise rate and says what it really sent. "
    "nfvcap-agent\n"
    "check recounts them from the files of whoever captured them. Sizes are those of the wire, with the 4 "
    "bytes of\n"
    "the frame check sequence, which the port adds itself.\n"
    "\n"
    "  --port SPEC         where to: a PCI address, vdev:NAME,ARGS, af_packet:IFACE, af_xdp:IFACE\n"
    "  --size SIZES        64 (default: the smallest), 965, 64,128,1518 (in turn), imix (7 x 64, 4 x 594, 1 "
    "x 1518), "
    "genome or\n"
    "                      genome:LETTERS (RFC 6985: a 64, b 128, c 256, d 512, e 1024, f 1280, g 1518, h "
    "2112,\n"
    "                      i 9000, j 16000; default aaafg)\n"
    "  --untagged-size     --size is without tags, as a port with a VLAN takes them off again\n"
    "  --replay FILE       the frames of a pcap or pcapng file, over and over until --count, --duration or "
    "--rounds\n"
    "  --rounds N          send the file so often (default 1 unless --count or --duration is given)\n"
    "  --renumber          numbered frames of the file get new numbers and times; others are sent as they "
    "are\n"
    "  --rate RATE         line (default), max, 1.5 or 1.5Mpps, 300kpps, 2000pps, file (at the file's own "
    "times)\n"
    "  --count N           stop after N frames (10M, 1G)\n"
    "  --duration T        stop after T (10s, 500ms, 2m)\n"
    "  --flows N           spread over N flows in turn, 1 to 65536 (default: one for each --dst-mac); each counts "
    "from\n"
    "                      --first\n"
    "  --first N           number of the first frame of each flow (default 0)\n"
    "  --seed N            send each round of several sizes in an order of its own, the same for the same "
    "seed\n"
    "  --dst-mac MAC       where to; given N times, flow i goes to address i modulo N\n"
    "  --vlan ID[,ID]      tag the frames; of two, the first is the outer one (802.1ad). Once for all, or once for "
    "each\n"
    "                      --dst-mac, in their order; none is no tag\n"
    "  --src-mac MAC  --dst-ip ADDRESS\n"
    "  --burst N           frames handed to the driver at once at most, 1 to 64 (default 32)\n"
    "  --when-full W       a full port: wait (default), or drop what it does not take at once, as a wire does\n"
    "  --omit-every N      number each N-th frame but do not send it: a known loss, to test who counts\n"
    "  --linger T          keep the port open for so long after the report, or until a signal\n"
    "  --link-mbps N       speed of the link for --rate line, where the driver does not know it\n"
    "  --cpu N             run the sending thread on this CPU\n"
    "  --huge-pages auto|require|off\n"
    "  --json              say what was sent as JSON\n"
    "\n"
    "A run that falls behind by more than a burst does not make up for it: the schedule slips, and is "
    "reported.\n"
    "Exit codes: 0 all sent; 2 wrong use or unusable port; 4 the file is damaged; 5 the port did not take "
    "all\n"
    "frames; 130 interrupted; 1 an error of this program.\n";

enum {
    PORT = 256,
    SIZE,
    UNTAGGED_SIZE,
    REPLAY,
    ROUNDS,
    RENUMBER,
    RATE,
    COUNT,
    DURATION,
    FLOWS,
    FIRST,
    SEED,
    VLAN,
    DST_MAC,
    SRC_MAC,
    DST_IP,
    BURST,
    WHEN_FULL,
    OMIT_EVERY,
    LINGER,
    LINK_MBPS,
    CPU,
    HUGE_PAGES,
    JSON,
};

static const struct option options[] = {
    {"port", required_argument, NULL, PORT},
    {"size", required_argument, NULL, SIZE},
    {"untagged-size", no_argument, NULL, UNTAGGED_SIZE},
    {"replay", required_argument, NULL, REPLAY},
    {"rounds", required_argument, NULL, ROUNDS},
    {"renumber", no_argument, NULL, RENUMBER},
    {"rate", required_argument, NULL, RATE},
    {"count", required_argument, NULL, COUNT},
    {"duration", required_argument, NULL, DURATION},
    {"flows", required_argument, NULL, FLOWS},
    {"first", required_argument, NULL, FIRST},
    {"seed", required_argument, NULL, SEED},
    {"vlan", required_argument, NULL, VLAN},
    {"dst-mac", required_argument, NULL, DST_MAC},
    {"src-mac", required_argument, NULL, SRC_MAC},
    {"dst-ip", required_argument, NULL, DST_IP},
    {"burst", required_argument, NULL, BURST},
    {"when-full", required_argument, NULL, WHEN_FULL},
    {"omit-every", required_argument, NULL, OMIT_EVERY},
    {"linger", required_argument, NULL, LINGER},
    {"link-mbps", required_argument, NULL, LINK_MBPS},
    {"cpu", required_argument, NULL, CPU},
    {"huge-pages", required_argument, NULL, HUGE_PAGES},
    {"json", no_argument, NULL, JSON},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static _Noreturn void wrong(const char *option, const char *value, const char *why)
{
    die(EXIT_USAGE, text("--%s %s is not usable", option, value), why, "nfvcap-agent generate --help says what is");
}

static uint64_t number(const char *option, const char *value, uint64_t min, uint64_t max)
{
    uint64_t n;

    if (!parse_count(value, &n) || n < min || n > max)
        wrong(option, value,
              text("a number from %llu to %llu is wanted", (unsigned long long)min, (unsigned long long)max));
    return n;
}

static enum huge_pages parse_huge(const char *value)
{
    if (strcmp(value, "auto") == 0)
        return HUGE_AUTO;
    if (strcmp(value, "require") == 0)
        return HUGE_REQUIRE;
    if (strcmp(value, "off") == 0)
        return HUGE_OFF;
    wrong("huge-pages", value, "auto, require or off");
}

static void parse_port(struct generate_options *o, const char *value)
{
    const char *why = NULL;

    if (o->port.text[0] != '\0')
        die(EXIT_USAGE, "a generator has one port", NULL, "start one generator for each port");
    if (!port_spec_parse(value, PORT_SENDS, 0, 1, &o->port, &why))
        wrong("port", value, why);
}

static void must(const char *option, const char *why)
{
    if (why != NULL)
        wrong(option, optarg, why);
}

/* Whom the frames are for. False: not one of these. `common`: of all frames. */
static bool parse_destination(struct generate_options *o, int option, struct frame_layout *common)
{
    struct in_addr address;

    switch (option) {
    case VLAN:
        must("vlan", destinations_add_tags(&o->destinations, optarg));
        return true;
    case DST_MAC:
        must("dst-mac", destinations_add_mac(&o->destinations, optarg));
        return true;
    case SRC_MAC:
        must("src-mac", mac_parse(optarg, common->src_mac));
        return true;
    case DST_IP:
        if (inet_pton(AF_INET, optarg, &address) != 1)
            wrong("dst-ip", optarg, "an IPv4 address is wanted");
        common->dst_ip = ntohl(address.s_addr);
        return true;
    default:
        return false;
    }
}

/* What belongs to the traffic. False: not one of these. */
static bool parse_traffic(struct generate_options *o, int option, uint64_t *seed)
{
    switch (option) {
    case SIZE:
        o->sizes_text = optarg;
        return true;
    case REPLAY:
        o->replay = optarg;
        return true;
    case RENUMBER:
        o->renumber = true;
        return true;
    case FLOWS:
        o->n_flows = (uint32_t)number("flows", optarg, 1, FRAME_FLOWS_MAX);
        return true;
    case FIRST:
        o->first = number("first", optarg, 0, UINT64_MAX / 2);
        return true;
    case SEED:
        *seed = number("seed", optarg, 1, UINT64_MAX);
        return true;
    case UNTAGGED_SIZE:
        o->untagged_size = true;
        return true;
    default:
        return false;
    }
}

static bool parse_when_full(const char *value)
{
    if (strcmp(value, "wait") != 0 && strcmp(value, "drop") != 0)
        wrong("when-full", value, "wait or drop");
    return strcmp(value, "drop") == 0;
}

static uint64_t parse_time(const char *option, const char *value)
{
    uint64_t ns;

    if (!parse_duration(value, &ns) || ns == 0)
        wrong(option, value, "a duration is 10, 10s, 500ms, 2m");
    return ns;
}

static void parse_other(struct generate_options *o, int option)
{
    const char *why;

    switch (option) {
    case PORT:
        parse_port(o, optarg);
        break;
    case ROUNDS:
        o->rounds = number("rounds", optarg, 1, UINT64_MAX - 1);
        break;
    case RATE:
        o->rate_text = optarg;
        why = rate_parse(&o->rate, optarg);
        if (why != NULL)
            wrong("rate", optarg, why);
        break;
    case COUNT:
        o->count = number("count", optarg, 1, UINT64_MAX / 2);
        break;
    case DURATION:
        o->duration_ns = parse_time("duration", optarg);
        break;
    case BURST:
        o->burst = (unsigned)number("burst", optarg, 1, BURST_MAX);
        break;
    case WHEN_FULL:
        o->drop_when_full = parse_when_full(optarg);
        break;
    case OMIT_EVERY:
        o->omit_every = number("omit-every", optarg, 2, UINT64_MAX);
        break;
    case LINGER:
        o->linger_ns = parse_time("linger", optarg);
        break;
    case LINK_MBPS:
        o->link_mbps = (uint32_t)number("link-mbps", optarg, 1, 1000000);
        break;
    case CPU:
        o->cpu = (int)number("cpu", optarg, 0, 1023);
        break;
    case HUGE_PAGES:
        o->huge_pages = parse_huge(optarg);
        break;
    case JSON:
        o->json = true;
        break;
    case 'h':
        fputs(help, stdout);
        exit(EXIT_OK);
    default:
        exit(EXIT_USAGE);
    }
}

/* Numbered frames: to whom, in which flows, how long. */
static void finish_numbered(struct generate_options *o, const struct frame_layout *common, uint64_t seed)
{
    struct destinations *to = &o->destinations;
    uint32_t smallest;
    const char *why;

    if (o->count == UINT64_MAX && o->duration_ns == UINT64_MAX)
        die(EXIT_USAGE, "no end is given", NULL, "--count N or --duration T");
    why = destinations_complete(to, common);
    if (why != NULL)
        die(EXIT_USAGE, "--vlan and --dst-mac do not match", why,
            "give --vlan once for all addresses, or once for each, in their order; none is no tag");
    if (o->n_flows == 0)
        o->n_flows = to->n;
    if (o->n_flows < to->n)
        die(EXIT_USAGE, text("--flows %u does not reach %u addresses", o->n_flows, to->n), "a flow is for one of them",
            text("give --flows %u or more, or leave it out", to->n));
    smallest = frame_size_min(o->untagged_size ? 0 : to->most_tags) + FRAME_FCS_LEN;
    if (o->sizes_text == NULL)
        o->sizes_text = text("%u", smallest);
    why = sizes_parse(&o->sizes, o->sizes_text, smallest, 16000);
    if (why != NULL)
        wrong("size", o->sizes_text, why);
    o->sizes.seed = seed;
}

static void finish_replay(struct generate_options *o)
{
    if (o->destinations.n + o->destinations.n_tagged != 0 || o->untagged_size)
        die(EXIT_USAGE, "--dst-mac, --vlan and --untagged-size are for numbered frames",
            "frames of a file have addresses, tags and sizes of their own", "leave them out, or --replay");
    if (o->count == UINT64_MAX && o->duration_ns == UINT64_MAX && o->rounds == UINT64_MAX)
        o->rounds = 1;
}

static void finish(struct generate_options *o, const struct frame_layout *common, uint64_t seed)
{
    if (o->port.text[0] == '\0')
        die(EXIT_USAGE, "no port to send from", NULL, "--port SPEC, for instance --port af_packet:eth1");
    if (o->replay != NULL && o->sizes_text != NULL)
        die(EXIT_USAGE, "--size and --replay exclude each other", NULL, "leave one of them out");
    if (o->drop_when_full && o->rate.kind == RATE_MAX)
        die(EXIT_USAGE, "--rate max and --when-full drop exclude each other",
            "at no rate in particular no frame has a time at which it is due", "give a rate");
    if (o->replay == NULL && (o->renumber || o->rounds != UINT64_MAX || o->rate.kind == RATE_FILE))
        die(EXIT_USAGE, "--renumber, --rounds and --rate file are for files", NULL, "add --replay FILE");
    if (o->replay != NULL)
        finish_replay(o);
    else
        finish_numbered(o, common, seed);
}

void generate_parse(struct generate_options *o, int argc, char **argv)
{
    struct frame_layout common = {.dst_mac = {2, 0, 0, 0, 0, 2}, .src_mac = {2, 0, 0, 0, 0, 1}};
    uint64_t seed = 0;
    int option;

    *o = (struct generate_options){
        .rate = {.kind = RATE_LINE},
        .rate_text = "line",
        .count = UINT64_MAX,
        .duration_ns = UINT64_MAX,
        .rounds = UINT64_MAX,
        .burst = 32,
        .cpu = -1,
    };
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1)
        if (!parse_traffic(o, option, &seed) && !parse_destination(o, option, &common))
            parse_other(o, option);
    if (optind != argc)
        die(EXIT_USAGE, text("\"%s\" is no option", argv[optind]), NULL, "nfvcap-agent generate --help");
    finish(o, &common, seed);
}
