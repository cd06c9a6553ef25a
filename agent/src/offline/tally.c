/* SPDX-License-Identifier: Apache-2.0 */
/* From batches of records to counts. The loops are small and apart so that each can be vectorised. */
#include "tally.h"

#include <stdlib.h>

#include "frame_batch.h"

_Static_assert(READER_BATCH == FRAME_BATCH, "a batch of records is a batch of frames");
_Static_assert(SOURCE_SLACK >= FRAME_BATCH_SLACK, "judging reads behind the last frame");

void counts_begin(struct counts *c)
{
    *c = (struct counts){
        .corrupt_first_offset = TALLY_NONE,
        .backward_first_offset = TALLY_NONE,
        .first_ns = TALLY_NONE,
        .begin_ns = TALLY_NONE,
        .delay_min_ns = INT64_MAX,
        .delay_max_ns = INT64_MIN,
    };
}

#define LOWER(a, b) ((a) < (b) ? (a) : (b))
#define HIGHER(a, b) ((a) > (b) ? (a) : (b))

void counts_join(struct counts *c, const struct counts *from)
{
    c->packets += from->packets;
    c->captured_bytes += from->captured_bytes;
    c->wire_bytes += from->wire_bytes;
    c->cut_short += from->cut_short;
    c->good += from->good;
    c->corrupt += from->corrupt;
    c->foreign += from->foreign;
    c->too_short += from->too_short;
    c->untimed += from->untimed;
    c->first_ns = LOWER(c->first_ns, from->first_ns);
    c->last_ns = HIGHER(c->last_ns, from->last_ns);
    c->backward += from->backward;
    c->backward_max_ns = HIGHER(c->backward_max_ns, from->backward_max_ns);
    c->delay_min_ns = LOWER(c->delay_min_ns, from->delay_min_ns);
    c->delay_max_ns = HIGHER(c->delay_max_ns, from->delay_max_ns);
}

struct tally *tally_new(size_t memory_limit)
{
    struct tally *t = calloc(1, sizeof(*t));

    if (t != NULL)
        t->memory_limit = memory_limit;
    return t;
}

void tally_free(struct tally *t)
{
    if (t == NULL)
        return;
    for (uint32_t i = 0; i < t->n_used; i++) {
        flow_free(t->flows[t->used[i]]);
        free(t->flows[t->used[i]]);
    }
    free(t);
}

void tally_begin_file(struct tally *t)
{
    counts_begin(&t->file);
}

static struct flow *flow_of(struct tally *t, uint16_t number)
{
    struct flow *f = t->flows[number];

    if (f == NULL) {
        f = calloc(1, sizeof(*f));
        if (f == NULL)
            return NULL;
        t->flows[number] = f;
        t->used[t->n_used++] = number;
    }
    return f;
}

static bool within_memory(const struct tally *t)
{
    size_t bytes = 0;

    for (uint32_t i = 0; i < t->n_used; i++)
        bytes += flow_bytes(t->flows[t->used[i]]);
    return bytes <= t->memory_limit;
}

static void count_sizes(struct tally *t, const struct record_batch *b)
{
    uint64_t captured = 0, wire = 0, cut = 0;
    uint32_t same = b->wirelen[0], differ = 0;

    for (unsigned i = 0; i < b->n; i++) {
        captured += b->caplen[i];
        wire += b->wirelen[i];
        cut += b->caplen[i] < b->wirelen[i];
        differ |= b->wirelen[i] ^ same;
    }
    t->file.packets += b->n;
    t->file.captured_bytes += captured;
    t->file.wire_bytes += wire;
    t->file.cut_short += cut;
    if (differ == 0) {
        t->sizes[LOWER(same, TALLY_SIZE_MAX + 1)] += b->n;
        return;
    }
    for (unsigned i = 0; i < b->n; i++)
        t->sizes[LOWER(b->wirelen[i], TALLY_SIZE_MAX + 1)]++;
}

/* Any packet without a time, or earlier than its predecessor: one by one. */
static void count_odd_times(struct tally *t, const struct reader *r, const struct record_batch *b)
{
    struct counts *c = &t->file;

    for (unsigned i = 0; i < b->n; i++) {
        uint64_t now = b->time_ns[i];

        if (now == READER_NO_TIME) {
            c->untimed++;
            continue;
        }
        if (now < c->end_ns) {
            c->backward++;
            c->backward_max_ns = HIGHER(c->backward_max_ns, c->end_ns - now);
            if (c->backward_first_offset == TALLY_NONE)
                c->backward_first_offset = reader_offset(r, b->data[i]);
        }
        if (c->begin_ns == TALLY_NONE)
            c->begin_ns = now;
        c->end_ns = now;
        c->first_ns = LOWER(c->first_ns, now);
        c->last_ns = HIGHER(c->last_ns, now);
    }
}

