/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_BENCH_PROCESS_H
#define NFVCAP_BENCH_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESS_ARGS_MAX 48

/* A program that is measured from outside. */
struct process {
    pid_t pid;
    int stdin_fd;    /* held open: testpmd ends when it is closed */
    char output[64]; /* path of the file with its stdout and stderr */
};

/* Start argv[0] (looked up in PATH); preload may be NULL. False when it cannot be started. */
bool process_start(struct process *p, const char *const *argv, const char *preload);

/* Wait for its end. The exit code, or -1 after timeout_ms (it has been killed then). */
int process_wait(struct process *p, unsigned timeout_ms);

bool process_alive(struct process *p);
void process_stop(struct process *p); /* SIGINT, then SIGKILL */
char *process_output(const struct process *p);
void process_forget(struct process *p); /* remove the output file */

/* CPU time of all its threads, or of those whose name begins with `thread`, in ns. */
uint64_t process_cpu_ns(const struct process *p, const char *thread);
uint64_t process_bytes_written(const struct process *p);

/* Have its threads run before everything else (needs root); without effect when not allowed. */
void process_make_urgent(const struct process *p);

void process_renice(const struct process *p, int nice); /* all its threads */
void process_pin_self(int cpu);

bool program_installed(const char *name);
void sleep_ms(unsigned ms);
uint64_t monotonic_now_ns(void);

#endif
