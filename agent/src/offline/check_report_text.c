/* SPDX-License-Identifier: Apache-2.0 */
#include "check_report.h"

#include <inttypes.h>
#include <time.h>

#include "error.h"

static void put_time(FILE *out, const char *name, uint64_t ns)
{
    time_t seconds = (time_t)(ns / 1000000000);
    struct tm tm;
    char day[32] = "?";

    if (gmtime_r(&seconds, &tm) != NULL)
        strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    fprintf(out, "  %s %s.%09" PRIu64 "Z\n", name, day, ns % 1000000000);
}

static void put_file(FILE *out, const struct file_result *f)
{
    fprintf(out, "%s: %" PRIu64 " packets, %s", f->path, f->counts.packets,
            f->repaired ? "repaired" : check_file_state(f));
    if (f->end == END_CUT || f->end == END_UNWRITTEN || f->end == END_CORRUPT)
        fprintf(out, " at offset %" PRIu64 " of %" PRIu64, f->whole_bytes, f->file_bytes);
    if (f->why[0] != '\0' || f->error != 0)
        fprintf(out, ": %s", f->why[0] != '\0' ? f->why : errno_text(f->error));
    if (f->repaired)
        fprintf(out, "; %" PRIu64 " bytes removed", f->removed_bytes);
    if (f->has_drops)
        fprintf(out, "; its writer says that it dropped %" PRIu64, f->writer_dropped);
    if (f->counts.corrupt != 0)
        fprintf(out, "; first corrupt frame at offset %" PRIu64, f->counts.corrupt_first_offset);
    if (f->counts.backward != 0)
        fprintf(out, "; time first goes backward at offset %" PRIu64, f->counts.backward_first_offset);
    fputc('\n', out);
}

static void put_totals(FILE *out, const struct check_report *r)
{
    const struct counts *c = r->all;
    uint64_t ns = c->first_ns != TALLY_NONE ? c->last_ns - c->first_ns : 0;

    fprintf(out,
            "\npackets %" PRIu64 ", %" PRIu64 " bytes captured of %" PRIu64 " on the wire, %" PRIu64
            " cut by a snap length\n",
            c->packets, c->captured_bytes, c->wire_bytes, c->cut_short);
    fprintf(out,
            "  numbered and good %" PRIu64 ", corrupt %" PRIu64 ", not numbered %" PRIu64
            ", too short to judge %" PRIu64 "\n",
            c->good, c->corrupt, c->foreign, c->too_short);
    if (c->first_ns != TALLY_NONE) {
        put_time(out, "first", c->first_ns);
        put_time(out, "last ", c->last_ns);
    }
    if (ns != 0)
        fprintf(out, "  mean rate %.0f packets/s, %.0f bits/s\n", (double)(c->packets - 1) * 1e9 / (double)ns,
                (double)c->wire_bytes * 8e9 / (double)ns);
    fprintf(out, "  time goes backward %" PRIu64 " times, by %" PRIu64 " ns at most\n", c->backward,
            c->backward_max_ns);
    if (c->delay_min_ns <= c->delay_max_ns)
        fprintf(out, "  capture time minus transmit time: %" PRId64 " to %" PRId64 " ns\n", c->delay_min_ns,
                c->delay_max_ns);
}

/* Buckets of RFC 2819, of sizes without frame check sequence. */
static void put_sizes(FILE *out, const struct tally *t)
{
    static const unsigned to[] = {59, 60, 123, 251, 507, 1019, 1514, TALLY_SIZE_MAX + 1};
    unsigned from = 0;

    fputs("\nsizes\n", out);
    for (unsigned i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
        uint64_t n = 0;

        for (unsigned size = from; size <= to[i]; size++)
            n += t->sizes[size];
        if (n != 0 && to[i] == from)
            fprintf(out, "  %5u         %" PRIu64 "\n", from, n);
        else if (n != 0 && to[i] > TALLY_SIZE_MAX)
            fprintf(out, "  %5u and up  %" PRIu64 "\n", from, n);
        else if (n != 0)
            fprintf(out, "  %5u - %-5u %" PRIu64 "\n", from, to[i], n);
        from = to[i] + 1;
    }
}

struct ranges {
    FILE *out;
    uint64_t left;
    uint32_t flow;
};

static void put_range(void *arg, uint64_t first, uint64_t last)
{
    struct ranges *r = arg;

    if (r->left == 0)
        return;
    r->left--;
    fprintf(r->out, "  flow %" PRIu32 " misses %" PRIu64 " to %" PRIu64 " (%" PRIu64 ")\n", r->flow, first, last,
            last - first + 1);
}

static bool put_numbers(FILE *out, const struct check_report *r)
{
    const struct account *a = r->account;
    uint32_t n = account_flows(r->tally, r->expectation);
    uint64_t left = r->ranges_max;

    if (n == 0)
        return true;
    fputs("\nnumbers", out);
    if (r->expectation->total_given)
        fprintf(out, ", %" PRIu64 " expected", r->expectation->total);
    fprintf(out, ", %" PRIu32 " flows\n", n);
    fprintf(out,
            "  distinct %" PRIu64 ", missing %" PRIu64 " in %" PRIu64 " ranges, duplicates %" PRIu64
            ", beyond the expected %" PRIu64 "\n",
            a->distinct, a->missing, a->missing_ranges, a->duplicates, a->beyond);
    fprintf(out, "  reordered %" PRIu64 ", by %s%" PRIu64 " packets at most\n", a->reordered,
            a->extent_at_least ? "at least " : "", a->extent_max);
    for (uint32_t i = 0; i < n && left != 0 && a->missing != 0; i++) {
        struct ranges ranges = {.out = out, .left = left, .flow = i};
        struct account flow;

        if (!account_flow(&flow, r->tally, r->expectation, i, put_range, &ranges))
            return false;
        left = ranges.left;
    }
    if (a->missing_ranges > r->ranges_max)
        fprintf(out, "  and %" PRIu64 " more ranges\n", a->missing_ranges - r->ranges_max);
    return true;
}

bool check_report_text(FILE *out, const struct check_report *r)
{
    for (unsigned i = 0; i < r->n_files; i++)
        put_file(out, &r->files[i]);
    put_totals(out, r);
    put_sizes(out, r->tally);
    if (!put_numbers(out, r))
        return false;
    fputs(r->verdict->ok ? "\nok" : "\nNOT OK", out);
    for (unsigned i = 0; i < FOUND_N; i++)
        if (r->verdict->found[i])
            fprintf(out, " %s%s", finding_name(i), i < FOUND_N_PROBLEMS || r->strict ? "!" : "");
    fputc('\n', out);
    return true;
}
