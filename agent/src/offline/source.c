/* SPDX-License-Identifier: Apache-2.0 */
#include "source.h"

#include "source_map.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHUNK_DEFAULT ((size_t)1 << 18) /* two of them stay in a core's own cache */
#define PAGE ((size_t)4096)
#define SLOTS_AHEAD 8u
#define SLOTS_HALF (SLOTS_AHEAD / 2)
#define SLOTS_ALONE 2u

/*
 * One slot is [ head | chunk | slack ]. A read fills the chunk; what was left of the slot before is copied to
 * the end of the head, so that a record that lies across two chunks is whole.
 */
struct slot {
    uint8_t *chunk;
    size_t len;
};

struct source_ring {
    source_read_fn read;
    void *arg;
    int fd;
    uint64_t at, to; /* of a part of a file */
    uint8_t *memory;
    size_t memory_bytes;
    size_t chunk_bytes;
    unsigned n_slots;
    struct slot slot[SLOTS_AHEAD];
    unsigned current; /* the slot of the window */
    bool started;     /* `current` holds a slot */
    bool ended;       /* the last chunk has been handed out */

    /* Of the thread that reads ahead. */
    bool ahead;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t filled; /* slots filled, and given back, since the start */
    uint64_t given_back;
    bool reader_waits;
    bool user_waits;
    bool stop;
    bool at_end; /* nothing comes after `filled` */
    int error;
};

static ssize_t read_fd(void *arg, void *buf, size_t len)
{
    const struct source_ring *r = arg;

    return read(r->fd, buf, len);
}

static ssize_t read_part(void *arg, void *buf, size_t len)
{
    struct source_ring *r = arg;
    ssize_t n;

    if (len > r->to - r->at)
        len = (size_t)(r->to - r->at);
    n = pread(r->fd, buf, len, (off_t)r->at);
    if (n > 0)
        r->at += (uint64_t)n;
    return n;
}

