/* SPDX-License-Identifier: Apache-2.0 */
#include "extcap.h"

#include "capture/filter.h"
#include "command.h"
#include "error.h"

#include <dirent.h>
#include <getopt.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "nfvcap-" /* of the names that Wireshark gets: others must not have the same */
#define VFIO "/sys/bus/pci/drivers/vfio-pci"

struct request {
    bool interfaces, dlts, config, capture;
    const char *interface, *fifo, *filter, *snaplen;
};

bool extcap_asked(int argc, char **argv)
{
    return argc > 1 && (strncmp(argv[1], "--extcap-", 9) == 0 || strcmp(argv[1], "--capture") == 0);
}

static void list_interfaces(void)
{
    puts("extcap {version=" NFVCAP_VERSION "}{display=nfvcap-agent}");
    struct if_nameindex *all = if_nameindex();
    for (struct if_nameindex *i = all; i != NULL && i->if_index != 0; i++)
        printf("interface {value=" PREFIX "%s}{display=nfvcap: %s, through AF_PACKET}\n", i->if_name, i->if_name);
    if (all != NULL)
        if_freenameindex(all);
    DIR *bound = opendir(VFIO);
    for (struct dirent *e; bound != NULL && (e = readdir(bound)) != NULL;)
        if (strchr(e->d_name, ':') != NULL)
            printf("interface {value=" PREFIX "%s}{display=nfvcap: PCI %s, with DPDK}\n", e->d_name, e->d_name);
    if (bound != NULL)
        closedir(bound);
}

/* What capture calls the port. */
static const char *port_of(const char *interface)
{
    if (interface == NULL || strncmp(interface, PREFIX, strlen(PREFIX)) != 0)
        die(EXIT_USAGE, text("there is no interface \"%s\"", interface != NULL ? interface : ""), NULL,
            "--extcap-interfaces lists them");
    const char *name = interface + strlen(PREFIX);
    return if_nametoindex(name) != 0 ? text("af_packet:%s", name) : name;
}

static int capture(const struct request *r)
{
    if (r->fifo == NULL)
        die(EXIT_USAGE, "no --fifo to write to", NULL, NULL);
    char *argv[16] = {"capture",
                      "--quiet",
                      "--null",
                      "--write",
                      "extcap",
                      "--pipe",
                      (char *)(uintptr_t)r->fifo,
                      "--port",
                      (char *)(uintptr_t)port_of(r->interface)};
    int argc = 9;
    if (r->filter != NULL && r->filter[0] != '\0') {
        argv[argc++] = "--filter";
        argv[argc++] = (char *)(uintptr_t)r->filter;
    }
    if (r->snaplen != NULL) {
        argv[argc++] = "--snaplen";
        argv[argc++] = (char *)(uintptr_t)r->snaplen;
    }
    optind = 1;
    return command_capture(argc, argv);
}

static void parse(struct request *r, int argc, char **argv)
{
    enum { INTERFACES = 256, INTERFACE, DLTS, CONFIG, CAPTURE, FIFO, FILTER, SNAPLEN, OTHER };
    static const struct option options[] = {
        {"extcap-interfaces", no_argument, NULL, INTERFACES},
        {"extcap-interface", required_argument, NULL, INTERFACE},
        {"extcap-dlts", no_argument, NULL, DLTS},
        {"extcap-config", no_argument, NULL, CONFIG},
        {"extcap-capture-filter", required_argument, NULL, FILTER},
        {"extcap-version", optional_argument, NULL, OTHER},
        {"capture", no_argument, NULL, CAPTURE},
        {"fifo", required_argument, NULL, FIFO},
        {"snaplen", required_argument, NULL, SNAPLEN},
        {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        r->interfaces |= c == INTERFACES;
        r->dlts |= c == DLTS;
        r->config |= c == CONFIG;
        r->capture |= c == CAPTURE;
        if (c == INTERFACE)
            r->interface = optarg;
        else if (c == FIFO)
            r->fifo = optarg;
        else if (c == FILTER)
            r->filter = optarg;
        else if (c == SNAPLEN)
            r->snaplen = optarg;
        else if (c == '?')
            exit(EXIT_USAGE);
    }
}

int extcap_command(int argc, char **argv)
{
    struct request r = {0};
    parse(&r, argc, argv);
    if (r.interfaces) {
        list_interfaces();
    } else if (r.dlts) {
        port_of(r.interface);
        puts("dlt {number=1}{name=EN10MB}{display=Ethernet}");
    } else if (r.config) {
        port_of(r.interface);
        puts("arg {number=0}{call=--snaplen}{display=Bytes of each packet}{type=unsigned}{default=262144}"
             "{tooltip=Longer packets are cut}");
    } else if (r.capture) {
        return capture(&r);
    } else if (r.filter != NULL) {
        /* Wireshark asks whether the expression is right: anything said means that it is not. */
        const char *wrong = filter_explain(r.filter);
        if (wrong != NULL)
            puts(wrong);
    } else {
        die(EXIT_USAGE, "Wireshark's options do not say what to do", NULL, "nfvcap-agent --help lists the commands");
    }
    return EXIT_OK;
}
