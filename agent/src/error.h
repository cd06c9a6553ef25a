/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_ERROR_H
#define NFVCAP_ERROR_H

/* Exit codes, the same table for every nfvcap program (see the man page). */
enum exit_code {
    EXIT_OK = 0,
    EXIT_INTERNAL = 1,     /* a defect in this program or an unexpected failure of the system */
    EXIT_USAGE = 2,        /* wrong option, unusable device, unwritable path: the user can fix it */
    EXIT_CHECK_FAILED = 4, /* the work was done and its result is "no": loss, corruption */
    EXIT_INCONCLUSIVE = 5, /* the work was done and proves nothing either way */
    EXIT_INTERRUPTED = 130,
};

/*
 * Print one message on stderr (what happened, why, how to fix it; why and fix may be NULL), run the
 * clean-up hooks and leave with the exit code. Never call it from the datapath.
 */
_Noreturn void die(enum exit_code code, const char *what, const char *why, const char *fix);

/* A warning in the same shape; the program goes on. */
void warn(const char *what, const char *why, const char *fix);

/* One line of information on stderr; silent after log_quiet(). */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_quiet(void);

/* Have fn(arg) called by die() before it exits, newest first (at most 16 hooks). */
void on_die(void (*fn)(void *arg), void *arg);

/* printf into fresh memory. For messages only: the memory is not meant to be freed. */
char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* strerror as a thread-safe string. */
const char *errno_text(int error_number);

#endif
