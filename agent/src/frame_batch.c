/* SPDX-License-Identifier: Apache-2.0 */
/* Many frames at once, with the widest vectors of the CPU that runs this. */
#include "frame_batch.h"

#include <immintrin.h>

#include "frame_bits.h"

#pragma GCC diagnostic ignored "-Wpsabi" /* vectors are arguments of functions that are always inlined */

typedef uint64_t vec4 __attribute__((vector_size(32)));
typedef uint64_t vec8 __attribute__((vector_size(64)));
#define LANES_PASTE(a, b) a##b
#define LANES_VEC(n) LANES_PASTE(vec, n)

#define AVX2 "avx2"
#define AVX512 "avx512f,avx512bw,avx512dq,avx512vl"

/* Four rows of four words become four columns. */
static inline __attribute__((always_inline, target(AVX2))) void transpose4(vec4 *to, const uint8_t *const *data,
                                                                           unsigned at)
{
    __m256i a = _mm256_loadu_si256((const __m256i *)(data[0] + at));
    __m256i b = _mm256_loadu_si256((const __m256i *)(data[1] + at));
    __m256i c = _mm256_loadu_si256((const __m256i *)(data[2] + at));
    __m256i d = _mm256_loadu_si256((const __m256i *)(data[3] + at));
    __m256i ab0 = _mm256_unpacklo_epi64(a, b), ab1 = _mm256_unpackhi_epi64(a, b);
    __m256i cd0 = _mm256_unpacklo_epi64(c, d), cd1 = _mm256_unpackhi_epi64(c, d);

    to[0] = (vec4)_mm256_permute2x128_si256(ab0, cd0, 0x20);
    to[1] = (vec4)_mm256_permute2x128_si256(ab1, cd1, 0x20);
    to[2] = (vec4)_mm256_permute2x128_si256(ab0, cd0, 0x31);
    to[3] = (vec4)_mm256_permute2x128_si256(ab1, cd1, 0x31);
}

static inline __attribute__((always_inline, target(AVX2))) vec4 swap64x4(vec4 v)
{
    const __m256i order =
        _mm256_set_epi64x(0x08090a0b0c0d0e0f, 0x0001020304050607, 0x08090a0b0c0d0e0f, 0x0001020304050607);

    return (vec4)_mm256_shuffle_epi8((__m256i)v, order);
}

static inline __attribute__((always_inline, target(AVX2))) unsigned nonzero4(vec4 v)
{
    __m256i zero = _mm256_cmpeq_epi64((__m256i)v, _mm256_setzero_si256());

    return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(zero)) ^ 0xfu;
}

#define LANES 4
#define LANES_NAME(f) f##_avx2
#define LANES_TARGET AVX2
#define LANES_LOAD(w, data) (transpose4(w, data, 12), transpose4((w) + 4, data, 44))
#define LANES_SWAP64 swap64x4
#define LANES_U32(p) ((vec4)_mm256_cvtepu32_epi64(_mm_loadu_si128((const __m128i *)(p))))
#define LANES_NONZERO nonzero4
#include "frame_lanes.h"

