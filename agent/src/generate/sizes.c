/* SPDX-License-Identifier: Apache-2.0 */
#include "sizes.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

/* RFC 6985, table 1; z, "the MTU", is 1518 here, as g. */
static const struct {
    char letter;
    uint32_t wire;
} genome[] = {
    {'a', 64},   {'b', 128},  {'c', 256},  {'d', 512},   {'e', 1024}, {'f', 1280},
    {'g', 1518}, {'h', 2112}, {'i', 9000}, {'j', 16000}, {'z', 1518},
};

/* 7 : 4 : 1, the large ones spread. */
static const char imix[] = "64,594,64,64,594,64,1518,64,594,64,64,594";

static const char *parse_letters(struct sizes *s, const char *letters)
{
    for (; *letters != '\0'; letters++) {
        unsigned i = 0;

        while (i < sizeof(genome) / sizeof(genome[0]) && genome[i].letter != *letters)
            i++;
        if (i == sizeof(genome) / sizeof(genome[0]))
            return text("the letter %c stands for no size: a to j, and z", *letters);
        if (s->n == SIZES_MAX)
            return "more than 1024 sizes";
        s->wire[s->n++] = genome[i].wire;
    }
    return s->n == 0 ? "the genome has no letters" : NULL;
}

static const char *parse_list(struct sizes *s, const char *list)
{
    for (;;) {
        char *end;
        unsigned long size = strtoul(list, &end, 10);

        if (end == list || (*end != '\0' && *end != ',') || *list == '-' || *list == '+' || *list == ' ')
            return "a size is a number, a list of numbers, imix, genome or genome:LETTERS";
        if (s->n == SIZES_MAX)
            return "more than 1024 sizes";
        s->wire[s->n++] = size > UINT32_MAX ? UINT32_MAX : (uint32_t)size;
        if (*end == '\0')
            return NULL;
        list = end + 1;
    }
}

const char *sizes_parse(struct sizes *s, const char *how, uint32_t smallest, uint32_t largest)
{
    bool named = strcmp(how, "imix") == 0 || strncmp(how, "genome", 6) == 0;
    const char *wrong;

    memset(s, 0, sizeof(*s));
    if (strcmp(how, "imix") == 0)
        wrong = parse_list(s, imix);
    else if (strcmp(how, "genome") == 0)
        wrong = parse_letters(s, "aaafg");
    else if (strncmp(how, "genome:", 7) == 0)
        wrong = parse_letters(s, how + 7);
    else
        wrong = parse_list(s, how);
    for (unsigned i = 0; named && i < s->n; i++) /* "64" means the smallest there: with tags it is larger */
        s->wire[i] = s->wire[i] < smallest ? smallest : s->wire[i];
    for (unsigned i = 0; wrong == NULL && i < s->n; i++)
        if (s->wire[i] < smallest || s->wire[i] > largest)
            wrong = text("%u bytes: a frame has %u to %u here, with its frame check sequence", s->wire[i], smallest,
                         largest);
    return wrong;
}

/* splitmix64 */
static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void shuffle(struct sizes *s)
{
    for (unsigned i = s->n; i > 1; i--) {
        unsigned k = (unsigned)(next_random(&s->seed) % i);
        uint32_t other = s->wire[k];

        s->wire[k] = s->wire[i - 1];
        s->wire[i - 1] = other;
    }
}

uint32_t sizes_next(struct sizes *s)
{
    if (s->at == 0 && s->seed != 0 && s->n > 1)
        shuffle(s);
    uint32_t wire = s->wire[s->at];

    s->at = s->at + 1 == s->n ? 0 : s->at + 1;
    return wire;
}

uint32_t sizes_largest(const struct sizes *s)
{
    uint32_t largest = 0;

    for (unsigned i = 0; i < s->n; i++)
        largest = s->wire[i] > largest ? s->wire[i] : largest;
    return largest;
}

uint64_t sizes_sum(const struct sizes *s)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < s->n; i++)
        sum += s->wire[i];
    return sum;
}
