/* SPDX-License-Identifier: Apache-2.0 */
#include "../command.h"
#include "../eal.h"
#include "../error.h"
#include "notify.h"
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Begun before the capture, so that a wrong path is found before anything is written. */
static FILE *open_ready_file(const char *path, char **temporary)
{
    *temporary = text("%s.%d.tmp", path, (int)getpid());
    FILE *out = fopen(*temporary, "we");
    if (out == NULL)
        die(EXIT_USAGE, text("cannot write %s", path), errno_text(errno), "choose another --ready-file");
    return out;
}

static void publish_ready_file(FILE *out, const char *temporary, const char *path)
{
    bool ok = fprintf(out, "%d\n", (int)getpid()) > 0;
    ok = fclose(out) == 0 && ok;
    if (!ok || rename(temporary, path) != 0)
        warn(text("cannot write %s", path), errno_text(errno), "the capture goes on without it");
}

static void remove_file(void *path)
{
    unlink(path);
}

int command_capture(int argc, char **argv)
{
    struct session *s = calloc(1, sizeof(*s));
    if (s == NULL)
        die(EXIT_INTERNAL, "out of memory", NULL, NULL);
    if (!capture_options_parse(argc, argv, &s->options))
        return EXIT_OK;
    if (s->options.quiet)
        log_quiet();
    int signal_fd = monitor_block_signals();
    char *temporary = NULL;
    FILE *ready = s->options.ready_file != NULL ? open_ready_file(s->options.ready_file, &temporary) : NULL;
    if (ready != NULL)
        on_die(remove_file, temporary);
    session_open(s);
    telemetry_register(s);
    session_start(s);
    if (ready != NULL)
        publish_ready_file(ready, temporary, s->options.ready_file);
    notify_ready("packets are being stored");
    note("ready: %u ports, %u queues, %u capture threads, %s", s->options.n_ports, s->n_queues, s->n_workers,
         s->datapath->name);
    session_monitor(s, signal_fd);
    notify_stopping();
    session_stop(s);
    report_final(s);
    if (s->options.metrics_file != NULL)
        metrics_write(s, s->options.metrics_file);
    if (s->options.ready_file != NULL)
        unlink(s->options.ready_file);
    const char *failure = session_failure(s);
    bool loss = s->options.fail_on_loss && report_any_loss(s);
    for (unsigned i = 0; i < s->options.n_ports; i++)
        port_close(&s->ports[i]);
    eal_stop();
    if (failure != NULL)
        die(EXIT_CHECK_FAILED, "the storage failed; what was stored before is complete", failure, NULL);
    if (restart_removed(s) != NULL)
        die(EXIT_CHECK_FAILED, text("%s was taken away", restart_removed(s)),
            "its device was removed; what was received before is stored", NULL);
    if (loss)
        die(EXIT_CHECK_FAILED, "packets were lost", "--fail-on-loss was given", "the report says where");
    return EXIT_OK;
}
