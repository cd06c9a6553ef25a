/* SPDX-License-Identifier: Apache-2.0 */
#include "record.h"

struct cursor {
    uint8_t *at;
    uint8_t *end;
};

static void put(struct cursor *c, const void *data, size_t n)
{
    memcpy(c->at, data, n);
    c->at += n;
}

static void put_u32(struct cursor *c, uint32_t v)
{
    put(c, &v, sizeof(v));
}

static void put_u16(struct cursor *c, uint16_t v)
{
    put(c, &v, sizeof(v));
}

static void put_option(struct cursor *c, uint16_t code, const void *value, size_t n)
{
    put_u16(c, code);
    put_u16(c, (uint16_t)n);
    put(c, value, n);
    const uint32_t zero = 0;
    put(c, &zero, pad4((uint32_t)n) - n);
}

/* A text that does not fit is cut, so that the head keeps within FILE_HEAD_MAX. */
static void put_text_option(struct cursor *c, uint16_t code, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    size_t n = strlen(value);
    size_t room = (size_t)(c->end - c->at);
    if (room < 64)
        return;
    put_option(c, code, value, n < room - 64 ? n : room - 64);
}

static uint8_t *begin_block(struct cursor *c, uint32_t type)
{
    uint8_t *start = c->at;
    put_u32(c, type);
    put_u32(c, 0);
    return start;
}

static void end_block(struct cursor *c, uint8_t *start)
{
    put_u32(c, 0); /* end of options */
    uint32_t length = (uint32_t)(c->at - start) + 4;
    put_u32(c, length);
    memcpy(start + 4, &length, 4);
}

static size_t pcapng_head(const struct file_description *d, uint8_t *out)
{
    struct cursor c = {.at = out, .end = out + FILE_HEAD_MAX};
    uint8_t *block = begin_block(&c, PCAPNG_SECTION_HEADER);
    const uint64_t unknown_length = UINT64_MAX;
    put_u32(&c, PCAPNG_BYTE_ORDER_MAGIC);
    put_u16(&c, 1);
    put_u16(&c, 0);
    put(&c, &unknown_length, 8);
    put_text_option(&c, 4, "nfvcap-agent " NFVCAP_VERSION);
    end_block(&c, block);

    block = begin_block(&c, PCAPNG_INTERFACE_DESCRIPTION);
    put_u16(&c, LINKTYPE_ETHERNET);
    put_u16(&c, 0);
    put_u32(&c, d->snaplen);
    const uint8_t nanoseconds = 9;
    put_option(&c, 9, &nanoseconds, 1);
    put_text_option(&c, 2, d->interface_name);
    put_text_option(&c, 1, d->comment);
    if (d->filter != NULL && d->filter[0] != '\0' && strlen(d->filter) < 400) {
        char filter[404] = {0}; /* the first byte 0 says: a libpcap expression follows */
        size_t n = strlen(d->filter);
        memcpy(filter + 1, d->filter, n);
        put_option(&c, 11, filter, n + 1);
    }
    end_block(&c, block);
    return (size_t)(c.at - out);
}

size_t record_file_head(const struct file_description *d, uint8_t *out)
{
    if (d->format == FORMAT_PCAPNG)
        return pcapng_head(d, out);
    struct cursor c = {.at = out, .end = out + FILE_HEAD_MAX};
    put_u32(&c, d->format == FORMAT_PCAP_NS ? PCAP_MAGIC_NS : PCAP_MAGIC_US);
    put_u16(&c, 2);
    put_u16(&c, 4);
    put_u32(&c, 0);
    put_u32(&c, 0);
    put_u32(&c, d->snaplen);
    put_u32(&c, LINKTYPE_ETHERNET);
    return PCAP_FILE_HEADER_BYTES;
}

/* Times in statistics blocks are two words, high first. */
static void put_time(struct cursor *c, uint16_t code, uint64_t ns)
{
    uint32_t words[2] = {(uint32_t)(ns >> 32), (uint32_t)ns};
    put_option(c, code, words, sizeof(words));
}

size_t record_file_tail(enum record_format format, uint64_t start_ns, uint64_t end_ns, uint64_t received,
                        uint64_t dropped, uint8_t *out)
{
    if (format != FORMAT_PCAPNG)
        return 0;
    struct cursor c = {.at = out, .end = out + 128};
    uint8_t *block = begin_block(&c, PCAPNG_INTERFACE_STATISTICS);
    put_u32(&c, 0);
    put_u32(&c, (uint32_t)(end_ns >> 32));
    put_u32(&c, (uint32_t)end_ns);
    put_time(&c, 2, start_ns);
    put_time(&c, 3, end_ns);
    put_option(&c, 4, &received, 8);
    put_option(&c, 7, &dropped, 8);
    end_block(&c, block);
    return (size_t)(c.at - out);
}