/* Fills a slot as far as the stream goes; false when it ended or failed, with what there was in the slot. */
static bool fill(struct source_ring *r, struct slot *slot, int *error)
{
    slot->len = 0;
    while (slot->len < r->chunk_bytes) {
        ssize_t n = r->read(r->arg, slot->chunk + slot->len, r->chunk_bytes - slot->len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            *error = errno;
        if (n <= 0)
            return false;
        slot->len += (size_t)n;
    }
    return true;
}

/*
 * Each side that has to wait sleeps until half of the slots are ready for it: waking a thread can take as
 * long as filling a slot, above all where CPUs are virtual.
 */
static bool wait_for_room(struct source_ring *r)
{
    bool go_on;

    pthread_mutex_lock(&r->lock);
    if (r->filled - r->given_back == r->n_slots) {
        r->reader_waits = true;
        while (!r->stop && r->filled - r->given_back > r->n_slots - SLOTS_HALF)
            pthread_cond_wait(&r->changed, &r->lock);
        r->reader_waits = false;
    }
    go_on = !r->stop;
    pthread_mutex_unlock(&r->lock);
    return go_on;
}

static void *read_ahead(void *arg)
{
    struct source_ring *r = arg;
    bool more = true;

    while (more && wait_for_room(r)) {
        int error = 0;

        more = fill(r, &r->slot[r->filled % r->n_slots], &error);
        pthread_mutex_lock(&r->lock);
        r->filled++;
        r->at_end = !more;
        r->error = error;
        if (r->user_waits && (r->at_end || r->filled - r->given_back > SLOTS_HALF))
            pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
    }
    return NULL;
}

/* How many slots there are for the user, that of the window not counted, once there is one or the stream has
 * ended. */
static uint64_t wait_for_slots(struct source_ring *r)
{
    uint64_t mine = r->started;

    if (r->filled - r->given_back == mine && !r->at_end) {
        r->user_waits = true;
        while (r->filled - r->given_back <= SLOTS_HALF && !r->at_end)
            pthread_cond_wait(&r->changed, &r->lock);
        r->user_waits = false;
    }
    return r->filled - r->given_back - mine;
}

/* The next slot with data, and whether it is the last one. The slot of the window stays as it is. */
static struct slot *next_slot(struct source_ring *r, int *error)
{
    unsigned i = r->started ? (r->current + 1) % r->n_slots : 0;
    struct slot *slot = &r->slot[i];

    if (!r->ahead) {
        r->ended = !fill(r, slot, error);
    } else {
        pthread_mutex_lock(&r->lock);
        r->ended = wait_for_slots(r) == 1 && r->at_end;
        if (r->ended)
            *error = r->error;
        pthread_mutex_unlock(&r->lock);
    }
    r->current = i;
    return slot;
}

static void give_back(struct source_ring *r)
{
    if (!r->ahead || !r->started)
        return;
    pthread_mutex_lock(&r->lock);
    r->given_back++;
    if (r->reader_waits && r->filled - r->given_back <= r->n_slots - SLOTS_HALF)
        pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

size_t source_more(struct source *s, size_t want)
{
    struct source_ring *r = s->ring;

    if (s->map != NULL)
        return source_map_more(s, want);
    while (source_left(s) < want && !r->ended) {
        size_t left = source_left(s);
        const uint8_t *old = s->next;
        struct slot *slot = next_slot(r, &s->error);

        if (left != 0)
            memcpy(slot->chunk - left, old, left);
        give_back(r);
        r->started = true;
        s->next = slot->chunk - left;
        s->end = slot->chunk + slot->len;
        s->end_offset += slot->len;
    }
    return source_left(s);
}

bool source_skip(struct source *s, uint64_t n)
{
    while (n > source_left(s)) {
        n -= source_left(s);
        s->next = s->end;
        if (source_more(s, 1) == 0)
            return false;
    }
    s->next += n;
    return true;
}

static bool allocate(struct source_ring *r)
{
    size_t chunk = (r->chunk_bytes + PAGE - 1) & ~(PAGE - 1);
    size_t each = SOURCE_STRETCH_MAX + chunk + PAGE;

    r->memory_bytes = each * r->n_slots;
    r->memory = mmap(NULL, r->memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (r->memory == MAP_FAILED)
        return false;
    for (unsigned i = 0; i < r->n_slots; i++)
        r->slot[i].chunk = r->memory + each * i + SOURCE_STRETCH_MAX;
    return true;
}

static bool start_thread(struct source_ring *r, const cpu_set_t *cpus)
{
    pthread_attr_t attributes;
    int error;

    pthread_attr_init(&attributes);
    if (cpus != NULL)
        pthread_attr_setaffinity_np(&attributes, sizeof(*cpus), cpus);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    error = pthread_create(&r->thread, &attributes, read_ahead, r);
    pthread_attr_destroy(&attributes);
    if (error != 0) {
        pthread_cond_destroy(&r->changed);
        pthread_mutex_destroy(&r->lock);
        errno = error;
    }
    return error == 0;
}

static bool open_ring(struct source *s, struct source_ring *r, const struct source_options *o)
{
    *s = (struct source){.ring = r, .end_offset = o->from};
    r->chunk_bytes = o->chunk_bytes != 0 ? o->chunk_bytes : CHUNK_DEFAULT;
    if (!o->exact_chunk)
        r->chunk_bytes = (r->chunk_bytes + PAGE - 1) & ~(PAGE - 1);
    r->ahead = o->ahead;
    r->n_slots = o->ahead ? SLOTS_AHEAD : SLOTS_ALONE;
    if (allocate(r)) {
        s->next = s->end = r->slot[0].chunk;
        if (!r->ahead || start_thread(r, o->cpus))
            return true;
        munmap(r->memory, r->memory_bytes);
    }
    free(r);
    s->ring = NULL;
    return false;
}

bool source_open_fn(struct source *s, source_read_fn read, void *arg, const struct source_options *options)
{
    struct source_ring *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return false;
    r->read = read;
    r->arg = arg;
    return open_ring(s, r, options);
}

bool source_open_fd(struct source *s, int fd, const struct source_options *options)
{
    struct source_ring *r;

    if (options->map)
        return source_map_open(s, fd, options->from, options->to);
    r = calloc(1, sizeof(*r));
    if (r == NULL)
        return false;
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    r->read = options->to != 0 ? read_part : read_fd;
    r->at = options->from;
    r->to = options->to;
    r->arg = r;
    r->fd = fd;
    return open_ring(s, r, options);
}

void source_close(struct source *s)
{
    struct source_ring *r = s->ring;

    if (s->map != NULL)
        source_map_close(s);
    if (r == NULL)
        return;
    if (r->ahead) {
        pthread_mutex_lock(&r->lock);
        r->stop = true;
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
        pthread_join(r->thread, NULL);
        pthread_cond_destroy(&r->changed);
        pthread_mutex_destroy(&r->lock);
    }
    munmap(r->memory, r->memory_bytes);
    free(r);
    s->ring = NULL;
}
