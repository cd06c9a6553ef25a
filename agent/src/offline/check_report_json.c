/* SPDX-License-Identifier: Apache-2.0 */
#include "check_report.h"

#include "error.h"
#include "json.h"

const char *check_file_state(const struct file_result *f)
{
    static const char *const states[] = {
        [END_NOT_YET] = "unreadable", [END_WHOLE] = "whole",     [END_CUT] = "cut",       [END_UNWRITTEN] = "unwritten",
        [END_CORRUPT] = "damaged",    [END_UNKNOWN] = "unknown", [END_IO] = "unreadable",
    };

    return states[f->end];
}

static void put_optional(struct json *j, const char *key, bool there, uint64_t value)
{
    if (there)
        json_u64(j, key, value);
    else
        json_null(j, key);
}

static void put_counts(struct json *j, const struct counts *c)
{
    bool timed = c->first_ns != TALLY_NONE;

    json_u64(j, "packets", c->packets);
    json_u64(j, "captured_bytes", c->captured_bytes);
    json_u64(j, "wire_bytes", c->wire_bytes);
    json_u64(j, "cut_by_snaplen", c->cut_short);
    json_u64(j, "good", c->good);
    json_u64(j, "corrupt", c->corrupt);
    json_u64(j, "foreign", c->foreign);
    json_u64(j, "too_short", c->too_short);
    json_u64(j, "untimed", c->untimed);
    put_optional(j, "first_ns", timed, c->first_ns);
    put_optional(j, "last_ns", timed, c->last_ns);
    put_optional(j, "duration_ns", timed, c->last_ns - c->first_ns);
    json_u64(j, "time_backward", c->backward);
    json_u64(j, "time_backward_max_ns", c->backward_max_ns);
    if (c->delay_min_ns <= c->delay_max_ns) {
        json_i64(j, "delay_min_ns", c->delay_min_ns);
        json_i64(j, "delay_max_ns", c->delay_max_ns);
    } else {
        json_null(j, "delay_min_ns");
        json_null(j, "delay_max_ns");
    }
}

static const char *format_name(enum capture_format format)
{
    return format == FORMAT_PCAP ? "pcap" : format == FORMAT_PCAPNG ? "pcapng" : NULL;
}

static void put_file(struct json *j, const struct file_result *f)
{
    json_object(j, NULL);
    json_string(j, "path", f->path);
    json_string(j, "state", check_file_state(f));
    json_string(j, "why", f->why[0] != '\0' ? f->why : f->error != 0 ? errno_text(f->error) : NULL);
    json_string(j, "format", format_name(f->format));
    if (f->format != FORMAT_NONE) {
        json_string(j, "byte_order", f->big_endian ? "big" : "little");
        json_u64(j, "ticks_per_s", f->resolution_ticks_per_s);
        json_u64(j, "link_type", f->link);
        json_u64(j, "interfaces", f->n_interfaces);
        json_u64(j, "sections", f->sections);
        json_u64(j, "other_blocks", f->other_blocks);
    }
    json_u64(j, "file_bytes", f->file_bytes);
    json_u64(j, "whole_bytes", f->whole_bytes);
    json_bool(j, "repaired", f->repaired);
    json_u64(j, "removed_bytes", f->removed_bytes);
    json_u64(j, "odd_times", f->odd_times);
    put_optional(j, "writer_received", f->has_drops, f->writer_received);
    put_optional(j, "writer_dropped", f->has_drops, f->writer_dropped);
    put_counts(j, &f->counts);
    put_optional(j, "corrupt_first_offset", f->counts.corrupt != 0, f->counts.corrupt_first_offset);
    put_optional(j, "time_backward_first_offset", f->counts.backward != 0, f->counts.backward_first_offset);
    json_object_end(j);
}

static void put_account(struct json *j, const struct account *a)
{
    json_u64(j, "packets", a->packets);
    json_u64(j, "distinct", a->distinct);
    json_u64(j, "duplicates", a->duplicates);
    json_u64(j, "missing", a->missing);
    json_u64(j, "beyond_expected", a->beyond);
    json_u64(j, "reordered", a->reordered);
    json_u64(j, "reorder_extent_max", a->extent_max);
    json_bool(j, "reorder_extent_at_least", a->extent_at_least);
    json_u64(j, "missing_ranges_total", a->missing_ranges);
}

