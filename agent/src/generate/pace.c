/* SPDX-License-Identifier: Apache-2.0 */
#include "pace.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FRACTION 4294967296.0 /* 2^32 */

const char *rate_parse(struct rate *rate, const char *text)
{
    static const struct {
        const char *unit;
        double factor;
    } units[] = {{"", 1e6}, {"Mpps", 1e6}, {"kpps", 1e3}, {"pps", 1}};
    char *end;
    double value;

    *rate = (struct rate){.kind = RATE_PACKETS};
    if (strcmp(text, "line") == 0 || strcmp(text, "max") == 0 || strcmp(text, "file") == 0) {
        rate->kind = text[0] == 'l' ? RATE_LINE : text[0] == 'm' ? RATE_MAX : RATE_FILE;
        return NULL;
    }
    if (!isdigit((unsigned char)text[0]) && text[0] != '.')
        return "a rate is line, max, file, or packets per second: 1.5 (Mpps), 1.5Mpps, 300kpps, 2000pps";
    value = strtod(text, &end);
    for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(end, units[i].unit) == 0) {
            rate->packets_per_s = value * units[i].factor;
            return rate->packets_per_s >= 0.001 && rate->packets_per_s <= 1e9 ? NULL
                                                                              : "a rate is 0.001 pps to 1000 Mpps";
        }
    return "the units of a rate are Mpps, kpps and pps";
}

/* Ticks with 32 binary places. */
static unsigned __int128 fixed(double ticks)
{
    double whole = floor(ticks);

    return ((unsigned __int128)whole << 32) + (uint64_t)((ticks - whole) * FRACTION);
}

void pace_start(struct pace *p, const struct rate *rate, unsigned burst, double ticks_per_ns, uint32_t link_mbps,
                uint64_t now)
{
    *p = (struct pace){.paced = rate->kind != RATE_MAX, .burst = burst, .next = (unsigned __int128)now << 32};
    if (rate->kind == RATE_PACKETS) {
        p->packet_interval = fixed(ticks_per_ns * 1e9 / rate->packets_per_s);
        p->interval = p->packet_interval;
    }
    if (rate->kind == RATE_FILE) /* its bursts are part of it, and may be as short as its clock can say */
        p->slack = fixed(1e6 * ticks_per_ns);
    if (rate->kind == RATE_LINE)
        p->ticks_per_byte = ticks_per_ns * 8e3 / link_mbps;
}

bool pace_begin_burst(struct pace *p, uint64_t now)
{
    unsigned __int128 at = (unsigned __int128)now << 32, allowed = p->interval * p->burst + p->slack;
    uint64_t lag;

    if (!p->paced)
        return true;
    if (at < p->next)
        return false;
    lag = (uint64_t)((at - p->next) >> 32);
    if (lag > p->lag_max_ticks)
        p->lag_max_ticks = lag;
    if (at - p->next > allowed) {
        p->slips++;
        p->slipped_ticks += (uint64_t)((at - p->next - allowed) >> 32);
        p->next = at - allowed;
    }
    return true;
}

void pace_took(struct pace *p, uint32_t wire_bytes)
{
    if (p->ticks_per_byte > 0)
        p->interval = fixed((wire_bytes + PACE_WIRE_OVERHEAD) * p->ticks_per_byte);
    else
        p->interval = p->packet_interval;
    p->next += p->interval;
}

void pace_wait(struct pace *p, uint64_t gap_ns, double ticks_per_ns)
{
    p->interval = fixed((double)gap_ns * ticks_per_ns);
    p->next += p->interval;
}

uint64_t pace_ticks_left(const struct pace *p, uint64_t now)
{
    uint64_t next = (uint64_t)(p->next >> 32);

    return p->paced && next > now ? next - now : 0;
}
