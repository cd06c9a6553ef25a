/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include "../error.h"
#include "../output_file.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct judged {
    struct summary ratio;
    bool must_met, goal_met; /* true when there is nothing to judge */
};

static bool within(const struct figure *f, double value, double limit)
{
    return isnan(limit) || isnan(value) || (f->at_least ? value >= limit : value <= limit);
}

static struct judged judge(const struct figure *f)
{
    const struct measurement *a = bench_find(f->ours);
    struct judged j = {.ratio = f->against != NULL ? ratios_of(a, bench_find(f->against))
                                                   : summary_of(a->values, a->n_values)};
    j.must_met = within(f, j.ratio.median, f->must);
    j.goal_met = within(f, j.ratio.median, f->goal);
    return j;
}

static bool figure_wanted(const struct figure *f)
{
    return bench_find(f->ours)->wanted && (f->against == NULL || bench_find(f->against)->wanted);
}

static const char *why_unknown(const struct figure *f)
{
    const struct measurement *a = bench_find(f->ours), *b = f->against != NULL ? bench_find(f->against) : a;
    const struct measurement *absent = summary_of(a->values, a->n_values).n == 0 ? a : b;
    return text("not measured: %s%s%s", absent->missing != NULL ? absent->missing : "no run had both",
                absent->elsewhere != NULL ? "; not in this run: " : "",
                absent->elsewhere != NULL ? absent->elsewhere : "");
}

static const char *limit(const struct figure *f, double value)
{
    return isnan(value) ? "-" : text("%s %.3f", f->at_least ? ">=" : "<=", value);
}

/* How long it ran, where that is for --soak to say. */
static const char *length(const struct bench_options *o, const struct measurement *m)
{
    return m->soaks > 0 ? text("; a run of %u s", o->soak_s * m->soaks) : "";
}

static void print_measurements(FILE *to, const struct bench_options *o)
{
    fprintf(to, "\n%-20s %10s %10s %10s  %s\n", "measurement", "median", "least", "most", "");
    for (unsigned i = 0; i < n_bench_measurements; i++) {
        const struct measurement *m = &bench_measurements[i];
        struct summary s = summary_of(m->values, m->n_values);
        if (!m->wanted)
            continue;
        if (s.n == 0)
            fprintf(to, "%-20s %10s %10s %10s  %s: %s%s%s\n", m->name, "-", "-", "-", m->what,
                    m->missing != NULL ? m->missing : "not measured", m->elsewhere != NULL ? "; not in this run: " : "",
                    m->elsewhere != NULL ? m->elsewhere : "");
        else
            fprintf(to, "%-20s %10.1f %10.1f %10.1f  %s, %s (n=%u%s)\n", m->name, s.median, s.low, s.high, m->unit,
                    m->what, s.n, length(o, m));
    }
}

#define NEAR_THE_MOST 0.95

static bool is_capped(const struct measurement *m)
{
    return m->most > 0 && summary_of(m->values, m->n_values).median >= NEAR_THE_MOST * m->most;
}

static const char *verdict(const struct bench_options *o, const struct figure *f, const struct judged *j)
{
    const struct measurement *ours = bench_find(f->ours);
    const char *capped = is_capped(ours) ? "; a lower bound: no more can be sent" : length(o, ours);
    if (!j->must_met)
        return text("MUST NOT MET%s", capped);
    if (!j->goal_met)
        return text("%s%s", isnan(f->must) ? "goal not met" : "must met, goal not", capped);
    return text("%s%s", isnan(f->goal) ? "must met" : "goal met", capped);
}

/* For want of a peer the exit code is that of what was measured; the table says that something was not. */
static void print_musts(FILE *to)
{
    unsigned met = 0, failed = 0, unknown = 0;
    for (unsigned i = 0; i < n_bench_figures; i++) {
        const struct figure *f = &bench_figures[i];
        if (isnan(f->must) || !figure_wanted(f))
            continue;
        struct judged j = judge(f);
        if (j.ratio.n == 0)
            unknown++;
        else if (j.must_met)
            met++;
        else
            failed++;
    }
    fprintf(to, "\nmusts: %u met, %u not met, %u not measured\n", met, failed, unknown);
}

