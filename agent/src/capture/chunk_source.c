/* SPDX-License-Identifier: Apache-2.0 */
/* The capture thread's half of the chunked engine: filling chunks and handing them over. */
#include "chunked.h"

#include <string.h>

static struct chunk *take_empty(struct chunked *k)
{
    struct chunk_source *c = &k->source;
    for (struct chunk *chunk; (chunk = spsc_pop(&k->empty)) != NULL;)
        c->stack[c->n_stack++] = chunk;
    return c->n_stack > 0 ? c->stack[--c->n_stack] : NULL;
}

static void set_limit(struct storage *s, const struct chunk *chunk)
{
    uint64_t limit = s->config.chunk_bytes;
    if (s->config.rotate_bytes != 0) {
        uint64_t left = s->config.rotate_bytes - chunk->offset;
        uint64_t reserve = s->config.burst_bytes + 256;
        uint64_t file_limit = left > reserve ? left - reserve : 0;
        if (file_limit < limit)
            limit = file_limit;
    }
    s->window.limit = chunk->data + limit;
}

static void fill_from(struct storage *s, struct chunk *chunk)
{
    struct chunked *k = s->engine;
    struct chunk_source *c = &k->source;
    chunk->begins_file = c->begin_file;
    chunk->ends_file = chunk->partial = false;
    if (c->begin_file) {
        c->begin_file = false;
        c->file_number++;
        chunk->offset = 0;
        chunk->length = c->head_bytes;
        memcpy(chunk->data, c->head, c->head_bytes);
        s->new_file = true;
    } else {
        chunk->offset = c->next_offset;
        chunk->length = c->carry_bytes;
        memcpy(chunk->data, c->carry, c->carry_bytes);
    }
    chunk->file_number = c->file_number;
    c->current = chunk;
    s->window.cur = chunk->data + chunk->length;
    set_limit(s, chunk);
}

static bool begin_chunk(struct storage *s)
{
    struct chunk *chunk = take_empty(s->engine);
    if (chunk == NULL)
        return false;
    fill_from(s, chunk);
    return true;
}

/* Hand the present chunk over; what does not fill a block is kept for the next one. */
static void submit(struct storage *s, bool ends_file, bool partial)
{
    struct chunked *k = s->engine;
    struct chunk_source *c = &k->source;
    struct chunk *chunk = c->current;
    chunk->length = (uint32_t)(s->window.cur - chunk->data);
    chunk->packets_end = s->position.packets;
    chunk->first_ns = s->position.first_ns;
    chunk->last_ns = s->position.last_ns;
    chunk->ends_file = ends_file;
    chunk->partial = partial;
    c->submitted_packets = chunk->packets_end;
    c->carry_bytes = k->direct && !ends_file ? chunk->length % BLOCK_BYTES : 0;
    c->next_offset = chunk->offset + chunk->length - c->carry_bytes;
    memcpy(c->carry, chunk->data + chunk->length - c->carry_bytes, c->carry_bytes);
    c->begin_file = ends_file;
    c->current = NULL;
    s->window.cur = chunk->data + 1; /* cur > limit: the next burst asks for a chunk */
    s->window.limit = chunk->data;
    spsc_push(&k->full, chunk);
    wake_up(s->wake);
}

static bool file_is_at_its_end(const struct storage *s, const struct chunk *chunk)
{
    if (s->config.rotate_bytes == 0)
        return false;
    uint64_t used = chunk->offset + (uint64_t)(s->window.cur - chunk->data);
    return used + s->config.burst_bytes + 256 > s->config.rotate_bytes;
}

enum room chunk_source_advance(struct storage *s)
{
    struct chunked *k = s->engine;
    struct chunk_source *c = &k->source;
    int disk = atomic_load_explicit(&k->disk, memory_order_acquire);
    if (c->current != NULL)
        submit(s, file_is_at_its_end(s, c->current), false);
    if (disk == DISK_FULL)
        return ROOM_FULL;
    if (disk == DISK_ROOM_AGAIN) {
        c->begin_file = true;
        atomic_store_explicit(&k->disk, DISK_OK, memory_order_release);
    }
    if (!begin_chunk(s))
        return ROOM_NO_BUFFER;
    if (s->rotate_pending) {
        chunk_source_rotate(s);
        return c->current != NULL ? ROOM_OK : ROOM_NO_BUFFER;
    }
    return ROOM_OK;
}

static bool file_is_empty(const struct storage *s, const struct chunk_source *c)
{
    const struct chunk *chunk = c->current;
    return chunk->offset == 0 && s->window.cur == chunk->data + c->head_bytes;
}

void chunk_source_rotate(struct storage *s)
{
    struct chunked *k = s->engine;
    struct chunk_source *c = &k->source;
    s->rotate_pending = c->current == NULL && !c->begin_file;
    if (c->current == NULL || file_is_empty(s, c))
        return;
    submit(s, true, false);
    begin_chunk(s);
}

void chunk_source_flush(struct storage *s)
{
    struct chunked *k = s->engine;
    struct chunk_source *c = &k->source;
    if (c->current == NULL || c->submitted_packets == s->position.packets)
        return;
    submit(s, false, true);
    begin_chunk(s);
}

void chunk_source_end(struct storage *s)
{
    struct chunked *k = s->engine;
    /* Without a free chunk the tail of the file would stay behind: a small one is kept for this. */
    if (k->source.current == NULL && !k->source.begin_file)
        fill_from(s, &k->last);
    if (k->source.current != NULL)
        submit(s, true, false);
}

void chunk_source_start(struct storage *s)
{
    struct chunked *k = s->engine;
    struct chunk_source *c = &k->source;
    c->head_bytes = (uint32_t)record_file_head(&s->config.head, c->head);
    c->begin_file = true;
    begin_chunk(s);
}
