/* SPDX-License-Identifier: Apache-2.0 */
#include "parts.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define THREADS_MAX 64u
#define PART_BYTES ((uint64_t)32 << 20)

struct job {
    struct file_result *results;
    unsigned n;
    bool ahead;
    unsigned n_parts; /* of one file, if it is large enough */
    uint64_t part_bytes;
    atomic_uint next;
};

struct worker {
    struct job *job;
    struct tally *tally;
    pthread_t thread;
    bool ok;
};

void describe_file(struct file_result *f, const struct reader *r)
{
    f->format = r->format;
    f->n_interfaces = r->n_interfaces;
    f->sections = r->sections;
    f->section_offset = r->section_offset;
    f->section_sized = r->section_sized;
    f->other_blocks = r->other_blocks;
    f->odd_times = r->odd_times;
    f->end = r->end;
    f->error = r->error;
    f->whole_bytes = r->whole_bytes;
    memcpy(f->why, r->why, sizeof(f->why));
    for (uint32_t i = 0; i < r->n_interfaces; i++) {
        f->has_drops |= r->interfaces[i].has_drops;
        f->writer_received += r->interfaces[i].received;
        f->writer_dropped += r->interfaces[i].dropped;
    }
    if (r->n_interfaces != 0) {
        f->link = r->interfaces[0].link;
        f->resolution_ticks_per_s = r->interfaces[0].ticks_per_s;
    }
}

static bool read_file(struct tally *t, struct file_result *f, int fd, bool ahead)
{
    struct source_options options = {.ahead = ahead};
    struct record_batch batch;
    struct reader r = {0};
    bool enough = true;

    tally_begin_file(t);
    if (!source_open_fd(&r.src, fd, &options))
        return false;
    if (reader_open(&r)) {
        f->big_endian = r.swapped;
        while (enough && reader_next(&r, &batch))
            enough = tally_batch(t, &r, &batch);
    }
    enough = tally_end_file(t) && enough;
    describe_file(f, &r);
    f->counts = t->file;
    reader_close(&r);
    return enough;
}

static bool count_file(struct tally *t, struct file_result *f, int fd, const struct job *job, bool regular)
{
    uint64_t n_parts = regular ? f->file_bytes / job->part_bytes : 0;
    bool enough;

    if (n_parts > job->n_parts)
        n_parts = job->n_parts;
    if (check_in_parts(t, f, fd, (unsigned)n_parts, &enough) || !enough)
        return enough;
    /* A thread that waits for a pipe cannot be told to stop. */
    return read_file(t, f, fd, job->ahead && regular);
}

static bool check_file(struct tally *t, struct file_result *f, const struct job *job)
{
    bool is_stdin = strcmp(f->path, "-") == 0, enough;
    int fd = is_stdin ? STDIN_FILENO : open(f->path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0 || S_ISDIR(st.st_mode)) {
        f->error = fd < 0 ? errno : EISDIR;
        counts_begin(&f->counts);
        if (fd >= 0)
            close(fd);
        return true;
    }
    f->opened = true;
    f->file_bytes = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    enough = count_file(t, f, fd, job, S_ISREG(st.st_mode) && !is_stdin);
    f->out_of_memory = !enough;
    if (!is_stdin)
        close(fd);
    return enough;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct job *job = w->job;
    unsigned i;

    w->ok = true;
    while (w->ok && (i = atomic_fetch_add(&job->next, 1)) < job->n)
        w->ok = check_file(w->tally, &job->results[i], job);
    return NULL;
}

static unsigned cpus_to_use(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1;
    return (unsigned)CPU_COUNT(&set);
}

/* Runs the first worker here and the others beside; false when a thread or memory could not be had. */
static bool run(struct worker *workers, unsigned n)
{
    unsigned started = 1;
    bool ok;

    for (; started < n; started++)
        if (pthread_create(&workers[started].thread, NULL, work, &workers[started]) != 0)
            break; /* the others do its share */
    work(&workers[0]);
    ok = workers[0].ok;
    for (unsigned i = 1; i < started; i++) {
        pthread_join(workers[i].thread, NULL);
        ok &= workers[i].ok;
    }
    for (unsigned i = 1; ok && i < started; i++)
        ok = tally_join(workers[0].tally, workers[i].tally);
    return ok;
}

bool check_files(struct file_result *results, unsigned n, const struct check_options *options, struct tally **tally,
                 struct counts *all)
{
    unsigned cpus = options->n_threads != 0 ? options->n_threads : cpus_to_use();
    unsigned n_workers = cpus < n ? cpus : n;
    struct worker workers[THREADS_MAX] = {0};
    struct job job = {.results = results, .n = n};
    bool ok = true;

    if (n_workers > THREADS_MAX)
        n_workers = THREADS_MAX;
    if (n_workers == 0)
        n_workers = 1; /* no files: an empty tally all the same */
    job.ahead = cpus > n_workers;
    job.n_parts = cpus / n_workers;
    job.part_bytes = options->part_bytes != 0 ? options->part_bytes : PART_BYTES;
    for (unsigned i = 0; i < n_workers; i++) {
        workers[i].job = &job;
        workers[i].tally = tally_new(options->memory_limit / n_workers);
        ok &= workers[i].tally != NULL;
    }
    ok = ok && run(workers, n_workers);
    for (unsigned i = 1; i < n_workers; i++)
        tally_free(workers[i].tally);
    *tally = workers[0].tally;
    counts_begin(all);
    for (unsigned i = 0; i < n; i++)
        counts_join(all, &results[i].counts);
    return ok;
}
