/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_UNITS_H
#define NFVCAP_UNITS_H

#include <stdbool.h>
#include <stdint.h>

/* Each returns false and leaves *out alone when the whole text is not a number in range. */
bool parse_u64(const char *s, uint64_t *out);         /* decimal digits only */
bool parse_bytes(const char *s, uint64_t *out_bytes); /* 4096, 64K, 1M, 2G, 1T (powers of 1024) */
bool parse_duration(const char *s, uint64_t *out_ns); /* 5 (seconds), 0.5, 500ms, 20us, 10ns, 2m, 1h, 1d */
bool parse_count(const char *s, uint64_t *out);       /* 1000, 10k, 1.5M, 2G (powers of 1000) */

/* A list of CPU numbers like "0,2-5" into a bit array; false when malformed or out of range. */
bool parse_cpu_list(const char *s, bool *cpus, unsigned n_cpus);

#endif
