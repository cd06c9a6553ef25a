/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_CHECK_REPORT_H
#define NFVCAP_CHECK_REPORT_H

#include <stdio.h>

#include "verdict.h"

/* All that `check` has to say. Counts are integers; what is derived from them is left to the reader. */
struct check_report {
    const struct file_result *files;
    unsigned n_files;
    const struct counts *all;
    const struct tally *tally;
    const struct expectation *expectation;
    const struct account *account;
    const struct verdict *verdict;
    bool strict;
    uint64_t ranges_max; /* missing ranges printed for a flow; all are counted */
};

/* False when memory ran out while the missing ranges were put in order. */
bool check_report_json(FILE *out, const struct check_report *r);
bool check_report_text(FILE *out, const struct check_report *r);

/* "whole", "cut", "unwritten", "damaged", "unknown", "unreadable". */
const char *check_file_state(const struct file_result *f);

#endif
