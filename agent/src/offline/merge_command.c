/* SPDX-License-Identifier: Apache-2.0 */
/* nfvcap-agent merge: options, files, messages. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "error.h"
#include "json.h"
#include "merge.h"
#include "output_file.h"

static const char help[] =
    "usage: nfvcap-agent merge [OPTION]... OUT FILE...\n"
    "\n"
    "Joins capture files (pcap, pcapng), for instance those of several queues, in time order. OUT has "
    "nanosecond\n"
    "time stamps; it appears under its name when it is whole (until then OUT.partial); - is standard "
    "output.\n"
    "Packets of equal time stay in the order of the files.\n"
    "\n"
    "  --format pcap|pcapng   format of OUT (default: pcapng if OUT ends in .pcapng, else pcap)\n"
    "  --json                 say what was written as JSON, on standard output\n"
    "\n"
    "pcap takes packets of one link type and keeps packets and times; pcapng takes any, and keeps interfaces "
    "and\n"
    "packet options, too. The whole records of a file that was cut are taken, with a warning.\n"
    "Exit codes: 0 written; 2 wrong use, or a file that cannot be opened or written; 4 an input is "
    "damaged;\n"
    "1 an error of this program.\n";

struct merge_settings {
    enum capture_format format;
    bool json;
};

static struct outfile out;

static void abandon(void *arg)
{
    outfile_abandon(arg);
}

static enum capture_format format_by_name(const char *name)
{
    if (strcmp(name, "pcap") == 0 || strcmp(name, "pcap-ns") == 0)
        return FORMAT_PCAP;
    if (strcmp(name, "pcapng") == 0)
        return FORMAT_PCAPNG;
    die(EXIT_USAGE, text("--format %s is unknown", name), NULL, "use pcap or pcapng");
}

static void parse(struct merge_settings *s, int argc, char **argv)
{
    enum { FORMAT = 256, JSON };
    static const struct option options[] = {
        {"format", required_argument, NULL, FORMAT},
        {"json", no_argument, NULL, JSON},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case FORMAT:
            s->format = format_by_name(optarg);
            break;
        case JSON:
            s->json = true;
            break;
        case 'h':
            fputs(help, stdout);
            exit(EXIT_OK);
        default:
            exit(EXIT_USAGE);
        }
    }
    if (argc - optind < 2)
        die(EXIT_USAGE, "merge needs a file to write and at least one to read", NULL, "nfvcap-agent merge OUT FILE...");
    if (s->json && strcmp(argv[optind], "-") == 0)
        die(EXIT_USAGE, "standard output cannot be the file and the report", NULL, "name a file, or leave out --json");
    if (s->format == FORMAT_NONE) {
        const char *dot = strrchr(argv[optind], '.');

        s->format = dot != NULL && strcmp(dot, ".pcapng") == 0 ? FORMAT_PCAPNG : FORMAT_PCAP;
    }
}

/* A set of files can have more members than a program may have open by default. */
static void allow_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void open_inputs(struct merge *m, char **paths, const char *out_path)
{
    struct stat target, st;
    bool exists = strcmp(out_path, "-") != 0 && stat(out_path, &target) == 0;

    m->inputs = calloc(m->n, sizeof(*m->inputs));
    if (m->inputs == NULL)
        die(EXIT_INTERNAL, "out of memory", NULL, NULL);
    allow_files();
    for (unsigned i = 0; i < m->n; i++) {
        struct merge_input *in = &m->inputs[i];

        in->path = paths[i];
        in->fd = strcmp(paths[i], "-") == 0 ? STDIN_FILENO : open(paths[i], O_RDONLY | O_CLOEXEC);
        if (in->fd < 0 || fstat(in->fd, &st) != 0)
            die(EXIT_USAGE, text("cannot open %s", paths[i]), errno_text(errno),
                errno == EMFILE ? "allow more open files (ulimit -n), or merge in two steps" : NULL);
        if (S_ISDIR(st.st_mode))
            die(EXIT_USAGE, text("%s is a directory", paths[i]), NULL, "name the files in it");
        if (exists && st.st_dev == target.st_dev && st.st_ino == target.st_ino)
            die(EXIT_USAGE, text("%s is to be written and to be read", out_path), NULL, "give the output another name");
    }
}

