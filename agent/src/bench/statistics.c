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

double median_of(const double *values, unsigned n)
{
    double sorted[BENCH_RUNS_MAX];
    if (n == 0 || n > BENCH_RUNS_MAX)
        return NAN;
    memcpy(sorted, values, n * sizeof(double));
    qsort(sorted, n, sizeof(double), compare);
    return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

bool ratios_of(const struct measurement *a, const struct measurement *b, double *median, double *low, double *high)
{
    double ratios[BENCH_RUNS_MAX];
    unsigned n = a->n_values < b->n_values ? a->n_values : b->n_values;
    if (n == 0)
        return false;
    *low = INFINITY;
    *high = -INFINITY;
    for (unsigned i = 0; i < n; i++) {
        ratios[i] = a->values[i] / b->values[i];
        *low = fmin(*low, ratios[i]);
        *high = fmax(*high, ratios[i]);
    }
    *median = median_of(ratios, n);
    return true;
}
