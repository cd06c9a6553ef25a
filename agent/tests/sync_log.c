/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into the agent: a line in $SYNC_LOG for each fsync, fdatasync, rename and ftruncate, in their order. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void note(const char *what, const char *path, const char *more)
{
    char line[9000];
    int n = snprintf(line, sizeof(line), "%s %s%s%s\n", what, path, more[0] != '\0' ? " " : "", more);
    int fd = open(getenv("SYNC_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, (size_t)n) != n)
        abort();
    close(fd);
}

static void note_descriptor(const char *what, int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = '\0';
    note(what, path, "");
}

int fsync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    note_descriptor("fsync", fd);
    return real(fd);
}

int fdatasync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    note_descriptor("fdatasync", fd);
    return real(fd);
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    int rc = real(from, to);
    note("rename", from, to);
    return rc;
}

/* Meson builds with 64-bit offsets, which have a name of their own. */
int ftruncate64(int fd, off64_t length)
{
    int (*real)(int, off64_t) = (int (*)(int, off64_t))dlsym(RTLD_NEXT, "ftruncate64");
    note_descriptor("ftruncate", fd);
    return real(fd, length);
}
