/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"
#include "process.h"

#include "../command.h"
#include "../error.h"
#include "../output_file.h"
#include "../units.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: nfvcap-agent bench [OPTION]...\n"
    "\n"
    "Measures, in turn and several times: the floor (a loop that does only the unavoidable), this program, and the\n"
    "peers that are installed (dpdk-testpmd, dpdk-dumpcap, dpdkcap, tcpdump, netsniff-ng, dd). What counts are the\n"
    "ratios, each of two values of the same run: their median, and the least and the most of them. CPU time per\n"
    "packet is that of all threads that take part together. INT and TERM end it early, with a table of what there is.\n"
    "\n"
    "  --runs N           repetitions (7)\n"
    "  --warm-up TIME     before each measurement (1); --measure TIME: its length (700ms)\n"
    "  --soak TIME        length of the runs that look for growing memory, once (30); 0: none\n"
    "  --only NAME,...    measurements whose name begins so\n"
    "  --memory DIR       on a file system in memory (/dev/shm)\n"
    "  --disk DIR         on a real file system; without it disks are left out\n"
    "  --urgent           run what is measured under SCHED_FIFO (root)\n"
    "  --json FILE        all values (- for standard output)\n"
    "  --list             the names\n"
    "\n"
    "The peers need 256 MiB of huge pages, and with the links root.\n"
    "Exit codes: 0 every must that was measured is met; 4 one is not; 2 wrong use; 1 an error of this program.\n";

static bool wanted(const struct bench_options *o, const char *name)
{
    if (o->only == NULL)
        return true;
    char *words = strdup(o->only), *save = NULL;
    bool found = false;
    for (char *w = strtok_r(words, ",", &save); w != NULL; w = strtok_r(NULL, ",", &save))
        found = found || strncmp(name, w, strlen(w)) == 0;
    free(words);
    return found;
}

static volatile sig_atomic_t enough; /* asked to end: what has been measured is printed */

static void end_early(int signal)
{
    enough = 1;
}

/* dpdk-dumpcap is known to crash now and then: three attempts. */
static double measure(const struct bench_options *o, const struct measurement *m, const char **why)
{
    double value = NAN;
    for (unsigned attempt = 0; attempt < 3 && !isfinite(value) && !enough; attempt++) {
        *why = NULL;
        value = m->run(o, m, why);
    }
    return value;
}

static void run_all(const struct bench_options *o)
{
    const struct sigaction action = {.sa_handler = end_early, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    for (unsigned run = 0; run < o->runs; run++) {
        for (unsigned i = 0; i < n_bench_measurements && !enough; i++) {
            struct measurement *m = &bench_measurements[i];
            if (!m->wanted || (run > 0 && (m->soaks > 0 || (!m->again && summary_of(m->values, m->n_values).n == 0))))
                continue;
            const char *why = NULL;
            double value = measure(o, m, &why);
            if (enough)
                break;
            m->values[m->n_values++] = value;
            if (!isfinite(value))
                m->missing = why != NULL ? why : "no value";
            fprintf(stderr, "run %u/%u %-20s %10.1f %s%s%s\n", run + 1, o->runs, m->name, value, m->unit,
                    isfinite(value) ? "" : ": ", isfinite(value) ? "" : m->missing);
        }
    }
}

static unsigned milliseconds(const char *option, const char *s)
{
    uint64_t ns;
    if (!parse_duration(s, &ns) || ns < 10000000 || ns > 86400000000000)
        die(EXIT_USAGE, text("--%s %s is not understood", option, s), NULL, "give a time like 1 or 500ms");
    return (unsigned)(ns / 1000000);
}

static const char *directory(const char *option, const char *path)
{
    if (access(path, W_OK | X_OK) != 0)
        die(EXIT_USAGE, text("%s %s cannot be used", option, path), errno_text(errno), "name a directory to write in");
    return path;
}

static void list(void)
{
    for (unsigned i = 0; i < n_bench_measurements; i++)
        printf("%-20s %s, %s\n", bench_measurements[i].name, bench_measurements[i].unit, bench_measurements[i].what);
}

int command_bench(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--floor") == 0)
        return floor_command(argc - 1, argv + 1);
    static const struct option options[] = {
        {"runs", required_argument, NULL, 'r'},    {"warm-up", required_argument, NULL, 'w'},
        {"measure", required_argument, NULL, 'm'}, {"only", required_argument, NULL, 'o'},
        {"memory", required_argument, NULL, 'M'},  {"disk", required_argument, NULL, 'D'},
        {"soak", required_argument, NULL, 's'},    {"urgent", no_argument, NULL, 'u'},
        {"json", required_argument, NULL, 'j'},    {"list", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    struct bench_options o = {.runs = 7, .warm_up_ms = 1000, .measure_ms = 700, .soak_s = 30, .memory_dir = "/dev/shm"};
    uint64_t runs;
    int c;
    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (c) {
        case 'r':
            if (!parse_u64(optarg, &runs) || runs == 0 || runs > BENCH_RUNS_MAX)
                die(EXIT_USAGE, text("--runs %s is not understood", optarg), NULL, "give a number from 1 to 64");
            o.runs = (unsigned)runs;
            break;
        case 'w':
            o.warm_up_ms = milliseconds("warm-up", optarg);
            break;
        case 'm':
            o.measure_ms = milliseconds("measure", optarg);
            break;
        case 'o':
            o.only = optarg;
            break;
        case 'M':
            o.memory_dir = directory("--memory", optarg);
            break;
        case 'D':
            o.disk_dir = directory("--disk", optarg);
            break;
        case 's':
            o.soak_s = strcmp(optarg, "0") == 0 ? 0 : milliseconds("soak", optarg) / 1000;
            break;
        case 'u':
            o.urgent = true;
            break;
        case 'j':
            o.json = optarg;
            break;
        case 'l':
            list();
            return EXIT_OK;
        case 'h':
            fputs(help, stdout);
            return EXIT_OK;
        default:
            die(EXIT_USAGE, "an option is not understood", NULL, "nfvcap-agent bench --help lists them");
        }
    }
    if (o.json != NULL && strcmp(o.json, "-") != 0)
        output_file_check("--json", o.json, true);
    if (readlink("/proc/self/exe", o.self, sizeof(o.self) - 1) < 0)
        die(EXIT_INTERNAL, "cannot find this program's own file", NULL, NULL);
    for (unsigned i = 0; i < n_bench_measurements; i++)
        bench_measurements[i].wanted = wanted(&o, bench_measurements[i].name);
    run_all(&o);
    checks_forget(&o);
    mix_forget(&o);
    bench_print(&o);
    bench_write_json(&o);
    return bench_all_musts_met() ? EXIT_OK : EXIT_CHECK_FAILED;
}
