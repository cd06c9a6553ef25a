/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual function and the host that owns it, for tests of the whole program: see fake_nic.c for how it is linked in.
 * $NFVCAP_FAKE_VF names what the host does, in words with a blank between:
 *   reset               after 0.3 s the driver says that the host resets the function; the host is done 0.5 s later,
 *                       until then it cannot be reset, afterwards it is promiscuous no longer
 *                       (only the first port that is named is reset)
 *   slow-reset          the same, and the driver takes 2 s for it once the host is done
 *   reset-forever       the same, but the host is never done
 *   refuses-promiscuous the call fails          ignores-promiscuous it succeeds and nothing changes
 *   refuses-multicast, ignores-multicast        the same
 *   no-rss              the driver cannot spread packets by their flow
 *   link=MBPS           the link's speed, known before the port is started
 *   can=MBPS            the link is not known before that; this is the fastest that it can be (25000 or 40000)
 * $NFVCAP_FAKE_VF_LOG is a file that gets a line for what the program asks for.
 */
#include "fake_vf.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RESET_AFTER_US 300000
#define HOST_BUSY_US 500000
#define SLOW_RESET_US 2000000
#define RSS_KEY_BYTES 52 /* as Intel's NICs of 10 Gb/s and more have it */

int __real_rte_eth_dev_callback_register(uint16_t port, enum rte_eth_event_type event, rte_eth_dev_cb_fn call,
                                         void *arg);
int __wrap_rte_eth_dev_callback_register(uint16_t port, enum rte_eth_event_type event, rte_eth_dev_cb_fn call,
                                         void *arg);
int __wrap_rte_eth_dev_reset(uint16_t port);
int __real_rte_eth_link_get_nowait(uint16_t port, struct rte_eth_link *link);
int __wrap_rte_eth_link_get_nowait(uint16_t port, struct rte_eth_link *link);
int __wrap_rte_eth_promiscuous_enable(uint16_t port);
int __wrap_rte_eth_promiscuous_get(uint16_t port);
int __wrap_rte_eth_allmulticast_enable(uint16_t port);
int __wrap_rte_eth_allmulticast_get(uint16_t port);

static struct listener {
    uint16_t port;
    rte_eth_dev_cb_fn call;
    void *arg;
} listener;
static _Atomic bool host_busy, promiscuous, allmulticast;

/* What stands behind the word among the host's deeds; NULL: it is not among them. */
static const char *word(const char *name)
{
    const char *words = getenv("NFVCAP_FAKE_VF");
    const char *at = words != NULL ? strstr(words, name) : NULL;
    return at != NULL ? at + strlen(name) : NULL;
}

static void note_call(const char *what, const char *more)
{
    const char *path = getenv("NFVCAP_FAKE_VF_LOG");
    FILE *log = path != NULL ? fopen(path, "a") : NULL;
    if (log == NULL)
        return;
    fprintf(log, "%s %s\n", what, more);
    fclose(log);
}

/* As DPDK's interrupt thread does it. */
static void *host(void *arg)
{
    const struct listener *l = arg;
    usleep(RESET_AFTER_US);
    host_busy = true;
    promiscuous = allmulticast = false;
    l->call(l->port, RTE_ETH_EVENT_INTR_RESET, l->arg, NULL);
    usleep(HOST_BUSY_US);
    host_busy = word("reset-forever") != NULL;
    return NULL;
}

int __wrap_rte_eth_dev_callback_register(uint16_t port, enum rte_eth_event_type event, rte_eth_dev_cb_fn call,
                                         void *arg)
{
    pthread_t thread;
    if (event == RTE_ETH_EVENT_INTR_RESET && word("reset") != NULL && listener.call == NULL) {
        listener = (struct listener){port, call, arg};
        if (pthread_create(&thread, NULL, host, &listener) == 0)
            pthread_detach(thread);
    }
    return __real_rte_eth_dev_callback_register(port, event, call, arg);
}

int __wrap_rte_eth_dev_reset(uint16_t port)
{
    bool busy = host_busy;
    note_call("reset", busy ? "refused" : "done");
    if (!busy && word("slow-reset") != NULL)
        usleep(SLOW_RESET_US);
    return busy ? -EAGAIN : 0;
}

int __wrap_rte_eth_link_get_nowait(uint16_t port, struct rte_eth_link *link)
{
    int rc = __real_rte_eth_link_get_nowait(port, link);
    const char *speed = word("link=");
    if (speed != NULL)
        link->link_speed = (uint32_t)strtoul(speed, NULL, 10);
    else if (word("can=") != NULL && link->link_status != RTE_ETH_LINK_UP)
        link->link_speed = RTE_ETH_SPEED_NUM_UNKNOWN;
    return rc;
}

static int enable(_Atomic bool *state, const char *refuses, const char *ignores)
{
    if (word(refuses) != NULL)
        return -EPERM;
    *state = word(ignores) == NULL;
    return 0;
}

int __wrap_rte_eth_promiscuous_enable(uint16_t port)
{
    note_call("promiscuous", "");
    return enable(&promiscuous, "refuses-promiscuous", "ignores-promiscuous");
}

int __wrap_rte_eth_promiscuous_get(uint16_t port)
{
    return promiscuous;
}

int __wrap_rte_eth_allmulticast_enable(uint16_t port)
{
    note_call("allmulticast", "");
    return enable(&allmulticast, "refuses-multicast", "ignores-multicast");
}

int __wrap_rte_eth_allmulticast_get(uint16_t port)
{
    return allmulticast;
}

void fake_vf_describe(struct rte_eth_dev_info *info)
{
    const char *speed = word("can=");
    info->hash_key_size = RSS_KEY_BYTES;
    if (word("no-rss") != NULL)
        info->flow_type_rss_offloads = 0;
    if (speed != NULL)
        info->speed_capa = RTE_ETH_LINK_SPEED_10G |
                           (strtoul(speed, NULL, 10) == 25000 ? RTE_ETH_LINK_SPEED_25G : RTE_ETH_LINK_SPEED_40G);
}

/* Notes whether packets are to be spread, by what, and the key as hexadecimal digits; net_null is not bothered. */
void fake_vf_configure(struct rte_eth_conf *conf)
{
    struct rte_eth_rss_conf *rss = &conf->rx_adv_conf.rss_conf;
    char text[300];
    int n = snprintf(text, sizeof(text), "%d %llx ", (conf->rxmode.mq_mode & RTE_ETH_MQ_RX_RSS_FLAG) != 0,
                     (unsigned long long)rss->rss_hf);
    for (unsigned i = 0; rss->rss_key != NULL && i < rss->rss_key_len && n < (int)sizeof(text) - 3; i++)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "%02x", rss->rss_key[i]);
    note_call("rss", text);
    conf->rxmode.mq_mode = RTE_ETH_MQ_RX_NONE;
    memset(rss, 0, sizeof(*rss));
}
