/* SPDX-License-Identifier: Apache-2.0 */
#include "verdict.h"

static const char *const names[FOUND_N] = {
    [FOUND_UNREADABLE] = "unreadable",  [FOUND_DAMAGED] = "damaged",     [FOUND_CUT] = "cut",
    [FOUND_CORRUPT] = "corrupt",        [FOUND_MISSING] = "missing",     [FOUND_DUPLICATE] = "duplicates",
    [FOUND_BEYOND] = "beyond_expected", [FOUND_REORDERED] = "reordered", [FOUND_BACKWARD] = "time_backward",
    [FOUND_ODD_TIMES] = "odd_times",    [FOUND_FOREIGN] = "foreign",     [FOUND_TOO_SHORT] = "too_short",
};

const char *finding_name(enum finding finding)
{
    return names[finding];
}

static void judge_file(struct verdict *v, const struct file_result *f)
{
    if (!f->opened) {
        v->found[FOUND_UNREADABLE] = true;
        return;
    }
    switch (f->end) {
    case END_NOT_YET:
    case END_WHOLE:
        break;
    case END_CUT:
    case END_UNWRITTEN:
        v->found[FOUND_CUT] |= !f->repaired;
        break;
    case END_CORRUPT:
        v->found[FOUND_DAMAGED] |= !f->repaired;
        break;
    case END_UNKNOWN:
    case END_IO:
        v->found[FOUND_UNREADABLE] = true;
        break;
    }
    v->found[FOUND_ODD_TIMES] |= f->odd_times != 0;
}

struct verdict verdict_of(const struct file_result *files, unsigned n, const struct counts *all,
                          const struct account *account, bool expected, bool strict)
{
    struct verdict v = {.ok = true};

    for (unsigned i = 0; i < n; i++)
        judge_file(&v, &files[i]);
    v.found[FOUND_CORRUPT] = all->corrupt != 0;
    v.found[FOUND_MISSING] = account->missing != 0;
    v.found[FOUND_DUPLICATE] = account->duplicates != 0;
    v.found[FOUND_BEYOND] = account->beyond != 0;
    v.found[FOUND_REORDERED] = account->reordered != 0;
    v.found[FOUND_BACKWARD] = all->backward != 0;
    v.found[FOUND_FOREIGN] = all->foreign != 0 && (expected || all->good != 0 || all->corrupt != 0);
    v.found[FOUND_TOO_SHORT] = all->too_short != 0;
    for (unsigned i = 0; i < (strict ? FOUND_N : FOUND_N_PROBLEMS); i++)
        v.ok &= !v.found[i];
    return v;
}
