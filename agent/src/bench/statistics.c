/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct summary summary_of(const double *values, unsigned n)
{
    double sorted[BENCH_RUNS_MAX];
    struct summary s = {NAN, NAN, NAN, 0};
    for (unsigned i = 0; i < n && i < BENCH_RUNS_MAX; i++) {
        if (isfinite(values[i]))
            sorted[s.n++] = values[i];
    }
    if (s.n == 0)
        return s;
    qsort(sorted, s.n, sizeof(double), compare);
    s.median = s.n % 2 == 1 ? sorted[s.n / 2] : (sorted[s.n / 2 - 1] + sorted[s.n / 2]) / 2;
    s.low = sorted[0];
    s.high = sorted[s.n - 1];
    return s;
}

struct summary ratios_of(const struct measurement *a, const struct measurement *b)
{
    double ratios[BENCH_RUNS_MAX];
    unsigned n = a->n_values < b->n_values ? a->n_values : b->n_values;
    for (unsigned i = 0; i < n; i++)
        ratios[i] = a->values[i] / b->values[i];
    return summary_of(ratios, n);
}
