/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debian 13's static libelf calls two functions of an internal library that is not shipped with it. They prepare and
 * take down a tree of raw chunks, which only elf_getdata_rawchunk() fills; nothing in this program calls that, or the
 * link would ask for the rest of that library, too. A libelf that brings them along overrides these.
 */
void eu_search_tree_init(void *tree, int (*compare)(const void *, const void *)) __attribute__((weak));
void eu_search_tree_fini(void *tree, void (*free_node)(void *)) __attribute__((weak));

void eu_search_tree_init(void *tree, int (*compare)(const void *, const void *)) {}

void eu_search_tree_fini(void *tree, void (*free_node)(void *)) {}
