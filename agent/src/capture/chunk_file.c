/* SPDX-License-Identifier: Apache-2.0 */
/* The storage thread's half of the chunked engine: what is in the file, and what to do when it cannot grow. */
#include "capture_file.h"
#include "chunked.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t chunk_write_length(const struct chunked *k, const struct chunk *c)
{
    if (!k->direct)
        return c->length;
    uint64_t whole = c->length & ~(uint64_t)(BLOCK_BYTES - 1);
    bool all = c->ends_file || c->partial;
    return all && whole < c->length ? whole + BLOCK_BYTES : whole;
}

bool chunk_file_open(struct storage *s, struct chunk_file *f, uint64_t number, uint64_t wall_ns)
{
    struct chunked *k = s->engine;
    for (struct closed_file *old; (old = file_set_evict(s->files, 1, s->config.rotate_bytes)) != NULL; free(old)) {
        unlink(old->path);
        count_add(&s->counters->files_removed, 1);
    }
    memset(f, 0, offsetof(struct chunk_file, path));
    file_set_next(s->files, wall_ns, f->path);
    f->number = number;
    const struct chunk_source *source = &k->source; /* its head is constant; the first chunk writes it again */
    char hidden[FILE_PATH_MAX];
    capture_file_hidden_path(s->files, 0, hidden);
    f->fd = capture_file_begin(f->path, hidden, source->head, source->head_bytes);
    if (f->fd < 0)
        return false;
    struct stat st;
    f->seekable = fstat(f->fd, &st) == 0 && S_ISREG(st.st_mode);
    if (k->direct && fcntl(f->fd, F_SETFL, O_DIRECT) != 0) {
        int error = errno;
        close(f->fd);
        errno = error;
        return false;
    }
    f->open = true;
    f->safe_bytes = source->head_bytes;
    f->pending_bytes = f->safe_bytes;
    f->pending_packets = k->accounted_packets;
    count_add(&s->counters->files, 1);
    return true;
}

static void account(struct storage *s, uint64_t packets_end, counter *where)
{
    struct chunked *k = s->engine;
    if (packets_end <= k->accounted_packets)
        return;
    count_add(where, packets_end - k->accounted_packets);
    k->accounted_packets = packets_end;
}

static bool read_all(int fd, uint8_t *to, uint64_t n, uint64_t offset)
{
    while (n > 0) {
        ssize_t got = pread(fd, to, n, (off_t)offset);
        if (got <= 0)
            return false;
        to += got;
        n -= (uint64_t)got;
        offset += (uint64_t)got;
    }
    return true;
}

/* Records that are whole between safe_bytes (a record boundary) and the end of the file; safe_bytes moves behind them.
 */
static uint64_t count_whole_records(struct storage *s, struct chunk_file *f)
{
    uint64_t n = f->written_bytes > f->safe_bytes ? f->written_bytes - f->safe_bytes : 0;
    uint64_t records = 0;
    int fd = open(f->path, O_RDONLY | O_CLOEXEC);
    uint8_t *data = malloc(n + PCAP_RECORD_HEADER_BYTES);
    if (fd >= 0 && data != NULL && read_all(fd, data, n, f->safe_bytes)) {
        uint64_t at = 0;
        while (at + PCAP_RECORD_HEADER_BYTES <= n) {
            uint64_t length = record_length_at(s->config.head.format, data + at);
            if (length < PCAP_RECORD_HEADER_BYTES || at + length > n)
                break;
            at += length;
            records++;
        }
        f->safe_bytes += at;
    }
    free(data);
    if (fd >= 0)
        close(fd);
    return records;
}

/* A write did not get through: keep what is whole, count the rest of the file as lost, wait for room or give up. */
static void break_file(struct storage *s, const struct chunk *c, int error)
{
    struct chunked *k = s->engine;
    struct chunk_file *f = &k->file;
    f->broken = true;
    if (f->seekable)
        account(s, k->accounted_packets + count_whole_records(s, f), &s->counters->stored);
    account(s, c->packets_end, &s->counters->lost_write);
    if (error != ENOSPC && error != EDQUOT)
        storage_fail(s, f->path, "", error);
    atomic_store_explicit(&k->disk, DISK_FULL, memory_order_release);
}

void chunk_file_written(struct storage *s, const struct chunk *c, uint64_t bytes, int error)
{
    struct chunked *k = s->engine;
    struct chunk_file *f = &k->file;
    if (f->broken || !f->open || f->number != c->file_number) {
        account(s, c->packets_end, &s->counters->lost_write);
        return;
    }
    uint64_t end = c->offset + c->length;
    f->written_bytes = c->offset + (bytes < c->length ? bytes : c->length);
    if (error != 0) {
        break_file(s, c, error);
        return;
    }
    if (f->written_bytes == end) { /* to the last byte */
        f->safe_bytes = end;
        account(s, c->packets_end, &s->counters->stored);
    } else { /* the last block is still missing: all chunks but this one are safe */
        f->safe_bytes = f->pending_bytes;
        account(s, f->pending_packets, &s->counters->stored);
    }
    f->pending_bytes = end;
    f->pending_packets = c->packets_end;
    if (c->partial && k->direct && bytes > c->length && ftruncate(f->fd, (off_t)end) != 0)
        storage_fail(s, f->path, "", errno);
}

/* pcapng's last block, past what O_DIRECT can do. */
static void append_tail(struct storage *s, struct chunk_file *f, const struct chunk *last)
{
    uint8_t tail[128];
    size_t n =
        last == NULL
            ? 0
            : record_file_tail(s->config.head.format, last->first_ns, last->last_ns, count_read(&s->capture->received),
                               count_read(&s->capture->lost_buffer) + count_read(&s->capture->lost_full), tail);
    if (n == 0)
        return;
    int fd = open(f->path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && pwrite(fd, tail, n, (off_t)f->safe_bytes) == (ssize_t)n)
        f->safe_bytes += n;
    if (fd >= 0)
        close(fd);
}

void chunk_file_close(struct storage *s, const struct chunk *last)
{
    struct chunked *k = s->engine;
    struct chunk_file *f = &k->file;
    if (!f->open)
        return;
    if (f->seekable) {
        int rc = ftruncate(f->fd, (off_t)f->safe_bytes);
        if (rc == 0 && !f->broken)
            append_tail(s, f, last);
        if (rc == 0 && s->config.sync_on_close && !capture_file_sync(f->fd, f->path))
            rc = -1;
        if (rc != 0)
            storage_fail(s, f->path, "", errno);
        file_set_closed(s->files, f->path, f->safe_bytes, NULL);
    }
    count_add(&s->counters->stored_bytes, f->safe_bytes);
    close(f->fd);
    f->open = false;
}
