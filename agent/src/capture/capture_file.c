/* SPDX-License-Identifier: Apache-2.0 */
#include "capture_file.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static bool take(int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        errno = EBUSY;
    else if (ftruncate(fd, 0) == 0)
        return true;
    return false;
}

static int close_with_error(int fd)
{
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int capture_file_create(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    return fd < 0 || take(fd) ? fd : close_with_error(fd);
}

bool capture_file_busy(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool busy = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return busy;
}

int capture_file_begin(const char *path, const char *hidden, const void *head, size_t head_bytes)
{
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (capture_file_busy(path)) {
        errno = EBUSY;
        return -1;
    }
    int fd = capture_file_create(hidden);
    if (fd < 0)
        return -1;
    errno = ENOSPC; /* of a short write */
    if (pwrite(fd, head, head_bytes, 0) == (ssize_t)head_bytes && rename(hidden, path) == 0)
        return fd;
    int error = errno;
    unlink(hidden);
    errno = error;
    return close_with_error(fd);
}

bool capture_file_sync(int fd, const char *path)
{
    if (fsync(fd) != 0)
        return false;
    char *copy = strdup(path);
    int directory = copy != NULL ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(copy);
    if (directory < 0)
        return false;
    bool done = fsync(directory) == 0 || errno == EINVAL; /* a file system whose directories cannot be synced */
    int error = errno;
    close(directory);
    errno = error;
    return done;
}

static void hidden_path(const struct file_set *set, const char *ending, char path[FILE_PATH_MAX])
{
    const char *pattern = set->config.pattern;
    const char *slash = strrchr(pattern, '/');
    int directory = slash != NULL ? (int)(slash - pattern) + 1 : 0;
    snprintf(path, FILE_PATH_MAX, "%.*s.%s-p%uq%u%s", directory, pattern, pattern + directory, set->config.port,
             set->config.queue, ending);
}

void capture_file_hidden_path(const struct file_set *set, unsigned slot, char path[FILE_PATH_MAX])
{
    char ending[32];
    snprintf(ending, sizeof(ending), "-%u.next", slot);
    hidden_path(set, ending, path);
}

int capture_file_lock(const struct file_set *set)
{
    char path[FILE_PATH_MAX];
    hidden_path(set, ".lock", path);
    int fd = capture_file_create(path);
    struct stat st;
    if (fd < 0 || (fstat(fd, &st) == 0 && st.st_nlink > 0))
        return fd;
    errno = EBUSY; /* its owner removed it just now */
    return close_with_error(fd);
}

void capture_file_unlock(const struct file_set *set, int fd)
{
    char path[FILE_PATH_MAX];
    for (unsigned slot = 0; slot < CAPTURE_FILE_SLOTS; slot++) {
        capture_file_hidden_path(set, slot, path);
        unlink(path);
    }
    hidden_path(set, ".lock", path);
    unlink(path);
    close(fd);
}

static bool direct_works(const char *directory)
{
    char *path = text("%s/.nfvcap-probe-%d", directory, (int)getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_DIRECT, 0600);
    bool works = false;
    void *block = NULL;
    if (fd >= 0) {
        if (posix_memalign(&block, 4096, 4096) == 0) {
            memset(block, 0, 4096);
            works = pwrite(fd, block, 4096, 0) == 4096 || errno == ENOSPC;
        }
        close(fd);
    }
    unlink(path);
    free(block);
    free(path);
    return works;
}

void file_system_probe(const char *pattern, struct file_system_probe *out)
{
    memset(out, 0, sizeof(*out));
    struct stat st;
    if (stat(pattern, &st) == 0 && !S_ISREG(st.st_mode)) {
        if (S_ISDIR(st.st_mode))
            die(EXIT_USAGE, text("%s is a directory", pattern), NULL, "name a file in it");
        out->kind = FS_NOT_A_FILE;
        return;
    }
    char *copy = strdup(pattern);
    char *directory = strdup(dirname(copy));
    free(copy);
    struct statfs fs;
    if (statfs(directory, &fs) != 0)
        die(EXIT_USAGE, text("cannot write to %s", directory), errno_text(errno), "create the directory first");
    if (access(directory, W_OK) != 0)
        die(EXIT_USAGE, text("cannot write to %s", directory), errno_text(errno),
            "choose a directory that this user may write to");
    out->size_bytes = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize;
    unsigned long type = (unsigned long)fs.f_type;
    if (type == TMPFS_MAGIC || type == RAMFS_MAGIC) {
        out->kind = FS_MEMORY;
    } else {
        out->direct = direct_works(directory);
        out->kind = out->direct ? FS_BLOCK : FS_OTHER;
    }
    free(directory);
}

enum engine file_system_engine(const struct file_system_probe *probe)
{
    if (probe->kind == FS_MEMORY)
        return ENGINE_MAPPED;
    return probe->direct ? ENGINE_DIRECT : ENGINE_WRITE;
}

const char *engine_name(enum engine engine)
{
    static const char *const names[] = {"auto", "null", "mmap", "direct", "write"};
    return names[engine];
}
