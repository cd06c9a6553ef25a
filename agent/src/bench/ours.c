/* SPDX-License-Identifier: Apache-2.0 */
/* Measurements of this program itself, each in a process of its own. */
#include "bench.h"
#include "process.h"

#include "../error.h"

#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *last_line(char *output)
{
    size_t n = strlen(output);
    while (n > 0 && output[n - 1] == '\n')
        output[--n] = '\0';
    const char *line = strrchr(output, '\n');
    return line != NULL ? line + 1 : output;
}

char *run_to_end(const struct bench_options *o, const char *const *argv, unsigned timeout_ms, const char **why)
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
    const char *frames = m->size_bytes != 0 ? text("%u", m->size_bytes) : mix_file(o, why);
    const char *argv[] = {o->self,       "bench", "--floor", m->extra, frames, text("%u", o->measure_ms),
                          o->memory_dir, NULL};
    if (frames == NULL)
        return NAN;
    char *output = run_to_end(o, argv, 60000, why);
    uint64_t packets, cpu_ns;
    double value = NAN;
    if (output != NULL && sscanf(last_line(output), "%" SCNu64 " %" SCNu64, &packets, &cpu_ns) == 2 && packets > 0)
        value = (double)cpu_ns / (double)packets;
    free(output);
    return value;
}

/* A number in our own report; the report is ours, so looking for its key is enough. */
double number_after(const char *report, const char *object, const char *key)
{
    const char *at = strstr(report, object);
    at = at != NULL ? strstr(at, text("\"%s\":", key)) : NULL;
    return at != NULL ? strtod(strchr(at, ':') + 1, NULL) : NAN;
}

/* Every file whose path begins with the stem. */
void remove_files(const char *stem)
{
    const char *slash = strrchr(stem, '/');
    char *directory = text("%.*s", (int)(slash - stem), stem);
    DIR *dir = opendir(directory);
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        if (strstr(e->d_name, slash + 1) == e->d_name && strstr(e->d_name, "-frames.") == NULL)
            unlink(text("%s/%s", directory, e->d_name));
    }
    if (dir != NULL)
        closedir(dir);
}

/* extra: the options that make the variant; "@" stands for the output file. */
double run_ours(const struct bench_options *o, const struct measurement *m, const char **why)
{
    const char *mix = m->size_bytes == 0 ? mix_file(o, why) : NULL;
    if (m->size_bytes == 0 && mix == NULL)
        return NAN;
    const char *argv[PROCESS_ARGS_MAX] = {o->self, "capture", "--quiet", "--json"};
    unsigned n = 4;
    argv[n++] = "--port";
    argv[n++] = mix != NULL ? text("pcap:%s,infinite_rx=1", mix) : text("vdev:net_null0,size=%u", m->size_bytes);
    if (strstr(m->extra, "--lcores") == NULL) {
        argv[n++] = "--lcores"; /* storage threads keep away from there */
        argv[n++] = "1";
    }
    const unsigned warm_up_ms = o->warm_up_ms + m->more_warm_up_ms;
    argv[n++] = "--warm-up";
    argv[n++] = text("%ums", warm_up_ms);
    argv[n++] = "--duration";
    argv[n++] = text("%ums", warm_up_ms + o->measure_ms);
    const bool on_disk = strstr(m->extra, "--direct") != NULL;
    char *stem = text("%s/nfvcap-bench-%d", on_disk ? o->disk_dir : o->memory_dir, (int)getpid());
    char *words = text("%s", m->extra), *save = NULL;
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
