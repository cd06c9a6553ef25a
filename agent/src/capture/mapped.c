/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine for file systems in memory: records are written straight into the mapped file.
 *
 * The storage thread keeps a stretch of file ahead of the capture thread allocated and mapped, so that the capture
 * thread meets neither a page fault nor a full file system (touching a page that does not exist would kill the
 * process). Where the kernel can, the stretch is made of huge pages whatever the mount says: one small page is touched
 * and MADV_COLLAPSE makes a huge one of it, about eight times cheaper than 512 small ones. When old files have to go,
 * their pages, still mapped, become the next file: nothing is allocated, zeroed or mapped any more.
 */
#include "capture_file.h"
#include "error.h"
#include "mapped_file.h"
#include "memory.h"
#include "spsc.h"
#include "storage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FULL_RETRY_NS 100000000ull
#define MAX_PREPARED 4 /* files in advance */
_Static_assert(MAX_PREPARED < CAPTURE_FILE_SLOTS, "each prepared file has a hidden name of its own");
#define UNLIMITED_MIN (1ull << 30)

struct mapped {
    struct mapped_file *active; /* these two are the capture thread's */
    uint64_t asked_at;          /* bytes used when the storage thread was woken last */
    struct spsc next;           /* prepared files: storage thread to capture thread */
    struct spsc done;           /* filled files: the other way */
    _Atomic bool full;          /* no room on the file system */
    _Atomic bool ended;         /* nothing more comes: the newest files are not to go for one in preparation */
    /* the storage thread's */
    struct mapped_file *pipeline[MAX_PREPARED + 1]; /* begun or prepared files, oldest first */
    unsigned n_pipeline;
    uint64_t capacity;
    uint64_t retry_ns;
    unsigned slot;
    bool rotates;
    bool closing;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t reserve_bytes(const struct storage *s)
{
    return s->config.burst_bytes + 256; /* a burst, the end marker, and pcapng's last block */
}

static void set_limit(struct storage *s, const struct mapped_file *f, uint64_t ready)
{
    uint64_t used = (uint64_t)(s->window.cur - f->base);
    uint64_t stride = s->config.buffer_bytes / 4;
    uint64_t hard = ready - reserve_bytes(s);
    s->window.limit = f->base + (used + stride < hard ? used + stride : hard);
}

/* Enter the next prepared file; false when there is none. */
static bool enter_next(struct storage *s)
{
    struct mapped *m = s->engine;
    struct mapped_file *f = spsc_pop(&m->next);
    if (f == NULL)
        return false;
    struct mapped_file *old = m->active;
    if (old != NULL) {
        old->used = (uint64_t)(s->window.cur - old->base);
        old->packets_end = s->position.packets;
        old->first_ns = s->position.first_ns;
        old->last_ns = s->position.last_ns;
        spsc_push(&m->done, old);
    }
    m->active = f;
    s->window.cur = f->base + f->head_bytes;
    s->new_file = true;
    set_limit(s, f, atomic_load_explicit(&f->ready, memory_order_acquire));
    atomic_store_explicit(&f->started, true, memory_order_release);
    wake_up(s->wake);
    return true;
}

static enum room mapped_advance(struct storage *s)
{
    struct mapped *m = s->engine;
    struct mapped_file *f = m->active;
    uint64_t used = (uint64_t)(s->window.cur - f->base);
    uint64_t ready = atomic_load_explicit(&f->ready, memory_order_acquire);
    atomic_store_explicit(&f->progress, used, memory_order_release);
    if (used != m->asked_at) { /* once for each stretch, not at every poll while there is none */
        m->asked_at = used;
        wake_up(s->wake);
    }
    if (s->rotate_pending && enter_next(s)) {
        s->rotate_pending = false;
        return ROOM_OK;
    }
    if (used + reserve_bytes(s) <= ready) {
        set_limit(s, f, ready);
        return ROOM_OK;
    }
    if (used + reserve_bytes(s) > f->capacity && enter_next(s))
        return ROOM_OK;
    return atomic_load_explicit(&m->full, memory_order_relaxed) ? ROOM_FULL : ROOM_NO_BUFFER;
}

static void mapped_rotate(struct storage *s)
{
    struct mapped *m = s->engine;
    if (s->window.cur > m->active->base + m->active->head_bytes)
        s->rotate_pending = !enter_next(s);
}

static void mapped_flush(struct storage *s) {}

static void mapped_end(struct storage *s)
{
    struct mapped *m = s->engine;
    struct mapped_file *f = m->active;
    f->used = (uint64_t)(s->window.cur - f->base);
    f->packets_end = s->position.packets;
    f->first_ns = s->position.first_ns;
    f->last_ns = s->position.last_ns;
    atomic_store_explicit(&m->ended, true, memory_order_release);
    spsc_push(&m->done, f);
    wake_up(s->wake);
}

/* --- the storage thread ------------------------------------------------------------------------ */

static struct mapped_file *new_file(struct storage *s, struct mapped *m)
{
    struct closed_file *victim = file_set_evict(s->files, m->n_pipeline + 1, (m->n_pipeline + 1) * m->capacity);
    char hidden[FILE_PATH_MAX];
    capture_file_hidden_path(s->files, m->slot++ % (MAX_PREPARED + 1), hidden);
    struct mapped_file *f = NULL;
    if (victim != NULL) {
        f = victim->recycle;
        count_add(&s->counters->files_removed, 1);
        if (f != NULL && !mapped_file_reuse(f, victim->path, hidden)) {
            mapped_file_destroy(f);
            f = NULL;
        }
        if (f == NULL)
            unlink(victim->path);
        free(victim);
    }
    if (f == NULL)
        f = mapped_file_create(hidden, m->capacity, s->config.mapped_huge);
    if (f == NULL) {
        storage_fail(s, hidden, "cannot be created", errno);
        return NULL;
    }
    f->head_bytes = 0;
    return f;
}

/* Bytes that the capture thread can still fill. */
static uint64_t file_lead_bytes(const struct mapped_file *f)
{
    return atomic_load_explicit(&f->ready, memory_order_relaxed) -
           atomic_load_explicit(&f->progress, memory_order_acquire);
}

static uint64_t lead_bytes(const struct mapped *m)
{
    uint64_t lead = 0;
    for (unsigned i = 0; i < m->n_pipeline; i++)
        lead += file_lead_bytes(m->pipeline[i]);
    return lead;
}

static void name_started_files(struct storage *s, struct mapped *m, uint64_t wall_ns)
{
    for (unsigned i = 0; i < m->n_pipeline; i++) {
        struct mapped_file *f = m->pipeline[i];
        if (f->named || !atomic_load_explicit(&f->started, memory_order_acquire))
            continue;
        char path[FILE_PATH_MAX];
        file_set_next(s->files, wall_ns, path);
        if (!mapped_file_rename(f, path))
            storage_fail(s, path, "cannot be named", errno);
        f->named = true;
        count_add(&s->counters->files, 1);
    }
}

static uint64_t wall_clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void finish_file(struct storage *s, struct mapped *m, struct mapped_file *f)
{
    name_started_files(s, m, wall_clock_ns());
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): it holds pointers */
    memmove(&m->pipeline[0], &m->pipeline[1], (m->n_pipeline - 1) * sizeof(m->pipeline[0]));
    m->n_pipeline--;
    f->used +=
        record_file_tail(s->config.head.format, f->first_ns, f->last_ns, count_read(&s->capture->received),
                         count_read(&s->capture->lost_buffer) + count_read(&s->capture->lost_full), f->base + f->used);
    if (!mapped_file_finish(f, s->config.sync_on_close))
        storage_fail(s, f->path, "cannot be closed", errno);
    count_add(&s->counters->stored_bytes, f->used);
    bool keep = s->files->config.max_files != 0 || s->files->config.quota_bytes != 0;
    file_set_closed(s->files, f->path, f->used, keep && !m->closing ? f : NULL);
    if (!keep || m->closing)
        mapped_file_destroy(f);
}

