/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How wrong stamps are. Senders write into the frames of a burst one time, read before they make it and hand it over;
 * the capture's stamp minus that is looked at, packet by packet. Frames come in bursts of a given size, all of a burst
 * at once, through shared memory: a
 * receiver of bursts can only spread them over the time since it looked before (Moreno et al., "Batch to the future",
 * IEEE Communications Letters 16(11), 2012, found that to be what decides). Both clocks are lines fitted to the
 * system's clock, so what run_clock() finds is in the difference twice.
 */
#include "bench.h"
#include "memif.h"

#include "../capture/clock.h"
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
#include <time.h>
#include <unistd.h>

#define FRAME_BYTES 60u
#define RECORD_BYTES (16u + FRAME_BYTES)
#define PER_PACKET_NS 20000u      /* 50 kpps, whatever the bursts */
#define TRAIN_FRAMES_MAX 1000000u /* a multiple of every burst size; a longer trial sends the file again */
#define LOOK_EVERY_NS 1000000u
#define FOLLOW_EVERY_NS 250000000u /* as a capture does */

static double middle_ns = NAN; /* of the stamps judged last */
/* Packets stamped earlier and later than the bounds reported allow, since that was asked for. Later ones are judged
 * only where no packet waited in the ring behind others, as the bound holds for no others. */
static double early = NAN, late = NAN;

static void put_record(uint8_t *to, uint64_t time_ns, uint64_t seq)
{
    const struct frame_layout layout = {.dst_mac = {2, 0, 0, 0, 0, 2}, .src_mac = {2, 0, 0, 0, 0, 1}};
    const struct frame_id id = {.seq = seq, .time_ns = time_ns};
    const uint32_t head[4] = {(uint32_t)(time_ns / 1000000000), (uint32_t)(time_ns % 1000000000), FRAME_BYTES,
                              FRAME_BYTES};
    memcpy(to, head, sizeof(head));
    frame_build(to + sizeof(head), FRAME_BYTES, &layout, &id);
}

/* Of one round, so that the file is not opened again in the middle of a trial. */
static uint64_t train_frames(const struct bench_options *o)
{
    uint64_t frames = (o->warm_up_ms + o->measure_ms) * 1000000ull / PER_PACKET_NS;
    frames += 64 - frames % 64; /* whole bursts, and not at its end before the trial is */
    return frames < TRAIN_FRAMES_MAX ? frames : TRAIN_FRAMES_MAX;
}

/* A file whose frames come in bursts: those of one have the same time. */
static bool write_train(const char *path, unsigned burst, uint64_t frames)
{
    const uint32_t head[6] = {0xa1b23c4d, 2 | 4 << 16, 0, 0, 262144, 1};
    uint8_t record[RECORD_BYTES];
    FILE *out = fopen(path, "we");
    if (out == NULL)
        return false;
    fwrite(head, sizeof(head), 1, out);
    for (uint64_t i = 0; i < frames; i++) {
        put_record(record, 1700000000000000000u + i / burst * burst * PER_PACKET_NS, i);
        fwrite(record, sizeof(record), 1, out);
    }
    return fclose(out) == 0;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t big_endian(const uint8_t *p)
{
    uint64_t value;
    memcpy(&value, p, sizeof(value));
    return __builtin_bswap64(value);
}

/* Stamp minus sending time of the packets of the file from skip_ns on, *n of them. NULL: it cannot be read. */
static int64_t *differences(const char *path, uint64_t skip_ns, size_t *n)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *n = 0;
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size < 24) {
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    size_t records = ((size_t)st.st_size - 24) / RECORD_BYTES;
    const uint8_t *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    int64_t *all = p != MAP_FAILED ? malloc((records + 1) * sizeof(*all)) : NULL;
    uint64_t first = 0;
    for (size_t i = 0; all != NULL && i < records; i++) {
        const uint8_t *record = p + 24 + i * RECORD_BYTES;
        uint32_t head[2];
        memcpy(head, record, sizeof(head));
        uint64_t stamp = (uint64_t)head[0] * 1000000000 + head[1], sent = big_endian(record + 16 + 52);
        first = i == 0 ? stamp : first;
        if (stamp - first >= skip_ns)
            all[(*n)++] = (int64_t)(stamp - sent);
    }
    if (p != MAP_FAILED)
        munmap((void *)(uintptr_t)p, (size_t)st.st_size);
    return all;
}

/* What stamps minus times may be at most, in ns. */
struct bounds {
    double early, late; /* late: NaN if it is not known how long packets waited in the ring */
};

static struct bounds bounds_of(const char *captured, const char *sent)
{
    /* Twice what the clock may be wrong by: the sender has one, too. */
    const double clocks = 2 * (number_after(captured, "\"clock\"", "max_error_ns") +
                               number_after(captured, "\"clock\"", "reading_uncertainty_ns"));
    const double gap = number_after(captured, "\"total\"", "max_gap_ns");
    const bool waited = number_after(captured, "\"total\"", "full_polls") != 0;
    return (struct bounds){
        .early = gap + clocks,
        .late = waited ? NAN : gap + clocks + number_after(sent, "\"bursts\"", "hand_over_max_ns"),
    };
}

