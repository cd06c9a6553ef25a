/* SPDX-License-Identifier: Apache-2.0 */
/* nfvcap-agent bench --floor count|record|mapped SIZE|FILE DURATION_MS [DIRECTORY]: prints packets and nanoseconds of
 * CPU. */
#include "bench.h"
#include "floor.h"

#include "../capture/memory.h"
#include "../eal.h"
#include "../error.h"
#include "../port.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_ethdev.h>

#define RECORD_BYTES (64ull << 20)
#define FILE_BYTES (256ull << 20)

static uint8_t *mapped_memory(const char *directory)
{
    char *path = text("%s/nfvcap-floor-%d", directory, (int)getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    unlink(path);
    uint8_t *base = memory_reserve_addresses(FILE_BYTES);
    if (fd < 0 || base == NULL || fallocate(fd, 0, 0, FILE_BYTES) != 0 ||
        mmap(base, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
        die(EXIT_USAGE, text("cannot map a file in %s", directory), errno_text(errno), NULL);
    memset(base, 1, FILE_BYTES);
    madvise(base, FILE_BYTES, 25 /* MADV_COLLAPSE: huge pages where the kernel can */);
    return base;
}

int floor_command(int argc, char **argv)
{
    if (argc < 4)
        die(EXIT_USAGE, "--floor needs a kind, a size and a duration", NULL, NULL);
    const char *kind = argv[1];
    uint64_t duration_ns = strtoull(argv[3], NULL, 10) * 1000000;
    struct port_spec spec;
    const char *why = NULL;
    const char *source = argv[2][0] == '/' ? "pcap:%s,infinite_rx=1" : "vdev:net_null0,size=%s";
    if (!port_spec_parse(text(source, argv[2]), PORT_RECEIVES, 0, 1, &spec, &why))
        die(EXIT_USAGE, "bad size", why, NULL);
    struct port_config config = {.n_queues = 1, .n_rx_desc = 512};
    struct eal_options eal = {.ports = &spec, .n_ports = 1, .memory_bytes = port_memory_bytes(&spec, &config)};
    struct port port;
    log_quiet();
    eal_start(&eal);
    port_open(&port, &spec, &config);
    port_start(&port);

    uint8_t *to = NULL;
    uint64_t bytes = 0;
    if (strcmp(kind, "record") == 0) {
        struct memory memory;
        if (!memory_get(&memory, RECORD_BYTES, -1))
            die(EXIT_USAGE, "no memory", errno_text(errno), NULL);
        to = memory.base;
        bytes = memory.bytes;
    } else if (strcmp(kind, "mapped") == 0) {
        to = mapped_memory(argc > 4 ? argv[4] : "/dev/shm");
        bytes = FILE_BYTES;
    }
    floor_function run = __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") ? floor_v4
                         : __builtin_cpu_supports("avx2")                                         ? floor_v3
                                                                                                  : floor_v2;
    struct floor_result result;
    run(port.id, port.pools[0], to, bytes, duration_ns / 4, &result); /* warm up */
    run(port.id, port.pools[0], to, bytes, duration_ns, &result);
    printf("%" PRIu64 " %" PRIu64 "\n", result.packets, result.cpu_ns);
    return EXIT_OK;
}