static void count_times(struct tally *t, const struct reader *r, const struct record_batch *b)
{
    uint64_t last = b->time_ns[b->n - 1];
    unsigned odd = b->time_ns[0] < t->file.end_ns || last == READER_NO_TIME;

    for (unsigned i = 1; i < b->n; i++)
        odd |= b->time_ns[i] < b->time_ns[i - 1];
    if (odd != 0) {
        count_odd_times(t, r, b);
        return;
    }
    if (t->file.begin_ns == TALLY_NONE)
        t->file.begin_ns = b->time_ns[0];
    t->file.end_ns = last;
    t->file.first_ns = LOWER(t->file.first_ns, b->time_ns[0]);
    t->file.last_ns = HIGHER(t->file.last_ns, last);
}

/* Where the IPv4 header of an IPv4 packet begins, for link types other than Ethernet; 0 if there is none. */
static uint32_t ip_offset(uint32_t link, const uint8_t *data, uint32_t caplen, bool *is_ip)
{
    uint32_t type_at = link == LINK_LINUX_SLL2 ? 0 : 14, at = link == LINK_LINUX_SLL2 ? 20 : 16;

    *is_ip = true;
    if (link == LINK_RAW || link == LINK_IPV4)
        return 0;
    *is_ip = (link == LINK_LINUX_SLL || link == LINK_LINUX_SLL2) && caplen >= at && data[type_at] == 0x08 &&
             data[type_at + 1] == 0x00;
    return at;
}

static void judge_others(struct frame_batch *out, const struct record_batch *b)
{
    out->good = out->corrupt = out->is_short = 0;
    for (unsigned i = 0; i < b->n; i++) {
        bool is_ip;
        uint32_t at = ip_offset(b->link, b->data[i], b->caplen[i], &is_ip);
        struct frame_id id;
        enum frame_verdict verdict;

        if (!is_ip || b->wirelen[i] < at)
            continue;
        verdict = frame_judge_ip(b->data[i] + at, b->caplen[i] - at, b->wirelen[i] - at, &id);
        out->good |= (uint64_t)(verdict == FRAME_GOOD) << i;
        out->corrupt |= (uint64_t)(verdict == FRAME_CORRUPT) << i;
        out->is_short |= (uint64_t)(verdict == FRAME_SHORT) << i;
        if (verdict == FRAME_GOOD) {
            out->seq[i] = id.seq;
            out->time_ns[i] = id.time_ns;
            out->flow[i] = id.flow;
        }
    }
}

/* The usual batch: one flow, each frame one above the one before. */
static bool is_run(const struct frame_batch *f, unsigned n)
{
    uint64_t differ = 0;

    for (unsigned i = 0; i < n; i++)
        differ |= (f->seq[i] ^ (f->seq[0] + i)) | (f->flow[i] ^ f->flow[0]);
    return differ == 0;
}

static bool count_number(struct tally *t, uint64_t number, uint64_t seq, unsigned n)
{
    struct flow *flow = t->flows[number];

    if (__builtin_expect(flow == NULL, 0)) {
        flow = flow_of(t, (uint16_t)number);
        if (flow == NULL)
            return false;
    }
    return flow_count_run(flow, seq, n);
}

static bool count_numbers(struct tally *t, const struct frame_batch *f, unsigned n)
{
    if (f->good == UINT64_MAX >> (64 - n) && is_run(f, n))
        return count_number(t, f->flow[0], f->seq[0], n);
    for (uint64_t rest = f->good; rest != 0; rest &= rest - 1) {
        unsigned i = (unsigned)__builtin_ctzll(rest);

        if (!count_number(t, f->flow[i], f->seq[i], 1))
            return false;
    }
    return true;
}

static void count_delays(struct counts *c, const struct frame_batch *f, const struct record_batch *b)
{
    int64_t low = c->delay_min_ns, high = c->delay_max_ns;

    for (uint64_t rest = f->good; rest != 0; rest &= rest - 1) {
        unsigned i = (unsigned)__builtin_ctzll(rest);
        int64_t delay = (int64_t)(b->time_ns[i] - f->time_ns[i]);

        if (b->time_ns[i] == READER_NO_TIME)
            continue;
        low = LOWER(low, delay);
        high = HIGHER(high, delay);
    }
    c->delay_min_ns = low;
    c->delay_max_ns = high;
}

