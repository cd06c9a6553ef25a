/* SPDX-License-Identifier: Apache-2.0 */
#include "source_map.h"

#include <errno.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#define PAGE ((uint64_t)4096)
#define WINDOW_BYTES ((size_t)8 << 20) /* mapped at a time; no less than a stretch and a page */

_Static_assert(WINDOW_BYTES >= SOURCE_STRETCH_MAX + 4096 && SOURCE_SLACK <= 4096, "any stretch fits into a window");

struct source_map {
    int fd;
    uint64_t to;     /* end of what is looked at, in the file */
    uint8_t *window; /* WINDOW_BYTES of the file, and one page of zeros behind them */
    volatile sig_atomic_t cut;
};

/* What this thread has mapped, for the signal handler. */
static _Thread_local struct source_map *volatile in_use;

/*
 * A page behind the end of a file that was cut: from there on there are zeros, and whoever counts is told when it is
 * done. Any other fault is none of ours: it happens again, with the signal's usual end.
 */
static void on_bus_error(int signal, siginfo_t *info, void *context)
{
    struct source_map *m = in_use;
    uint8_t *at = (uint8_t *)((uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1));

    if (m == NULL || at < m->window || at >= m->window + WINDOW_BYTES ||
        mmap(at, (size_t)(m->window + WINDOW_BYTES - at), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
            MAP_FAILED) {
        sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
        return;
    }
    m->cut = 1;
}

/* Each time: it costs nothing beside a mapping, and others may have taken the signal since. */
static void install_handler(void)
{
    sigaction(SIGBUS, &(struct sigaction){.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO}, NULL);
}

bool source_map_worthwhile(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

bool source_map_open(struct source *s, int fd, uint64_t from, uint64_t to)
{
    struct source_map *m = calloc(1, sizeof(*m));

    if (m == NULL)
        return false;
    m->window = mmap(NULL, WINDOW_BYTES + PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m->window == MAP_FAILED) {
        free(m);
        return false;
    }
    m->fd = fd;
    m->to = to;
    install_handler();
    in_use = m;
    *s = (struct source){.next = m->window, .end = m->window, .end_offset = from, .map = m};
    return true;
}

void source_map_close(struct source *s)
{
    struct source_map *m = s->map;

    in_use = NULL;
    munmap(m->window, WINDOW_BYTES + PAGE);
    free(m);
    s->map = NULL;
}

/* The window moves on to the page of `next`. */
size_t source_map_more(struct source *s, size_t want)
{
    struct source_map *m = s->map;
    uint64_t next = source_offset(s, s->next), base = next & ~(PAGE - 1);
    uint64_t bytes = m->to - base < WINDOW_BYTES ? m->to - base : WINDOW_BYTES;

    if (s->end_offset == m->to || source_left(s) >= want)
        return source_left(s);
    if (mmap(m->window, bytes, PROT_READ, MAP_SHARED | MAP_FIXED | MAP_POPULATE, m->fd, (off_t)base) == MAP_FAILED) {
        /* What was there is gone, and so is what was left of it. */
        s->error = errno;
        s->next = s->end = m->window;
        m->to = s->end_offset = next;
        return 0;
    }
    s->next = m->window + (next - base);
    s->end = m->window + bytes;
    s->end_offset = base + bytes;
    return source_left(s);
}

bool source_map_was_cut(const struct source *s)
{
    return s->map != NULL && s->map->cut != 0;
}