/* The error that 99 of 100 stamps stay within. */
static double judge(int64_t *all, size_t n, const struct bounds *bounds)
{
    early = isnan(early) ? 0 : early;
    late = isnan(late) && !isnan(bounds->late) ? 0 : late;
    for (size_t i = 0; i < n; i++) {
        early += (double)all[i] < -bounds->early;
        late += (double)all[i] > bounds->late; /* never more than NaN */
        all[i] = all[i] < 0 ? -all[i] : all[i];
    }
    qsort(all, n, sizeof(*all), compare);
    const size_t middle = n / 2, most = n - 1 - n / 100;
    middle_ns = (double)all[middle];
    return (double)all[most];
}

/* The capture's report; *sent is the sender's. Both are to be freed. */
static char *send_train(struct memif_trial *t, const struct bench_options *o, const char *train, char **sent,
                        const char **why)
{
    /* clang-format off */
    const char *const sending[] = {"--replay", train, "--renumber", "--rate", "file", "--burst", "64", "--duration",
                                   text("%ums", o->warm_up_ms + o->measure_ms), "--linger", "300ms", NULL};
    /* clang-format on */
    *sent = memif_send(t, o, 0, 0, sending, why) ? memif_sent(t, 0, 60000, why) : NULL;
    return *sent != NULL ? memif_captured(t, 0, why) : NULL;
}

/* extra: the burst size, and options of the capture behind it. */
double run_stamps(const struct bench_options *o, const struct measurement *m, const char **why)
{
    const char *receiving[PROCESS_ARGS_MAX] = {"--lcores", "1"};
    char *words = text("%s", m->extra), *save = NULL, *burst = strtok_r(words, " ", &save);
    unsigned n_words = 2;
    for (char *w; (w = strtok_r(NULL, " ", &save)) != NULL;)
        receiving[n_words++] = w;
    char *train = text("%s/nfvcap-bench-%d-train.pcap", o->memory_dir, (int)getpid());
    struct memif_trial t;
    double value = NAN;
    middle_ns = NAN;
    if (!write_train(train, (unsigned)atoi(burst), train_frames(o))) {
        *why = text("cannot write %s: %s", train, errno_text(errno));
        return NAN;
    }
    char *sent = NULL;
    char *report = memif_open(&t, o, o->memory_dir, 1, receiving, why) ? send_train(&t, o, train, &sent, why) : NULL;
    if (report != NULL) {
        size_t n;
        int64_t *all = differences(text("%s.pcap", t.stem), o->warm_up_ms * 1000000ull, &n);
        const struct bounds bounds = bounds_of(report, sent);
        if (all != NULL && n >= 100)
            value = judge(all, n, &bounds);
        else
            *why = "too few packets came";
        free(all);
    }
    free(report);
    free(sent);
    memif_forget(&t);
    unlink(train);
    return value;
}

/* Of the stamps measured before this, in the same run. extra: "middle", "early" or "late". */
double run_stamps_more(const struct bench_options *o, const struct measurement *m, const char **why)
{
    double *counted = strcmp(m->extra, "early") == 0 ? &early : strcmp(m->extra, "late") == 0 ? &late : NULL;
    double value = counted != NULL ? *counted : middle_ns;
    if (counted != NULL)
        *counted = NAN;
    if (isnan(value))
        *why = counted == &late ? "nothing was measured before it, or each time packets waited in the ring (full_polls)"
                                : "the measurement before it has no value, or was not asked for";
    return value;
}

static uint64_t monotonic_tsc(void)
{
    _mm_lfence();
    uint64_t tsc = __rdtsc();
    _mm_lfence();
    return tsc;
}

static int64_t realtime_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

#define BRACKET_MAX_NS 1000 /* the two readings around it lie further apart: something else had the CPU */

/* extra: "minute", or how many times --measure. The largest |line - system clock| at about every millisecond, in ns. */
double run_clock(const struct bench_options *o, const struct measurement *m, const char **why)
{
    const bool minute = strcmp(m->extra, "minute") == 0;
    if (minute && o->soak_s == 0) {
        *why = "left out with --soak 0";
        return NAN;
    }
    const uint64_t duration_ns =
        minute ? 1000000000ull * o->soak_s * m->soaks : (uint64_t)atoi(m->extra) * o->measure_ms * 1000000ull;
    struct clock clock = {0};
    struct discipline d;
    struct timespec pause = {.tv_nsec = LOOK_EVERY_NS};
    int64_t largest = 0;
    unsigned looks = 0;
    discipline_start(&d, &clock, false);
    uint64_t begin = monotonic_now_ns(), followed = begin, now = begin;
    for (; now - begin < duration_ns; now = monotonic_now_ns()) {
        nanosleep(&pause, NULL);
        if (now - followed >= FOLLOW_EVERY_NS) {
            followed = now;
            discipline_update(&d);
        }
        int64_t before = realtime_ns();
        uint64_t tsc = monotonic_tsc();
        int64_t after = realtime_ns();
        if (after - before > BRACKET_MAX_NS)
            continue;
        int64_t line_ns = (int64_t)clock_line_ns(&d.line, tsc) + d.line.step_ns;
        int64_t error = llabs(line_ns - (before + (after - before) / 2));
        largest = error > largest ? error : largest;
        looks++;
    }
    if (looks == 0)
        *why = "the system's clock could not be read within a microsecond";
    return looks > 0 ? (double)largest : NAN;
}
