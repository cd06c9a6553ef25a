/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_OPTIONS_HELP_H
#define NFVCAP_OPTIONS_HELP_H

void capture_print_help(void);

#endif
