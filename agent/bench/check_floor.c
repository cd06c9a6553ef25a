/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `check` is measured against, and on:
 *
 *   check_floor make FILE PACKETS SIZE   writes numbered frames (SIZE without frame check sequence) as pcap
 *   check_floor read FILE                reads FILE once with read(), 1 MiB at a time, and forgets it
 *   check_floor sum FILE                 maps FILE and adds up all of it
 *
 * `read` and `sum` print bytes per second: the faster of them is how fast this machine reads the file.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "frame.h"

#define CHUNK ((size_t)1 << 20)

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int make(const char *path, uint64_t packets, uint32_t size)
{
    uint32_t head[6] = {0xa1b23c4d, 2 | 4 << 16, 0, 0, 262144, 1};
    struct frame_layout layout = {.dst_mac = {2, 0, 0, 0, 0, 2}, .src_mac = {2, 0, 0, 0, 0, 1}};
    uint8_t *record = malloc(16 + size);
    FILE *f = fopen(path, "w");

    if (f == NULL || record == NULL)
        return 1;
    fwrite(head, sizeof(head), 1, f);
    for (uint64_t i = 0; i < packets; i++) {
        uint64_t ns = 1700000000000000000u + 67 * i;
        uint32_t r[4] = {(uint32_t)(ns / 1000000000), (uint32_t)(ns % 1000000000), size, size};
        struct frame_id id = {.seq = i, .time_ns = ns};

        memcpy(record, r, sizeof(r));
        if (!frame_build(record + 16, size, &layout, &id))
            return 1;
        fwrite(record, 16 + size, 1, f);
    }
    free(record);
    return fclose(f) != 0;
}

static int read_all(int fd, uint64_t bytes)
{
    uint8_t *buffer =
        mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    double start = now();

    while (read(fd, buffer, CHUNK) > 0)
        ;
    printf("%.0f\n", (double)bytes / (now() - start));
    return 0;
}

static int sum_all(int fd, uint64_t bytes)
{
    typedef uint64_t vector __attribute__((vector_size(64), aligned(1), may_alias));
    double start = now();
    const uint8_t *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    vector a = {0}, b = {0};

    if (map == MAP_FAILED)
        return 1;
    for (uint64_t i = 0; i + 128 <= bytes; i += 128) {
        a += *(const vector *)(map + i);
        b += *(const vector *)(map + i + 64);
    }
    a += b;
    printf("%.0f\n", (double)bytes / (now() - start));
    return a[0] == 42;
}

int main(int argc, char **argv)
{
    struct stat st;
    int fd;

    if (argc == 5 && strcmp(argv[1], "make") == 0)
        return make(argv[2], strtoull(argv[3], NULL, 10), (uint32_t)strtoul(argv[4], NULL, 10));
    if (argc != 3 || (fd = open(argv[2], O_RDONLY)) < 0 || fstat(fd, &st) != 0)
        return 2;
    return strcmp(argv[1], "sum") == 0 ? sum_all(fd, (uint64_t)st.st_size)
                                       : read_all(fd, (uint64_t)st.st_size);
}
