/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_INLINE_H
#define NFVCAP_INLINE_H

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define likely_(x) __builtin_expect(!!(x), 1)
#define unlikely_(x) __builtin_expect(!!(x), 0)

#endif
