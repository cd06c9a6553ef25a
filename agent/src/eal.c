/* SPDX-License-Identifier: Apache-2.0 */
#include "eal.h"

#include "error.h"
#include "pci_device.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>

#define MAX_ARGS 96

static bool huge_pages_in_use;
static char *log_text; /* what DPDK said while it started: quoted when it fails */
static size_t log_length;

static uint64_t free_huge_bytes(void)
{
    uint64_t total = 0;
    DIR *dir = opendir("/sys/kernel/mm/hugepages");
    if (dir == NULL)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        unsigned long long page_kib;
        if (sscanf(entry->d_name, "hugepages-%llukB", &page_kib) != 1)
            continue;
        char path[320];
        snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%s/free_hugepages", entry->d_name);
        FILE *f = fopen(path, "re");
        unsigned long long pages = 0;
        if (f != NULL && fscanf(f, "%llu", &pages) == 1)
            total += pages * page_kib * 1024;
        if (f != NULL)
            fclose(f);
    }
    closedir(dir);
    return total;
}

static bool choose_huge_pages(const struct eal_options *o)
{
    if (o->huge_pages == HUGE_OFF)
        return false;
    uint64_t free_bytes = free_huge_bytes();
    bool needed = o->huge_pages == HUGE_REQUIRE;
    for (unsigned i = 0; i < o->n_ports; i++)
        needed = needed || o->ports[i].is_pci;
    if (free_bytes >= o->memory_bytes)
        return true;
    const char *fix =
        text("reserve them: echo %llu > /proc/sys/vm/nr_hugepages (2 MiB pages), or give less: --rx-desc, --queues",
             (unsigned long long)(o->memory_bytes >> 21) + 1);
    char *what = text("%llu MiB of huge pages are free, %llu MiB are needed", (unsigned long long)(free_bytes >> 20),
                      (unsigned long long)(o->memory_bytes >> 20));
    if (needed)
        die(EXIT_USAGE, what, "a PCI port keeps its packet buffers in huge pages", fix);
    note("%s: using ordinary pages (slower; virtual devices only)", what);
    return false;
}

const char *eal_log_reason(void)
{
    fflush(NULL);
    if (log_text == NULL || log_length == 0)
        return NULL;
    const char *start = log_text + log_length;
    for (unsigned lines = 0; start > log_text && lines < 5; start--) {
        if (start[-1] == '\n')
            lines++;
    }
    char *reason = strdup(start);
    for (char *p = reason; *p != '\0'; p++) {
        if (*p == '\n')
            *p = p[1] != '\0' ? ';' : '\0';
    }
    return reason;
}

static void check_devices(const struct eal_options *o)
{
#ifdef NFVCAP_HAVE_MLX5
    const bool have_mlx5 = true;
#else
    const bool have_mlx5 = false;
#endif
    struct pci_fault f;
    for (unsigned i = 0; i < o->n_ports; i++) {
        if (o->ports[i].is_pci && !pci_device_usable("/sys", "/dev", o->ports[i].device, have_mlx5, &f))
            die(EXIT_USAGE, f.what, f.why, f.fix);
    }
}

/* DPDK has one for the whole process. */
static const char *vf_token(const struct eal_options *o)
{
    const char *token = "";
    for (unsigned i = 0; i < o->n_ports; i++) {
        if (o->ports[i].vf_token[0] == '\0')
            continue;
        if (token[0] != '\0' && strcmp(token, o->ports[i].vf_token) != 0)
            die(EXIT_USAGE, "two ports have different vf-tokens", "a program can have only one",
                "start an agent for each");
        token = o->ports[i].vf_token;
    }
    return token;
}

void eal_start(const struct eal_options *o)
{
    check_devices(o);
    huge_pages_in_use = choose_huge_pages(o);

    char *argv[MAX_ARGS];
    int argc = 0;
    if (o->n_ports * 2 + 16 > MAX_ARGS)
        die(EXIT_USAGE, text("%u ports are too many", o->n_ports), NULL, "start several agents");
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof(allowed), &allowed);
    int first_cpu = 0;
    while (first_cpu < CPU_SETSIZE && !CPU_ISSET(first_cpu, &allowed))
        first_cpu++;

    argv[argc++] = "nfvcap-agent";
    argv[argc++] = "--lcores";
    argv[argc++] = text("0@%d", first_cpu);
    /* No files that a crash could leave behind, no second process; DPDK has two names for it. */
    argv[argc++] = huge_pages_in_use ? "--in-memory" : "--no-shconf";
    argv[argc++] = text("--file-prefix=nfvcap-%d", (int)getpid());
    argv[argc++] = "--log-level=*:error";
    if (!huge_pages_in_use) {
        argv[argc++] = "--no-huge";
        argv[argc++] = "-m";
        argv[argc++] = text("%llu", (unsigned long long)(o->memory_bytes >> 20) + 32);
    }
    bool any_pci = false;
    for (unsigned i = 0; i < o->n_ports; i++) {
        any_pci = any_pci || o->ports[i].is_pci;
        argv[argc++] = o->ports[i].is_pci ? "-a" : "--vdev";
        argv[argc++] = strdup(o->ports[i].devargs);
    }
    if (!any_pci)
        argv[argc++] = "--no-pci";
    const char *token = vf_token(o);
    if (token[0] != '\0')
        argv[argc++] = text("--vfio-vf-token=%s", token);
    argv[argc] = NULL;

    FILE *log = open_memstream(&log_text, &log_length);
    if (log != NULL)
        rte_openlog_stream(log);
    if (rte_eal_init(argc, argv) < 0)
        die(EXIT_USAGE, "DPDK cannot start", eal_log_reason() != NULL ? eal_log_reason() : rte_strerror(rte_errno),
            any_pci ? "dpdk-devbind.py --status and dmesg say more about the device"
                    : "check the name and the arguments of the device; --version lists the drivers");
    rte_openlog_stream(NULL);
    if (log != NULL)
        fclose(log);
    /* The EAL pins the calling thread; housekeeping may run anywhere it was allowed to. */
    sched_setaffinity(0, sizeof(allowed), &allowed);
}

bool eal_uses_huge_pages(void)
{
    return huge_pages_in_use;
}

void eal_stop(void)
{
    /*
     * Not rte_eal_cleanup(): it unmaps the memory in which DPDK's own interrupt thread still looks up its descriptors,
     * and a memif peer that leaves at that moment ended a whole capture in SIGSEGV. The ports are closed; everything
     * else goes with the process, except the directory of this run.
     */
    const char *runtime = rte_eal_get_runtime_dir();
    DIR *entries = opendir(runtime);
    if (entries == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
        unlinkat(dirfd(entries), entry->d_name, 0);
    closedir(entries);
    rmdir(runtime);
}

void eal_register_thread(void)
{
    if (rte_thread_register() < 0)
        die(EXIT_INTERNAL, "DPDK has no room for another thread", rte_strerror(rte_errno), "use fewer --queues");
}
