/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_COMMAND_H
#define NFVCAP_COMMAND_H

/*
 * The subcommands. Each gets argv with argv[0] = its own name, parses its options with getopt_long
 * (optind is 1), prints its own --help and returns an exit code of error.h.
 */
int command_capture(int argc, char **argv);
int command_generate(int argc, char **argv);
int command_check(int argc, char **argv);
int command_merge(int argc, char **argv);
int command_bench(int argc, char **argv);

#endif