struct ranges {
    struct json *j;
    uint64_t left;
};

static void put_range(void *arg, uint64_t first, uint64_t last)
{
    struct ranges *r = arg;

    if (r->left == 0)
        return;
    r->left--;
    json_array(r->j, NULL);
    json_u64(r->j, NULL, first);
    json_u64(r->j, NULL, last);
    json_array_end(r->j);
}

static bool put_flow(struct json *j, const struct check_report *r, uint32_t number)
{
    struct ranges ranges = {.j = j, .left = r->ranges_max};
    struct account a;

    json_object(j, NULL);
    json_u64(j, "flow", number);
    json_array(j, "missing_ranges");
    if (!account_flow(&a, r->tally, r->expectation, number, put_range, &ranges))
        return false;
    json_array_end(j);
    put_optional(j, "expected", a.expected, a.end - a.first);
    put_optional(j, "first", a.expected || a.packets != 0, a.first);
    put_optional(j, "last", a.end != a.first, a.end - 1);
    put_account(j, &a);
    json_object_end(j);
    return true;
}

static bool put_numbers(struct json *j, const struct check_report *r)
{
    const struct expectation *e = r->expectation;
    uint32_t n = account_flows(r->tally, e);

    json_object(j, "numbers");
    put_optional(j, "expected", e->total_given, e->total);
    put_account(j, r->account);
    json_array(j, "flows");
    for (uint32_t i = 0; i < n; i++)
        if (account_has_flow(r->tally, e, i) && !put_flow(j, r, i))
            return false;
    json_array_end(j);
    json_object_end(j);
    return true;
}

static void put_sizes(struct json *j, const struct tally *t)
{
    json_array(j, "sizes");
    for (unsigned i = 0; i <= TALLY_SIZE_MAX; i++)
        if (t->sizes[i] != 0) {
            json_object(j, NULL);
            json_u64(j, "bytes", i);
            json_u64(j, "packets", t->sizes[i]);
            json_object_end(j);
        }
    json_array_end(j);
    json_u64(j, "larger_packets", t->sizes[TALLY_SIZE_MAX + 1]);
}

/* Mean rates between the first packet and the last one, 0 where there is no time between them. */
static void put_rates(struct json *j, const struct counts *c)
{
    uint64_t ns = c->first_ns != TALLY_NONE ? c->last_ns - c->first_ns : 0;
    unsigned __int128 packets = ns != 0 ? (unsigned __int128)(c->packets - 1) * 1000000000 / ns : 0;
    unsigned __int128 bits = ns != 0 ? (unsigned __int128)c->wire_bytes * 8000000000 / ns : 0;

    json_u64(j, "packets_per_s", (uint64_t)packets);
    json_u64(j, "bits_per_s", (uint64_t)bits);
}

static void put_findings(struct json *j, const char *key, const struct verdict *v, unsigned from, unsigned to)
{
    json_array(j, key);
    for (unsigned i = from; i < to; i++)
        if (v->found[i])
            json_string(j, NULL, finding_name(i));
    json_array_end(j);
}

bool check_report_json(FILE *out, const struct check_report *r)
{
    unsigned problems = r->strict ? FOUND_N : FOUND_N_PROBLEMS;
    struct json j;

    json_start(&j, out);
    json_string(&j, "schema", "nfvcap/agent-check/1");
    json_bool(&j, "ok", r->verdict->ok);
    put_findings(&j, "problems", r->verdict, 0, problems);
    put_findings(&j, "notices", r->verdict, problems, FOUND_N);
    json_object(&j, "totals");
    put_counts(&j, r->all);
    put_rates(&j, r->all);
    json_object_end(&j);
    if (!put_numbers(&j, r))
        return false;
    put_sizes(&j, r->tally);
    json_array(&j, "files");
    for (unsigned i = 0; i < r->n_files; i++)
        put_file(&j, &r->files[i]);
    json_array_end(&j);
    json_finish(&j);
    return true;
}
