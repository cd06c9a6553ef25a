/* SPDX-License-Identifier: Apache-2.0 */
#include "../command.h"
#include "../eal.h"
#include "../error.h"
#include "../output_file.h"
#include "notify.h"
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Before any port is touched: a wrong path found at the end would cost the report of the whole capture. */
static void check_output_files(const struct capture_options *o)
{
    if (o->ready_file != NULL)
        output_file_check("--ready-file", o->ready_file, false);
    if (o->metrics_file != NULL)
        output_file_check("--metrics-file", o->metrics_file, false);
    if (o->json != NULL && strcmp(o->json, "-") != 0)
        output_file_check("--json=FILE", o->json, true);
}

static void publish_ready_file(const char *path)
{
    struct output_file f;
    bool ok = output_file_begin(&f, path, false);
    if (ok) {
        fprintf(f.out, "%d\n", (int)getpid());
        ok = output_file_finish(&f);
    }
    if (!ok)
        warn(text("cannot write %s", path), errno_text(errno), "the capture goes on without it");
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
    check_output_files(&s->options);
    s->gaps = (struct link_gaps)LINK_GAPS_INIT;
    int signal_fd = monitor_block_signals();
    session_open(s);
    telemetry_register(s);
    session_start(s);
    if (s->options.ready_file != NULL)
        publish_ready_file(s->options.ready_file);
    notify_ready("packets are being stored");
    note("ready: %u ports, %u queues, %u capture threads, %s", s->options.n_ports, s->n_queues, s->n_workers,
         s->datapath->name);
    session_monitor(s, signal_fd);
    notify_stopping();
    session_stop(s);
    bool told = report_final(s);
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
    return told ? EXIT_OK : EXIT_INTERNAL;
}
