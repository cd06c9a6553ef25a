/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_DESTINATIONS_H
#define NFVCAP_DESTINATIONS_H

#include "frame.h"

#define DESTINATIONS_MAX 256u /* as many as a PF has functions */

/* Whom frames are for: flow i is for destination i mod n. Zeroed, it is ready to be added to. */
struct destinations {
    struct frame_layout layout[DESTINATIONS_MAX];
    uint32_t n;        /* addresses */
    uint32_t n_tagged; /* how often tags were given */
    unsigned fewest_tags, most_tags;
};

/* These return NULL, or what is wrong. */
const char *mac_parse(const char *words, uint8_t mac[6]);
const char *destinations_add_mac(struct destinations *d, const char *mac);

/* "100", "10,100" or "none": tags of the next destination, or of all when it stays the only one. */
const char *destinations_add_tags(struct destinations *d, const char *ids);

/* When all was added: matches tags with addresses; the rest is as in `common`, whose address stands in for none. */
const char *destinations_complete(struct destinations *d, const struct frame_layout *common);

#endif
