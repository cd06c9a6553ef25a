/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_EXTCAP_H
#define NFVCAP_EXTCAP_H

#include <stdbool.h>

/*
 * Wireshark's way to use a program as a source of packets: a link to this program in its extcap folder, and the ports
 * that can be captured from stand among the interfaces. Nothing is stored: what Wireshark does not take in time is
 * missing there, and is counted.
 */

/* Do these arguments come from Wireshark? */
bool extcap_asked(int argc, char **argv);

/* Answers; the exit code. */
int extcap_command(int argc, char **argv);

#endif
