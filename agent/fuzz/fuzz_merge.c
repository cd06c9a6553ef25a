/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two files of any bytes, merged into pcap or pcapng: what comes out is whole, holds as many packets as went
 * in, and goes backward in time only where an input does.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz_reader.h"
#include "offline/merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int file_of(const uint8_t *data, size_t len)
{
    int fd = memfd_create("input", MFD_CLOEXEC);

    require(fd >= 0 && write(fd, data, len) == (ssize_t)len && lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

static void check_output(const char *path, const struct merge *m)
{
    FILE *f = fopen(path, "r");
    uint8_t *data = malloc(1u << 24);
    size_t len = fread(data, 1, 1u << 24, f);
    struct told told = tell(data, len, 65536);

    require(told.end == END_WHOLE);
    require(told.packets == m->packets);
    require(told.counts.backward == m->backward);
    fclose(f);
    free(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char path[] = "/tmp/nfvcap-fuzz-merge-XXXXXX";
    struct merge_input inputs[2] = {0};
    struct outfile out;
    struct merge m = {.inputs = inputs, .n = 2, .out = &out};
    unsigned culprit = 0;
    uint64_t backward;
    size_t first;

    if (len < 2 || len > 100000)
        return 0;
    first = (len - 2) * data[0] / 255;
    inputs[0].fd = file_of(data + 2, first);
    inputs[1].fd = file_of(data + 2 + first, len - 2 - first);
    close(mkstemp(path));
    require(outfile_open(&out, path, data[1] & 1 ? FORMAT_PCAPNG : FORMAT_PCAP));
    if (merge_run(&m, &culprit) == MERGE_OK) {
        backward = inputs[0].backward + inputs[1].backward;
        require(outfile_finish(&out));
        require(m.packets == inputs[0].packets + inputs[1].packets);
        require(m.backward == 0 || backward != 0);
        check_output(path, &m);
    } else {
        require(culprit < 2);
        outfile_abandon(&out);
    }
    close(inputs[0].fd);
    close(inputs[1].fd);
    merge_free(&m);
    unlink(path);
    return 0;
}
