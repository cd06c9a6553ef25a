/* SPDX-License-Identifier: Apache-2.0 */
/* Building and judging numbered frames. The layout and its reasons are in frame.h. */
#include "frame.h"

#include <string.h>

#define K1 0x9e3779b97f4a7c15u
#define K2 0xd6e8feb86659fd93u

/* Offsets from the IPv4 header. */
enum {
	IP_TOTAL = 2,
	IP_ID = 4,
	IP_FLAGS = 6,
	IP_TTL = 8,
	IP_PROTO = 9,
	IP_SUM = 10,
	IP_SRC = 12,
	IP_DST = 16,
	UDP_SPORT = 20,
	UDP_DPORT = 22,
	UDP_LEN = 24,
	UDP_SUM = 26,
	NF_MAGIC = 28,
	NF_SEQ = 30,
	NF_TIME = 38,
	NF_FILL = 46,
};

#define SRC_PREFIX 0xc612u /* 198.18 */
#define DST_DEFAULT 0xc6130001u /* 198.19.0.1 */

static inline uint16_t get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap16(v);
}

static inline uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap64(v);
}

static inline void put16(uint8_t *p, unsigned v)
{
	uint16_t be = __builtin_bswap16((uint16_t)v);

	memcpy(p, &be, sizeof(be));
}

static inline void put32(uint8_t *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void put64(uint8_t *p, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, sizeof(v));
}

static inline uint64_t raw64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t raw32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint16_t raw16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/*
 * One's complement sums do not care about byte order or about the size of the words: 2^64 - 1 is a multiple of
 * 2^16 - 1, so 64-bit words are added as they lie in memory, and only the end is reduced.
 */
static inline uint64_t reduce(unsigned __int128 sum)
{
	uint64_t low = (uint64_t)sum, all = low + (uint64_t)(sum >> 64);

	return all + (all < low);
}

static inline uint16_t fold(unsigned __int128 sum)
{
	uint64_t s = reduce(sum);

	s = (s & 0xffffffffu) + (s >> 32);
	s = (s & 0xffffu) + (s >> 16);
	s = (s & 0xffffu) + (s >> 16);
	s = (s & 0xffffu) + (s >> 16);
	return (uint16_t)s;
}

/* A sum that is not all zeros is right when it is a multiple of 0xffff: multiply by the inverse, compare. */
static inline bool sum_right(unsigned __int128 sum)
{
	return reduce(sum) * 0xfffefffefffeffffu <= UINT64_MAX / 0xffffu;
}

static inline uint16_t check16(uint64_t seq, uint64_t time_ns, uint16_t flow, uint16_t total)
{
	uint64_t h = (seq ^ (uint64_t)flow << 48 ^ (uint64_t)total << 32) * K1;

	h ^= h >> 32;
	return (uint16_t)((h + time_ns) * K2 >> 48);
}

static inline uint64_t fill_base(uint64_t seq, uint16_t flow)
{
	return (seq + 1) * K2 + ((uint64_t)flow << 48);
}

static void fill_write(uint8_t *p, uint32_t len, uint64_t x)
{
	uint64_t pair[2];

	for (; len >= 16; len -= 16, p += 16, x += K1) {
		pair[0] = x;
		pair[1] = ~x;
		memcpy(p, pair, 16);
	}
	pair[0] = x;
	pair[1] = ~x;
	memcpy(p, pair, len);
}

static bool fill_right(const uint8_t *p, uint32_t len, uint64_t x)
{
	uint64_t wrong = 0, pair[2];

	for (; len >= 16; len -= 16, p += 16, x += K1) {
		memcpy(pair, p, 16);
		wrong |= (pair[0] ^ x) | (pair[1] ^ ~x);
	}
	pair[0] = x;
	pair[1] = ~x;
	return wrong == 0 && memcmp(p, pair, len) == 0;
}

