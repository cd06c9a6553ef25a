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

double run_soak(const struct bench_options *o, const struct measurement *m, const char **why)
{
    if (o->soak_s == 0) {
        *why = "left out with --soak 0";
        return NAN;
    }
    char *stem = text("%s/nfvcap-bench-%d", o->memory_dir, (int)getpid());
    const char *argv[PROCESS_ARGS_MAX] = {
        o->self, "capture", "--quiet", "--port", text("vdev:net_null0,size=%u", m->size_bytes), "--lcores", "1"};
    unsigned n = 7;
    char *words = strdup(m->extra), *save = NULL;
    for (char *w = strtok_r(words, " ", &save); w != NULL && n < PROCESS_ARGS_MAX - 1; w = strtok_r(NULL, " ", &save))
        argv[n++] = strcmp(w, "@") == 0 ? text("%s.pcap", stem) : w;
    argv[n] = NULL;
    struct process p;
    if (!process_start(&p, argv, NULL)) {
        *why = "cannot start a process";
        return NAN;
    }
    sleep_ms(o->soak_s * 250);
    double before = own_kib(&p);
    sleep_ms(o->soak_s * 750);
    double after = own_kib(&p);
    process_stop(&p);
    process_forget(&p);
    remove_files(stem);
    if (isnan(before) || isnan(after))
        *why = "the capture ended early";
    return after - before;
}
