/* SPDX-License-Identifier: Apache-2.0 */
#include "generate_report.h"

#include <inttypes.h>

#include "json.h"

static uint64_t to_ns(const struct sender *s, uint64_t ticks)
{
    return (uint64_t)((double)ticks / s->ticks_per_ns);
}

/* Of numbered frames this follows from the total: packet k belongs to flow k mod F. */
static uint64_t sent_of_flow(const struct sender *s, uint32_t flow)
{
    const struct generate_options *o = s->options;

    if (o->replay != NULL)
        return s->feed.next_seq[flow] - o->first;
    return sender_numbered(s) / o->n_flows + (flow < sender_numbered(s) % o->n_flows);
}

static void put_flows(struct json *j, const struct sender *s)
{
    const struct generate_options *o = s->options;
    uint32_t n = o->replay == NULL ? o->n_flows : o->renumber ? FRAME_FLOWS_MAX : 0;

    json_array(j, "flows");
    for (uint32_t i = 0; i < n; i++) {
        uint64_t sent = sent_of_flow(s, i);

        if (sent == 0)
            continue;
        json_object(j, NULL);
        json_u64(j, "flow", i);
        json_u64(j, "first", o->first);
        json_u64(j, "sent", sent); /* what was refused and left out had numbers as well */
        json_object_end(j);
    }
    json_array_end(j);
}

static void put_replay(struct json *j, const struct sender *s)
{
    json_object(j, "replay");
    json_string(j, "path", s->options->replay);
    json_u64(j, "rounds", s->feed.rounds);
    json_bool(j, "renumbered", s->options->renumber);
    json_u64(j, "foreign", s->feed.foreign);
    json_u64(j, "too_long", s->feed.too_long);
    json_u64(j, "cut", s->feed.cut);
    json_u64(j, "padded", s->feed.padded);
    json_object_end(j);
}

static void put_driver(struct json *j, const struct driver_counts *d)
{
    json_object(j, "driver_counts");
    json_bool(j, "known", d->known);
    json_u64(j, "packets", d->packets);
    json_u64(j, "bytes", d->bytes);
    json_u64(j, "errors", d->errors);
    json_object_end(j);
}

void generate_report_json(FILE *out, const struct sender *s, const struct driver_counts *driver, const char *end)
{
    const struct generate_options *o = s->options;
    struct json j;

    json_start(&j, out);
    json_string(&j, "schema", "nfvcap/agent-generate/1");
    json_string(&j, "end", end);
    json_string(&j, "port", o->port.text);
    json_string(&j, "driver", s->port->driver);
    json_u64(&j, "link_mbps", s->link_mbps);
    json_u64(&j, "sent", s->sent);
    json_u64(&j, "sent_bytes", s->sent_bytes);
    json_u64(&j, "unsent", s->unsent);
    json_u64(&j, "refused", s->refused);
    json_u64(&j, "omitted", s->omitted);
    json_u64(&j, "numbered", sender_numbered(s));
    json_u64(&j, "first_ns", s->first_ns);
    json_u64(&j, "last_ns", s->last_ns);
    json_u64(&j, "duration_ns", s->last_ns - s->first_ns);
    json_string(&j, "rate", o->rate_text);
    json_u64(&j, "bursts", s->bursts);
    json_u64(&j, "burst_max", s->burst_max);
    json_u64(&j, "slips", s->pace.slips);
    json_u64(&j, "slipped_ns", to_ns(s, s->pace.slipped_ticks));
    json_u64(&j, "lag_max_ns", to_ns(s, s->pace.lag_max_ticks));
    json_u64(&j, "hand_over_max_ns", to_ns(s, s->held_max_ticks));
    json_u64(&j, "ring_full", s->full);
    json_u64(&j, "no_mbuf", s->no_mbuf);
    put_driver(&j, driver);
    if (o->replay != NULL)
        put_replay(&j, s);
    put_flows(&j, s);
    json_finish(&j);
}

void generate_report_text(FILE *out, const struct sender *s, const struct driver_counts *driver, const char *end)
{
    const struct generate_options *o = s->options;
    double seconds = (double)(s->last_ns - s->first_ns) / 1e9;

    fprintf(out, "sent %" PRIu64 " frames, %" PRIu64 " bytes, through %s (%s)", s->sent, s->sent_bytes, o->port.text,
            s->port->driver);
    if (seconds > 0)
        fprintf(out, " in %.6f s: %.6f Mpps", seconds, (double)(s->sent - 1) / seconds / 1e6);
    fprintf(out, "\n  ended by %s; %" PRIu64 " made but not taken by the port\n", end, s->unsent);
    if (s->refused + s->omitted != 0)
        fprintf(out, "  %" PRIu64 " given up because the port was full, %" PRIu64 " left out on request\n", s->refused,
                s->omitted);
    if (s->pace.slips != 0)
        fprintf(out, "  the schedule slipped %" PRIu64 " times, by %" PRIu64 " ns altogether\n", s->pace.slips,
                to_ns(s, s->pace.slipped_ticks));
    if (driver->known)
        fprintf(out, "  the driver counts %" PRIu64 " frames, %" PRIu64 " errors\n", driver->packets, driver->errors);
    if (o->replay != NULL)
        fprintf(out, "  %" PRIu64 " rounds of %s; %" PRIu64 " frames too long, %" PRIu64 " cut, %" PRIu64 " padded\n",
                s->feed.rounds, o->replay, s->feed.too_long, s->feed.cut, s->feed.padded);
}
