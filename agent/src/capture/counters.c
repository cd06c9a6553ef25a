/* SPDX-License-Identifier: Apache-2.0 */
#include "counters.h"

#include <sched.h>
#include <string.h>

#define READ(field) count_read(&(field))

static void copy_capture(const struct capture_counters *c, struct queue_snapshot *out)
{
    out->received = READ(c->received);
    out->received_bytes = READ(c->received_bytes);
    out->counted = READ(c->counted);
    out->filtered = READ(c->filtered);
    out->lost_buffer = READ(c->lost_buffer);
    out->lost_full = READ(c->lost_full);
    out->accepted = READ(c->accepted);
    out->accepted_bytes = READ(c->accepted_bytes);
    out->truncated = READ(c->truncated);
    out->polls = READ(c->polls);
    out->empty_polls = READ(c->empty_polls);
    out->full_polls = READ(c->full_polls);
    out->max_gap_ns = READ(c->max_gap_ns);
    out->unstamped = READ(c->unstamped);
    out->view_dropped = READ(c->view_dropped);
}

void counters_snapshot(struct capture_counters *c, struct storage_counters *s, struct queue_snapshot *out)
{
    memset(out, 0, sizeof(*out));
    /* First what became of accepted packets, then how many were accepted: never more out than in. */
    out->stored_bytes = atomic_load_explicit(&s->stored_bytes, memory_order_acquire);
    out->stored = atomic_load_explicit(&s->stored, memory_order_acquire);
    out->lost_write = atomic_load_explicit(&s->lost_write, memory_order_acquire);
    out->files = atomic_load_explicit(&s->files, memory_order_acquire);
    out->files_removed = atomic_load_explicit(&s->files_removed, memory_order_acquire);
    for (;;) {
        uint64_t before = atomic_load_explicit(&c->sequence, memory_order_acquire);
        if ((before & 1) == 0) {
            copy_capture(c, out);
            atomic_thread_fence(memory_order_acquire);
            if (atomic_load_explicit(&c->sequence, memory_order_relaxed) == before)
                break;
        }
        sched_yield();
    }
    out->buffered = out->accepted - out->stored - out->lost_write;
}

void snapshot_add(struct queue_snapshot *sum, const struct queue_snapshot *one)
{
    uint64_t gap = sum->max_gap_ns > one->max_gap_ns ? sum->max_gap_ns : one->max_gap_ns;
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)one;
    for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
        to[i] += from[i];
    sum->max_gap_ns = gap;
}

void snapshot_visit(const struct queue_snapshot *s, counter_visitor visit, void *arg)
{
    visit(arg, "received", s->received, "packets that the receive queue delivered");
    visit(arg, "stored", s->stored, "packets that are in a file");
    visit(arg, "counted", s->counted, "packets that were only counted");
    visit(arg, "buffered", s->buffered, "packets accepted and not yet in a file");
    visit(arg, "filtered", s->filtered, "packets that the filter did not want");
    visit(arg, "lost_buffer", s->lost_buffer, "packets lost because no buffer was free");
    visit(arg, "lost_full", s->lost_full, "packets lost because the file system was full");
    visit(arg, "lost_write", s->lost_write, "packets lost because a write failed");
    visit(arg, "truncated", s->truncated, "stored packets that the snap length cut");
    visit(arg, "received_bytes", s->received_bytes, "frame bytes received");
    visit(arg, "stored_bytes", s->stored_bytes, "bytes in files, headers included");
    visit(arg, "files", s->files, "files begun");
    visit(arg, "files_removed", s->files_removed, "old files removed or overwritten to stay within the limits");
    visit(arg, "polls", s->polls, "calls of the receive function");
    visit(arg, "empty_polls", s->empty_polls, "calls that brought nothing");
    visit(arg, "full_polls", s->full_polls, "calls that came back full");
    visit(arg, "max_gap_ns", s->max_gap_ns, "longest time between two polls, the error bound of a stamp");
    visit(arg, "unstamped", s->unstamped, "packets that got another one's time, for want of one that can be believed");
    visit(arg, "view_dropped", s->view_dropped, "packets that the live view did not get");
}
