/* SPDX-License-Identifier: Apache-2.0 */
#include "destinations.h"

#include <stdio.h>
#include <string.h>

#include "error.h"

#define VLAN_ID_MAX 4094u

const char *mac_parse(const char *words, uint8_t mac[6])
{
    unsigned byte[6];
    char end;

    if (sscanf(words, "%2x:%2x:%2x:%2x:%2x:%2x%c", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4], &byte[5], &end) !=
        6)
        return "a MAC address looks like 02:00:00:00:00:01";
    for (unsigned i = 0; i < 6; i++)
        mac[i] = (uint8_t)byte[i];
    return NULL;
}

const char *destinations_add_mac(struct destinations *d, const char *mac)
{
    if (d->n == DESTINATIONS_MAX)
        return text("there are at most %u addresses", DESTINATIONS_MAX);
    return mac_parse(mac, d->layout[d->n++].dst_mac);
}

const char *destinations_add_tags(struct destinations *d, const char *ids)
{
    unsigned id[FRAME_TAGS_MAX] = {0, 0};
    struct frame_layout *layout;
    char end;
    int n = 0;

    if (d->n_tagged == DESTINATIONS_MAX)
        return text("there are at most %u addresses", DESTINATIONS_MAX);
    layout = &d->layout[d->n_tagged++];
    if (strcmp(ids, "none") != 0) {
        n = sscanf(ids, "%u,%u%c", &id[0], &id[1], &end);
        if ((n != 1 || strspn(ids, "0123456789") != strlen(ids)) && n != 2)
            return "one or two VLAN IDs are wanted, 100 or 10,100, or none";
    }
    for (int i = 0; i < n; i++) {
        if (id[i] > VLAN_ID_MAX)
            return text("a VLAN ID is 0 to %u", VLAN_ID_MAX);
        layout->tag_type[i] = n == 2 && i == 0 ? 0x88a8 : 0x8100;
        layout->tag_control[i] = (uint16_t)id[i];
    }
    layout->tags = (uint8_t)n;
    return NULL;
}

static void copy_tags(struct frame_layout *to, const struct frame_layout *from)
{
    to->tags = from->tags;
    memcpy(to->tag_type, from->tag_type, sizeof(to->tag_type));
    memcpy(to->tag_control, from->tag_control, sizeof(to->tag_control));
}

const char *destinations_complete(struct destinations *d, const struct frame_layout *common)
{
    if (d->n == 0)
        memcpy(d->layout[d->n++].dst_mac, common->dst_mac, 6);
    if (d->n_tagged > 1 && d->n_tagged != d->n)
        return text("there are %u --vlan for %u --dst-mac", d->n_tagged, d->n);
    d->fewest_tags = d->most_tags = d->layout[0].tags;
    for (uint32_t i = 0; i < d->n; i++) {
        struct frame_layout *layout = &d->layout[i];

        if (d->n_tagged == 1)
            copy_tags(layout, &d->layout[0]);
        memcpy(layout->src_mac, common->src_mac, 6);
        layout->dst_ip = common->dst_ip;
        d->fewest_tags = layout->tags < d->fewest_tags ? layout->tags : d->fewest_tags;
        d->most_tags = layout->tags > d->most_tags ? layout->tags : d->most_tags;
    }
    return NULL;
}
