/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include "../error.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct judged {
    bool known;
    double ratio, low, high, ours, against;
    bool must_met, goal_met;
};

static struct judged judge(const struct figure *f)
{
    const struct measurement *a = bench_find(f->ours), *b = bench_find(f->against);
    struct judged j = {.must_met = true, .goal_met = true};
    if (!ratios_of(a, b, &j.ratio, &j.low, &j.high))
        return j;
    j.known = true;
    j.ours = median_of(a->values, a->n_values);
    j.against = median_of(b->values, b->n_values);
    if (f->must != 0)
        j.must_met = f->at_least ? j.ratio >= f->must : j.ratio <= f->must;
    if (f->must_absolute != 0)
        j.must_met = j.must_met && j.ours <= f->must_absolute;
    if (f->goal != 0)
        j.goal_met = f->at_least ? j.ratio >= f->goal : j.ratio <= f->goal;
    return j;
}

static const char *limit(const struct figure *f, double value)
{
    if (value == 0)
        return "-";
    return text("%s %.3f", f->at_least ? ">=" : "<=", value);
}

void bench_print(const struct bench_options *o)
{
    printf("\n%-22s %10s %10s %10s  %s\n", "measurement", "median", "least", "most", "");
    for (unsigned i = 0; i < n_bench_measurements; i++) {
        const struct measurement *m = &bench_measurements[i];
        if (!m->wanted)
            continue;
        if (m->n_values == 0) {
            printf("%-22s %10s %10s %10s  %s: %s\n", m->name, "-", "-", "-", m->what,
                   m->missing != NULL ? m->missing : "not measured");
            continue;
        }
        double low = INFINITY, high = -INFINITY;
        for (unsigned k = 0; k < m->n_values; k++) {
            low = fmin(low, m->values[k]);
            high = fmax(high, m->values[k]);
        }
        printf("%-22s %10.1f %10.1f %10.1f  %s, %s (n=%u)\n", m->name, median_of(m->values, m->n_values), low, high,
               m->unit, m->what, m->n_values);
    }
    printf("\n%-46s %9s %17s %10s %10s  %s\n", "figure (ratio of runs)", "median", "spread", "must", "goal", "");
    for (unsigned i = 0; i < n_bench_figures; i++) {
        const struct figure *f = &bench_figures[i];
        if (!bench_find(f->ours)->wanted || !bench_find(f->against)->wanted)
            continue;
        struct judged j = judge(f);
        if (!j.known) {
            printf("%-46s %9s %17s %10s %10s  not measured\n", f->name, "-", "-", limit(f, f->must), limit(f, f->goal));
            continue;
        }
        printf("%-46s %9.3f %8.3f-%8.3f %10s %10s  %s%s\n", f->name, j.ratio, j.low, j.high, limit(f, f->must),
               limit(f, f->goal), j.must_met ? "" : "MUST NOT MET",
               j.must_met ? (j.goal_met ? "goal met" : "must met") : "");
    }
}

bool bench_all_musts_met(void)
{
    bool all = true;
    for (unsigned i = 0; i < n_bench_figures; i++)
        all = judge(&bench_figures[i]).must_met && all;
    return all;
}

static void measurements_json(struct json *j)
{
    json_array(j, "measurements");
    for (unsigned i = 0; i < n_bench_measurements; i++) {
        const struct measurement *m = &bench_measurements[i];
        if (!m->wanted)
            continue;
        json_object(j, NULL);
        json_string(j, "name", m->name);
        json_string(j, "what", m->what);
        json_string(j, "unit", m->unit);
        json_string(j, "missing", m->n_values == 0 ? m->missing : NULL);
        json_double(j, "median", median_of(m->values, m->n_values));
        json_array(j, "runs");
        for (unsigned k = 0; k < m->n_values; k++)
            json_double(j, NULL, m->values[k]);
        json_array_end(j);
        json_object_end(j);
    }
    json_array_end(j);
}

void bench_write_json(const struct bench_options *o)
{
    if (o->json == NULL)
        return;
    FILE *out = strcmp(o->json, "-") == 0 ? stdout : fopen(o->json, "we");
    if (out == NULL)
        die(EXIT_USAGE, text("cannot write %s", o->json), errno_text(errno), NULL);
    struct json j;
    json_start(&j, out);
    json_string(&j, "schema", "nfvcap/agent-bench/1");
    json_string(&j, "version", NFVCAP_VERSION);
    json_u64(&j, "runs", o->runs);
    json_bool(&j, "urgent", o->urgent);
    measurements_json(&j);
    json_array(&j, "figures");
    for (unsigned i = 0; i < n_bench_figures; i++) {
        const struct figure *f = &bench_figures[i];
        struct judged judged = judge(f);
        if (!judged.known)
            continue;
        json_object(&j, NULL);
        json_string(&j, "name", f->name);
        json_string(&j, "ours", f->ours);
        json_string(&j, "against", f->against);
        json_double(&j, "ratio", judged.ratio);
        json_double(&j, "ratio_least", judged.low);
        json_double(&j, "ratio_most", judged.high);
        json_double(&j, "must", f->must != 0 ? f->must : NAN);
        json_double(&j, "goal", f->goal != 0 ? f->goal : NAN);
        json_bool(&j, "at_least", f->at_least);
        json_bool(&j, "must_met", judged.must_met);
        json_bool(&j, "goal_met", judged.goal_met);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_finish(&j);
    if (out != stdout)
        fclose(out);
}
