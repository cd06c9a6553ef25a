/* SPDX-License-Identifier: Apache-2.0 */
/* The engine that builds every record and keeps none: it measures what capture costs without storage. */
#include "error.h"
#include "memory.h"
#include "storage.h"

#include <errno.h>
#include <stdlib.h>

static void null_open(struct storage *s, uint64_t now_ns)
{
    struct memory *m = calloc(1, sizeof(*m));
    if (m == NULL || !memory_get(m, s->config.chunk_bytes + s->config.burst_bytes + END_MARKER_BYTES, -1))
        die(EXIT_USAGE, "no memory for a buffer", errno_text(errno), "give a smaller --chunk");
    s->engine = m;
    s->window.cur = m->base;
    s->window.limit = m->base + s->config.chunk_bytes;
    s->new_file = true;
}

static enum room null_advance(struct storage *s)
{
    const struct memory *m = s->engine;
    count_add(&s->counters->stored_bytes, (uint64_t)(s->window.cur - m->base));
    s->window.cur = s->window.limit - s->config.chunk_bytes;
    return ROOM_OK;
}

static void null_nothing(struct storage *s) {}

static bool null_service(struct storage *s)
{
    return false;
}

static bool null_close(struct storage *s)
{
    return true;
}

static void null_destroy(struct storage *s)
{
    memory_release(s->engine);
    free(s->engine);
    s->engine = NULL;
}

const struct engine_ops engine_null = {
    .name = "null",
    .open = null_open,
    .advance = null_advance,
    .rotate = null_nothing,
    .flush = null_nothing,
    .end = null_nothing,
    .service = null_service,
    .close = null_close,
    .destroy = null_destroy,
};