/* Files that may be open at a time: with few files allowed, closed ones should remain. */
static unsigned pipeline_limit(const struct storage *s)
{
    unsigned limit = MAX_PREPARED + 1;
    uint32_t max_files = s->files->config.max_files;
    if (max_files != 0 && limit > max_files / 2)
        limit = max_files / 2 < 2 ? 2 : max_files / 2;
    return limit;
}

/* The file that should be made longer now, or begun (*begin); NULL when enough is prepared. */
static struct mapped_file *next_to_prepare(struct storage *s, const struct mapped *m, bool *begin)
{
    const uint64_t wanted = s->config.buffer_bytes;
    struct mapped_file *f = NULL;
    unsigned i = 0;
    for (; i < m->n_pipeline && f == NULL; i++) {
        if (atomic_load_explicit(&m->pipeline[i]->ready, memory_order_relaxed) < m->pipeline[i]->capacity)
            f = m->pipeline[i];
    }
    *begin = false;
    /* What is prepared behind an unfinished file does not help before that file is full. */
    uint64_t lead = f != NULL && i == 1 ? file_lead_bytes(f) : lead_bytes(m);
    bool spare = m->rotates && m->n_pipeline == 1; /* the next file, for a rotation that nobody foresees */
    if (f != NULL && lead < (spare ? wanted / 4 : wanted))
        return f;
    *begin = m->n_pipeline == 0 ||
             (m->rotates && m->n_pipeline < pipeline_limit(s) && (spare || (f == NULL && lead < wanted)));
    return NULL;
}

