/* SPDX-License-Identifier: Apache-2.0 */
#include "parts.h"

#include "source_map.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define HEAD_BYTES ((uint64_t)4 << 20)
#define WINDOW_BYTES ((size_t)1 << 20) /* in which a record has to be found */
#define MAP_MIN_BYTES ((uint64_t)1 << 20)

struct part {
    int fd;
    uint64_t from, to;
    bool map;
    const struct reader *head; /* NULL: the first part, which reads it itself */
    struct reader reader;
    struct tally *tally;
    pthread_t thread;
    bool started;
    bool enough;
};

static void *count_part(void *arg)
{
    struct part *p = arg;
    struct source_options options = {.from = p->from, .to = p->to, .map = p->map};
    struct record_batch batch;

    if (!source_open_fd(&p->reader.src, p->fd, &options))
        return NULL;
    if (p->head == NULL ? !reader_open(&p->reader) : !reader_join(&p->reader, p->head))
        return NULL;
    p->enough = true;
    tally_begin_file(p->tally);
    while (p->enough && reader_next(&p->reader, &batch))
        p->enough = tally_batch(p->tally, &p->reader, &batch);
    p->enough = tally_end_file(p->tally) && p->enough;
    return NULL;
}

/* Reads as much of the file as it takes to know its interfaces: to the first packet. */
static bool read_head(struct reader *head, int fd, uint64_t file_bytes)
{
    struct source_options options = {.to = file_bytes < HEAD_BYTES ? file_bytes : HEAD_BYTES};
    struct record_batch batch;

    return source_open_fd(&head->src, fd, &options) && reader_open(head) && reader_next(head, &batch);
}

static bool find_borders(struct part *parts, unsigned n, const struct reader *head, int fd, uint64_t file_bytes)
{
    uint8_t *window = malloc(WINDOW_BYTES);
    bool found = window != NULL;

    for (unsigned i = 1; found && i < n; i++) {
        uint64_t near = file_bytes / n * i;
        ssize_t len = pread(fd, window, WINDOW_BYTES, (off_t)near);
        const uint8_t *record = len > 0 ? reader_find_record(head, window, (size_t)len) : NULL;

        found = record != NULL && near > parts[i - 1].from;
        if (found)
            parts[i].from = parts[i - 1].to = near + (uint64_t)(record - window);
    }
    free(window);
    return found;
}

static void run(struct part *parts, unsigned n)
{
    for (unsigned i = 1; i < n; i++)
        parts[i].started = pthread_create(&parts[i].thread, NULL, count_part, &parts[i]) == 0;
    count_part(&parts[0]);
    for (unsigned i = 1; i < n; i++) {
        if (parts[i].started)
            pthread_join(parts[i].thread, NULL);
        else
            count_part(&parts[i]);
    }
}

/* Was every border one, and is every part read as the head promised? */
static bool is_seamless(const struct part *parts, unsigned n, const struct reader *head)
{
    for (unsigned i = 0; i < n; i++) {
        const struct reader *r = &parts[i].reader;

        if (source_map_was_cut(&r->src))
            return false;
        if (i + 1 < n && (r->end != END_WHOLE || r->whole_bytes != parts[i].to))
            return false;
        if (n > 1 && (r->n_interfaces != head->n_interfaces || r->sections != head->sections))
            return false;
    }
    return true;
}

static bool join(struct tally *t, struct file_result *f, struct part *parts, unsigned n)
{
    struct reader *last = &parts[n - 1].reader;

    for (unsigned i = 1; i < n; i++)
        if (!tally_append(parts[0].tally, parts[i].tally, parts[i].from))
            return false;
    for (unsigned i = 0; i + 1 < n; i++) {
        const struct reader *r = &parts[i].reader;

        last->odd_times += r->odd_times;
        last->other_blocks += r->other_blocks;
        for (uint32_t k = 0; k < r->n_interfaces; k++)
            if (r->interfaces[k].has_drops && !last->interfaces[k].has_drops)
                last->interfaces[k] = r->interfaces[k];
    }
    describe_file(f, last);
    f->counts = parts[0].tally->file;
    return tally_join(t, parts[0].tally);
}

static bool count_in_parts(struct tally *t, struct file_result *f, struct part *parts, unsigned n,
                           const struct reader *head, bool *enough)
{
    for (unsigned i = 0; i < n; i++) {
        parts[i].tally = tally_new(t->memory_limit / n);
        if (parts[i].tally == NULL)
            return false;
    }
    run(parts, n);
    for (unsigned i = 0; i < n; i++)
        *enough &= parts[i].enough;
    return *enough && is_seamless(parts, n, head) && join(t, f, parts, n);
}

bool check_in_parts(struct tally *t, struct file_result *f, int fd, unsigned n_parts, bool *enough)
{
    struct part parts[PARTS_MAX] = {0};
    struct reader head = {0};
    unsigned n = n_parts < PARTS_MAX ? n_parts : PARTS_MAX;
    bool map = f->file_bytes >= MAP_MIN_BYTES && source_map_worthwhile(fd), done = false;

    *enough = true;
    if (n == 0)
        n = 1;
    if ((n > 1 || map) && read_head(&head, fd, f->file_bytes)) {
        for (unsigned i = 0; i < n; i++) {
            parts[i].fd = fd;
            parts[i].to = f->file_bytes;
            parts[i].map = map;
            parts[i].head = i == 0 ? NULL : &head;
        }
        done = find_borders(parts, n, &head, fd, f->file_bytes) && count_in_parts(t, f, parts, n, &head, enough);
    }
    if (done)
        f->big_endian = head.swapped;
    for (unsigned i = 0; i < n; i++) {
        reader_close(&parts[i].reader);
        tally_free(parts[i].tally);
    }
    reader_close(&head);
    return done;
}
