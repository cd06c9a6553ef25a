/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_BENCH_H
#define NFVCAP_BENCH_H

#include "../json.h"

#include <stdbool.h>
#include <stdint.h>

#define BENCH_RUNS_MAX 64

struct bench_options {
    unsigned runs;
    unsigned warm_up_ms, measure_ms;
    const char *only;       /* comma separated beginnings of measurement names; NULL: all */
    const char *memory_dir; /* on a file system in memory */
    const char *disk_dir;   /* on a real one; NULL: leave disks out */
    const char *json;
    bool urgent; /* measured threads run under SCHED_FIFO */
    char self[4096];
};

/* One thing that is measured, `runs` times, in turn with all others. */
struct measurement {
    const char *name;
    const char *what;
    const char *unit;
    /* The value of one run, or NaN; *why then says what is in the way. */
    double (*run)(const struct bench_options *o, const struct measurement *m, const char **why);
    unsigned size_bytes;
    const char *extra; /* for run() */
    bool wanted;
    double values[BENCH_RUNS_MAX];
    unsigned n_values;
    const char *missing; /* why there is no value */
};

/* What is claimed: value of a measurement relative to that of another one, run by run. */
struct figure {
    const char *name;
    const char *ours, *against;
    double must, goal; /* the ratio ours / against may not exceed these (at_least: not fall below them) */
    bool at_least;
    double must_absolute; /* 0, or a limit for ours in its own unit, too */
};

extern struct measurement bench_measurements[];
extern const unsigned n_bench_measurements;
extern const struct figure bench_figures[];
extern const unsigned n_bench_figures;

struct measurement *bench_find(const char *name);

/* ours.c, peers.c, disk.c */
double run_floor(const struct bench_options *o, const struct measurement *m, const char **why);
double run_ours(const struct bench_options *o, const struct measurement *m, const char **why);
double run_check(const struct bench_options *o, const struct measurement *m, const char **why);
double run_memory_read(const struct bench_options *o, const struct measurement *m, const char **why);
double run_testpmd(const struct bench_options *o, const struct measurement *m, const char **why);
double run_dumpcap(const struct bench_options *o, const struct measurement *m, const char **why);
double run_dpdkcap(const struct bench_options *o, const struct measurement *m, const char **why);
double run_disk(const struct bench_options *o, const struct measurement *m, const char **why);
double run_dd(const struct bench_options *o, const struct measurement *m, const char **why);

/* floor_command.c: the program that run_floor starts. */
int floor_command(int argc, char **argv);

/* statistics.c */
double median_of(const double *values, unsigned n);
/* Median, smallest and largest of the ratios of runs that both have; false when there is none. */
bool ratios_of(const struct measurement *a, const struct measurement *b, double *median, double *low, double *high);

/* bench_report.c */
void bench_print(const struct bench_options *o);
void bench_write_json(const struct bench_options *o);
bool bench_all_musts_met(void);

#endif
