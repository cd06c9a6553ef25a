/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as an argument: sizes, rates, units, CPU lists, ports, patterns of file names. The first byte chooses. */
#include <stdlib.h>
#include <string.h>

#include "capture/file_set.h"
#include "generate/pace.h"
#include "generate/sizes.h"
#include "port_spec.h"
#include "units.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void try_rate(const char *word)
{
    struct pace pace;
    struct rate rate;

    if (rate_parse(&rate, word) != NULL)
        return;
    pace_start(&pace, &rate, 32, 2.5, 10000, 1000);
    for (unsigned i = 0; i < 4; i++) {
        pace_begin_burst(&pace, 1000 + i * 100000ull);
        pace_took(&pace, 64);
    }
    pace_ticks_left(&pace, 0);
}

/* What is accepted becomes a path that fits, with and without what is added to tell files apart. */
static void try_pattern(const char *word)
{
    const char *why = NULL;
    char path[FILE_PATH_MAX];

    if (!file_pattern_valid(word, &why)) {
        if (why == NULL)
            abort();
        return;
    }
    for (unsigned many = 0; many < 2; many++) {
        struct file_set_config config = {
            .pattern = word,
            .port = 15,
            .queue = 255,
            .many_ports = many,
            .many_queues = many,
            .rotates = many,
        };
        struct file_set set;
        file_set_init(&set, &config);
        set.number = many ? UINT64_MAX : 0;
        file_set_next(&set, 1700000000000000000, path);
        if (path[0] == '\0' || strlen(path) >= FILE_PATH_MAX)
            abort();
        file_set_destroy(&set);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct port_spec port;
    struct sizes sizes;
    bool cpus[64];
    uint64_t value;
    const char *why;
    char *word;

    if (len < 1 || len > 4000)
        return 0;
    word = malloc(len);
    memcpy(word, data + 1, len - 1);
    word[len - 1] = '\0';
    switch (data[0] % 8) {
    case 0:
        if (sizes_parse(&sizes, word, 64, 16000) == NULL)
            for (unsigned i = 0; i < 100; i++)
                if (sizes_next(&sizes) < 64 || sizes_largest(&sizes) > 16000)
                    abort();
        break;
    case 1:
        try_rate(word);
        break;
    case 2:
        parse_bytes(word, &value);
        break;
    case 3:
        parse_duration(word, &value);
        break;
    case 4:
        parse_count(word, &value);
        break;
    case 5:
        parse_cpu_list(word, cpus, 64);
        break;
    case 6:
        if (!port_spec_parse(word, len % 2 == 0 ? PORT_SENDS : PORT_RECEIVES, 0, 1, &port, &why) && why == NULL)
            abort();
        break;
    case 7:
        try_pattern(word);
        break;
    }
    free(word);
    return 0;
}
