/* SPDX-License-Identifier: GPL-2.0-only */
/* Prefixes: what is taken and what is refused with which words, and the relations bit by bit. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/prefix.h"
#include "rng.h"

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static void prefix_good(void **state)
{
	static const struct {
		const char *word;
		uint32_t addr;
		uint8_t len;
		const char *printed; /* NULL: as the word */
	} row[] = {
		{ "0.0.0.0/0", 0, 0, NULL },
		{ "10.0.0.0/8", IP(10, 0, 0, 0), 8, NULL },
		{ "128.0.0.0/1", IP(128, 0, 0, 0), 1, NULL },
		{ "203.0.113.0/24", IP(203, 0, 113, 0), 24, NULL },
		{ "203.0.113.254/31", IP(203, 0, 113, 254), 31, NULL },
		{ "255.255.255.255/32", UINT32_MAX, 32, NULL },
		{ "198.51.100.7", IP(198, 51, 100, 7), 32, "198.51.100.7/32" },
		{ "0.0.0.0", 0, 32, "0.0.0.0/32" },
	};
	char err[128], buf[PREFIX_STRLEN];
	struct prefix p;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(row); i++) {
		assert_int_equal(prefix_parse(row[i].word, &p, err, sizeof(err)), 0);
		assert_int_equal(p.addr, row[i].addr);
		assert_int_equal(p.len, row[i].len);
		assert_string_equal(prefix_str(p, buf),
				    row[i].printed ? row[i].printed : row[i].word);
	}
}

static void prefix_refused(void **state)
{
	static const struct {
		const char *word;
		const char *says;
	} row[] = {
		{ "", "not an IPv4 prefix" },
		{ "10", "not an IPv4 prefix" },
		{ "10.0.0/8", "not an IPv4 prefix" },
		{ "10.0.0.0.0/8", "not an IPv4 prefix" },
		{ "10.0.0.256", "not an IPv4 prefix" },
		{ "10.0.0.4294967296", "not an IPv4 prefix" },
		{ "010.0.0.0/8", "leading zeros" },
		{ "10.0.00.0/8", "leading zeros" },
		{ " 10.0.0.0/8", "not an IPv4 prefix" },
		{ "10.0.0.0 /8", "not an IPv4 prefix" },
		{ "10. 0.0.0/8", "not an IPv4 prefix" },
		{ "10..0.0/8", "not an IPv4 prefix" },
		{ "+10.0.0.0/8", "not an IPv4 prefix" },
		{ "10.-1.0.0/8", "not an IPv4 prefix" },
		{ "2001:db8::/32", "not an IPv4 prefix" },
		{ "example.net", "not an IPv4 prefix" },
		{ "10.0.0.0/", "bad prefix length" },
		{ "10.0.0.0/33", "bad prefix length" },
		{ "10.0.0.0/08", "bad prefix length" },
		{ "10.0.0.0/-1", "bad prefix length" },
		{ "10.0.0.0/8 ", "bad prefix length" },
		{ "10.0.0.0/8/8", "bad prefix length" },
		{ "10.0.0.0/255.0.0.0", "bad prefix length" },
		{ "10.0.0.1/24", "did you mean 10.0.0.0/24?" },
		{ "10.1.2.3/0", "did you mean 0.0.0.0/0?" },
		{ "203.0.113.255/31", "did you mean 203.0.113.254/31?" },
	};
	struct prefix p = { .addr = 7, .len = 7 };
	char err[160];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(row); i++) {
		assert_int_equal(prefix_parse(row[i].word, &p, err, sizeof(err)), -EINVAL);
		if (!strstr(err, row[i].says) || !strstr(err, row[i].word))
			fail_msg("\"%s\" is refused with: %s", row[i].word, err);
	}
	assert_int_equal(p.addr, 7); /* untouched */
	assert_int_equal(p.len, 7);
	/* A message too long is cut, not spilled. */
	memset(err, 'x', sizeof(err));
	assert_int_equal(prefix_parse("10.0.0.1/24", &p, err, 8), -EINVAL);
	assert_int_equal(strlen(err), 7);
	assert_int_equal(err[8], 'x');
}

static void addr_good_and_refused(void **state)
{
	static const char *const refused[] = { "",	    "1.2.3",	"1.2.3.4/32", "1.2.3.4 ",
					       "1.2.3.400", "01.2.3.4", "1.2.3.4.",   "a.b.c.d",
					       "1,2,3,4",   "0x1.2.3.4" };
	char err[160], buf[ADDR_STRLEN];
	uint32_t addr = 0;
	size_t i;

	(void)state;
	assert_int_equal(addr_parse("255.254.1.0", &addr, err, sizeof(err)), 0);
	assert_int_equal(addr, IP(255, 254, 1, 0));
	assert_string_equal(addr_str(addr, buf), "255.254.1.0");
	assert_string_equal(addr_str(UINT32_MAX, buf), "255.255.255.255");
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		assert_int_equal(addr_parse(refused[i], &addr, err, sizeof(err)), -EINVAL);
		assert_non_null(strstr(err, "not an IPv4 address"));
		assert_non_null(strstr(err, refused[i]));
	}
	assert_int_equal(addr, IP(255, 254, 1, 0));
}

