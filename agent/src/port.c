/* SPDX-License-Identifier: Apache-2.0 */
#include "port.h"

#include "eal.h"
#include "error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#define POOL_CACHE 512       /* the most that DPDK allows: the same few mbufs are used again and again */
#define DEFAULT_RX_DESC 4096 /* 275 us of 64-byte frames at 10 Gb/s */
#define RSS_KEY_MAX 64

/* Drivers whose imissed counter is known to stay at zero, whatever is lost. */
static const char *const blind_drivers[] = {
    "net_e1000_igb_vf", "net_ixgbe_vf", "net_virtio", "net_vmxnet3", "net_null", "net_ring", "net_memif", "net_tap",
};

static uint32_t data_room_bytes(const struct port_spec *spec, const struct port_config *c)
{
    uint32_t room = RTE_MBUF_DEFAULT_DATAROOM;
    /* net_null claims its size= without looking at the mbuf. */
    if (spec->null_size_bytes > room)
        room = spec->null_size_bytes;
    return RTE_ALIGN_CEIL(room + RTE_PKTMBUF_HEADROOM, 64);
}

static uint32_t pool_size(const struct port_config *c, uint32_t n_desc)
{
    return n_desc + 2 * POOL_CACHE + 2 * 64 + c->extra_mbufs;
}

static uint32_t wished_desc(const struct port_config *c)
{
    return c->n_rx_desc != 0 ? c->n_rx_desc : DEFAULT_RX_DESC;
}

uint64_t port_memory_bytes(const struct port_spec *spec, const struct port_config *c)
{
    uint64_t element = sizeof(struct rte_mbuf) + 128 + data_room_bytes(spec, c);
    /* A pool has room for a cache per possible lcore: 1.5 MiB; what is left over of blocks is not used again. */
    uint64_t pool = (uint64_t)pool_size(c, wished_desc(c)) * element + (3u << 20);
    uint64_t rings = (uint64_t)wished_desc(c) * 64 + (64u << 10);
    return c->n_queues * (pool + rings) + (8u << 20);
}

static void choose_rss(struct port *p, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf, uint8_t *key)
{
    p->symmetric_rss = NO;
    if (p->config.n_queues < 2 || info->flow_type_rss_offloads == 0)
        return;
    const uint64_t wanted = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_SCTP;
    conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf->rx_adv_conf.rss_conf.rss_hf = wanted & info->flow_type_rss_offloads;
    if (info->hash_key_size == 0 || info->hash_key_size > RSS_KEY_MAX)
        return;
    /* 0x6d5a repeated makes the Toeplitz hash the same for both directions of a flow. */
    for (unsigned i = 0; i < info->hash_key_size; i++)
        key[i] = i % 2 == 0 ? 0x6d : 0x5a;
    conf->rx_adv_conf.rss_conf.rss_key = key;
    conf->rx_adv_conf.rss_conf.rss_key_len = info->hash_key_size;
    p->symmetric_rss = YES;
}

/* What went wrong with a port: port_open() dies of it, a restart tries again. */
struct fault {
    const char *what, *why, *fix;
};

static bool make_pools(struct port *p, struct fault *f)
{
    for (unsigned q = 0; q < p->config.n_queues; q++) {
        char name[RTE_MEMPOOL_NAMESIZE];
        snprintf(name, sizeof(name), "p%uq%u", p->id, q);
        p->pools[q] = rte_pktmbuf_pool_create(name, pool_size(&p->config, p->n_rx_desc), POOL_CACHE, 0,
                                              (uint16_t)data_room_bytes(&p->spec, &p->config), p->socket);
        if (p->pools[q] == NULL) {
            *f = (struct fault){text("no memory for the packet buffers of %s queue %u", p->spec.text, q),
                                rte_strerror(rte_errno),
                                "reserve more huge pages on the port's NUMA node, or give less --rx-desc"};
            return false;
        }
    }
    return true;
}

static bool set_mtu(struct port *p, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf, struct fault *f)
{
    uint16_t mtu = RTE_ETHER_MTU;
    rte_eth_dev_get_mtu(p->id, &mtu);
    if (p->config.mtu != 0) {
        if (p->config.mtu > info->max_mtu) {
            *f = (struct fault){text("%s cannot have an MTU of %u", p->spec.text, p->config.mtu),
                                text("its driver %s allows at most %u", info->driver_name, info->max_mtu),
                                "give a smaller --mtu"};
            return false;
        }
        mtu = (uint16_t)p->config.mtu;
    }
    conf->rxmode.mtu = mtu;
    p->max_frame_bytes = mtu + RTE_ETHER_HDR_LEN + 4 + 2 * 4;
    if (p->spec.null_size_bytes > p->max_frame_bytes)
        p->max_frame_bytes = p->spec.null_size_bytes;
    uint32_t room = data_room_bytes(&p->spec, &p->config) - RTE_PKTMBUF_HEADROOM;
    if (p->max_frame_bytes > room && (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER))
        conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
    return true;
}

