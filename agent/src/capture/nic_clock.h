/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_NIC_CLOCK_H
#define NFVCAP_NIC_CLOCK_H

#include "clock.h"

/*
 * A NIC's clock on the capture's own time: a second line (see clock.h), from the NIC's ticks to nanoseconds of the
 * first line. It is bent and never broken like that one, so what comes out follows the system clock as the other stamps
 * do. Only when the NIC's clock itself was set or began anew (more than CLOCK_STEP_NS away from the line), a new line
 * is begun; until that is noticed, at the next update, its stamps are wrong by the step or not to be believed.
 */

/* The clock's ticks now. False when the driver does not answer. */
typedef bool (*nic_clock_reader)(void *arg, uint64_t *ticks);

struct nic_clock {
    struct clock clock; /* what capture threads follow */
    struct discipline discipline;
    nic_clock_reader read;
    void *arg;
    uint64_t reading_uncertainty_ns; /* how long the last reading took */
    uint64_t n_steps;
    uint64_t n_failed; /* updates without an answer */
};

/* Takes about 60 ms. False when the driver does not answer, or its clock does not run at 8 MHz or more. */
bool nic_clock_start(struct nic_clock *n, nic_clock_reader read, void *arg, const struct clock_line *ours);

/* Call it after each discipline_update() of `ours`. */
void nic_clock_update(struct nic_clock *n, const struct clock_line *ours);

/* The same, given a sample; for tests. False: the NIC's clock was set, the line is to be begun anew. */
bool nic_clock_feed(struct nic_clock *n, const struct clock_sample *sample);

#endif
