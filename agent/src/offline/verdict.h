/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_VERDICT_H
#define NFVCAP_VERDICT_H

#include "account.h"
#include "check.h"

/* What can be wrong with a set of files. The first group fails a check, the second only with --strict. */
enum finding {
    FOUND_UNREADABLE, /* a file that cannot be opened or read, or is no capture file */
    FOUND_DAMAGED,
    FOUND_CUT, /* cut, or never written to its end, and not repaired */
    FOUND_CORRUPT,
    FOUND_MISSING,
    FOUND_DUPLICATE,
    FOUND_BEYOND,
    FOUND_N_PROBLEMS,
    FOUND_REORDERED = FOUND_N_PROBLEMS,
    FOUND_BACKWARD,
    FOUND_ODD_TIMES,
    FOUND_FOREIGN, /* only where numbered frames are there or expected */
    FOUND_TOO_SHORT,
    FOUND_N,
};

const char *finding_name(enum finding finding);

struct verdict {
    bool found[FOUND_N];
    bool ok;
};

struct verdict verdict_of(const struct file_result *files, unsigned n, const struct counts *all,
                          const struct account *account, bool expected, bool strict);

#endif
