/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void sleep_ms(unsigned ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        continue;
}

uint64_t monotonic_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

bool program_installed(const char *name)
{
    if (strchr(name, '/') != NULL)
        return access(name, X_OK) == 0;
    const char *path = getenv("PATH");
    char *copy = strdup(path != NULL ? path : "/usr/bin:/bin");
    bool found = false;
    char *save = NULL;
    for (char *dir = strtok_r(copy, ":", &save); dir != NULL && !found; dir = strtok_r(NULL, ":", &save)) {
        char file[4096];
        snprintf(file, sizeof(file), "%s/%s", dir, name);
        found = access(file, X_OK) == 0;
    }
    free(copy);
    return found;
}

static _Noreturn void become(const char *const *argv, const char *preload, int in, int out)
{
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    if (preload != NULL)
        setenv("LD_PRELOAD", preload, 1);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    dprintf(STDERR_FILENO, "cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

bool process_start(struct process *p, const char *const *argv, const char *preload)
{
    memset(p, 0, sizeof(*p));
    snprintf(p->output, sizeof(p->output), "/tmp/nfvcap-bench-XXXXXX");
    int out = mkstemp(p->output);
    int in[2];
    if (out < 0 || pipe(in) != 0)
        return false;
    fcntl(in[1], F_SETFD, FD_CLOEXEC);
    p->pid = fork();
    if (p->pid == 0)
        become(argv, preload, in[0], out);
    close(in[0]);
    close(out);
    p->stdin_fd = in[1];
    return p->pid > 0;
}

bool process_alive(struct process *p)
{
    if (p->pid <= 0)
        return false;
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

int process_wait(struct process *p, unsigned timeout_ms)
{
    int status = 0;
    unsigned waited = 0;
    while (process_alive(p)) {
        if (waited >= timeout_ms)
            kill(p->pid, SIGKILL);
        sleep_ms(1); /* what a program takes is measured to its end */
        waited += 1;
    }
    waitpid(p->pid, &status, 0);
    p->pid = 0;
    if (p->stdin_fd > 0)
        close(p->stdin_fd);
    p->stdin_fd = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void process_stop(struct process *p)
{
    if (p->pid <= 0)
        return;
    kill(p->pid, SIGINT);
    process_wait(p, 5000);
}

char *process_output(const struct process *p)
{
    FILE *f = fopen(p->output, "re");
    if (f == NULL)
        return NULL;
    char *text = NULL;
    size_t room = 0;
    if (getdelim(&text, &room, '\0', f) < 0 && text != NULL)
        text[0] = '\0';
    fclose(f);
    return text;
}

void process_forget(struct process *p)
{
    unlink(p->output);
}

typedef void (*thread_visitor)(pid_t pid, const char *tid, void *arg);

static void each_thread(const struct process *p, thread_visitor visit, void *arg)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)p->pid);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] != '.')
            visit(p->pid, e->d_name, arg);
    }
    closedir(dir);
}

struct cpu_sum {
    const char *thread;
    uint64_t ns;
};

static bool read_line(pid_t pid, const char *tid, const char *file, char *line, int room)
{
    char path[512];
    snprintf(path, sizeof(path), "/proc/%d/task/%s/%s", (int)pid, tid, file);
    FILE *f = fopen(path, "re");
    bool ok = f != NULL && fgets(line, room, f) != NULL;
    if (f != NULL)
        fclose(f);
    return ok;
}

static void add_cpu(pid_t pid, const char *tid, void *arg)
{
    struct cpu_sum *sum = arg;
    char name[64], stat[128];
    if (!read_line(pid, tid, "comm", name, sizeof(name)) || !read_line(pid, tid, "schedstat", stat, sizeof(stat)))
        return;
    if (sum->thread != NULL && strncmp(name, sum->thread, strlen(sum->thread)) != 0)
        return;
    sum->ns += strtoull(stat, NULL, 10);
}

uint64_t process_cpu_ns(const struct process *p, const char *thread)
{
    struct cpu_sum sum = {.thread = thread};
    each_thread(p, add_cpu, &sum);
    return sum.ns;
}

uint64_t process_bytes_written(const struct process *p)
{
    char path[64], line[128];
    snprintf(path, sizeof(path), "/proc/%d/io", (int)p->pid);
    FILE *f = fopen(path, "re");
    uint64_t bytes = 0;
    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        sscanf(line, "wchar: %" SCNu64, &bytes);
    if (f != NULL)
        fclose(f);
    return bytes;
}

static void make_urgent(pid_t pid, const char *tid, void *arg)
{
    const struct sched_param first = {.sched_priority = 1};
    sched_setscheduler(atoi(tid), SCHED_FIFO, &first);
}

void process_make_urgent(const struct process *p)
{
    each_thread(p, make_urgent, NULL);
}

struct new_nice {
    int nice;
};

static void renice(pid_t pid, const char *tid, void *arg)
{
    const struct new_nice *new = arg;
    setpriority(PRIO_PROCESS, (id_t)atoi(tid), new->nice);
}

void process_renice(const struct process *p, int nice)
{
    struct new_nice new = {nice};
    each_thread(p, renice, &new);
}

void process_pin_self(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
}