static _Noreturn void fail(const struct merge *m, enum merge_result result, unsigned culprit)
{
    const struct merge_input *in = &m->inputs[culprit];
    const struct reader *r = &in->reader;

    switch (result) {
    case MERGE_LINKS:
        die(EXIT_USAGE, text("%s holds packets of another link type than the files before it", in->path),
            "a pcap file has one link type", "merge into pcapng: --format pcapng");
    case MERGE_TIME:
        die(EXIT_USAGE, text("%s holds a packet of later than 2106-02-07", in->path), "pcap has 32 bits for seconds",
            "merge into pcapng: --format pcapng");
    case MERGE_OUTPUT:
        die(EXIT_USAGE, text("cannot write %s", m->out->path), errno_text(m->out->error), NULL);
    case MERGE_INPUT:
        if (r->end == END_IO)
            die(EXIT_INTERNAL, text("reading %s failed", in->path), errno_text(r->error), NULL);
        if (r->end == END_UNKNOWN)
            die(EXIT_CHECK_FAILED, text("%s is not a capture file that can be read", in->path), r->why, NULL);
        die(EXIT_CHECK_FAILED, text("%s is damaged at offset %" PRIu64, in->path, r->whole_bytes), r->why,
            "nfvcap-agent check --repair=corrupt gives up what follows");
    case MERGE_MEMORY:
    case MERGE_OK:
        break;
    }
    die(EXIT_INTERNAL, "out of memory", NULL, "merge in two steps");
}

static void speak_of(const struct merge_input *in)
{
    const struct reader *r = &in->reader;

    if (r->end == END_CUT || r->end == END_UNWRITTEN)
        warn(text("%s is whole up to offset %" PRIu64 " only", in->path, r->whole_bytes),
             r->end == END_CUT ? "it ends in the middle of a record" : "what follows was never written", NULL);
    if (in->backward != 0)
        warn(text("%s: time goes backward %" PRIu64 " times", in->path, in->backward), "so it does in the output",
             NULL);
    if (in->untimed != 0)
        warn(text("%s: %" PRIu64 " packets have no time stamp", in->path, in->untimed),
             "they got that of the packet before them", NULL);
    if (in->options_dropped != 0)
        warn(text("%s: options of %" PRIu64 " packets were left out", in->path, in->options_dropped),
             "they are in the other byte order", NULL);
    if (r->other_blocks != 0)
        warn(text("%s: %" PRIu64 " blocks were left out", in->path, r->other_blocks),
             "they hold neither packets nor interfaces", NULL);
}

static void report(const struct merge *m)
{
    struct json j;

    json_start(&j, stdout);
    json_string(&j, "schema", "nfvcap/agent-merge/1");
    json_string(&j, "path", m->out->path);
    json_string(&j, "format", m->out->format == FORMAT_PCAP ? "pcap-ns" : "pcapng");
    json_u64(&j, "packets", m->packets);
    json_u64(&j, "bytes", m->out->bytes);
    json_u64(&j, "time_backward", m->backward);
    json_array(&j, "inputs");
    for (unsigned i = 0; i < m->n; i++) {
        const struct merge_input *in = &m->inputs[i];

        json_object(&j, NULL);
        json_string(&j, "path", in->path);
        json_u64(&j, "packets", in->packets);
        json_bool(&j, "whole", in->reader.end == END_WHOLE);
        json_u64(&j, "whole_bytes", in->reader.whole_bytes);
        json_u64(&j, "time_backward", in->backward);
        json_u64(&j, "untimed", in->untimed);
        json_u64(&j, "options_dropped", in->options_dropped);
        json_u64(&j, "other_blocks", in->reader.other_blocks);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_finish(&j);
}

int command_merge(int argc, char **argv)
{
    struct merge_settings settings = {0};
    struct merge m = {.out = &out};
    enum merge_result result;
    unsigned culprit = 0;

    parse(&settings, argc, argv);
    m.n = (unsigned)(argc - optind - 1);
    if (strcmp(argv[optind], "-") != 0)
        output_file_check("OUT, or - for standard output", argv[optind], false);
    open_inputs(&m, argv + optind + 1, argv[optind]);
    if (!outfile_open(&out, argv[optind], settings.format))
        die(EXIT_USAGE, text("cannot write %s", argv[optind]), errno_text(errno), NULL);
    on_die(abandon, &out);
    result = merge_run(&m, &culprit);
    if (result != MERGE_OK)
        fail(&m, result, culprit);
    if (!outfile_finish(&out))
        fail(&m, MERGE_OUTPUT, culprit);
    for (unsigned i = 0; i < m.n; i++)
        speak_of(&m.inputs[i]);
    if (settings.json)
        report(&m);
    merge_free(&m);
    free(m.inputs);
    return EXIT_OK;
}
