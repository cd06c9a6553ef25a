/* SPDX-License-Identifier: Apache-2.0 */
#include "outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES ((size_t)1 << 20)
#define PAD(n) (((n) + 3u) & ~3u)

static void flush(struct outfile *o)
{
    size_t done = 0;

    while (o->error == 0 && done < o->used) {
        ssize_t n = write(o->fd, o->buf + done, o->used - done);

        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            o->error = errno;
    }
    o->used = 0;
}

static void put(struct outfile *o, const void *data, size_t len)
{
    o->bytes += len;
    while (len != 0) {
        size_t room = BUFFER_BYTES - o->used, n = len < room ? len : room;

        memcpy(o->buf + o->used, data, n);
        o->used += n;
        data = (const uint8_t *)data + n;
        len -= n;
        if (o->used == BUFFER_BYTES)
            flush(o);
    }
}

static void put_padded(struct outfile *o, const void *data, uint32_t len)
{
    static const uint8_t zeros[4] = {0};

    put(o, data, len);
    put(o, zeros, PAD(len) - len);
}

static void put_section(struct outfile *o)
{
    static const char application[] = "nfvcap-agent merge";
    uint32_t app_len = sizeof(application) - 1, len = 28 + 4 + PAD(app_len) + 4;
    uint32_t head[6] = {0x0a0d0d0a, len, 0x1a2b3c4d, 1, UINT32_MAX, UINT32_MAX};
    uint16_t option[2] = {4, (uint16_t)app_len}; /* shb_userappl */
    uint32_t end[2] = {0, len};

    put(o, head, sizeof(head));
    put(o, option, sizeof(option));
    put_padded(o, application, app_len);
    put(o, end, sizeof(end));
}

bool outfile_open(struct outfile *o, const char *path, enum capture_format format)
{
    *o = (struct outfile){.path = path, .format = format, .fd = STDOUT_FILENO};
    o->buf = malloc(BUFFER_BYTES);
    if (o->buf == NULL)
        return false;
    if (strcmp(path, "-") != 0) {
        if (asprintf(&o->partial, "%s.partial", path) < 0)
            o->partial = NULL;
        o->fd = o->partial == NULL ? -1 : open(o->partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (o->fd < 0) {
            free(o->partial);
            free(o->buf);
            return false;
        }
    }
    if (format == FORMAT_PCAPNG)
        put_section(o);
    return true;
}

static void put_pcap_header(struct outfile *o, uint32_t link, uint32_t snaplen)
{
    uint32_t head[6] = {0xa1b23c4d, 2 | 4 << 16, 0, 0, snaplen != 0 ? snaplen : 262144, link};

    put(o, head, sizeof(head));
}

uint32_t outfile_interface(struct outfile *o, uint32_t link, uint32_t snaplen, const char *name)
{
    uint16_t name_len = (uint16_t)strlen(name), resolution[2] = {9, 1}, name_option[2] = {2, name_len};
    uint32_t len = 16 + (name_len != 0 ? 4 + PAD((uint32_t)name_len) : 0) + 8 + 4 + 4;
    uint32_t head[4] = {1, len, link & 0xffff, snaplen}, end[2] = {0, len};

    if (o->format == FORMAT_PCAP) {
        put_pcap_header(o, link, snaplen);
        return 0;
    }
    put(o, head, sizeof(head));
    if (name_len != 0) {
        put(o, name_option, sizeof(name_option));
        put_padded(o, name, name_len);
    }
    put(o, resolution, sizeof(resolution));
    put_padded(o, "\x09", 1); /* 10^-9 s */
    put(o, end, sizeof(end));
    return o->n_interfaces++;
}

void outfile_packet(struct outfile *o, const struct out_packet *p)
{
    if (o->format == FORMAT_PCAP) {
        uint32_t head[4] = {(uint32_t)(p->time_ns / 1000000000), (uint32_t)(p->time_ns % 1000000000), p->caplen,
                            p->wirelen};

        put(o, head, sizeof(head));
        put(o, p->data, p->caplen);
        return;
    }
    uint32_t len = 32 + PAD(p->caplen) + p->options_len;
    uint32_t head[7] = {6,         len,       p->interface, (uint32_t)(p->time_ns >> 32), (uint32_t)p->time_ns,
                        p->caplen, p->wirelen};

    put(o, head, sizeof(head));
    put_padded(o, p->data, p->caplen);
    put(o, p->options, p->options_len);
    put(o, &len, sizeof(len));
}

void outfile_abandon(struct outfile *o)
{
    if (o->buf == NULL)
        return;
    if (o->partial != NULL) {
        close(o->fd);
        unlink(o->partial);
    }
    free(o->partial);
    free(o->buf);
    o->partial = NULL;
    o->buf = NULL;
}

bool outfile_finish(struct outfile *o)
{
    flush(o);
    if (o->partial != NULL && o->error == 0) {
        if (close(o->fd) != 0 || rename(o->partial, o->path) != 0)
            o->error = errno;
        o->fd = -1;
        if (o->error == 0) {
            free(o->partial);
            o->partial = NULL;
        }
    }
    outfile_abandon(o);
    return o->error == 0;
}
