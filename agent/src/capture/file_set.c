/* SPDX-License-Identifier: Apache-2.0 */
#include "file_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The most characters that a code may become. */
static size_t longest(char code)
{
    return code == '%' ? 1 : code == 't' ? 16 : 20;
}

bool file_pattern_valid(const char *pattern, const char **why)
{
    if (pattern[0] == '\0' || pattern[strlen(pattern) - 1] == '/') {
        *why = "the path names no file";
        return false;
    }
    size_t length = strlen(pattern);
    for (const char *p = strchr(pattern, '%'); p != NULL; p = strchr(p + 2, '%')) {
        if (p[1] == '\0' || strchr("pqnt%", p[1]) == NULL) {
            *why = "after % stands p (port), q (queue), n (number), t (time) or %";
            return false;
        }
        length += longest(p[1]);
    }
    if (length > FILE_PATH_MAX - 200) {
        *why = "the path is too long";
        return false;
    }
    return true;
}

void file_set_init(struct file_set *set, const struct file_set_config *config)
{
    memset(set, 0, sizeof(*set));
    set->config = *config;
}

static bool has_code(const char *pattern, char code)
{
    for (const char *p = strchr(pattern, '%'); p != NULL; p = strchr(p + 2, '%')) {
        if (p[1] == code)
            return true;
    }
    return false;
}

/* What must be added so that no two files get the same name. */
static void missing_suffix(const struct file_set *set, char suffix[64])
{
    const struct file_set_config *c = &set->config;
    bool port = c->many_ports && !has_code(c->pattern, 'p');
    bool queue = c->many_queues && !has_code(c->pattern, 'q');
    bool number = c->rotates && !has_code(c->pattern, 'n');
    int n = 0;
    suffix[0] = '\0';
    if (port || queue)
        n += snprintf(suffix + n, 64 - (size_t)n, "-");
    if (port)
        n += snprintf(suffix + n, 64 - (size_t)n, "p%u", c->port);
    if (queue)
        n += snprintf(suffix + n, 64 - (size_t)n, "q%u", c->queue);
    if (number)
        snprintf(suffix + n, 64 - (size_t)n, "-%06llu", (unsigned long long)set->number);
}

static size_t expand_code(const struct file_set *set, char code, uint64_t now_ns, char *out, size_t room)
{
    if (code == 'p')
        return (size_t)snprintf(out, room, "%u", set->config.port);
    if (code == 'q')
        return (size_t)snprintf(out, room, "%u", set->config.queue);
    if (code == 'n')
        return (size_t)snprintf(out, room, "%06llu", (unsigned long long)set->number);
    if (code == 't') {
        time_t seconds = (time_t)(now_ns / 1000000000);
        struct tm utc;
        gmtime_r(&seconds, &utc);
        return strftime(out, room, "%Y%m%dT%H%M%SZ", &utc);
    }
    return (size_t)snprintf(out, room, "%%");
}

void file_set_next(struct file_set *set, uint64_t now_ns, char path[FILE_PATH_MAX])
{
    const char *pattern = set->config.pattern;
    const char *slash = strrchr(pattern, '/');
    const char *name = slash != NULL ? slash + 1 : pattern;
    const char *dot = strchr(name, '.');
    if (dot == name || dot == NULL)
        dot = name + strlen(name);
    char suffix[64];
    missing_suffix(set, suffix);
    size_t n = 0;
    for (const char *p = pattern;; p++) {
        if (p == dot)
            n += (size_t)snprintf(path + n, FILE_PATH_MAX - n, "%s", suffix);
        if (*p == '\0')
            break;
        if (*p == '%')
            n += expand_code(set, *++p, now_ns, path + n, FILE_PATH_MAX - n);
        else
            path[n++] = *p;
    }
    path[n] = '\0';
    set->number++;
}

void file_set_closed(struct file_set *set, const char *path, uint64_t bytes, void *recycle)
{
    size_t length = strlen(path) + 1;
    struct closed_file *f = malloc(sizeof(*f) + length);
    if (f == NULL)
        abort();
    f->next = NULL;
    f->bytes = bytes;
    f->recycle = recycle;
    memcpy(f->path, path, length);
    if (set->newest != NULL)
        set->newest->next = f;
    else
        set->oldest = f;
    set->newest = f;
    set->n_closed++;
    set->closed_bytes += bytes;
}

struct closed_file *file_set_evict(struct file_set *set, uint32_t n_open, uint64_t open_bytes)
{
    const struct file_set_config *c = &set->config;
    bool too_many = c->max_files != 0 && set->n_closed + n_open > c->max_files;
    bool too_big = c->quota_bytes != 0 && set->closed_bytes + open_bytes > c->quota_bytes;
    struct closed_file *f = set->oldest;
    if (f == NULL || (!too_many && !too_big))
        return NULL;
    set->oldest = f->next;
    if (set->oldest == NULL)
        set->newest = NULL;
    set->n_closed--;
    set->closed_bytes -= f->bytes;
    return f;
}

void file_set_destroy(struct file_set *set)
{
    for (struct closed_file *f = set->oldest; f != NULL;) {
        struct closed_file *next = f->next;
        free(f);
        f = next;
    }
    set->oldest = set->newest = NULL;
}
