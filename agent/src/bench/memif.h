/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_BENCH_MEMIF_H
#define NFVCAP_BENCH_MEMIF_H

#include "bench.h"
#include "process.h"

#define MEMIF_LINKS_MAX 2u

/* A capture fed through shared memory (memif): each link has a sender of its own. */
struct memif_trial {
    struct process capture, senders[MEMIF_LINKS_MAX];
    unsigned n_links;
    char *stem, *ready, *sockets[MEMIF_LINKS_MAX];
};

/*
 * Starts the capture, writing to DIRECTORY/nfvcap-bench-PID.pcap (with its port's number, if there are several links),
 * with these options besides, and waits until it is ready. False: *why says what is wrong. Whatever comes of it,
 * memif_forget() ends everything.
 */
bool memif_open(struct memif_trial *t, const struct bench_options *o, const char *directory, unsigned n_links,
                const char *const *options, const char **why);

/* Has a link's sender started on a CPU, with these options of `generate`. */
bool memif_send(struct memif_trial *t, const struct bench_options *o, unsigned link, unsigned cpu,
                const char *const *options, const char **why);

/* What the link's sender said when it had done its work; to be freed. NULL: *why. */
char *memif_sent(struct memif_trial *t, unsigned link, unsigned timeout_ms, const char **why);

/* What the capture said at its end, which it is told to come to, or is waited for (timeout_ms); to be freed. */
char *memif_captured(struct memif_trial *t, unsigned timeout_ms, const char **why);

void memif_forget(struct memif_trial *t); /* ends what still runs, and removes its files */

#endif
