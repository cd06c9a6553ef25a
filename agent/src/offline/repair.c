/* SPDX-License-Identifier: Apache-2.0 */
#include "repair.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "error.h"

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void repair_wait(const char *path, uint64_t deadline_ns)
{
    static const struct timespec pause = {.tv_nsec = 10000000};
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return; /* whoever opens it next says why */
    while (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK && now_ns() < deadline_ns)
        nanosleep(&pause, NULL);
    close(fd);
}

bool repair_wanted(const struct file_result *f, bool corrupt)
{
    return f->opened && f->format != FORMAT_NONE && f->whole_bytes != 0 &&
           (f->end == END_CUT || f->end == END_UNWRITTEN || (corrupt && f->end == END_CORRUPT));
}

/* A section that says how long it is must not say so any longer: "unknown" is all ones in both byte orders.
 */
static bool forget_section_length(int fd, uint64_t section_offset)
{
    static const uint8_t unknown[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    return pwrite(fd, unknown, sizeof(unknown), (off_t)section_offset + 16) == sizeof(unknown);
}

static const char *cut(int fd, struct file_result *f)
{
    struct stat st;

    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? "another program holds a lock on it: it is still being written"
                                    : errno_text(errno);
    if (fstat(fd, &st) != 0)
        return errno_text(errno);
    if ((uint64_t)st.st_size != f->file_bytes || !S_ISREG(st.st_mode))
        return "its size has changed since it was read: it is still being written";
    if (ftruncate(fd, (off_t)f->whole_bytes) != 0)
        return errno_text(errno);
    if (f->format == FORMAT_PCAPNG && f->section_sized && !forget_section_length(fd, f->section_offset))
        return errno_text(errno);
    if (fsync(fd) != 0 || fstat(fd, &st) != 0)
        return errno_text(errno);
    if ((uint64_t)st.st_size != f->whole_bytes)
        return "the file system did not change its size";
    return NULL;
}

const char *repair_file(struct file_result *f)
{
    int fd = open(f->path, O_RDWR | O_CLOEXEC);
    const char *wrong;

    if (fd < 0)
        return errno_text(errno);
    wrong = cut(fd, f);
    if (close(fd) != 0 && wrong == NULL)
        wrong = errno_text(errno);
    if (wrong == NULL) {
        f->repaired = true;
        f->removed_bytes = f->file_bytes - f->whole_bytes;
    }
    return wrong;
}
