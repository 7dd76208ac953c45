/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Text to prefix and back. inet_pton() and friends are not used: they cannot say what is wrong with
 * a word, and the older ones take "010.1" for 8.0.0.1.
 *
 * One scanner reads the four parts; what may follow the address ("/len" or nothing) is the
 * caller's. Each message quotes the whole word, then names the fault.
 */
#include "core/prefix.h"

#include <errno.h>
#include <stdio.h>

uint32_t prefix_mask(uint8_t len)
{
	return len ? UINT32_MAX << (32 - len) : 0; /* a shift by 32 is undefined */
}

static int bad(char *err, size_t errlen, const char *word, const char *why)
{
	snprintf(err, errlen, "\"%s\": %s", word, why);
	return -EINVAL;
}

/* Reads a decimal number <= max without leading zeros. NULL, or what follows it. */
static const char *scan_number(const char *s, unsigned int max, unsigned int *value)
{
	const char *start = s;
	unsigned int v = 0;

	for (; *s >= '0' && *s <= '9'; s++) {
		v = v * 10 + (unsigned int)(*s - '0');
		if (v > max)
			return NULL;
	}
	if (s == start || (*start == '0' && s - start > 1))
		return NULL;
	*value = v;
	return s;
}

/* Reads "a.b.c.d". NULL, or what follows it. */
static const char *scan_addr(const char *s, uint32_t *addr)
{
	unsigned int part;
	uint32_t a = 0;
	int i;

	for (i = 0; i < 4; i++) {
		if (i && *s++ != '.')
			return NULL;
		s = scan_number(s, 255, &part);
		if (!s)
			return NULL;
		a = a << 8 | part;
	}
	*addr = a;
	return s;
}

/* Reads "a.b.c.d/len", or "a.b.c.d" as a /32, host bits and all. */
static int scan_prefix(const char *word, struct prefix *p, char *err, size_t errlen)
{
	unsigned int len = 32;
	const char *s;

	s = scan_addr(word, &p->addr);
	if (!s || (*s && *s != '/'))
		return bad(
			err, errlen, word,
			"not an IPv4 prefix: expected a.b.c.d/len, each part 0 to 255 and without "
			"leading zeros");
	if (*s == '/') {
		s = scan_number(s + 1, 32, &len);
		if (!s || *s)
			return bad(err, errlen, word,
				   "bad prefix length: expected a number from 0 to 32");
	}
	p->len = (uint8_t)len;
	return 0;
}

int prefix_parse(const char *word, struct prefix *p, char *err, size_t errlen)
{
	char buf[PREFIX_STRLEN];
	struct prefix q, masked;
	int ret;

	ret = scan_prefix(word, &q, err, errlen);
	if (ret)
		return ret;
	masked = (struct prefix){ .addr = q.addr & prefix_mask(q.len), .len = q.len };
	if (masked.addr != q.addr) {
		snprintf(err, errlen, "\"%s\": host bits set; did you mean %s?", word,
			 prefix_str(masked, buf));
		return -EINVAL;
	}
	*p = q;
	return 0;
}

int addr_parse(const char *word, uint32_t *addr, char *err, size_t errlen)
{
	const char *s;
	uint32_t a;

	s = scan_addr(word, &a);
	if (!s || *s)
		return bad(err, errlen, word,
			   "not an IPv4 address: expected a.b.c.d, each part 0 to 255 and without "
			   "leading zeros");
	*addr = a;
	return 0;
}

int ifaddr_parse(const char *word, uint32_t *addr, uint8_t *len, uint32_t *peer, char *err,
		 size_t errlen)
{
	char buf[PREFIX_STRLEN];
	struct prefix p;
	uint32_t host;
	int ret;

	ret = scan_prefix(word, &p, err, errlen);
	if (ret)
		return ret;
	if (p.len != 30 && p.len != 31)
		return bad(err, errlen, word, "an interface address needs a /30 or /31");
	host = p.addr & ~prefix_mask(p.len);
	if (p.len == 30 && (host == 0 || host == 3)) {
		struct prefix net = { .addr = p.addr - host, .len = 30 };

		snprintf(err, errlen, "\"%s\": the %s address of %s; use one of its two hosts",
			 word, host ? "broadcast" : "network", prefix_str(net, buf));
		return -EINVAL;
	}
	*addr = p.addr;
	*len = p.len;
	*peer = ifaddr_peer(p.addr, p.len);
	return 0;
}

uint32_t ifaddr_peer(uint32_t addr, uint8_t len)
{
	/* Hosts of a /31 are 0 and 1, of a /30 they are 1 and 2. */
	return addr ^ (len == 31 ? 1 : 3);
}

char *addr_str(uint32_t addr, char *buf)
{
	snprintf(buf, ADDR_STRLEN, "%u.%u.%u.%u", addr >> 24, addr >> 16 & 0xff, addr >> 8 & 0xff,
		 addr & 0xff);
	return buf;
}

char *prefix_str(struct prefix p, char *buf)
{
	char addr[ADDR_STRLEN];

	snprintf(buf, PREFIX_STRLEN, "%s/%u", addr_str(p.addr, addr), p.len & 0x3fu);
	return buf;
}

bool prefix_has_addr(struct prefix p, uint32_t addr)
{
	return ((addr ^ p.addr) & prefix_mask(p.len)) == 0;
}

bool prefix_covers(struct prefix outer, struct prefix inner)
{
	return outer.len <= inner.len && prefix_has_addr(outer, inner.addr);
}

bool prefix_overlaps(struct prefix a, struct prefix b)
{
	return prefix_covers(a, b) || prefix_covers(b, a);
}

int prefix_cmp(struct prefix a, struct prefix b)
{
	if (a.addr != b.addr)
		return a.addr < b.addr ? -1 : 1;
	return (int)a.len - (int)b.len;
}
