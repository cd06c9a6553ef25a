/* SPDX-License-Identifier: Apache-2.0 */
/* Measurements on a real file system. */
#include "bench.h"
#include "memif.h"

#include "../error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DD_MEBIBYTES 1024
#define BELOW 0.9 /* up to this part of the disk's rate nothing may be lost */
#define NEARLY 0.99

static bool disk_given(const struct bench_options *o, const char **why)
{
    if (o->disk_dir == NULL)
        *why = "no --disk directory was given";
    return o->disk_dir != NULL;
}

double run_disk(const struct bench_options *o, const struct measurement *m, const char **why)
{
    return disk_given(o, why) ? run_ours(o, m, why) : NAN;
}

double run_dd(const struct bench_options *o, const struct measurement *m, const char **why)
{
    if (!disk_given(o, why))
        return NAN;
    char *path = text("%s/nfvcap-bench-dd-%d", o->disk_dir, (int)getpid());
    /* clang-format off */
    const char *argv[] = {"dd", "if=/dev/zero", text("of=%s", path), "bs=1M", text("count=%d", DD_MEBIBYTES),
                          "oflag=direct", NULL};
    /* clang-format on */
    uint64_t start = monotonic_now_ns();
    char *output = run_to_end(&(struct bench_options){0}, argv, 120000, why);
    double ns = (double)(monotonic_now_ns() - start);
    unlink(path);
    free(output);
    return output == NULL ? NAN : DD_MEBIBYTES * 1048576.0 / ns * 1000;
}

/*
 * Packets that are not in the file, through shared memory (memif), from a sender that was told another rate and has to
 * reach pps or more.
 */
static double lost_at(const struct bench_options *o, unsigned size_bytes, double pps, double told_pps, const char **why)
{
    /* clang-format off */
    const char *const storing[] = {"--lcores", "1", "--direct", "--burst-buffer", "256M", "--idle-sleep", "20us", NULL};
    const char *const sending[] = {"--size", text("%u", size_bytes + 4), "--rate", text("%.0fpps", told_pps), "--duration",
                                   text("%ums", o->warm_up_ms + o->measure_ms), "--linger", "500ms", NULL};
    /* clang-format on */
    struct memif_trial t;
    char *sent_report = NULL, *stored_report = NULL;
    if (memif_open(&t, o, o->disk_dir, 1, storing, why) && memif_send(&t, o, 0, 0, sending, why))
        sent_report = memif_sent(&t, 0, 60000, why);
    if (sent_report != NULL) {
        sleep_ms(200);
        stored_report = memif_captured(&t, 0, why);
    }
    memif_forget(&t);
    double value = NAN;
    if (sent_report != NULL && stored_report != NULL) {
        double sent = number_after(sent_report, "{", "sent"),
               stored = number_after(stored_report, "\"total\"", "stored");
        double seconds = (o->warm_up_ms + o->measure_ms) / 1000.0;
        if (sent < NEARLY * pps * seconds)
            *why = text("the sender reached only %.0f of %.0f packets per second; of these %.0f were lost",
                        sent / seconds, pps, sent - stored);
        else if (isnan(stored))
            *why = "the capture gave no report";
        else
            value = sent - stored;
    }
    free(sent_report);
    free(stored_report);
    return value;
}

/* Of the rate that is wanted. The sender does not make up for time in which it did not run: on a busy machine it takes
 * more. */
static const double told[] = {1.1, 1.4, 1.9};

/* extra: the measurement whose latest value is the disk's rate. */
double run_disk_lost(const struct bench_options *o, const struct measurement *m, const char **why)
{
    if (!disk_given(o, why))
        return NAN;
    const struct measurement *rate = bench_find(m->extra);
    double mb_per_s = rate->n_values > 0 ? rate->values[rate->n_values - 1] : NAN;
    if (!isfinite(mb_per_s)) {
        *why = text("%s was not measured", m->extra);
        return NAN;
    }
    const double pps = BELOW * mb_per_s * 1e6 / (m->size_bytes + 16);
    double lost = NAN;
    for (unsigned i = 0; i < sizeof(told) / sizeof(told[0]) && isnan(lost); i++)
        lost = lost_at(o, m->size_bytes, pps, told[i] * pps, why);
    return lost;
}