/* Eight rows of eight words become eight columns. */
static inline __attribute__((always_inline, target(AVX512))) void transpose8(vec8 *to, const uint8_t *const *data)
{
    __m512i r[8], t[8], q[8];

    for (unsigned i = 0; i < 8; i++)
        r[i] = _mm512_loadu_si512(data[i] + 12);
    for (unsigned i = 0; i < 8; i += 2) {
        t[i] = _mm512_unpacklo_epi64(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi64(r[i], r[i + 1]);
    }
    /* t[2k] has the even words of rows 2k and 2k+1, 128 bits a pair; bring pairs 0-1 and 2-3 together. */
    for (unsigned odd = 0; odd < 2; odd++) {
        q[odd] = _mm512_shuffle_i64x2(t[odd], t[odd + 2], 0x88);         /* rows 0-3, words 0,4 */
        q[odd + 2] = _mm512_shuffle_i64x2(t[odd], t[odd + 2], 0xdd);     /* rows 0-3, words 2,6 */
        q[odd + 4] = _mm512_shuffle_i64x2(t[odd + 4], t[odd + 6], 0x88); /* rows 4-7 */
        q[odd + 6] = _mm512_shuffle_i64x2(t[odd + 4], t[odd + 6], 0xdd);
    }
    for (unsigned i = 0; i < 4; i++) {
        to[i] = (vec8)_mm512_shuffle_i64x2(q[i], q[i + 4], 0x88);
        to[i + 4] = (vec8)_mm512_shuffle_i64x2(q[i], q[i + 4], 0xdd);
    }
}

static inline __attribute__((always_inline, target(AVX512))) vec8 swap64x8(vec8 v)
{
    const __m512i order =
        _mm512_set4_epi64(0x08090a0b0c0d0e0f, 0x0001020304050607, 0x08090a0b0c0d0e0f, 0x0001020304050607);

    return (vec8)_mm512_shuffle_epi8((__m512i)v, order);
}

#define LANES 8
#define LANES_NAME(f) f##_avx512
#define LANES_TARGET AVX512
#define LANES_LOAD transpose8
#define LANES_SWAP64 swap64x8
#define LANES_U32(p) ((vec8)_mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)(p))))
#define LANES_NONZERO(v) ((unsigned)_mm512_test_epi64_mask((__m512i)(v), (__m512i)(v)))
#include "frame_lanes.h"

static void judge_one(struct frame_batch *out, unsigned i, const uint8_t *data, uint32_t caplen, uint32_t wirelen)
{
    struct frame_id id = {0};
    uint64_t bit = (uint64_t)1 << i;

    out->singly++;
    switch (frame_judge(data, caplen, wirelen, &id)) {
    case FRAME_GOOD:
        out->good |= bit;
        out->seq[i] = id.seq;
        out->time_ns[i] = id.time_ns;
        out->flow[i] = id.flow;
        break;
    case FRAME_CORRUPT:
        out->corrupt |= bit;
        break;
    case FRAME_SHORT:
        out->is_short |= bit;
        break;
    case FRAME_FOREIGN:
        break;
    }
}

/* The lanes found the header of frame i right: what is left is its fill. `data` and `caplen` are without
 * tags. */
static void judge_fill(struct frame_batch *out, unsigned i, const uint8_t *data, uint32_t caplen)
{
    uint32_t total = (uint32_t)data[16] << 8 | data[17], fill = total - FRAME_IP_LEN;
    uint32_t there = caplen - FRAME_SIZE_MIN;
    uint64_t base = frame_fill_base(out->seq[i], out->flow[i]);

    if (!frame_udp_right(out->udp_sum[i], fill, base) ||
        !frame_fill_right(data + FRAME_SIZE_MIN, there < fill ? there : fill, base)) {
        out->good &= ~((uint64_t)1 << i);
        out->corrupt |= (uint64_t)1 << i;
    }
}

typedef unsigned (*lanes_fn)(struct frame_batch *out, unsigned at, const uint8_t *const *data, const uint32_t *caplen,
                             const uint32_t *wirelen);

static const struct width {
    const char *name;
    unsigned lanes;
    lanes_fn judge;
} widths[] = {
    {"avx512", 8, judge_avx512},
    {"avx2", 4, judge_avx2},
    {"scalar", 1, NULL},
};
static const struct width *chosen;

static bool cpu_has(const struct width *w)
{
    if (w->lanes == 8)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    return w->lanes == 1 || __builtin_cpu_supports("avx2");
}

static const struct width *choose(void)
{
    const struct width *w = widths;

    while (!cpu_has(w))
        w++;
    return w;
}

const char *frame_judge_name(void)
{
    return chosen != NULL ? chosen->name : choose()->name;
}

bool frame_judge_use(const char *name)
{
    for (unsigned i = 0; i < sizeof(widths) / sizeof(widths[0]); i++)
        if (strcmp(widths[i].name, name) == 0 && cpu_has(&widths[i])) {
            chosen = &widths[i];
            return true;
        }
    return false;
}

/* How many bytes of tags a frame has before its EtherType; frames of a run have all the same. */
static uint32_t tag_bytes(const uint8_t *data, uint32_t caplen)
{
    uint32_t n = 0;

    while (n < FRAME_TAG_LEN * FRAME_TAGS_MAX && caplen >= 18 + n &&
           ((data[12 + n] == 0x81 && data[13 + n] == 0x00) || (data[12 + n] == 0x88 && data[13 + n] == 0xa8)))
        n += FRAME_TAG_LEN;
    return n;
}

/* Frames i to i + lanes - 1, all of which should have `tags` bytes of tags. */
static void judge_group(struct frame_batch *out, const struct width *width, unsigned i, uint32_t tags,
                        const uint8_t *const *data, const uint32_t *caplen, const uint32_t *wirelen)
{
    const uint8_t *shifted[8];
    uint32_t captured[8], wire[8];
    unsigned wrong, odd, all = (1u << width->lanes) - 1;

    if (tags == 0) {
        wrong = width->judge(out, i, data + i, caplen + i, wirelen + i);
    } else {
        for (unsigned k = 0; k < width->lanes; k++) {
            bool same = tag_bytes(data[i + k], caplen[i + k]) == tags && wirelen[i + k] > tags;

            shifted[k] = data[i + k] + tags;
            captured[k] = same ? caplen[i + k] - tags : 0; /* too short to be right */
            wire[k] = same ? wirelen[i + k] - tags : 0;
        }
        wrong = width->judge(out, i, shifted, captured, wire);
    }
    odd = wrong & all;
    out->good |= (uint64_t)(all ^ odd) << i;
    for (unsigned look = wrong >> 16 & ~odd; look != 0; look &= look - 1) {
        unsigned k = i + (unsigned)__builtin_ctz(look);

        judge_fill(out, k, data[k] + tags, caplen[k] - tags);
    }
    for (; odd != 0; odd &= odd - 1) {
        unsigned k = i + (unsigned)__builtin_ctz(odd);

        judge_one(out, k, data[k], caplen[k], wirelen[k]);
    }
}

void frame_judge_batch(struct frame_batch *out, unsigned n, const uint8_t *const *data, const uint32_t *caplen,
                       const uint32_t *wirelen)
{
    const struct width *width = chosen != NULL ? chosen : choose();
    unsigned i = 0;

    out->good = out->corrupt = out->is_short = 0;
    out->singly = 0;
    for (; width->lanes > 1 && i + width->lanes <= n; i += width->lanes)
        judge_group(out, width, i, tag_bytes(data[i], caplen[i]), data, caplen, wirelen);
    for (; i < n; i++)
        judge_one(out, i, data[i], caplen[i], wirelen[i]);
}
