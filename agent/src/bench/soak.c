/* SPDX-License-Identifier: Apache-2.0 */
/* Does memory grow while a capture runs and its files go round? */
#include "bench.h"
#include "process.h"

#include "../error.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SAMPLES 12u

/* Its own memory and its huge pages; not the pages of the files that it maps. */
static double own_kib(const struct process *p)
{
    FILE *f = fopen(text("/proc/%d/status", (int)p->pid), "re");
    char line[256];
    uint64_t kib, sum = 0;
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (sscanf(line, "RssAnon: %" SCNu64, &kib) == 1 || sscanf(line, "HugetlbPages: %" SCNu64, &kib) == 1)
            sum += kib;
    }
    if (f != NULL)
        fclose(f);
    return sum > 0 ? (double)sum : NAN;
}

/* The largest growth, of SAMPLES looks, from a quarter of the time on. NAN when it ended before. */
static double largest_growth(const struct process *p, unsigned total_ms)
{
    sleep_ms(total_ms / 4);
    const double before = own_kib(p);
    double growth = 0;
    for (unsigned i = 0; i < SAMPLES; i++) {
        sleep_ms(total_ms * 3 / 4 / SAMPLES);
        double now = own_kib(p);
        if (isnan(now))
            return NAN;
        growth = fmax(growth, now - before);
    }
    return isnan(before) ? NAN : growth;
}

double run_soak(const struct bench_options *o, const struct measurement *m, const char **why)
{
    const bool on_disk = strstr(m->extra, "--direct") != NULL;
    if (o->soak_s == 0) {
        *why = "left out with --soak 0";
        return NAN;
    }
    if (on_disk && o->disk_dir == NULL) {
        *why = "no --disk directory was given";
        return NAN;
    }
    char *stem = text("%s/nfvcap-bench-%d", on_disk ? o->disk_dir : o->memory_dir, (int)getpid());
    const char *argv[PROCESS_ARGS_MAX] = {
        o->self, "capture", "--quiet", "--port", text("vdev:net_null0,size=%u", m->size_bytes), "--lcores", "1"};
    unsigned n = 7;
    char *words = text("%s", m->extra), *save = NULL;
    for (char *w = strtok_r(words, " ", &save); w != NULL && n < PROCESS_ARGS_MAX - 1; w = strtok_r(NULL, " ", &save))
        argv[n++] = strcmp(w, "@") == 0 ? text("%s.pcap", stem) : w;
    argv[n] = NULL;
    struct process p;
    if (!process_start(&p, argv, NULL)) {
        *why = "cannot start a process";
        return NAN;
    }
    double growth = largest_growth(&p, o->soak_s * 1000);
    process_stop(&p);
    process_forget(&p);
    remove_files(stem);
    if (isnan(growth))
        *why = "the capture ended early";
    return growth;
}
