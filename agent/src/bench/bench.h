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
    unsigned soak_s; /* length of the run that looks for growing memory; 0: none */
    bool urgent;     /* measured threads run under SCHED_FIFO */
    char self[4096];
};

/* One thing that is measured, `runs` times, in turn with all others. */
struct measurement {
    const char *name;
    const char *what;
    const char *unit;
    /* The value of one run, or NaN; *why then says what is in the way. */
    double (*run)(const struct bench_options *o, const struct measurement *m, const char **why);
    unsigned size_bytes; /* of the frames; 0: those of mix_file() */
    const char *extra;   /* for run() */
    unsigned more_warm_up_ms;
    double most;           /* no higher value is looked for: one near it is a lower bound; 0: there is no such limit */
    unsigned soaks;        /* in the first run only, and so many times --soak long; 0: in each, as long as --measure */
    bool again;            /* tried in each run, also when it had no value in the ones before */
    const char *elsewhere; /* what is known of it when it cannot be measured here */
    bool wanted;
    double values[BENCH_RUNS_MAX]; /* by run; NaN where there is none */
    unsigned n_values;             /* runs so far */
    const char *missing;           /* why there is no value */
};

/* What is claimed: value of a measurement relative to that of another one, run by run; or a value as it is. */
struct figure {
    const char *name;
    const char *ours, *against; /* against NULL: the value itself */
    double must, goal;          /* it may not exceed these (at_least: not fall below them); NaN: no limit */
    bool at_least;
};

extern struct measurement bench_measurements[];
extern const unsigned n_bench_measurements;
extern const struct figure bench_figures[];
extern const unsigned n_bench_figures;

struct measurement *bench_find(const char *name);

/* ours.c, checks.c, disk.c, link.c, memif.c, stamps.c, soak.c, peers.c */
#define RUN(name) double name(const struct bench_options *o, const struct measurement *m, const char **why)
RUN(run_floor);
RUN(run_ours);
RUN(run_check);
RUN(run_read);
RUN(run_disk);
RUN(run_dd);
RUN(run_disk_lost);
RUN(run_link);
RUN(run_memif);
RUN(run_stamps);
RUN(run_stamps_more);
RUN(run_clock);
RUN(run_soak);
RUN(run_testpmd);
RUN(run_dumpcap);
RUN(run_dpdkcap);
#undef RUN

/* ours.c: run one of our own commands to its end. Its output (to be freed), or NULL with the reason. */
char *run_to_end(const struct bench_options *o, const char *const *argv, unsigned timeout_ms, const char **why);
/* The number that follows the key, the first one after `object`; NaN when there is none. */
double number_after(const char *report, const char *object, const char *key);
void remove_files(const char *stem);

/* checks.c: remove the files that checks read. */
void checks_forget(const struct bench_options *o);

/* mix.c: the file of frames of several sizes, made when it is asked for first (NULL: *why), and removed. */
const char *mix_file(const struct bench_options *o, const char **why);
void mix_forget(const struct bench_options *o);

/* floor_command.c: the program that run_floor starts. */
int floor_command(int argc, char **argv);

/* statistics.c: all of them leave out what is NaN */
struct summary {
    double median, low, high;
    unsigned n; /* 0: the others are NaN */
};

struct summary summary_of(const double *values, unsigned n);
/* Of the ratios of the runs in which both have a value. */
struct summary ratios_of(const struct measurement *a, const struct measurement *b);

/* bench_report.c */
void bench_print(const struct bench_options *o);
void bench_write_json(const struct bench_options *o);
bool bench_all_musts_met(void);

#endif
