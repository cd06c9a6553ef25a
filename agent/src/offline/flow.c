/* SPDX-License-Identifier: Apache-2.0 */
#include "flow.h"

#include <stdlib.h>
#include <string.h>

#define RUNS_MAX 1024u /* remembered for the extent of reordering; 24 KiB for a flow at the worst */

/* Remembers the run that is about to end, so that the extent of a late packet can be told. */
static bool remember(struct flow *f)
{
    if (f->n_runs == RUNS_MAX) {
        memmove(f->runs, f->runs + RUNS_MAX / 2, RUNS_MAX / 2 * sizeof(*f->runs));
        f->n_runs = RUNS_MAX / 2;
        f->runs_lost = true;
    }
    if (f->n_runs == f->runs_room) {
        unsigned room = f->runs_room == 0 ? 4 : 2 * f->runs_room;
        struct flow_run *runs = realloc(f->runs, room * sizeof(*runs));

        if (runs == NULL)
            return false;
        f->runs = runs;
        f->runs_room = room;
    }
    f->runs[f->n_runs++] = (struct flow_run){f->run_first, f->run_next - 1, f->run_index};
    return true;
}

/* Ends the open run; `f->run_next` stays one above the highest number of the file. */
static bool close_run(struct flow *f)
{
    uint64_t n = f->run_next - f->run_first, new;

    if (n == 0)
        return true;
    if (!remember(f) || !seqset_add(&f->seen, f->run_first, n, &new))
        return false;
    f->packets += n;
    f->run_index += n;
    f->run_first = f->run_next;
    return true;
}

/* A packet below the highest one. */
static bool count_late(struct flow *f, uint64_t seq)
{
    unsigned low = 0, high;
    uint64_t new, extent;

    if (!close_run(f) || !seqset_add(&f->seen, seq, 1, &new))
        return false;
    f->packets++;
    f->low = seq < f->low ? seq : f->low;
    if (new == 0) /* a duplicate */
        return true;
    for (high = f->n_runs; low < high;) {
        unsigned middle = (low + high) / 2;

        if (f->runs[middle].last < seq)
            low = middle + 1;
        else
            high = middle;
    }
    extent = f->run_index - f->runs[low].index;
    f->reordered++;
    if (extent > f->extent_max || (extent == f->extent_max && low == 0 && f->runs_lost)) {
        f->extent_max = extent;
        f->extent_at_least = low == 0 && f->runs_lost;
    }
    f->run_index++;
    return true;
}

bool flow_count_odd(struct flow *f, uint64_t seq)
{
    if (!f->in_file) {
        f->in_file = true;
        f->runs_lost = false;
        f->n_runs = 0;
        f->run_index = 0;
        f->low = seq;
    } else if (seq < f->run_next) {
        return count_late(f, seq);
    } else if (!close_run(f)) {
        return false;
    }
    f->run_first = seq;
    f->run_next = seq + 1;
    return true;
}

bool flow_end_file(struct flow *f)
{
    if (f->in_file && !close_run(f))
        return false;
    f->in_file = false;
    return true;
}

bool flow_join(struct flow *f, const struct flow *from)
{
    f->packets += from->packets;
    f->reordered += from->reordered;
    if (from->extent_max > f->extent_max) {
        f->extent_max = from->extent_max;
        f->extent_at_least = from->extent_at_least;
    } else if (from->extent_max == f->extent_max) {
        f->extent_at_least |= from->extent_at_least;
    }
    return seqset_add_set(&f->seen, &from->seen);
}

size_t flow_bytes(const struct flow *f)
{
    return sizeof(*f) + f->runs_room * sizeof(*f->runs) + f->seen.bytes;
}

void flow_free(struct flow *f)
{
    free(f->runs);
    f->runs = NULL;
    f->n_runs = f->runs_room = 0;
    seqset_free(&f->seen);
}