static bool set_stamps(struct port *p, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf, struct fault *f)
{
    const struct stamp_offer offer = {
        .port = p->id,
        .offloads = (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_TIMESTAMP) != 0,
        .kernel = p->spec.packet_ring_bytes != 0,
        .file = p->spec.is_capture_file,
    };
    *f = (struct fault){.what = text("%s has no times of its own for packets", p->spec.text)};
    if (!port_stamps_choose(&p->stamps, &offer, p->config.stamps, &f->why, &f->fix))
        return false;
    if (p->stamps.source == STAMPS_NIC)
        conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_TIMESTAMP;
    return true;
}

static bool failed(const struct port *p, struct fault *f, const char *what, int error, const char *fix)
{
    *f = (struct fault){text("%s: %s", p->spec.text, what), rte_strerror(error < 0 ? -error : error), fix};
    return false;
}

static bool set_up_queue(struct port *p, uint16_t q, const struct rte_eth_rxconf *defaults)
{
    struct rte_eth_rxconf rx = *defaults;
    rx.offloads = p->rx_offloads;
    rx.rx_drop_en = 1; /* a queue that nobody empties must not stall the others of the same NIC */
    if (rte_eth_rx_queue_setup(p->id, q, p->n_rx_desc, (unsigned)p->socket, &rx, p->pools[q]) == 0)
        return true;
    rx.rx_drop_en = 0;
    rte_errno = -rte_eth_rx_queue_setup(p->id, q, p->n_rx_desc, (unsigned)p->socket, &rx, p->pools[q]);
    return rte_errno == 0;
}

static bool set_up_queues(struct port *p, const struct rte_eth_dev_info *info, uint16_t n_tx, struct fault *f)
{
    uint16_t n_rx_desc = (uint16_t)RTE_MIN(wished_desc(&p->config), info->rx_desc_lim.nb_max);
    uint16_t n_tx_desc = p->config.n_tx_desc != 0 ? p->config.n_tx_desc : 256;
    int rc = rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &n_rx_desc, &n_tx_desc);
    if (rc != 0)
        return failed(p, f, "cannot have that many descriptors", rc, "give another --rx-desc");
    p->n_rx_desc = n_rx_desc;
    if (p->pools[0] == NULL && !make_pools(p, f))
        return false;
    for (uint16_t q = 0; q < p->config.n_queues; q++) {
        if (!set_up_queue(p, q, &info->default_rxconf))
            return failed(p, f, text("receive queue %u cannot be set up", q), rte_errno,
                          "give another --rx-desc or --queues");
    }
    for (uint16_t q = 0; q < n_tx; q++) {
        rc = rte_eth_tx_queue_setup(p->id, q, n_tx_desc, (unsigned)p->socket, NULL);
        if (rc != 0)
            return failed(p, f, text("transmit queue %u cannot be set up", q), rc, NULL);
    }
    return true;
}

static bool configure(struct port *p, struct fault *f)
{
    struct rte_eth_dev_info info;
    int rc = rte_eth_dev_info_get(p->id, &info);
    if (rc != 0)
        return failed(p, f, "the driver does not answer", rc, NULL);
    snprintf(p->driver, sizeof(p->driver), "%s", info.driver_name);
    p->fastest_mbps = port_fastest_mbps(info.speed_capa);
    if (p->config.n_queues > info.max_rx_queues) {
        *f = (struct fault){
            text("%s has %u receive queues, %u are asked for", p->spec.text, info.max_rx_queues, p->config.n_queues),
            NULL, "give fewer --queues"};
        return false;
    }
    struct rte_eth_conf conf;
    memset(&conf, 0, sizeof(conf));
    uint8_t rss_key[RSS_KEY_MAX];
    choose_rss(p, &info, &conf, rss_key);
    if (!set_mtu(p, &info, &conf, f) || !set_stamps(p, &info, &conf, f))
        return false;
    uint16_t n_tx = RTE_MIN(p->config.n_queues, info.max_tx_queues);
    rc = rte_eth_dev_configure(p->id, p->config.n_queues, n_tx, &conf);
    if (rc != 0)
        return failed(p, f, "cannot be configured", rc, "give fewer --queues or another --mtu");
    p->rx_offloads = conf.rxmode.offloads;
    return set_up_queues(p, &info, n_tx, f);
}

