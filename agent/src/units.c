/* SPDX-License-Identifier: Apache-2.0 */
#include "units.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *suffix;
    uint64_t factor;
};

bool parse_u64(const char *s, uint64_t *out)
{
    if (!isdigit((unsigned char)s[0]))
        return false;
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(s, &end, 10);
    if (errno != 0 || *end != '\0')
        return false;
    *out = value;
    return true;
}

/* digits[.digits]suffix: exact for whole numbers, six decimal places otherwise. */
static bool parse_with_unit(const char *s, const struct unit *units, unsigned n, uint64_t *out)
{
    if (!isdigit((unsigned char)s[0]))
        return false;
    char *end = NULL;
    errno = 0;
    uint64_t whole = strtoull(s, &end, 10);
    if (errno != 0)
        return false;
    uint64_t micro = 0;
    if (*end == '.') {
        uint64_t place = 100000;
        for (end++; isdigit((unsigned char)*end); end++, place /= 10)
            micro += (uint64_t)(*end - '0') * place;
    }
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(end, units[i].suffix) != 0)
            continue;
        unsigned __int128 value =
            (unsigned __int128)whole * units[i].factor + (unsigned __int128)micro * units[i].factor / 1000000;
        if (value > UINT64_MAX)
            return false;
        *out = (uint64_t)value;
        return true;
    }
    return false;
}

#define PARSE(table) parse_with_unit(s, table, sizeof(table) / sizeof((table)[0]), out)

bool parse_bytes(const char *s, uint64_t *out)
{
    static const struct unit table[] = {
        {"", 1},
        {"B", 1},
        {"K", 1ull << 10},
        {"KiB", 1ull << 10},
        {"k", 1ull << 10},
        {"M", 1ull << 20},
        {"MiB", 1ull << 20},
        {"G", 1ull << 30},
        {"T", 1ull << 40},
        {"GiB", 1ull << 30},
        {"TiB", 1ull << 40},
    };
    return PARSE(table);
}

bool parse_duration(const char *s, uint64_t *out)
{
    static const struct unit table[] = {
        {"", 1000000000},   {"s", 1000000000},    {"ms", 1000000},      {"us", 1000},          {"ns", 1},
        {"m", 60000000000}, {"min", 60000000000}, {"h", 3600000000000}, {"d", 86400000000000},
    };
    return PARSE(table);
}

bool parse_count(const char *s, uint64_t *out)
{
    static const struct unit table[] = {
        {"", 1}, {"k", 1000}, {"K", 1000}, {"M", 1000000}, {"G", 1000000000},
    };
    return PARSE(table);
}

bool parse_cpu_list(const char *s, bool *cpus, unsigned n_cpus)
{
    memset(cpus, 0, n_cpus * sizeof(cpus[0]));
    while (true) {
        if (!isdigit((unsigned char)*s))
            return false;
        char *end = NULL;
        unsigned long first = strtoul(s, &end, 10);
        unsigned long last = first;
        if (*end == '-') {
            if (!isdigit((unsigned char)end[1]))
                return false;
            last = strtoul(end + 1, &end, 10);
        }
        if (last < first || last >= n_cpus)
            return false;
        for (unsigned long i = first; i <= last; i++)
            cpus[i] = true;
        if (*end == '\0')
            return true;
        if (*end != ',')
            return false;
        s = end + 1;
    }
}
