/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_FILTER_CODE_H
#define NFVCAP_FILTER_CODE_H

#include <stdint.h>

struct bpf_program;

/* The layout of a packet buffer, and who takes a packet that lies in several of them. */
struct filter_packet {
    uint8_t n_segments_at, data_at, data_offset_at, length_at; /* offsets in the structure: u16, pointer, u16, u16 */
    uint64_t (*in_pieces)(void *packet);
};

/*
 * Machine code for an expression that libpcap compiled: takes a pointer to a packet buffer, returns what the program
 * returns (0: does not match). NULL with errno when there can be none here; the program is run by libpcap then.
 */
uint64_t (*filter_code(const struct bpf_program *program, const struct filter_packet *packet))(void *);

/* The memory of the code is given back. */
void filter_code_free(void *code);

#endif
