/* SPDX-License-Identifier: Apache-2.0 */
/* nfvcap-agent check: options, order of work, exit code. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check_report.h"
#include "command.h"
#include "error.h"
#include "repair.h"
#include "units.h"

static const char help[] =
    "usage: nfvcap-agent check [OPTION]... FILE...\n"
    "\n"
    "Recounts closed capture files (pcap, pcapng; - is standard input) as one set: packets, sizes, times, "
    "and of\n"
    "numbered frames what is missing, duplicate, reordered or corrupt.\n"
    "\n"
    "  --expect N          so many numbered frames were sent, spread evenly over the flows\n"
    "  --expect FLOW:N     so many of one flow (may be given again)\n"
    "  --flows F           they were sent as F flows (default: as many as were seen)\n"
    "  --first N           number of the first frame of each flow (default 0)\n"
    "  --strict            notices fail as well: reordering, time going backward, frames not numbered\n"
    "  --repair[=corrupt]  cut a file behind its last whole record: where it ends in the middle of one or in "
    "space\n"
    "                      never written; with =corrupt also where a damaged record hides what follows\n"
    "  --ranges N          missing ranges to list for each flow (default 100); all are counted\n"
    "  --json              report as JSON\n"
    "  --threads N         threads that read (default: one for each CPU)\n"
    "  --part BYTES        a file is read by several threads in parts of at least this size (default 32M)\n"
    "  --memory BYTES      for the numbers seen (default 2G; 10^9 numbers take at most 0.2G)\n"
    "\n"
    "Without --expect the numbers between the first and the last one seen of each flow have to be there.\n"
    "Exit codes: 0 all is well; 4 something is missing, duplicate, corrupt, damaged or cut; 2 wrong use, or "
    "a file\n"
    "that cannot be opened; 5 the memory allowed does not suffice; 1 an error of this program.\n";

struct check_settings {
    struct expectation expectation;
    struct check_options options;
    uint64_t ranges_max;
    bool strict, json, repair, repair_corrupt;
};

static uint64_t number(const char *option, const char *value, uint64_t max)
{
    uint64_t n;

    if (!parse_u64(value, &n) || n > max)
        die(EXIT_USAGE, text("--%s %s is not a number from 0 to %" PRIu64, option, value, max), NULL, NULL);
    return n;
}

static uint64_t bytes(const char *option, const char *value)
{
    uint64_t n;

    if (!parse_bytes(value, &n) || n == 0)
        die(EXIT_USAGE, text("--%s %s is not a size", option, value), NULL, "give bytes, or 512M, 4G");
    return n;
}

static void add_expected(struct expectation *e, const char *value)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): an option with an argument has one */
    const char *colon = strchr(value, ':');
    uint64_t packets;

    if (colon == NULL) {
        e->total_given = true;
        if (!parse_count(value, &e->total))
            die(EXIT_USAGE, text("--expect %s is not a number of packets", value), NULL,
                "give a number such as 1000000 or 1M, or FLOW:NUMBER");
        return;
    }
    if (e->n_given == ACCOUNT_GIVEN_MAX)
        die(EXIT_USAGE, "more than 64 flows with a number of their own", NULL, "use --expect N --flows F");
    if (!parse_count(colon + 1, &packets))
        die(EXIT_USAGE, text("--expect %s has no number of packets behind the colon", value), NULL, NULL);
    e->given[e->n_given].flow =
        (uint16_t)number("expect", text("%.*s", (int)(colon - value), value), FRAME_FLOWS_MAX - 1);
    e->given[e->n_given].packets = packets;
    e->n_given++;
}

static void parse(struct check_settings *s, int argc, char **argv)
{
    enum { EXPECT = 256, FLOWS, FIRST, STRICT, REPAIR, RANGES, JSON, THREADS, PART, MEMORY };
    static const struct option options[] = {
        {"expect", required_argument, NULL, EXPECT},
        {"flows", required_argument, NULL, FLOWS},
        {"first", required_argument, NULL, FIRST},
        {"strict", no_argument, NULL, STRICT},
        {"repair", optional_argument, NULL, REPAIR},
        {"ranges", required_argument, NULL, RANGES},
        {"json", no_argument, NULL, JSON},
        {"threads", required_argument, NULL, THREADS},
        {"memory", required_argument, NULL, MEMORY},
        {"part", required_argument, NULL, PART},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case EXPECT:
            add_expected(&s->expectation, optarg);
            break;
        case FLOWS:
            s->expectation.flows = (uint32_t)number("flows", optarg, FRAME_FLOWS_MAX);
            break;
        case FIRST:
            s->expectation.first = number("first", optarg, UINT64_MAX / 2);
            break;
        case STRICT:
            s->strict = true;
            break;
        case REPAIR:
            s->repair = true;
            s->repair_corrupt = optarg != NULL && strcmp(optarg, "corrupt") == 0;
            if (optarg != NULL && !s->repair_corrupt)
                die(EXIT_USAGE, text("--repair=%s is unknown", optarg), NULL, "use --repair or --repair=corrupt");
            break;
        case RANGES:
            s->ranges_max = number("ranges", optarg, UINT64_MAX);
            break;
        case JSON:
            s->json = true;
            break;
        case THREADS:
            s->options.n_threads = (unsigned)number("threads", optarg, 64);
            break;
        case MEMORY:
            s->options.memory_limit = bytes("memory", optarg);
            break;
        case PART:
            s->options.part_bytes = bytes("part", optarg);
            break;
        case 'h':
            fputs(help, stdout);
            exit(EXIT_OK);
        default:
            exit(EXIT_USAGE);
        }
    }
    if (optind == argc)
        die(EXIT_USAGE, "no file to check", NULL, "nfvcap-agent check FILE...; --help says more");
}

