/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"
#include "error.h"
#include "extcap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
#ifdef NFVCAP_HAVE_CAPTURE
    {"capture", command_capture, "receive packets and store every one in a standard capture file"},
#endif
#ifdef NFVCAP_HAVE_GENERATE
    {"generate", command_generate, "send numbered frames, or replay a file, at a given rate"},
#endif
#ifdef NFVCAP_HAVE_OFFLINE
    {"check", command_check, "recount closed capture files: missing, duplicate, reordered, corrupt"},
    {"merge", command_merge, "join the files of several queues in time order"},
#endif
#ifdef NFVCAP_HAVE_BENCH
    {"bench", command_bench, "measure this machine: the floor, this program, and its peers"},
#endif
    {NULL, NULL, NULL},
};

static void print_help(FILE *out)
{
    fputs("usage: nfvcap-agent COMMAND [OPTION]...\n\ncommands:\n", out);
    for (const struct command *c = commands; c->name != NULL; c++)
        fprintf(out, "  %-10s %s\n", c->name, c->help);
    fputs("\nnfvcap-agent COMMAND --help describes one command; nfvcap-agent --version the build.\n", out);
}

/* The first line is for programs, the rest for whoever asks why a device is not found. */
static void print_version(void)
{
    puts("nfvcap-agent " NFVCAP_VERSION);
    puts("compiler " __VERSION__);
#ifdef NFVCAP_DRIVERS
    puts("DPDK " NFVCAP_DPDK ", drivers: " NFVCAP_DRIVERS);
#endif
#ifdef NFVCAP_HAVE_URING
    puts("io_uring");
#endif
}

/* What was said has to have arrived: a report on a full disk would otherwise end with 0. */
static int told(int code)
{
    const char *why = fflush(stdout) != 0 ? errno_text(errno) : NULL;
    if (why == NULL && ferror(stdout) == 0)
        return code;
    die(code != EXIT_OK ? code : EXIT_INTERNAL, "standard output did not take all that was to be said", why,
        "see where it goes, and whether there is room");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        print_version();
        return EXIT_OK;
    }
#ifdef NFVCAP_HAVE_CAPTURE
    if (extcap_asked(argc, argv))
        return extcap_command(argc, argv);
#endif
    for (const struct command *c = commands; c->name != NULL; c++) {
        if (strcmp(argv[1], c->name) == 0)
            return told(c->run(argc - 1, argv + 1));
    }
    die(EXIT_USAGE, text("unknown command \"%s\"", argv[1]), NULL, "run nfvcap-agent --help for the list of commands");
}
