/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_ARRIVALS_H
#define NFVCAP_ARRIVALS_H

#include <stdint.h>

/*
 * Turns n times of arrival, in nanoseconds of the system clock, into stamps of the capture's own clock, in place. The
 * system clock may have been set in between, the capture's is never broken: what lies between the two is looked at now,
 * and taken to have been so when the packets came, a few milliseconds ago. Stamps never go back behind `last`, the one
 * before, and none lies ahead of now. Returns the last of them; with n = 0, `last`.
 */
uint64_t arrivals_to_stamps(uint64_t *arrivals, unsigned n, uint64_t system_now_ns, uint64_t our_now_ns, uint64_t last);

#endif