/* What the cut last group of `len` bytes of fill adds to the UDP checksum. */
static unsigned __int128 fill_tail_sum(uint32_t len, uint64_t x)
{
	uint64_t pair[2] = {0, 0}, whole[2];

	x += (len >> 4) * K1;
	whole[0] = x;
	whole[1] = ~x;
	memcpy(pair, whole, len & 15);
	return (unsigned __int128)pair[0] + pair[1];
}

/* Pseudo-header, UDP header as it stands, and payload up to the fill. */
static inline unsigned __int128 udp_sum(const uint8_t *ip)
{
	unsigned __int128 sum = raw64(ip + IP_SRC);

	sum += raw64(ip + UDP_SPORT);
	sum += raw64(ip + NF_SEQ);
	sum += raw64(ip + NF_TIME);
	return sum + (uint32_t)(raw16(ip + NF_MAGIC) + raw16(ip + UDP_LEN) + __builtin_bswap16(17));
}

static inline unsigned __int128 ip_sum(const uint8_t *ip)
{
	return (unsigned __int128)raw64(ip) + raw64(ip + 8) + raw32(ip + 16);
}

static void write_id(uint8_t *ip, uint32_t total, const struct frame_id *id)
{
	uint64_t base = fill_base(id->seq, id->flow);
	uint32_t fill = total - NF_FILL;
	uint16_t sum;

	put16(ip + IP_ID, check16(id->seq, id->time_ns, id->flow, (uint16_t)total));
	put16(ip + IP_SUM, 0);
	put16(ip + IP_SRC + 2, id->flow);
	sum = (uint16_t)~fold(ip_sum(ip));
	memcpy(ip + IP_SUM, &sum, 2);

	put16(ip + UDP_SPORT, 0xc000u | (id->flow & 0x3fffu));
	put16(ip + UDP_SUM, 0);
	put64(ip + NF_SEQ, id->seq);
	put64(ip + NF_TIME, id->time_ns);
	fill_write(ip + NF_FILL, fill, base);
	sum = (uint16_t)~fold(udp_sum(ip) + fill_tail_sum(fill, base));
	if (sum == 0)
		sum = 0xffff;
	memcpy(ip + UDP_SUM, &sum, 2);
}

bool frame_build(uint8_t *buf, uint32_t size, const struct frame_layout *layout, const struct frame_id *id)
{
	uint32_t l2 = FRAME_L2_LEN + FRAME_TAG_LEN * layout->tags;
	uint8_t *p = buf + 12;

	if (layout->tags > FRAME_TAGS_MAX || size < frame_size_min(layout->tags) || size - l2 > 65535)
		return false;
	memcpy(buf, layout->dst_mac, 6);
	memcpy(buf + 6, layout->src_mac, 6);
	for (unsigned i = 0; i < layout->tags; i++, p += FRAME_TAG_LEN) {
		put16(p, layout->tag_type[i]);
		put16(p + 2, layout->tag_control[i]);
	}
	put16(p, 0x0800);
	p += 2;
	put16(p, 0x4500);
	put16(p + IP_TOTAL, size - l2);
	put16(p + IP_FLAGS, 0x4000);
	p[IP_TTL] = 64;
	p[IP_PROTO] = 17;
	put16(p + IP_SRC, SRC_PREFIX);
	put32(p + IP_DST, layout->dst_ip ? layout->dst_ip : DST_DEFAULT);
	put16(p + UDP_DPORT, FRAME_PORT);
	put16(p + UDP_LEN, size - l2 - 20);
	put16(p + NF_MAGIC, FRAME_MAGIC);
	write_id(p, size - l2, id);
	return true;
}

void frame_renumber(uint8_t *buf, uint32_t size, unsigned tags, const struct frame_id *id)
{
	uint32_t l2 = FRAME_L2_LEN + FRAME_TAG_LEN * tags;

	write_id(buf + l2, size - l2, id);
}

static inline unsigned count_marks(const uint8_t *ip)
{
	return (get16(ip + IP_SRC) == SRC_PREFIX) + (get16(ip + UDP_DPORT) == FRAME_PORT) +
	       (get16(ip + NF_MAGIC) == FRAME_MAGIC);
}