static void ifaddr_good_and_refused(void **state)
{
	static const struct {
		const char *word;
		uint32_t peer;	  /* where good */
		const char *says; /* where refused */
	} row[] = {
		{ "10.255.0.0/31", IP(10, 255, 0, 1), NULL },
		{ "10.255.0.1/31", IP(10, 255, 0, 0), NULL },
		{ "10.255.0.1/30", IP(10, 255, 0, 2), NULL },
		{ "10.255.0.2/30", IP(10, 255, 0, 1), NULL },
		{ "10.255.0.4/30", 0, "network address of 10.255.0.4/30" },
		{ "10.255.0.7/30", 0, "broadcast address of 10.255.0.4/30" },
		{ "10.255.0.1/29", 0, "/30 or /31" },
		{ "10.255.0.1/32", 0, "/30 or /31" },
		{ "10.255.0.1", 0, "/30 or /31" },
		{ "10.255.0.1/33", 0, "bad prefix length" },
		{ "10.255.0/31", 0, "not an IPv4 prefix" },
	};
	uint32_t addr, peer;
	char err[160], buf[ADDR_STRLEN];
	uint8_t len;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(row); i++) {
		int ret = ifaddr_parse(row[i].word, &addr, &len, &peer, err, sizeof(err));

		if (row[i].says) {
			assert_int_equal(ret, -EINVAL);
			if (!strstr(err, row[i].says) || !strstr(err, row[i].word))
				fail_msg("\"%s\" is refused with: %s", row[i].word, err);
			continue;
		}
		assert_int_equal(ret, 0);
		assert_int_equal(peer, row[i].peer);
		assert_int_equal(ifaddr_peer(addr, len), peer);
		assert_int_equal(ifaddr_peer(peer, len), addr);
		addr_str(addr, buf);
		assert_memory_equal(buf, row[i].word, strlen(buf));
	}
}

/* Whatever is printed is parsed to the same; one broken character is refused or reads otherwise. */
static void round_trip(void **state)
{
	char err[160], buf[PREFIX_STRLEN];
	struct prefix p, q;
	uint32_t addr;
	int i;

	(void)state;
	for (i = 0; i < 200000; i++) {
		p.len = (uint8_t)rng_below(33);
		p.addr = (uint32_t)rng_next() & prefix_mask(p.len);
		if (prefix_parse(prefix_str(p, buf), &q, err, sizeof(err)) || prefix_cmp(p, q))
			fail_msg("%s does not come back", buf);
		buf[rng_below((uint32_t)strlen(buf))] = "0./ x"[rng_below(5)];
		if (!prefix_parse(buf, &q, err, sizeof(err)) && q.addr & ~prefix_mask(q.len))
			fail_msg("%s is taken", buf);
		if (addr_parse(addr_str(p.addr, buf), &addr, err, sizeof(err)) || addr != p.addr)
			fail_msg("%s does not come back", buf);
	}
}

/* The mask, one bit after the other. */
static uint32_t naive_mask(int len)
{
	uint32_t m = 0;

	while (len--)
		m = m >> 1 | 0x80000000u;
	return m;
}

/* Against first and last addresses as 64-bit numbers. */
static void relations(void **state)
{
	struct prefix a, b;
	uint64_t a0, a1, b0, b1;
	int i;

	(void)state;
	for (i = 0; i <= 32; i++)
		assert_int_equal(prefix_mask((uint8_t)i), naive_mask(i));
	for (i = 0; i < 500000; i++) {
		a.len = (uint8_t)rng_below(33);
		b.len = (uint8_t)rng_below(33);
		a.addr = (uint32_t)rng_next() & naive_mask(a.len);
		/* Near each other more often than not. */
		b.addr = rng_below(4) ? a.addr ^ 1u << rng_below(32) : (uint32_t)rng_next();
		b.addr &= naive_mask(b.len);
		a0 = a.addr;
		a1 = a0 + (1ull << (32 - a.len)) - 1;
		b0 = b.addr;
		b1 = b0 + (1ull << (32 - b.len)) - 1;
		if (prefix_covers(a, b) != (a0 <= b0 && b1 <= a1))
			fail_msg("covers: %08x/%u %08x/%u", a.addr, a.len, b.addr, b.len);
		if (prefix_overlaps(a, b) != (a0 <= b1 && b0 <= a1))
			fail_msg("overlaps: %08x/%u %08x/%u", a.addr, a.len, b.addr, b.len);
		if (prefix_has_addr(a, b.addr) != (a0 <= b0 && b0 <= a1))
			fail_msg("has_addr: %08x/%u %08x", a.addr, a.len, b.addr);
		if ((prefix_cmp(a, b) < 0) != (a0 < b0 || (a0 == b0 && a.len < b.len)) ||
		    (prefix_cmp(a, b) == 0) != (a0 == b0 && a.len == b.len))
			fail_msg("cmp: %08x/%u %08x/%u", a.addr, a.len, b.addr, b.len);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefix_good),
		cmocka_unit_test(prefix_refused),
		cmocka_unit_test(addr_good_and_refused),
		cmocka_unit_test(ifaddr_good_and_refused),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(relations),
	};

	return cmocka_run_group_tests(tests, rng_setup, NULL);
}
