/* SPDX-License-Identifier: Apache-2.0 */
#include "error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HOOKS 16

static struct {
    void (*fn)(void *arg);
    void *arg;
} hooks[MAX_HOOKS];
static unsigned n_hooks;
static bool quiet;

static void print_message(const char *level, const char *what, const char *why, const char *fix)
{
    fprintf(stderr, "nfvcap-agent: %s: %s\n", level, what);
    if (why != NULL && why[0] != '\0')
        fprintf(stderr, "  why: %s\n", why);
    if (fix != NULL && fix[0] != '\0')
        fprintf(stderr, "  fix: %s\n", fix);
}

void die(enum exit_code code, const char *what, const char *why, const char *fix)
{
    fflush(stdout);
    print_message("error", what, why, fix);
    while (n_hooks > 0) {
        n_hooks--;
        hooks[n_hooks].fn(hooks[n_hooks].arg);
    }
    exit(code);
}

void warn(const char *what, const char *why, const char *fix)
{
    print_message("warning", what, why, fix);
}

void note(const char *format, ...)
{
    if (quiet)
        return;
    va_list args;
    va_start(args, format);
    char *line = NULL;
    if (vasprintf(&line, format, args) >= 0)
        fprintf(stderr, "nfvcap-agent: %s\n", line);
    va_end(args);
    free(line);
}

void log_quiet(void)
{
    quiet = true;
}

void on_die(void (*fn)(void *arg), void *arg)
{
    if (n_hooks == MAX_HOOKS)
        abort();
    hooks[n_hooks].fn = fn;
    hooks[n_hooks].arg = arg;
    n_hooks++;
}

char *text(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *out = NULL;
    if (vasprintf(&out, format, args) < 0)
        abort();
    va_end(args);
    return out;
}

const char *errno_text(int error_number)
{
    const char *name = strerrordesc_np(error_number);
    return name != NULL ? name : "unknown error";
}