/* Make a file longer, or begin one more. True when something was done. */
static bool prepare(struct storage *s, struct mapped *m)
{
    if (atomic_load_explicit(&s->failed, memory_order_relaxed) || atomic_load_explicit(&m->ended, memory_order_acquire))
        return false;
    bool begin;
    struct mapped_file *f = next_to_prepare(s, m, &begin);
    if (f == NULL && !begin)
        return false;
    uint64_t now = now_ns();
    if (atomic_load_explicit(&m->full, memory_order_relaxed) && now < m->retry_ns)
        return false;
    if (begin && (f = new_file(s, m)) == NULL)
        return false;
    int error = mapped_file_prepare(f, reserve_bytes(s) + FILE_HEAD_MAX);
    atomic_store_explicit(&m->full, error == ENOSPC, memory_order_relaxed);
    if (error != 0) {
        m->retry_ns = now + FULL_RETRY_NS;
        errno = error;
        if (error != ENOSPC)
            storage_fail(s, f->path, "cannot be allocated", errno);
    }
    if (f->head_bytes == 0) { /* a new one */
        if (error != 0) {
            mapped_file_discard(f);
            m->slot--;
            return false;
        }
        f->head_bytes = (uint32_t)record_file_head(&s->config.head, f->base);
        write_end_marker(s->config.head.format, f->base + f->head_bytes);
        m->pipeline[m->n_pipeline++] = f;
        spsc_push(&m->next, f);
    }
    return error == 0;
}

static bool mapped_service(struct storage *s)
{
    struct mapped *m = s->engine;
    bool busy = false;
    name_started_files(s, m, wall_clock_ns());
    for (struct mapped_file *f; (f = spsc_pop(&m->done)) != NULL; busy = true)
        finish_file(s, m, f);
    return prepare(s, m) || busy;
}

static bool mapped_close(struct storage *s)
{
    struct mapped *m = s->engine;
    m->closing = true;
    for (struct mapped_file *f; (f = spsc_pop(&m->done)) != NULL;)
        finish_file(s, m, f);
    for (unsigned i = 0; i < m->n_pipeline; i++)
        mapped_file_discard(m->pipeline[i]);
    m->n_pipeline = 0;
    for (struct closed_file *c = s->files->oldest; c != NULL; c = c->next) {
        if (c->recycle != NULL)
            mapped_file_destroy(c->recycle);
        c->recycle = NULL;
    }
    return true;
}

static void mapped_open(struct storage *s, uint64_t start_ns)
{
    struct mapped *m = aligned_alloc(64, (sizeof(*m) + 63) & ~63ull);
    if (m == NULL)
        abort();
    memset(m, 0, sizeof(*m));
    s->engine = m;
    struct file_system_probe probe;
    file_system_probe(s->files->config.pattern, &probe);
    m->rotates = s->config.rotate_bytes != 0 || s->config.rotate_ns != 0;
    m->capacity = s->config.rotate_bytes != 0 ? s->config.rotate_bytes : probe.size_bytes + HUGE_PAGE_BYTES;
    if (m->capacity < UNLIMITED_MIN && s->config.rotate_bytes == 0)
        m->capacity = UNLIMITED_MIN;
    while (lead_bytes(m) < s->config.buffer_bytes && prepare(s, m))
        continue;
    if (m->n_pipeline == 0)
        die(EXIT_USAGE, text("cannot begin a capture file for %s", s->files->config.pattern),
            s->failure != NULL ? s->failure : "there is no room on the file system", "free some space");
    enter_next(s);
    name_started_files(s, m, start_ns);
    if (atomic_load_explicit(&s->failed, memory_order_relaxed))
        die(EXIT_USAGE, "cannot begin a capture file", s->failure, NULL);
}

static void mapped_destroy(struct storage *s)
{
    free(s->engine);
    s->engine = NULL;
}

const struct engine_ops engine_mapped = {
    .name = "mmap",
    .open = mapped_open,
    .advance = mapped_advance,
    .rotate = mapped_rotate,
    .flush = mapped_flush,
    .end = mapped_end,
    .service = mapped_service,
    .close = mapped_close,
    .destroy = mapped_destroy,
};
