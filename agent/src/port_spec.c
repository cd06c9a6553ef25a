/* SPDX-License-Identifier: Apache-2.0 */
#include "port_spec.h"

#include "error.h"
#include "packet_ring.h"
#include "units.h"

#include <ctype.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool all_hex(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isxdigit((unsigned char)s[i]))
            return false;
    }
    return true;
}

/* [DDDD:]BB:DD.F at the start of s; its length, or 0. */
static size_t pci_address_length(const char *s)
{
    size_t domain = strlen(s) >= 5 && all_hex(s, 4) && s[4] == ':' ? 5 : 0;
    const char *p = s + domain;
    if (strlen(p) < 7 || !all_hex(p, 2) || p[2] != ':' || !all_hex(p + 3, 2) || p[5] != '.')
        return 0;
    if (p[6] < '0' || p[6] > '7')
        return 0;
    return domain + 7;
}

static bool parse_token(const char *s, size_t n, char out[37])
{
    if (n != 36)
        return false;
    for (size_t i = 0; i < n; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s[i] != '-' : !isxdigit((unsigned char)s[i]))
            return false;
    }
    snprintf(out, 37, "%.36s", s);
    return true;
}

static bool parse_mac(const char *s, size_t n, uint8_t out[6])
{
    if (n != 17)
        return false;
    for (size_t i = 0; i < 6; i++) {
        if (!all_hex(s + 3 * i, 2) || (i < 5 && s[3 * i + 2] != ':'))
            return false;
        out[i] = (uint8_t)strtoul(s + 3 * i, NULL, 16);
    }
    static const uint8_t none[6];
    return (out[0] & 1) == 0 && memcmp(out, none, sizeof(none)) != 0;
}

/* ,key=value of ours is understood here, others are the driver's. */
static bool parse_pci_keys(const char *rest, struct port_spec *out, const char **why)
{
    while (*rest == ',') {
        size_t n = 1 + strcspn(rest + 1, ",");
        if (strncmp(rest, ",vf-token=", 10) == 0) {
            if (!parse_token(rest + 10, n - 10, out->vf_token)) {
                *why = "a vf-token is a UUID such as 14d63f20-8445-11ea-8900-1f9ce7d5650d (uuidgen makes one)";
                return false;
            }
        } else if (strncmp(rest, ",mac=", 5) == 0) {
            if (!parse_mac(rest + 5, n - 5, out->mac)) {
                *why = "a mac is an address of one station, such as 02:00:00:00:00:01";
                return false;
            }
        } else {
            size_t used = strlen(out->devargs);
            snprintf(out->devargs + used, sizeof(out->devargs) - used, "%.*s", (int)n, rest);
        }
        rest += n;
    }
    return true;
}

static bool parse_pci(const char *s, size_t address_length, struct port_spec *out, const char **why)
{
    const char *rest = s + address_length;
    if (*rest != '\0' && *rest != ',') {
        *why = "a PCI address is followed by the end or by ,key=value";
        return false;
    }
    const char *domain = address_length == 7 ? "0000:" : "";
    out->is_pci = true;
    snprintf(out->device, sizeof(out->device), "%s%.*s", domain, (int)address_length, s);
    snprintf(out->devargs, sizeof(out->devargs), "%s", out->device);
    return parse_pci_keys(rest, out, why);
}

static bool parse_vdev(const char *s, struct port_spec *out, const char **why)
{
    size_t name_length = strcspn(s, ",");
    if (name_length == 0 || name_length >= sizeof(out->device) ||
        (strncmp(s, "net_", 4) != 0 && strncmp(s, "eth_", 4) != 0)) {
        *why = "a virtual device has a name like net_null0 or net_memif1";
        return false;
    }
    snprintf(out->device, sizeof(out->device), "%.*s", (int)name_length, s);
    snprintf(out->devargs, sizeof(out->devargs), "%s", s);
    out->is_capture_file =
        strncmp(s, "net_pcap", 8) == 0 && strstr(s, ",rx_pcap=") != NULL && strstr(s, ",infinite_rx=1") == NULL;
    if (strncmp(s, "net_null", 8) == 0) {
        const char *size = strstr(s, ",size=");
        out->null_size_bytes = size != NULL ? (uint32_t)strtoul(size + 6, NULL, 0) : 64;
    }
    return true;
}