static void open_packets(struct port *p)
{
    const char *why;
    snprintf(p->driver, sizeof(p->driver), PACKET_PORT_DRIVER);
    p->packets =
        packet_port_open(p->id, p->spec.interface, p->config.n_queues, p->spec.packet_ring_bytes, p->pools, &why);
    if (p->packets == NULL)
        die(EXIT_USAGE, text("%s: %s", p->spec.text, why), errno_text(errno),
            errno == EPERM ? "give the program CAP_NET_RAW, or run it as root" : "give a smaller ,ring=SIZE");
}

static void set_packets_promiscuous(struct port *p)
{
    p->promiscuous = p->config.promiscuous && packet_port_promiscuous(p->packets) ? YES : NO;
    p->allmulticast = p->promiscuous;
    if (p->config.promiscuous && p->promiscuous == NO)
        warn(text("%s: promiscuous mode is refused", p->spec.text), errno_text(errno), NULL);
}

/* Drivers may accept the call although the PF refuses: read it back. */
static void set_promiscuous(struct port *p)
{
    p->promiscuous = p->allmulticast = NO;
    if (!p->config.promiscuous)
        return;
    int rc = rte_eth_promiscuous_enable(p->id);
    bool ok = rc == 0 && rte_eth_promiscuous_get(p->id) == 1;
    p->promiscuous = ok ? YES : rc == -ENOTSUP ? UNKNOWN : NO;
    rc = rte_eth_allmulticast_enable(p->id);
    ok = rc == 0 && rte_eth_allmulticast_get(p->id) == 1;
    p->allmulticast = ok ? YES : rc == -ENOTSUP ? UNKNOWN : NO;
    if (p->allmulticast == NO)
        warn(text("%s: receiving all multicast is refused", p->spec.text),
             "the driver, or the physical function that owns this virtual function, said no",
             "on the host: ip link set dev PF vf N trust on");
    if (p->promiscuous == NO)
        warn(text("%s: promiscuous mode is refused", p->spec.text),
             "the driver, or the physical function that owns this virtual function, said no",
             "on the host: ip link set dev PF vf N trust on; or capture only this function's own traffic with "
             "--no-promiscuous");
}

void port_open(struct port *p, const struct port_spec *spec, const struct port_config *config)
{
    memset(p, 0, sizeof(*p));
    p->spec = *spec;
    p->config = *config;
    if (config->n_queues == 0 || config->n_queues > PORT_MAX_QUEUES)
        die(EXIT_USAGE, text("%u queues per port", config->n_queues), "a port has 1 to 64 queues", NULL);
    if (rte_eth_dev_get_port_by_name(spec->device, &p->id) != 0) {
        const char *said = eal_log_reason();
        if (said != NULL && strstr(said, "could not set PACKET_FANOUT") != NULL)
            die(EXIT_USAGE, text("\"%s\" cannot be used by this process", spec->text),
                "another program's packet sockets have the number that DPDK makes of the process and the interface",
                "type the command again: another process has another number");
        die(EXIT_USAGE, text("there is no usable device \"%s\"", spec->text),
            said != NULL   ? said
            : spec->is_pci ? "no driver of this program took it"
                           : "its driver refused it or is not in this program",
            spec->is_pci ? "bind it to vfio-pci (dpdk-devbind.py -b vfio-pci ADDRESS) and check that the IOMMU is on"
                         : "check the name and the arguments");
    }
    int socket = rte_eth_dev_socket_id(p->id);
    p->socket = socket < 0 ? 0 : socket;
    struct fault f;
    if (!configure(p, &f))
        die(EXIT_USAGE, f.what, f.why, f.fix);
    if (spec->packet_ring_bytes == 0) {
        set_promiscuous(p);
    } else {
        open_packets(p);
        set_packets_promiscuous(p);
    }
    port_poll_link(p);
}

/* As the driver counts, from whenever it began to. */
static bool read_driver(struct port *p, struct port_counters *out)
{
    struct rte_eth_stats stats;
    memset(out, 0, sizeof(*out));
    if (rte_eth_stats_get(p->id, &stats) != 0)
        return false;
    out->nic_missed = stats.imissed + (p->packets != NULL ? packet_port_missed(p->packets) : 0);
    out->nic_errors = stats.ierrors;
    out->nic_no_mbuf = stats.rx_nombuf;
    return true;
}

