/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast `check` recounts a file of numbered frames, against how fast this machine reads it: read() into a buffer
 * that stays in the cache, or the sum over a mapping, whichever is faster. The file lies in memory, or on a disk with
 * nothing of it in the page cache.
 */
#include "bench.h"
#include "process.h"

#include "../error.h"
#include "../frame.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FRAMES 12000000u
#define FRAME_BYTES 60u /* 64 on the wire: the frame check sequence never reaches a file */
#define RECORD_BYTES (16u + FRAME_BYTES)
#define AT_A_TIME 8192u
#define CHUNK_BYTES ((size_t)1 << 20)

static char *sample_path(const struct bench_options *o, const char *where)
{
    const char *directory = strcmp(where, "disk") == 0 ? o->disk_dir : o->memory_dir;
    return text("%s/nfvcap-bench-%d-frames.pcap", directory, (int)getpid());
}

static bool write_frames(int fd)
{
    const uint32_t head[6] = {0xa1b23c4d, 2 | 4 << 16, 0, 0, 262144, 1};
    const struct frame_layout layout = {.dst_mac = {2, 0, 0, 0, 0, 2}, .src_mac = {2, 0, 0, 0, 0, 1}};
    uint8_t *records = malloc((size_t)AT_A_TIME * RECORD_BYTES);
    bool ok = records != NULL && write(fd, head, sizeof(head)) == sizeof(head);
    for (uint64_t i = 0; ok && i < FRAMES;) {
        uint32_t n = 0;
        for (; n < AT_A_TIME && i < FRAMES; n++, i++) {
            struct frame_id id = {.seq = i, .time_ns = 1700000000000000000u + 67 * i};
            uint32_t record[4] = {(uint32_t)(id.time_ns / 1000000000), (uint32_t)(id.time_ns % 1000000000), FRAME_BYTES,
                                  FRAME_BYTES};
            memcpy(records + (size_t)n * RECORD_BYTES, record, sizeof(record));
            frame_build(records + (size_t)n * RECORD_BYTES + sizeof(record), FRAME_BYTES, &layout, &id);
        }
        ok = write(fd, records, (size_t)n * RECORD_BYTES) == (ssize_t)((size_t)n * RECORD_BYTES);
    }
    free(records);
    return ok && fsync(fd) == 0;
}

/* The file, made when it is asked for first. */
static char *sample_file(const struct bench_options *o, const char *where, const char **why)
{
    if (strcmp(where, "disk") == 0 && o->disk_dir == NULL) {
        *why = "no --disk directory was given";
        return NULL;
    }
    char *path = sample_path(o, where);
    if (access(path, R_OK) == 0)
        return path;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || !write_frames(fd)) {
        *why = text("cannot write %s: %s", path, errno_text(errno));
        path = NULL;
    }
    if (fd >= 0)
        close(fd);
    return path;
}

void checks_forget(const struct bench_options *o)
{
    unlink(sample_path(o, "memory"));
    if (o->disk_dir != NULL)
        unlink(sample_path(o, "disk"));
}

/* Nothing of a file on a disk is in the page cache afterwards. */
static void forget_cache(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

static double file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (double)st.st_size : NAN;
}

double run_check(const struct bench_options *o, const struct measurement *m, const char **why)
{
    const char *path = sample_file(o, m->extra, why);
    if (path == NULL)
        return NAN;
    if (strcmp(m->extra, "disk") == 0)
        forget_cache(path);
    const char *argv[] = {o->self, "check", "--expect", text("%u", FRAMES), path, NULL};
    uint64_t start = monotonic_now_ns();
    char *output = run_to_end(&(struct bench_options){0}, argv, 120000, why);
    double ns = (double)(monotonic_now_ns() - start);
    if (output == NULL)
        return NAN;
    free(output);
    return file_bytes(path) / ns * 1000;
}

static double read_ns(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *buffer = mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    uint64_t start = monotonic_now_ns();
    while (fd >= 0 && read(fd, buffer, CHUNK_BYTES) > 0)
        continue;
    double ns = (double)(monotonic_now_ns() - start);
    munmap(buffer, CHUNK_BYTES);
    close(fd);
    return ns;
}

static double sum_ns(const char *path)
{
    typedef uint64_t block __attribute__((vector_size(64), aligned(8), may_alias));
    size_t bytes = (size_t)file_bytes(path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint64_t start = monotonic_now_ns();
    const uint8_t *p = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (p == MAP_FAILED)
        return INFINITY;
    block a = {0}, b = {0};
    for (size_t i = 0; i + 128 <= bytes; i += 128) {
        a += *(const block *)(p + i);
        b += *(const block *)(p + i + 64);
    }
    a += b;
    volatile uint64_t sum = a[0]; /* or nothing would be read */
    (void)sum;
    double ns = (double)(monotonic_now_ns() - start);
    munmap((void *)(uintptr_t)p, bytes);
    return ns;
}

double run_read(const struct bench_options *o, const struct measurement *m, const char **why)
{
    const char *path = sample_file(o, m->extra, why);
    if (path == NULL)
        return NAN;
    const bool disk = strcmp(m->extra, "disk") == 0;
    if (disk)
        forget_cache(path);
    double best = read_ns(path);
    if (disk)
        forget_cache(path);
    return file_bytes(path) / fmin(best, sum_ns(path)) * 1000;
}
