/* SPDX-License-Identifier: Apache-2.0 */
/* Measurements of this program itself, each in a process of its own. */
#include "bench.h"
#include "process.h"

#include "../error.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *last_line(char *output)
{
    size_t n = strlen(output);
    while (n > 0 && output[n - 1] == '\n')
        output[--n] = '\0';
    const char *line = strrchr(output, '\n');
    return line != NULL ? line + 1 : output;
}

/* Run to the end; its output (to be freed), or NULL with the reason. */
static char *run_to_end(const struct bench_options *o, const char *const *argv, unsigned timeout_ms, const char **why)
{
    struct process p;
    if (!process_start(&p, argv, NULL)) {
        *why = "cannot start a process";
        return NULL;
    }
    if (o->urgent) {
        sleep_ms(o->warm_up_ms / 2);
        process_make_urgent(&p);
    }
    int code = process_wait(&p, timeout_ms);
    char *output = process_output(&p);
    process_forget(&p);
    if (code != 0) {
        *why = text("%s %s ended with %d: %s", argv[0], argv[1], code, output != NULL ? last_line(output) : "");
        free(output);
        return NULL;
    }
    return output;
}

double run_floor(const struct bench_options *o, const struct measurement *m, const char **why)
{
    const char *argv[] = {o->self, "bench", "--floor", m->extra, text("%u", m->size_bytes), text("%u", o->measure_ms),
                          o->memory_dir, NULL};
    char *output = run_to_end(o, argv, 60000, why);
    uint64_t packets, cpu_ns;
    double value = NAN;
    if (output != NULL && sscanf(last_line(output), "%" SCNu64 " %" SCNu64, &packets, &cpu_ns) == 2 && packets > 0)
        value = (double)cpu_ns / (double)packets;
    free(output);
    return value;
}

/* A number in our own report; the report is ours, so looking for its key is enough. */
static double number_after(const char *report, const char *object, const char *key)
{
    const char *at = strstr(report, object);
    at = at != NULL ? strstr(at, text("\"%s\":", key)) : NULL;
    return at != NULL ? strtod(strchr(at, ':') + 1, NULL) : NAN;
}

static void remove_files(const char *pattern)
{
    for (unsigned i = 0; i < 100000; i++) {
        char *path = text("%s-%06u.pcap", pattern, i);
        int rc = unlink(path);
        free(path);
        if (rc != 0 && i > 64)
            break;
    }
    unlink(text("%s.pcap", pattern));
}

/* extra: the options that make the variant; "@" stands for the output file. */
double run_ours(const struct bench_options *o, const struct measurement *m, const char **why)
{
    const char *argv[PROCESS_ARGS_MAX] = {o->self, "capture", "--quiet", "--json"};
    unsigned n = 4;
    argv[n++] = "--port";
    argv[n++] = text("vdev:net_null0,size=%u", m->size_bytes);
    argv[n++] = "--lcores"; /* storage threads keep away from there */
    argv[n++] = "1";
    argv[n++] = "--warm-up";
    argv[n++] = text("%ums", o->warm_up_ms);
    argv[n++] = "--duration";
    argv[n++] = text("%ums", o->warm_up_ms + o->measure_ms);
    const bool on_disk = strstr(m->extra, "--direct") != NULL;
    char *stem = text("%s/nfvcap-bench-%d", on_disk ? o->disk_dir : o->memory_dir, (int)getpid());
    char *words = strdup(m->extra), *save = NULL;
    for (char *w = strtok_r(words, " ", &save); w != NULL && n < PROCESS_ARGS_MAX - 1; w = strtok_r(NULL, " ", &save))
        argv[n++] = strcmp(w, "@") == 0 ? text("%s.pcap", stem) : strcmp(w, "_") == 0 ? "not arp" : w;
    argv[n] = NULL;
    char *report = run_to_end(o, argv, 60000, why);
    remove_files(stem);
    if (report == NULL)
        return NAN;
    const bool counting = strstr(m->extra, "--count-only") != NULL;
    const char *part = "\"after_warm_up\"";
    double packets = number_after(report, part, counting ? "received" : "stored");
    double cpu = number_after(report, part, "capture_cpu_ns") + number_after(report, part, "storage_cpu_ns");
    double wall = number_after(report, part, "wall_ns");
    free(report);
    if (!(packets > 0)) {
        *why = "nothing was stored in the measured time";
        return NAN;
    }
    return on_disk ? packets * (m->size_bytes + 16) / wall * 1000 : cpu / packets;
}

/* One file of 64-byte packets for `check`, made once. */
static const char *sample_file(const struct bench_options *o, const char **why)
{
    static char *path;
    if (path != NULL)
        return path;
    char *wanted = text("%s/nfvcap-bench-check-%d.pcap", o->memory_dir, (int)getpid());
    const char *argv[] = {o->self, "capture", "--quiet", "--port", "vdev:net_null0,size=64", "--write", wanted,
                          "--packets", "8000000", "--when-full", "wait", NULL};
    char *output = run_to_end(o, argv, 120000, why);
    if (output == NULL)
        return NULL;
    free(output);
    path = wanted;
    return path;
}

static double file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (double)st.st_size : NAN;
}

double run_check(const struct bench_options *o, const struct measurement *m, const char **why)
{
    const char *path = sample_file(o, why);
    if (path == NULL)
        return NAN;
    const char *argv[] = {o->self, "check", path, NULL};
    uint64_t start = monotonic_now_ns();
    char *output = run_to_end(&(struct bench_options){0}, argv, 60000, why);
    double seconds = (double)(monotonic_now_ns() - start) / 1e9;
    if (output == NULL)
        return NAN;
    free(output);
    return file_bytes(path) / seconds / 1e6;
}

/* How fast one thread can read the same file out of memory. */
double run_memory_read(const struct bench_options *o, const struct measurement *m, const char **why)
{
    const char *path = sample_file(o, why);
    if (path == NULL)
        return NAN;
    size_t bytes = (size_t)file_bytes(path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint64_t start = monotonic_now_ns();
    const uint64_t *p = fd >= 0 ? mmap(NULL, bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0) : MAP_FAILED;
    if (p == MAP_FAILED) {
        *why = "cannot map the file";
        return NAN;
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < bytes / 8; i++)
        sum += p[i];
    *(volatile uint64_t *)&sum = sum;
    double seconds = (double)(monotonic_now_ns() - start) / 1e9;
    munmap((void *)(uintptr_t)p, bytes);
    close(fd);
    return (double)bytes / seconds / 1e6;
}

double run_disk(const struct bench_options *o, const struct measurement *m, const char **why)
{
    if (o->disk_dir == NULL) {
        *why = "no --disk directory was given";
        return NAN;
    }
    return run_ours(o, m, why);
}

double run_dd(const struct bench_options *o, const struct measurement *m, const char **why)
{
    if (o->disk_dir == NULL) {
        *why = "no --disk directory was given";
        return NAN;
    }
    char *path = text("%s/nfvcap-bench-dd-%d", o->disk_dir, (int)getpid());
    const char *argv[] = {"dd", "if=/dev/zero", text("of=%s", path), "bs=1M", "count=1024", "oflag=direct", NULL};
    uint64_t start = monotonic_now_ns();
    char *output = run_to_end(&(struct bench_options){0}, argv, 120000, why);
    double seconds = (double)(monotonic_now_ns() - start) / 1e9;
    unlink(path);
    free(output);
    return output == NULL ? NAN : 1024.0 * (1 << 20) / seconds / 1e6;
}