/* `options`: what follows the interface's name. */
static bool parse_packet_ring(const char *options, unsigned index, struct port_spec *out, const char **why)
{
    out->packet_ring_bytes = PACKET_RING_BYTES;
    if (options[0] != '\0' &&
        (strncmp(options, ",ring=", 6) != 0 || !parse_bytes(options + 6, &out->packet_ring_bytes) ||
         out->packet_ring_bytes == 0 || out->packet_ring_bytes > UINT32_MAX)) {
        *why = "behind the interface's name goes nothing, or ,ring=SIZE, such as ,ring=256M (less than 4G)";
        return false;
    }
    /* The name says that net_null is its driver. */
    snprintf(out->device, sizeof(out->device), "net_null_packet%u", index);
    snprintf(out->devargs, sizeof(out->devargs), "%s,no-rx=1", out->device);
    return true;
}

static bool parse_interface(const char *driver, const char *s, enum port_use use, unsigned index, unsigned n_queues,
                            struct port_spec *out, const char **why)
{
    size_t name_length = strcspn(s, ",");
    char name[PORT_SPEC_MAX];
    snprintf(name, sizeof(name), "%.*s", (int)name_length, s);
    const char *rest = s + name_length;
    bool is_path = strchr(name, '/') != NULL;
    if (name_length == 0 || (!is_path && name_length >= IF_NAMESIZE)) {
        *why = "what follows the colon is not an interface name";
        return false;
    }
    if (!is_path && if_nametoindex(name) == 0) {
        *why = text("there is no interface \"%s\" here (ip link shows them)", name);
        return false;
    }
    snprintf(out->device, sizeof(out->device), "net_%s%u", driver, index);
    int length;
    if (!is_path)
        memcpy(out->interface, name, name_length);
    if (strcmp(driver, "af_packet") == 0 && use == PORT_RECEIVES)
        return parse_packet_ring(rest, index, out, why);
    if (strcmp(driver, "af_packet") == 0)
        length = snprintf(out->devargs, sizeof(out->devargs),
                          "%s,iface=%s,qpairs=%u,blocksz=65536,framesz=2048,framecnt=16384%s", out->device, name,
                          n_queues, rest);
    else if (strcmp(driver, "af_xdp") == 0)
        length = snprintf(out->devargs, sizeof(out->devargs), "%s,iface=%s,start_queue=0,queue_count=%u%s", out->device,
                          name, n_queues, rest);
    else
        length = snprintf(out->devargs, sizeof(out->devargs), "%s,%s=%s%s", out->device,
                          is_path ? "rx_pcap" : "rx_iface_in", name, rest);
    out->is_capture_file = is_path && strcmp(driver, "pcap") == 0 && strstr(rest, ",infinite_rx=1") == NULL;
    if (length >= (int)sizeof(out->devargs)) {
        *why = "it is too long";
        return false;
    }
    return true;
}

bool port_spec_parse(const char *s, enum port_use use, unsigned index, unsigned n_queues, struct port_spec *out,
                     const char **why)
{
    memset(out, 0, sizeof(*out));
    if (strlen(s) >= sizeof(out->text) - 16) {
        *why = "it is too long";
        return false;
    }
    memcpy(out->text, s, strlen(s) + 1);
    size_t address_length = pci_address_length(s);
    if (address_length > 0)
        return parse_pci(s, address_length, out, why);
    if (strncmp(s, "vdev:", 5) == 0)
        return parse_vdev(s + 5, out, why);
    static const char drivers[][12] = {"af_packet", "af_xdp", "pcap"};
    for (unsigned i = 0; i < 3; i++) {
        size_t n = strlen(drivers[i]);
        if (strncmp(s, drivers[i], n) == 0 && s[n] == ':')
            return parse_interface(drivers[i], s + n + 1, use, index, n_queues, out, why);
    }
    *why = "a port is a PCI address (0000:81:10.0), vdev:NAME,ARGS, af_packet:IFACE, af_xdp:IFACE, pcap:IFACE or "
           "pcap:/FILE";
    return false;
}
