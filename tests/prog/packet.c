/* SPDX-License-Identifier: GPL-2.0-only */
/* See packet.h. All checksums here are computed from scratch, never updated. */
#include "packet.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- fields ---------------------------------------------------------------------------------- */

uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

uint16_t checksum(const uint8_t *p, uint32_t n, uint32_t sum)
{
	for (; n > 1; n -= 2, p += 2)
		sum += get16(p);
	if (n)
		sum += (uint32_t)p[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* --- building -------------------------------------------------------------------------------- */

unsigned int layer_count(const struct layer *l)
{
	unsigned int n = 0;

	while (l[n].kind != L_END)
		n++;
	return n;
}

static uint32_t layer_size(const struct layer *l)
{
	switch (l->kind) {
	case L_ETH:
		return 14;
	case L_VLAN:
		return 4;
	case L_IP:
		return 20 + 4u * l->options;
	case L_GRE:
		return 4 + (l->flags & 0x8000 ? 4 : 0) + (l->flags & 0x2000 ? 4 : 0) +
		       (l->flags & 0x1000 ? 4 : 0);
	case L_UDP:
	case L_ICMP:
		return 8;
	case L_TCP:
		return 20;
	default:
		return l->n;
	}
}

/* Ethertype by which a layer is announced. */
static uint16_t ethertype_of(const struct layer *l)
{
	if (l->kind == L_VLAN)
		return 0x8100;
	return l->kind == L_IP ? 0x0800 : 0x88b5; /* local experimental */
}

static uint8_t protocol_of(const struct layer *l)
{
	switch (l->kind) {
	case L_IP:
		return 4;
	case L_GRE:
		return 47;
	case L_UDP:
		return 17;
	case L_TCP:
		return 6;
	case L_ICMP:
		return 1;
	default:
		return 253; /* experimental, RFC 3692 */
	}
}

static void put_ip(uint8_t *p, const struct layer *l, uint32_t len)
{
	uint8_t words = (uint8_t)(5 + l->options);

	p[0] = (uint8_t)((l->version ? l->version : 4) << 4 | (l->ihl ? l->ihl : words));
	p[1] = l->tos;
	put16(p + 2, (uint32_t)((int)len + l->longer));
	put16(p + 4, l->id);
	put16(p + 6, l->frag);
	p[8] = l->ttl;
	put16(p + 10, 0);
	p[9] = (uint8_t)(l->proto ? l->proto : protocol_of(l + 1));
	put32(p + 12, l->from);
	put32(p + 16, l->to);
	memset(p + 20, 1, 4u * l->options);
	put16(p + 10, checksum(p, 4u * words, 0) + l->spoil);
}

static void put_gre(uint8_t *p, const struct layer *l, uint32_t len)
{
	uint32_t at = 4;

	put16(p, l->flags);
	put16(p + 2, l->proto ? l->proto : ethertype_of(l + 1));
	if (l->flags & 0x8000) {
		put32(p + at, 0);
		at += 4;
	}
	if (l->flags & 0x2000) {
		put32(p + at, l->key);
		at += 4;
	}
	if (l->flags & 0x1000)
		put32(p + at, l->seq);
	if (l->flags & 0x8000)
		put16(p + 4, checksum(p, len, 0) + l->spoil);
}

/* TCP or UDP with the checksum over the pseudo header of the IPv4 layer before it. */
static void put_ports(uint8_t *p, const struct layer *l, const uint8_t *ip, uint32_t len)
{
	uint32_t pseudo = (l->kind == L_UDP ? 17u : 6u) + len, i;

	put16(p, l->sport);
	put16(p + 2, l->dport);
	put16(p + (l->kind == L_UDP ? 6 : 16), 0);
	if (l->kind == L_UDP) {
		put16(p + 4, len);
	} else {
		p[12] = 0x50;
		p[13] = 0x10;
	}
	for (i = 12; ip && i < 20; i += 2)
		pseudo += get16(ip + i);
	put16(p + (l->kind == L_UDP ? 6 : 16), checksum(p, len, pseudo));
}

/* `ip`: the IPv4 header before this layer, if there is one. */
static void put_layer(struct frame *f, const struct layer *l, uint32_t at, uint32_t end,
		      const uint8_t *ip)
{
	uint8_t *p = f->b + at;
	uint32_t i;

	switch (l->kind) {
	case L_ETH:
		memcpy(p, l->dst, 6);
		memcpy(p + 6, l->src, 6);
		put16(p + 12, l->proto ? l->proto : ethertype_of(l + 1));
		break;
	case L_VLAN:
		put16(p, l->tci);
		put16(p + 2, l->proto ? l->proto : ethertype_of(l + 1));
		break;
	case L_IP:
		put_ip(p, l, end - at);
		break;
	case L_GRE:
		put_gre(p, l, end - at);
		break;
	case L_UDP:
	case L_TCP:
		put_ports(p, l, ip, end - at);
		break;
	case L_ICMP:
		p[0] = l->type;
		p[1] = l->code;
		put16(p + 2, 0);
		put16(p + 2, checksum(p, end - at, 0));
		break;
	default:
		for (i = 0; i < l->n; i++)
			p[i] = l->kind == L_PAD ? 0xaa : (uint8_t)(i * 7 + 1);
		break;
	}
}

void frame_build(struct frame *f, const struct layer *l)
{
	uint32_t at[LAYERS_MAX], len = 0, end = 0;
	unsigned int n = layer_count(l), i;

	if (n > LAYERS_MAX)
		abort();
	for (i = 0; i < n; i++) {
		at[i] = len;
		len += layer_size(&l[i]);
		if (l[i].kind != L_PAD)
			end = len;
	}
	if (len > FRAME_MAX)
		abort();
	memset(f->b, 0, len);
	f->len = len;
	for (i = n; i-- > 0;)
		put_layer(f, &l[i], at[i], end, NULL);
	/* Once more, now that the addresses of the pseudo headers are there. */
	for (i = n; i-- > 0;)
		put_layer(f, &l[i], at[i], end,
			  i && l[i - 1].kind == L_IP ? f->b + at[i - 1] : NULL);
}

/* --- comparing ------------------------------------------------------------------------------- */

bool frame_equal(const struct frame *a, const struct frame *b)
{
	return a->len == b->len && !memcmp(a->b, b->b, a->len);
}

static const char *ip_field(uint32_t off)
{
	static const char *const name[20] = {
		"version/ihl", "tos",	      "total length", "total length", "id",
		"id",	       "frag",	      "frag",	      "ttl",	      "protocol",
		"checksum",    "checksum",    "source",	      "source",	      "source",
		"source",      "destination", "destination",  "destination",  "destination",
	};

	return off < 20 ? name[off] : "options";
}

/* Length of the GRE header at p, as its flags say. */
static uint32_t gre_size(const uint8_t *p)
{
	return 4 + (p[0] & 0x80 ? 4 : 0) + (p[0] & 0x20 ? 4 : 0) + (p[0] & 0x10 ? 4 : 0);
}

/* Names the field at `off`, as far as the frame can be walked. */
static void field_name(const struct frame *f, uint32_t off, char *buf, size_t len)
{
	uint32_t l3 = 14, depth = 0, ihl;

	if (off < 12) {
		snprintf(buf, len, "eth %s", off < 6 ? "destination" : "source");
		return;
	}
	while (l3 + 4 <= f->len &&
	       (get16(f->b + l3 - 2) == 0x8100 || get16(f->b + l3 - 2) == 0x88a8))
		l3 += 4;
	if (off < l3) {
		snprintf(buf, len, "ethertype or tag");
		return;
	}
	for (;;) {
		const uint8_t *p = f->b + l3;

		if (l3 + 24 > f->len || p[0] >> 4 != 4)
			break;
		ihl = (p[0] & 15u) * 4;
		if (off < l3 + ihl) {
			snprintf(buf, len, "ip[%u] %s", depth, ip_field(off - l3));
			return;
		}
		if (p[9] != 47 || l3 + ihl + 4 > f->len)
			break;
		l3 += ihl;
		if (off < l3 + gre_size(f->b + l3)) {
			snprintf(buf, len, "gre byte %u", off - l3);
			return;
		}
		l3 += gre_size(f->b + l3);
		depth++;
	}
	snprintf(buf, len, "payload byte %u", off - l3);
}

static void hex_line(const struct frame *f, uint32_t at, const struct frame *other)
{
	uint32_t i;

	printf("  %04x", at);
	for (i = at; i < at + 16 && i < f->len; i++) {
		bool same = !other || (i < other->len && f->b[i] == other->b[i]);

		printf("%c%02x", same ? ' ' : '*', f->b[i]);
	}
	printf("\n");
}

void frame_print(const char *what, const struct frame *f)
{
	uint32_t at;

	printf("%s, %u bytes:\n", what, f->len);
	for (at = 0; at < f->len && at < 256; at += 16)
		hex_line(f, at, NULL);
}

void frame_diff(const char *what, const struct frame *want, const struct frame *got)
{
	uint32_t max = want->len > got->len ? want->len : got->len, at, i, named = 0;
	char name[64], last[64] = "";

	printf("%s: frames differ; want %u bytes, got %u\n", what, want->len, got->len);
	for (at = 0; at < max && at < 256; at += 16) {
		printf("want");
		hex_line(want, at, got);
		printf(" got");
		hex_line(got, at, want);
	}
	for (i = 0; i < want->len && i < got->len && named < 12; i++) {
		if (want->b[i] == got->b[i])
			continue;
		field_name(want, i, name, sizeof(name));
		if (!strcmp(name, last))
			continue;
		printf("  differs at %u: %s: want %02x, got %02x\n", i, name, want->b[i],
		       got->b[i]);
		memcpy(last, name, sizeof(last));
		named++;
	}
}

/* --- randomness ------------------------------------------------------------------------------ */

uint64_t rng_next(struct rng *r)
{
	uint64_t z = (r->s += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
	return n ? (uint32_t)((rng_next(r) >> 32) * n >> 32) : 0;
}

bool rng_chance(struct rng *r, uint32_t percent)
{
	return rng_below(r, 100) < percent;
}

uint64_t rng_seed(const char *test, uint64_t fallback)
{
	const char *env = getenv("PENSTOCK_SEED");
	uint64_t seed = env && *env ? strtoull(env, NULL, 0) : fallback;

	printf("%s: PENSTOCK_SEED=%" PRIu64 "\n", test, seed);
	fflush(stdout);
	return seed;
}
