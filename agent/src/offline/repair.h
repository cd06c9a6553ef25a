/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_REPAIR_H
#define NFVCAP_REPAIR_H

#include "check.h"

/*
 * Waits until no program holds a lock on the file, until CLOCK_MONOTONIC reads `deadline_ns` at the latest. The kernel
 * may go on writing for a killed program after that is gone; the lock goes with the last of these writes.
 */
void repair_wait(const char *path, uint64_t deadline_ns);

/* Does the file end in something that repair_file() would cut off? `corrupt`: damaged records, too. */
bool repair_wanted(const struct file_result *f, bool corrupt);

/*
 * Cuts a file behind its last whole record, so that every reader takes it. Nothing is changed when the file
 * has another size than when it was read or when another program holds a lock on it. NULL, or what went
 * wrong.
 */
const char *repair_file(struct file_result *f);

#endif
