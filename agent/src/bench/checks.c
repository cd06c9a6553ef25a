/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast `check` recounts a file of numbered frames, against how fast this machine reads it with as many threads, one
 * for each CPU: read() into a buffer that stays in the cache, or the sum over a mapping whose pages are mapped at once,
 * window by window, whichever is faster. The file lies in memory, or on a disk with nothing of it in the page cache.
 */
#include "bench.h"
#include "process.h"

#include "../error.h"
#include "../frame.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
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
#define CHUNK_BYTES ((size_t)1 << 18) /* two of them stay in a core's own cache */
#define WINDOW_BYTES ((size_t)8 << 20)
#define READERS_MAX 64u

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

/* What one thread reads. */
struct share {
    const char *path;
    size_t from, to; /* bytes of the file; `from` is where a window begins */
    bool ok;
};

static void *read_share(void *arg)
{
    struct share *s = arg;
    int fd = open(s->path, O_RDONLY | O_CLOEXEC);
    void *buffer = mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    size_t at = s->from;
    for (ssize_t n = 1; fd >= 0 && buffer != MAP_FAILED && at < s->to && n > 0; at += n > 0 ? (size_t)n : 0)
        n = pread(fd, buffer, s->to - at < CHUNK_BYTES ? s->to - at : CHUNK_BYTES, (off_t)at);
    s->ok = at == s->to;
    if (buffer != MAP_FAILED)
        munmap(buffer, CHUNK_BYTES);
    if (fd >= 0)
        close(fd);
    return NULL;
}

static uint64_t sum(const uint8_t *p, size_t bytes)
{
    typedef uint64_t block __attribute__((vector_size(64), aligned(8), may_alias));
    block a = {0}, b = {0};
    for (size_t i = 0; i + 128 <= bytes; i += 128) {
        a += *(const block *)(p + i);
        b += *(const block *)(p + i + 64);
    }
    a += b;
    return a[0] ^ a[1] ^ a[2] ^ a[3] ^ a[4] ^ a[5] ^ a[6] ^ a[7];
}

static void *sum_share(void *arg)
{
    struct share *s = arg;
    int fd = open(s->path, O_RDONLY | O_CLOEXEC);
    uint8_t *window = mmap(NULL, WINDOW_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint64_t total = 0;
    size_t at = s->from, n;
    s->ok = fd >= 0 && window != MAP_FAILED;
    for (; s->ok && at < s->to; at += n) {
        n = s->to - at < WINDOW_BYTES ? s->to - at : WINDOW_BYTES;
        s->ok = mmap(window, n, PROT_READ, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, (off_t)at) != MAP_FAILED;
        if (s->ok)
            total += sum(window, n);
    }
    volatile uint64_t kept = total; /* or nothing would be read */
    (void)kept;
    if (window != MAP_FAILED)
        munmap(window, WINDOW_BYTES);
    if (fd >= 0)
        close(fd);
    return NULL;
}

static unsigned cpus_to_use(void)
{
    cpu_set_t set;
    unsigned n = sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
    if (n == 0)
        return 1;
    return n < READERS_MAX ? n : READERS_MAX;
}

/* Time that all CPUs together take for the file, each for its part; INFINITY when that failed. */
static double side_by_side_ns(const char *path, void *(*work)(void *))
{
    const size_t bytes = (size_t)file_bytes(path), windows = (bytes + WINDOW_BYTES - 1) / WINDOW_BYTES;
    const unsigned n = cpus_to_use();
    struct share shares[READERS_MAX];
    pthread_t threads[READERS_MAX];
    unsigned started = 1;
    bool ok = true;
    uint64_t start = monotonic_now_ns();
    for (unsigned i = 0; i < n; i++) {
        const size_t to = windows * (i + 1) / n * WINDOW_BYTES;
        shares[i] = (struct share){.path = path, .from = windows * i / n * WINDOW_BYTES, .to = to < bytes ? to : bytes};
    }
    while (started < n && pthread_create(&threads[started], NULL, work, &shares[started]) == 0)
        started++;
    work(&shares[0]);
    for (unsigned i = 1; i < started; i++)
        pthread_join(threads[i], NULL);
    double ns = (double)(monotonic_now_ns() - start);
    for (unsigned i = 0; i < started; i++)
        ok = ok && shares[i].ok;
    return ok && started == n ? ns : INFINITY;
}

double run_read(const struct bench_options *o, const struct measurement *m, const char **why)
{
    const char *path = sample_file(o, m->extra, why);
    if (path == NULL)
        return NAN;
    const bool disk = strcmp(m->extra, "disk") == 0;
    if (disk)
        forget_cache(path);
    double best = side_by_side_ns(path, read_share);
    if (disk)
        forget_cache(path);
    best = fmin(best, side_by_side_ns(path, sum_share));
    if (!isfinite(best))
        *why = text("cannot read %s", path);
    return isfinite(best) ? file_bytes(path) / best * 1000 : NAN;
}