/* Constant bytes of the first 30, as the little-endian words they are read in: 0x45 and flags; protocol and source prefix; port and magic. */
static inline bool constants_right(const uint8_t *ip)
{
	uint64_t wrong = (raw64(ip) ^ 0x0040000000000045u) & 0xffff0000000000ffu;

	wrong |= (raw64(ip + 8) ^ 0x000012c600001100u) & 0x0000ffff0000ff00u;
	wrong |= (raw64(ip + 22) ^ 0x666e00000000feca) & 0xffff00000000ffffu;
	return wrong == 0;
}

static bool fill_judge(const uint8_t *ip, uint32_t there, uint32_t fill, uint64_t base)
{
	if (!sum_right(udp_sum(ip) + fill_tail_sum(fill, base)))
		return false;
	return fill_right(ip + NF_FILL, there < fill ? there : fill, base);
}

enum frame_verdict frame_judge_ip(const uint8_t *ip, uint32_t caplen, uint32_t wirelen, struct frame_id *id)
{
	uint32_t total;
	uint64_t seq, time_ns;
	uint16_t flow;
	unsigned wrong;

	if (__builtin_expect(caplen < NF_FILL, 0))
		return wirelen < NF_FILL ? FRAME_FOREIGN : FRAME_SHORT;
	if (__builtin_expect(!constants_right(ip), 0))
		return count_marks(ip) < 2 ? FRAME_FOREIGN : FRAME_CORRUPT;

	total = get16(ip + IP_TOTAL);
	seq = get64(ip + NF_SEQ);
	time_ns = get64(ip + NF_TIME);
	flow = get16(ip + IP_SRC + 2);
	/* One sum of differences and not a chain of &&: nearly every frame passes, and one branch costs less than six. */
	wrong = get16(ip + UDP_LEN) ^ (total - 20);
	wrong |= get16(ip + UDP_SPORT) ^ (0xc000u | (flow & 0x3fffu));
	wrong |= get16(ip + IP_ID) ^ check16(seq, time_ns, flow, (uint16_t)total);
	wrong |= (unsigned)(total < NF_FILL) | (unsigned)(total > wirelen) | (unsigned)!sum_right(ip_sum(ip));
	if (__builtin_expect(wrong != 0, 0))
		return FRAME_CORRUPT;
	if (total == NF_FILL ? !sum_right(udp_sum(ip))
			     : !fill_judge(ip, caplen - NF_FILL, total - NF_FILL, fill_base(seq, flow)))
		return FRAME_CORRUPT;
	id->seq = seq;
	id->time_ns = time_ns;
	id->flow = flow;
	return FRAME_GOOD;
}

/* A frame that does not look like IPv4 behind its tags: foreign, unless the marks are there all the same. */
static enum frame_verdict judge_unknown(const uint8_t *data, uint32_t caplen)
{
	for (unsigned tags = 0; tags <= FRAME_TAGS_MAX; tags++)
		if (caplen >= frame_size_min(tags) && count_marks(data + FRAME_L2_LEN + FRAME_TAG_LEN * tags) >= 2)
			return FRAME_CORRUPT;
	return FRAME_FOREIGN;
}

enum frame_verdict frame_judge(const uint8_t *data, uint32_t caplen, uint32_t wirelen, struct frame_id *id)
{
	uint32_t l2 = FRAME_L2_LEN;

	for (unsigned tags = 0;; tags++, l2 += FRAME_TAG_LEN) {
		unsigned type;

		if (__builtin_expect(caplen < l2 || wirelen < l2, 0))
			return wirelen < FRAME_SIZE_MIN ? FRAME_FOREIGN : FRAME_SHORT;
		type = get16(data + l2 - 2);
		if (__builtin_expect(type == 0x0800, 1))
			break;
		if ((type != 0x8100 && type != 0x88a8) || tags == FRAME_TAGS_MAX)
			return judge_unknown(data, caplen);
	}
	return frame_judge_ip(data + l2, caplen - l2, wirelen - l2, id);
}
