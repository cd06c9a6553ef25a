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
    "  --replay FILE       the frames of a pcap or pcapng file, over and over until --count, --duration or "
    "--rounds\n"
    "  --rounds N          send the file so often (default 1 unless --count or --duration is given)\n"
    "  --renumber          numbered frames of the file get new numbers and times; others are sent as they "
    "are\n"
    "  --rate RATE         line (default), max, 1.5 or 1.5Mpps, 300kpps, 2000pps, file (at the file's own "
    "times)\n"
    "  --count N           stop after N frames (10M, 1G)\n"
    "  --duration T        stop after T (10s, 500ms, 2m)\n"
    "  --flows N           spread over N flows in turn, 1 to 65536 (default 1): each counts from --first\n"
    "  --first N           number of the first frame of each flow (default 0)\n"
    "  --seed N            send each round of several sizes in an order of its own, the same for the same "
    "seed\n"
    "  --vlan ID[,ID]      tag the frames; of two, the first is the outer one (802.1ad)\n"
    "  --dst-mac MAC  --src-mac MAC  --dst-ip ADDRESS\n"
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

static void parse_mac(const char *option, const char *value, uint8_t mac[6])
{
    unsigned byte[6];
    char end;

    if (sscanf(value, "%2x:%2x:%2x:%2x:%2x:%2x%c", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4], &byte[5], &end) !=
        6)
        wrong(option, value, "a MAC address looks like 02:00:00:00:00:01");
    for (unsigned i = 0; i < 6; i++)
        mac[i] = (uint8_t)byte[i];
}

static void parse_vlan(const char *value, struct frame_layout *layout)
{
    unsigned id[2] = {0, 0};
    char end;
    int n = sscanf(value, "%u,%u%c", &id[0], &id[1], &end);

    if ((n != 1 || strchr(value, ',') != NULL || strspn(value, "0123456789") != strlen(value)) && n != 2)
        wrong("vlan", value, "one or two VLAN IDs are wanted: 100 or 10,100");
    for (int i = 0; i < n; i++) {
        if (id[i] > 4094)
            wrong("vlan", value, "a VLAN ID is 0 to 4094");
        layout->tag_type[i] = n == 2 && i == 0 ? 0x88a8 : 0x8100;
        layout->tag_control[i] = (uint16_t)id[i];
    }
    layout->tags = (uint8_t)n;
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

/* What belongs to the traffic. False: not one of these. */
static bool parse_traffic(struct generate_options *o, int option, uint64_t *seed)
{
    struct in_addr address;

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
    case VLAN:
        parse_vlan(optarg, &o->layout);
        return true;
    case DST_MAC:
        parse_mac("dst-mac", optarg, o->layout.dst_mac);
        return true;
    case SRC_MAC:
        parse_mac("src-mac", optarg, o->layout.src_mac);
        return true;
    case DST_IP:
        if (inet_pton(AF_INET, optarg, &address) != 1)
            wrong("dst-ip", optarg, "an IPv4 address is wanted");
        o->layout.dst_ip = ntohl(address.s_addr);
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

static void finish(struct generate_options *o, uint64_t seed)
{
    uint32_t smallest = frame_size_min(o->layout.tags) + FRAME_FCS_LEN;
    const char *why;

    if (o->port.text[0] == '\0')
        die(EXIT_USAGE, "no port to send from", NULL, "--port SPEC, for instance --port af_packet:eth1");
    if (o->replay != NULL && o->sizes_text != NULL)
        die(EXIT_USAGE, "--size and --replay exclude each other", NULL, "leave one of them out");
    if (o->drop_when_full && o->rate.kind == RATE_MAX)
        die(EXIT_USAGE, "--rate max and --when-full drop exclude each other",
            "at no rate in particular no frame has a time at which it is due", "give a rate");
    if (o->replay == NULL && (o->renumber || o->rounds != UINT64_MAX || o->rate.kind == RATE_FILE))
        die(EXIT_USAGE, "--renumber, --rounds and --rate file are for files", NULL, "add --replay FILE");
    if (o->replay != NULL) {
        if (o->count == UINT64_MAX && o->duration_ns == UINT64_MAX && o->rounds == UINT64_MAX)
            o->rounds = 1;
        return;
    }
    if (o->count == UINT64_MAX && o->duration_ns == UINT64_MAX)
        die(EXIT_USAGE, "no end is given", NULL, "--count N or --duration T");
    if (o->sizes_text == NULL)
        o->sizes_text = text("%u", smallest);
    why = sizes_parse(&o->sizes, o->sizes_text, smallest, 16000);
    if (why != NULL)
        wrong("size", o->sizes_text, why);
    o->sizes.seed = seed;
}

void generate_parse(struct generate_options *o, int argc, char **argv)
{
    uint64_t seed = 0;
    int option;

    *o = (struct generate_options){
        .layout = {.dst_mac = {2, 0, 0, 0, 0, 2}, .src_mac = {2, 0, 0, 0, 0, 1}},
        .n_flows = 1,
        .rate = {.kind = RATE_LINE},
        .rate_text = "line",
        .count = UINT64_MAX,
        .duration_ns = UINT64_MAX,
        .rounds = UINT64_MAX,
        .burst = 32,
        .cpu = -1,
    };
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1)
        if (!parse_traffic(o, option, &seed))
            parse_other(o, option);
    if (optind != argc)
        die(EXIT_USAGE, text("\"%s\" is no option", argv[optind]), NULL, "nfvcap-agent generate --help");
    finish(o, seed);
}