/* The driver's own counters, as they stand now, become the zero. */
static void take_baseline(struct port *p)
{
    struct port_counters now;
    if (read_driver(p, &now))
        p->baseline = now;
}

void port_start(struct port *p)
{
    const char *what, *fix;
    int rc = port_start_device(p, &what, &fix);
    if (rc != 0)
        die(EXIT_USAGE, text("%s: %s", p->spec.text, what), rte_strerror(-rc), fix);
    rc = port_stamps_start(&p->stamps, p->id);
    if (rc != 0)
        die(EXIT_USAGE, text("%s: the NIC's clock cannot be started", p->spec.text), rte_strerror(-rc),
            "leave --timestamps out");
    const char *why;
    if (p->packets != NULL && !packet_port_start(p->packets, &why))
        die(EXIT_USAGE, text("%s: %s", p->spec.text, why), errno_text(errno), NULL);
    p->started = true;
    /* Some drivers forget it across a start. */
    if (p->packets == NULL && p->promiscuous == YES && rte_eth_promiscuous_get(p->id) != 1)
        set_promiscuous(p);
    take_baseline(p);
    port_poll_link(p);
    p->link_changes = 0;
}

void port_keep_counters(struct port *p)
{
    port_read_counters(p, &p->kept);
    take_baseline(p);
}

/* Some drivers count from zero again after a restart, some go on; what was missed meanwhile must count in both. */
static void notice_zeroed_counters(struct port *p)
{
    struct port_counters now;
    if (!read_driver(p, &now))
        return;
    if (now.nic_missed < p->baseline.nic_missed)
        p->baseline.nic_missed = 0;
    if (now.nic_errors < p->baseline.nic_errors)
        p->baseline.nic_errors = 0;
    if (now.nic_no_mbuf < p->baseline.nic_no_mbuf)
        p->baseline.nic_no_mbuf = 0;
}

bool port_restart(struct port *p, bool reset, const char **why)
{
    struct fault f;
    const char *what, *fix;
    int rc = rte_eth_dev_stop(p->id);
    if (rc == 0 && reset) {
        rc = rte_eth_dev_reset(p->id);
        if (rc == 0 && !configure(p, &f)) {
            *why = text("%s%s%s", f.what, f.why != NULL ? ": " : "", f.why != NULL ? f.why : "");
            return false;
        }
    }
    p->restarted_tsc = rte_rdtsc();
    if (rc == 0)
        rc = port_start_device(p, &what, &fix);
    if (rc == 0)
        rc = port_stamps_start(&p->stamps, p->id);
    if (rc != 0) {
        *why = rte_strerror(-rc);
        return false;
    }
    notice_zeroed_counters(p);
    if (p->packets == NULL)
        set_promiscuous(p);
    return true;
}

void port_close(struct port *p)
{
    if (!p->started)
        return;
    rte_eth_dev_stop(p->id);
    rte_eth_dev_close(p->id);
    if (p->packets != NULL)
        packet_port_close(p->packets);
    p->started = false;
}

void port_settle(const struct port *p)
{
    if (p->packets != NULL)
        packet_port_settle(p->packets);
}

void port_end(struct port *p)
{
    if (p->packets != NULL)
        packet_port_end(p->packets);
}

int port_descriptor(const struct port *p, unsigned queue)
{
    return p->packets != NULL ? packet_port_descriptor(p->packets, queue) : -1;
}

uint64_t *port_arrivals(const struct port *p, unsigned queue)
{
    return p->packets != NULL ? packet_port_arrivals(p->packets, queue) : NULL;
}

bool port_read_clock(void *port, uint64_t *ticks)
{
    const struct port *p = port;
    return port_stamps_read_clock(&p->stamps, p->id, ticks);
}

void port_read_counters(struct port *p, struct port_counters *out)
{
    if (!read_driver(p, out))
        return;
    out->missed_known = true;
    for (unsigned i = 0; i < RTE_DIM(blind_drivers); i++) {
        if (strcmp(p->driver, blind_drivers[i]) == 0)
            out->missed_known = false;
    }
    out->nic_missed += p->kept.nic_missed - p->baseline.nic_missed;
    out->nic_errors += p->kept.nic_errors - p->baseline.nic_errors;
    out->nic_no_mbuf += p->kept.nic_no_mbuf - p->baseline.nic_no_mbuf;
}
