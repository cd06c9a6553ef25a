/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_GENERATE_REPORT_H
#define NFVCAP_GENERATE_REPORT_H

#include <stdio.h>

#include "sender.h"

/* What the driver counted over the run; `known` is false where it counts nothing. */
struct driver_counts {
    bool known;
    uint64_t packets;
    uint64_t bytes;
    uint64_t errors;
};

/* Integers only; derived figures are left to the reader. */
void generate_report_json(FILE *out, const struct sender *s, const struct driver_counts *driver, const char *end);
void generate_report_text(FILE *out, const struct sender *s, const struct driver_counts *driver, const char *end);

#endif
