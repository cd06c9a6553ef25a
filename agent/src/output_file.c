/* SPDX-License-Identifier: Apache-2.0 */
#include "output_file.h"

#include "error.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* In the same directory, or renaming would be copying. NULL, with errno, when none can be made. */
static FILE *open_temporary(const char *path, char **name)
{
    *name = text("%s.%d.tmp", path, (int)getpid());
    FILE *out = fopen(*name, "we");
    if (out == NULL) {
        int error = errno;
        free(*name);
        *name = NULL;
        errno = error;
    }
    return out;
}

/* Whether a rename may put a file in the place of what is there. With in_place a link is written through: /dev/stdout
 * is one. */
static bool is_replaceable(const char *path, bool in_place)
{
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && (in_place || stat(path, &st) != 0))
        return !in_place;
    return lstat(path, &st) != 0 || stat(path, &st) != 0 || S_ISREG(st.st_mode);
}

static _Noreturn void cannot(const char *option, const char *path, const char *why)
{
    die(EXIT_USAGE, text("cannot write %s", path), why, text("choose another %s", option));
}

void output_file_check(const char *option, const char *path, bool in_place)
{
    struct stat st;
    char *temporary;

    if (path[0] == '\0')
        cannot(option, "a file without a name", NULL);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        cannot(option, path, "it is a directory");
    bool replaceable = is_replaceable(path, in_place);
    if (!replaceable && !in_place)
        cannot(option, path, "it is not a regular file, and one would be put in its place");
    FILE *out = replaceable ? open_temporary(path, &temporary) : NULL;
    int error = errno;
    if (out != NULL) {
        fclose(out);
        unlink(temporary);
        free(temporary);
    } else if (!in_place || access(path, W_OK) != 0) {
        cannot(option, path, errno_text(replaceable ? error : errno));
    }
}

bool output_file_begin(struct output_file *f, const char *path, bool in_place)
{
    *f = (struct output_file){.path = path};
    if (is_replaceable(path, in_place))
        f->out = open_temporary(path, &f->temporary);
    if (f->out == NULL && in_place)
        f->out = fopen(path, "we");
    return f->out != NULL;
}

bool output_file_finish(struct output_file *f)
{
    bool ok = fflush(f->out) == 0 && ferror(f->out) == 0;
    int error = errno;
    if (fclose(f->out) != 0 && ok) {
        ok = false;
        error = errno;
    }
    if (f->temporary != NULL && ok && rename(f->temporary, f->path) != 0) {
        ok = false;
        error = errno;
    }
    if (f->temporary != NULL && !ok)
        unlink(f->temporary);
    free(f->temporary);
    errno = error;
    return ok;
}
