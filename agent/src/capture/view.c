/* SPDX-License-Identifier: Apache-2.0 */
#include "view.h"

#include "error.h"
#include "queue.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RING_BYTES (4ull << 20)
#define LOOK_MS 5
#define LAST_WAITS 20 /* of 100 ms each */

struct view_ring {
    _Atomic uint64_t head __attribute__((aligned(64))); /* the capture thread's */
    _Atomic uint64_t tail __attribute__((aligned(64))); /* the view thread's */
    _Atomic bool open;                                  /* somebody reads */
    uint8_t *data;
};

struct view {
    const char *path;
    struct file_description head;
    unsigned n_rings;
    struct view_ring *rings;
    pthread_t thread;
    _Atomic bool stop;
    bool started;
    bool made_fifo;
};

static void ring_put(struct view_ring *r, uint64_t at, const void *from, uint32_t n)
{
    uint64_t offset = at % RING_BYTES;
    uint64_t first = RING_BYTES - offset < n ? RING_BYTES - offset : n;
    memcpy(r->data + offset, from, first);
    memcpy(r->data, (const uint8_t *)from + first, n - first);
}

void queue_view(struct queue *q, const uint8_t *records, uint32_t bytes, uint32_t packets)
{
    struct view_ring *r = q->view;
    if (packets == 0 || !atomic_load_explicit(&r->open, memory_order_relaxed))
        return;
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    uint64_t used = head - atomic_load_explicit(&r->tail, memory_order_acquire);
    if (RING_BYTES - used < bytes) {
        count_add(&q->counters->view_dropped, packets);
        return;
    }
    ring_put(r, head, records, bytes);
    atomic_store_explicit(&r->head, head + bytes, memory_order_release);
}

/* When the start fails after it, and at the end. */
static void remove_fifo(void *arg)
{
    struct view *v = arg;
    if (v->made_fifo)
        unlink(v->path);
    v->made_fifo = false;
}

struct view *view_open(const char *path, const struct file_description *head, unsigned n_queues)
{
    struct view *v = calloc(1, sizeof(*v));
    v->path = path;
    v->head = *head;
    v->n_rings = n_queues;
    v->rings = aligned_alloc(64, n_queues * sizeof(struct view_ring));
    memset(v->rings, 0, n_queues * sizeof(struct view_ring));
    for (unsigned i = 0; i < n_queues; i++) {
        if ((v->rings[i].data = malloc(RING_BYTES)) == NULL)
            die(EXIT_USAGE, "no memory for the live view", NULL, NULL);
        memset(v->rings[i].data, 0xff, RING_BYTES); /* taken now, not when somebody begins to read */
    }
    if (strcmp(path, "-") == 0)
        return v;
    struct stat st;
    if (stat(path, &st) != 0) {
        if (mkfifo(path, 0640) != 0)
            die(EXIT_USAGE, text("cannot make the pipe %s", path), errno_text(errno), "choose another --pipe");
        v->made_fifo = true;
        on_die(remove_fifo, v);
    } else if (!S_ISFIFO(st.st_mode)) {
        die(EXIT_USAGE, text("%s is not a pipe", path), "the live view is written to a FIFO",
            "mkfifo, or another name");
    } else if (access(path, W_OK) != 0) {
        die(EXIT_USAGE, text("cannot write to the pipe %s", path), errno_text(errno), "choose another --pipe");
    }
    return v;
}

struct view_ring *view_ring_of(struct view *v, unsigned queue)
{
    return &v->rings[queue];
}

/* Write all or notice that the reader has gone (false); at the end of the capture it gets a last while to catch up. */
static bool write_all(struct view *v, int fd, const uint8_t *data, uint64_t n)
{
    unsigned waits = 0;
    while (n > 0) {
        ssize_t done = write(fd, data, n);
        if (done > 0) {
            data += done;
            n -= (uint64_t)done;
        } else if (done < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLOUT};
            bool stuck = poll(&p, 1, 100) == 0;
            if (stuck && atomic_load_explicit(&v->stop, memory_order_relaxed) && ++waits > LAST_WAITS)
                return false;
        } else if (done < 0 && errno != EINTR) {
            return false;
        }
    }
    return true;
}

/* The ring holds whole bursts of whole records: any prefix up to head that was published is whole. */
static bool drain(struct view *v, struct view_ring *r, int fd)
{
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
    while (tail != head) {
        uint64_t offset = tail % RING_BYTES;
        uint64_t n = head - tail < RING_BYTES - offset ? head - tail : RING_BYTES - offset;
        if (!write_all(v, fd, r->data + offset, n))
            return false;
        tail += n;
        atomic_store_explicit(&r->tail, tail, memory_order_release);
    }
    return true;
}

static int wait_for_reader(struct view *v)
{
    while (!atomic_load_explicit(&v->stop, memory_order_relaxed)) {
        int fd = strcmp(v->path, "-") == 0 ? dup(STDOUT_FILENO) : open(v->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0)
            return fd;
        poll(NULL, 0, 50);
    }
    return -1;
}

static void serve_reader(struct view *v, int fd)
{
    uint8_t head[FILE_HEAD_MAX];
    if (!write_all(v, fd, head, record_file_head(&v->head, head)))
        return;
    for (unsigned i = 0; i < v->n_rings; i++) {
        struct view_ring *r = &v->rings[i];
        atomic_store_explicit(&r->tail, atomic_load_explicit(&r->head, memory_order_acquire), memory_order_release);
        atomic_store_explicit(&r->open, true, memory_order_relaxed);
    }
    bool ok = true;
    while (ok && !atomic_load_explicit(&v->stop, memory_order_relaxed)) {
        for (unsigned i = 0; ok && i < v->n_rings; i++)
            ok = drain(v, &v->rings[i], fd);
        struct pollfd p = {.fd = fd};
        if (poll(&p, 1, LOOK_MS) > 0 && (p.revents & (POLLERR | POLLHUP)) != 0)
            ok = false;
    }
    for (unsigned i = 0; i < v->n_rings; i++) {
        atomic_store_explicit(&v->rings[i].open, false, memory_order_relaxed);
        if (ok)
            drain(v, &v->rings[i], fd);
    }
}

static void *run(void *arg)
{
    struct view *v = arg;
    pthread_setname_np(pthread_self(), "nfvcap-view");
    for (int fd; (fd = wait_for_reader(v)) >= 0;) {
        serve_reader(v, fd);
        close(fd);
        if (strcmp(v->path, "-") == 0)
            break;
    }
    return NULL;
}

void view_start(struct view *v)
{
    int rc = pthread_create(&v->thread, NULL, run, v);
    if (rc != 0)
        die(EXIT_INTERNAL, "cannot start the live view", errno_text(rc), NULL);
    v->started = true;
}

void view_stop(struct view *v)
{
    atomic_store_explicit(&v->stop, true, memory_order_relaxed);
    if (v->started)
        pthread_join(v->thread, NULL);
    remove_fifo(v);
    for (unsigned i = 0; i < v->n_rings; i++)
        free(v->rings[i].data);
    free(v->rings);
    v->rings = NULL; /* what is left of it may still be asked for by die() */
}
