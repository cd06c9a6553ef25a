/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_VIEW_H
#define NFVCAP_VIEW_H

#include "record.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * The live view: what the capture threads store is also copied, as far as there is room, into one ring per queue, and
 * one thread writes the rings to a pipe (Wireshark at its other end). It never slows the capture down: what does not
 * fit is left out and counted.
 */
struct view;
struct view_ring;

/* Write to path (a FIFO, made when it is not there; "-" is standard output). Dies when it cannot be. */
struct view *view_open(const char *path, const struct file_description *head, unsigned n_queues);
struct view_ring *view_ring_of(struct view *v, unsigned queue);
void view_start(struct view *v);
void view_stop(struct view *v);

#endif