void bench_print(const struct bench_options *o)
{
    FILE *to = o->json != NULL && strcmp(o->json, "-") == 0 ? stderr : stdout;
    print_measurements(to, o);
    fprintf(to, "\n%-46s %9s %17s %10s %10s  %s\n", "figure (ratio of runs)", "median", "least - most", "must", "goal",
            "");
    for (unsigned i = 0; i < n_bench_figures; i++) {
        const struct figure *f = &bench_figures[i];
        if (!figure_wanted(f))
            continue;
        struct judged j = judge(f);
        if (j.ratio.n == 0)
            fprintf(to, "%-46s %9s %17s %10s %10s  %s\n", f->name, "-", "-", limit(f, f->must), limit(f, f->goal),
                    why_unknown(f));
        else
            fprintf(to, "%-46s %9.3f %8.3f-%8.3f %10s %10s  %s\n", f->name, j.ratio.median, j.ratio.low, j.ratio.high,
                    limit(f, f->must), limit(f, f->goal), verdict(o, f, &j));
    }
    print_musts(to);
}

bool bench_all_musts_met(void)
{
    bool all = true;
    for (unsigned i = 0; i < n_bench_figures; i++)
        all = judge(&bench_figures[i]).must_met && all;
    return all;
}

static void measurements_json(struct json *j, const struct bench_options *o)
{
    json_array(j, "measurements");
    for (unsigned i = 0; i < n_bench_measurements; i++) {
        const struct measurement *m = &bench_measurements[i];
        struct summary s = summary_of(m->values, m->n_values);
        if (!m->wanted)
            continue;
        json_object(j, NULL);
        json_string(j, "name", m->name);
        json_string(j, "what", m->what);
        json_string(j, "unit", m->unit);
        json_string(j, "missing", s.n == 0 ? m->missing : NULL);
        json_double(j, "median", s.median);
        json_double(j, "run_s", m->soaks > 0 ? (double)(o->soak_s * m->soaks) : NAN);
        json_array(j, "runs");
        for (unsigned k = 0; k < m->n_values; k++)
            json_double(j, NULL, m->values[k]);
        json_array_end(j);
        json_object_end(j);
    }
    json_array_end(j);
}

static void figures_json(struct json *j)
{
    json_array(j, "figures");
    for (unsigned i = 0; i < n_bench_figures; i++) {
        const struct figure *f = &bench_figures[i];
        if (!figure_wanted(f))
            continue;
        struct judged judged = judge(f);
        bool measured = judged.ratio.n > 0;
        json_object(j, NULL);
        json_string(j, "name", f->name);
        json_string(j, "ours", f->ours);
        json_string(j, "against", f->against);
        json_double(j, "ratio", judged.ratio.median);
        json_double(j, "ratio_least", judged.ratio.low);
        json_double(j, "ratio_most", judged.ratio.high);
        json_u64(j, "runs", judged.ratio.n);
        json_double(j, "must", f->must);
        json_double(j, "goal", f->goal);
        json_bool(j, "at_least", f->at_least);
        json_bool(j, "lower_bound", is_capped(bench_find(f->ours)));
        json_bool(j, "measured", measured);
        json_bool(j, "must_met", measured && judged.must_met);
        json_bool(j, "goal_met", measured && judged.goal_met);
        json_object_end(j);
    }
    json_array_end(j);
}

void bench_write_json(const struct bench_options *o)
{
    if (o->json == NULL)
        return;
    const bool named = strcmp(o->json, "-") != 0;
    struct output_file f = {.out = stdout};
    if (named && !output_file_begin(&f, o->json, true))
        die(EXIT_INTERNAL, text("cannot write %s", o->json), errno_text(errno), NULL);
    struct json j;
    double load = NAN;
    json_start(&j, f.out);
    json_string(&j, "schema", "nfvcap/agent-bench/1");
    json_string(&j, "version", NFVCAP_VERSION);
    json_u64(&j, "runs", o->runs);
    json_bool(&j, "urgent", o->urgent);
    json_double(&j, "load_average", getloadavg(&load, 1) == 1 ? load : NAN);
    measurements_json(&j, o);
    figures_json(&j);
    json_finish(&j);
    if (named && !output_file_finish(&f))
        die(EXIT_INTERNAL, text("cannot write %s", o->json), errno_text(errno), NULL);
}