/* The same when all frames are good and have a time: a loop that can be vectorised. */
static void count_all_delays(struct counts *c, const struct frame_batch *f, const struct record_batch *b)
{
    int64_t low = c->delay_min_ns, high = c->delay_max_ns;

    for (unsigned i = 0; i < b->n; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): each good frame has a time */
        int64_t delay = (int64_t)(b->time_ns[i] - f->time_ns[i]);

        low = LOWER(low, delay);
        high = HIGHER(high, delay);
    }
    c->delay_min_ns = low;
    c->delay_max_ns = high;
}

bool tally_batch(struct tally *t, const struct reader *r, const struct record_batch *b)
{
    struct counts *c = &t->file;
    struct frame_batch frames;
    uint64_t before = c->packets, untimed = c->untimed;
    unsigned good, corrupt, too_short;

    if (b->n == 0)
        return true;
    count_sizes(t, b);
    count_times(t, r, b);
    if (b->link == LINK_ETHERNET)
        frame_judge_batch(&frames, b->n, b->data, b->caplen, b->wirelen);
    else
        judge_others(&frames, b);
    good = (unsigned)__builtin_popcountll(frames.good);
    corrupt = (unsigned)__builtin_popcountll(frames.corrupt);
    too_short = (unsigned)__builtin_popcountll(frames.is_short);
    c->good += good;
    c->corrupt += corrupt;
    c->too_short += too_short;
    c->foreign += b->n - good - corrupt - too_short;
    if (corrupt != 0 && c->corrupt_first_offset == TALLY_NONE)
        c->corrupt_first_offset = reader_offset(r, b->data[__builtin_ctzll(frames.corrupt)]);
    if (good == b->n && c->untimed == untimed)
        count_all_delays(c, &frames, b);
    else
        count_delays(c, &frames, b);
    /* Looking at all flows takes time: once in 2^16 packets is often enough. */
    if (before >> 16 != c->packets >> 16 && !within_memory(t))
        return false;
    return count_numbers(t, &frames, b->n);
}

bool tally_end_file(struct tally *t)
{
    for (uint32_t i = 0; i < t->n_used; i++)
        if (!flow_end_file(t->flows[t->used[i]]))
            return false;
    return within_memory(t);
}

bool tally_join(struct tally *t, const struct tally *from)
{
    for (uint32_t i = 0; i < from->n_used; i++) {
        struct flow *f = flow_of(t, from->used[i]);

        if (f == NULL || !flow_join(f, from->flows[from->used[i]]))
            return false;
    }
    for (unsigned i = 0; i < sizeof(t->sizes) / sizeof(t->sizes[0]); i++)
        t->sizes[i] += from->sizes[i];
    return true;
}

static bool overlap(const struct tally *t, const struct tally *from)
{
    for (uint32_t i = 0; i < from->n_used; i++) {
        const struct flow *f = t->flows[from->used[i]];

        if (f != NULL && from->flows[from->used[i]]->low < f->run_next)
            return true;
    }
    return false;
}

/* The seam between two parts of a file: does time go backward there? */
static void append_times(struct counts *c, const struct counts *from, uint64_t seam_offset)
{
    if (from->begin_ns == TALLY_NONE)
        return;
    if (from->begin_ns < c->end_ns) {
        c->backward++;
        c->backward_max_ns = HIGHER(c->backward_max_ns, c->end_ns - from->begin_ns);
        c->backward_first_offset = LOWER(c->backward_first_offset, seam_offset);
    }
    if (c->begin_ns == TALLY_NONE)
        c->begin_ns = from->begin_ns;
    c->end_ns = from->end_ns;
}

bool tally_append(struct tally *t, const struct tally *from, uint64_t seam_offset)
{
    struct counts *c = &t->file;

    if (overlap(t, from) || !tally_join(t, from))
        return false;
    for (uint32_t i = 0; i < from->n_used; i++) {
        struct flow *f = t->flows[from->used[i]];

        f->run_next = from->flows[from->used[i]]->run_next;
    }
    append_times(c, &from->file, seam_offset);
    c->corrupt_first_offset = LOWER(c->corrupt_first_offset, from->file.corrupt_first_offset);
    c->backward_first_offset = LOWER(c->backward_first_offset, from->file.backward_first_offset);
    counts_join(c, &from->file);
    return true;
}