/* Wrong names are found before hours are spent on the right ones. */
static void look_at_file(const char *path, bool repair)
{
    struct stat st;

    if (strcmp(path, "-") == 0) {
        if (repair)
            die(EXIT_USAGE, "standard input cannot be repaired", NULL, "give the file by name");
        return;
    }
    if (stat(path, &st) != 0 || access(path, repair ? R_OK | W_OK : R_OK) != 0)
        die(EXIT_USAGE, text("cannot open %s", path), errno_text(errno), NULL);
    if (S_ISDIR(st.st_mode))
        die(EXIT_USAGE, text("%s is a directory", path), NULL, "name the files in it");
}

static void speak_of(const struct file_result *f, const struct check_settings *s)
{
    const char *repair = "nfvcap-agent check --repair cuts it behind the last whole record";

    switch (f->end) {
    case END_CUT:
        if (!f->repaired)
            warn(text("%s ends in the middle of a record", f->path),
                 text("the record begins at offset %" PRIu64 ", the file ends at %" PRIu64, f->whole_bytes,
                      f->file_bytes),
                 repair);
        break;
    case END_UNWRITTEN:
        if (!f->repaired)
            warn(text("the packets of %s end at offset %" PRIu64, f->path, f->whole_bytes),
                 "what follows was never written: its writer ended before it could give back the space", repair);
        break;
    case END_CORRUPT:
        if (!f->repaired)
            warn(text("%s is damaged at offset %" PRIu64, f->path, f->whole_bytes), f->why,
                 s->repair ? "--repair=corrupt gives up what follows" : NULL);
        break;
    case END_UNKNOWN:
        warn(text("%s is not a capture file that can be read", f->path), f->why, NULL);
        break;
    case END_NOT_YET:
    case END_IO:
        warn(text("reading %s failed at offset %" PRIu64, f->path, f->whole_bytes), errno_text(f->error), NULL);
        break;
    case END_WHOLE:
        break;
    }
}

static struct file_result *list_files(int argc, char **argv, const struct check_settings *s, unsigned *n)
{
    struct file_result *files;

    *n = (unsigned)(argc - optind);
    files = calloc(*n, sizeof(*files));
    if (files == NULL)
        die(EXIT_INTERNAL, "out of memory", NULL, NULL);
    for (unsigned i = 0; i < *n; i++) {
        files[i].path = argv[optind + (int)i];
        look_at_file(files[i].path, s->repair);
    }
    return files;
}

#define WRITERS_END_NS 3000000000ull /* for all files together */

/* What the kernel still writes for a killed capture has to be in the files before they are read. */
static void wait_for_writers(const struct file_result *files, unsigned n)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t deadline_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec + WRITERS_END_NS;

    for (unsigned i = 0; i < n; i++)
        repair_wait(files[i].path, deadline_ns);
}

static void repair_all(struct file_result *files, unsigned n, const struct check_settings *s)
{
    for (unsigned i = 0; i < n; i++) {
        const char *wrong;

        if (!repair_wanted(&files[i], s->repair_corrupt))
            continue;
        wrong = repair_file(&files[i]);
        if (wrong != NULL)
            warn(text("%s could not be repaired", files[i].path), wrong, NULL);
    }
}

static _Noreturn void no_memory(const struct file_result *files, unsigned n)
{
    const char *where = "the numbers of all files together";

    for (unsigned i = 0; i < n; i++)
        if (files[i].out_of_memory)
            where = files[i].path;
    die(EXIT_INCONCLUSIVE, "the memory allowed does not hold the numbers seen", where,
        "allow more with --memory, or check fewer files at once");
}

int command_check(int argc, char **argv)
{
    struct check_settings s = {.ranges_max = 100, .options.memory_limit = (size_t)2 << 30};
    struct file_result *files;
    struct account account;
    struct counts all;
    struct verdict verdict;
    struct tally *tally;
    bool told;
    unsigned n;

    parse(&s, argc, argv);
    files = list_files(argc, argv, &s, &n);
    if (s.repair)
        wait_for_writers(files, n);
    if (!check_files(files, n, &s.options, &tally, &all))
        no_memory(files, n);
    if (s.repair)
        repair_all(files, n, &s);
    for (unsigned i = 0; i < n; i++)
        speak_of(&files[i], &s);
    if (!account_all(&account, tally, &s.expectation))
        no_memory(files, n);
    verdict = verdict_of(files, n, &all, &account, s.expectation.total_given || s.expectation.n_given != 0, s.strict);

    struct check_report report = {files, n, &all, tally, &s.expectation, &account, &verdict, s.strict, s.ranges_max};

    told = s.json ? check_report_json(stdout, &report) : check_report_text(stdout, &report);
    if (!told)
        no_memory(files, n);
    if (fflush(stdout) != 0)
        die(EXIT_INTERNAL, "the report could not be written", errno_text(errno), NULL);
    tally_free(tally);
    free(files);
    return verdict.ok ? EXIT_OK : EXIT_CHECK_FAILED;
}
