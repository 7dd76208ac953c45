/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * BGP attributes: the service's tables of communities and prepends, text good and bad, and both
 * rules against a naive reading of random attributes. Tests are named by the rule they show.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/bgp.h"
#include "rng.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PROVIDER 13335u
#define C(asn, value) ((uint32_t)(asn) << 16 | (value))

static struct bgp_path path;
static char err[256];

static void path_of(const char *text)
{
	if (bgp_path_parse(text, &path, err, sizeof(err)))
		fail_msg("\"%s\": %s", text, err);
}

/* --- rule 3 ---------------------------------------------------------------------------------- */

/* The service's table. */
static void rule_3_base_priority_by_community(void **state)
{
	static const struct {
		uint32_t community[4];
		unsigned int n;
		uint32_t priority;
		bool several;
	} row[] = {
		{ { C(13335, 60010) }, 1, 10, false },
		{ { C(13335, 60050) }, 1, 50, false },
		{ { 0 }, 0, 100, false },
		{ { C(13335, 60150) }, 1, 150, false },
		{ { C(13335, 60200) }, 1, 200, false },
		{ { C(13335, 60901) }, 1, 501000, false },
		{ { C(13335, 60902) }, 1, 1001000, false },
		/* Others say nothing of it. */
		{ { C(13335, 60100) }, 1, 100, false },
		{ { C(13335, 60011) }, 1, 100, false },
		{ { C(13336, 60010) }, 1, 100, false },
		{ { C(60010, 13335) }, 1, 100, false },
		{ { C(65535, 65281), C(13335, 60200) }, 2, 200, false },
		/* Several: the lowest, wherever it stands. */
		{ { C(13335, 60150), C(13335, 60010) }, 2, 10, true },
		{ { C(13335, 60010), C(13335, 60150) }, 2, 10, true },
		{ { C(13335, 60902), C(1, 2), C(13335, 60901), C(13335, 60200) }, 4, 200, true },
		{ { C(13335, 60050), C(13335, 60050) }, 2, 50, false }, /* one, said twice */
		{ { C(13335, 60050), C(13335, 60001) }, 2, 50, false },
	};
	bool several;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(row); i++) {
		several = !row[i].several;
		if (bgp_base_priority(row[i].community, row[i].n, PROVIDER, &several) !=
			    row[i].priority ||
		    several != row[i].several)
			fail_msg("row %zu", i);
	}
}

/* The provider's ASN is configurable, and one of 32 bits is in no community. */
static void rule_3_provider_asn(void **state)
{
	const uint32_t community[] = { C(13335, 60010), C(64512, 60050), C(1, 60150) };
	bool several;

	(void)state;
	assert_int_equal(bgp_base_priority(community, 3, 64512, &several), 50);
	assert_false(several);
	assert_int_equal(bgp_base_priority(community, 3, 65536 + 1, &several), 100);
	assert_int_equal(bgp_base_priority(community, 3, 13335, &several), 10);
}

static void rule_3_against_the_naive(void **state)
{
	static const uint32_t value[] = { 60010, 60050, 60150, 60200, 60901, 60902, 60100, 1 };
	static const uint32_t number[] = { 10, 50, 150, 200, 501000, 1001000 };
	uint32_t community[12];
	unsigned int i, k, j, n, kinds, lowest;
	bool several, seen[6];

	(void)state;
	for (i = 0; i < 100000; i++) {
		memset(seen, 0, sizeof(seen));
		n = rng_below(ARRAY_SIZE(community) + 1);
		for (k = 0; k < n; k++) {
			j = rng_below(ARRAY_SIZE(value));
			if (rng_below(2)) {
				community[k] = C(13334 + rng_below(3) / 2 * 2, value[j]);
				continue;
			}
			community[k] = C(PROVIDER, value[j]);
			if (j < 6)
				seen[j] = true;
		}
		for (k = kinds = 0, lowest = 100; k < 6; k++) {
			if (seen[k] && !kinds++)
				lowest = number[k];
		}
		assert_int_equal(bgp_base_priority(community, n, PROVIDER, &several), lowest);
		assert_int_equal(several, kinds > 1);
	}
}

/* --- rule 4 ---------------------------------------------------------------------------------- */

static void rule_4_prepends(void **state)
{
	static const struct {
		const char *path;
		uint32_t peer;
		uint16_t additional, all;
	} row[] = {
		{ "65000", 65000, 0, 1 },
		{ "65000 65000", 65000, 1, 2 },	      /* one prepend: +10 */
		{ "65000 65000 65000", 65000, 2, 3 }, /* two: +20 */
		{ "65000 65200 65000", 65000, 1, 2 }, /* anywhere in the path */
		{ "65200 65300 65000 65000 65000", 65000, 2, 3 },
		{ "65200 65300", 65000, 0, 0 }, /* never: nothing, not minus one */
		{ "65200 65200", 65000, 0, 0 }, /* another's prepends are not the peer's */
		{ "65000 {65000,65300}", 65000, 1, 2 },
		{ "65200 {65000 65300}", 65000, 0, 1 },
		{ "{65000,65000} {65000}", 65000, 2, 3 }, /* each mention in a set is one */
		{ "1.10 1.10 65546", 65546, 2, 3 },
		{ "4200000000 10 4200000000", 4200000000, 1, 2 },
		{ "65546 10", 10, 0, 1 }, /* 1.10 is not 10 */
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(row); i++) {
		path_of(row[i].path);
		if (bgp_prepends(&path, row[i].peer, PS_PREPEND_ADDITIONAL) != row[i].additional ||
		    bgp_prepends(&path, row[i].peer, PS_PREPEND_ALL) != row[i].all)
			fail_msg("\"%s\"", row[i].path);
	}
	path.segments = path.asns = 0;
	assert_int_equal(bgp_prepends(&path, 65000, PS_PREPEND_ALL), 0);
	assert_int_equal(bgp_prepends(&path, 65000, PS_PREPEND_ADDITIONAL), 0);
}

/* As decoded from a message: every kind of segment, up to what a path can hold. */
static void rule_4_against_the_naive(void **state)
{
	unsigned int i, k, n, mentions;
	uint32_t asn;

	(void)state;
	for (i = 0; i < 2000; i++) {
		path.segments = path.asns = 0;
		n = rng_below(i % 50 ? 20 : BGP_ASNS_MAX + 1);
		assert_false(bgp_path_asn(&path, 1)); /* of no segment */
		for (k = mentions = 0; k < n; k++) {
			if (!k || rng_below(4) == 0)
				assert_true(bgp_path_segment(&path, (uint8_t)(1 + rng_below(4))));
			asn = 65000 + rng_below(3);
			mentions += asn == 65001;
			assert_true(bgp_path_asn(&path, asn));
		}
		assert_int_equal(bgp_prepends(&path, 65001, PS_PREPEND_ALL), mentions);
		assert_int_equal(bgp_prepends(&path, 65001, PS_PREPEND_ADDITIONAL),
				 mentions ? mentions - 1 : 0);
	}
}

static void a_full_path_takes_no_more(void **state)
{
	unsigned int i;

	(void)state;
	path.segments = path.asns = 0;
	for (i = 0; i < BGP_ASNS_MAX; i++) {
		assert_true(bgp_path_segment(&path, BGP_AS_SEQUENCE));
		assert_true(bgp_path_asn(&path, 7));
	}
	assert_false(bgp_path_segment(&path, BGP_AS_SET));
	assert_false(bgp_path_asn(&path, 7));
	assert_int_equal(bgp_prepends(&path, 7, PS_PREPEND_ALL), BGP_ASNS_MAX);
}

/* --- both ------------------------------------------------------------------------------------ */

static void rules_3_and_4_make_a_candidate(void **state)
{
	static struct bgp_attributes a;
	struct ps_candidate c = { .tunnel = 7, .regions = 3, .weight = 200 };
	bool several;

	(void)state;
	/* The sentence of the service that says 180 is wrong: its rule gives 170. */
	a.peer_asn = 65000;
	a.communities = 1;
	a.community[0] = C(13335, 60150);
	assert_int_equal(bgp_path_parse("65000 65000 65000", &a.path, err, sizeof(err)), 0);
	bgp_candidate(&a, PROVIDER, PS_PREPEND_ADDITIONAL, &c, &several);
	assert_int_equal(c.origin, PS_ORIGIN_BGP);
	assert_int_equal(c.priority + 10 * c.prepends, 170);
	assert_int_equal(c.priority, 150);
	assert_int_equal(c.weight, 1); /* rule 8 */
	assert_int_equal(c.tunnel, 7);
	assert_int_equal(c.regions, 3);
	assert_false(several);
	/* What the sentence would need. */
	bgp_candidate(&a, PROVIDER, PS_PREPEND_ALL, &c, &several);
	assert_int_equal(c.priority + 10 * c.prepends, 180);
	memset(&a, 0, sizeof(a));
	bgp_candidate(&a, PROVIDER, PS_PREPEND_ALL, &c, &several);
	assert_int_equal(c.priority, 100);
	assert_int_equal(c.prepends, 0);
}

/* --- text ------------------------------------------------------------------------------------ */

static void paths_as_segments(void **state)
{
	static const struct {
		const char *text;
		struct bgp_segment segment[4];
		uint32_t asn[6];
	} row[] = {
		{ "1", { { BGP_AS_SEQUENCE, 1 } }, { 1 } },
		{ " 1 \t 2  ", { { BGP_AS_SEQUENCE, 2 } }, { 1, 2 } },
		{ "1 {2,3} 4", { { 2, 1 }, { 1, 2 }, { 2, 1 } }, { 1, 2, 3, 4 } },
		{ "1{ 2 , 3 }4", { { 2, 1 }, { 1, 2 }, { 2, 1 } }, { 1, 2, 3, 4 } },
		{ "{2 3}{4}", { { 1, 2 }, { 1, 1 } }, { 2, 3, 4 } },
		{ "4294967295 65535.65535 0.1 1.0",
		  { { 2, 4 } },
		  { UINT32_MAX, UINT32_MAX, 1, 65536 } },
	};
	unsigned int i, k, asns;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(row); i++) {
		path_of(row[i].text);
		for (k = asns = 0; k < path.segments; k++) {
			assert_int_equal(path.segment[k].type, row[i].segment[k].type);
			assert_int_equal(path.segment[k].asns, row[i].segment[k].asns);
			asns += path.segment[k].asns;
		}
		assert_int_equal(row[i].segment[k].type, 0);
		assert_int_equal(asns, path.asns);
		assert_memory_equal(path.asn, row[i].asn, asns * sizeof(*path.asn));
	}
}

struct refused {
	const char *text, *word;
};

static void malformed_paths(void **state)
{
	static const struct refused row[] = {
		{ "", "\"\"" },
		{ "  ", "\"  \"" },
		{ "65000 x 65001", "\"x\"" },
		{ "65000 -1", "\"-1\"" },
		{ "0", "\"0\"" },
		{ "0.0", "\"0.0\"" },
		{ "010", "\"010\"" },
		{ "1.010", "\"1.010\"" },
		{ "4294967296", "\"4294967296\"" },
		{ "99999999999999999999999999", "\"99999999999999999999999999\"" },
		{ "65536.1", "\"65536.1\"" },
		{ "1.65536", "\"1.65536\"" },
		{ "1.2.3", "\"1.2.3\"" },
		{ "1.", "\"1.\"" },
		{ ".1", "\".1\"" },
		{ "0x10", "\"0x10\"" },
		{ "65000,65001", "\",65001\"" },
		{ "{65000", "} at the end" },
		{ "65000}", "\"}\"" },
		{ "{}", "\"}\"" },
		{ "{65000,}", "\"}\"" },
		{ "{,65000}", "\",65000}\"" },
		{ "{65000,,65001}", "\",65001}\"" },
		{ "{65000 {65001}}", "\"{65001}}\"" },
		{ "(65000 65001)", "\"(65000\"" },
		{ "65000\n", "\"65000\n\"" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(row); i++) {
		if (bgp_path_parse(row[i].text, &path, err, sizeof(err)) != -EINVAL)
			fail_msg("\"%s\" was taken", row[i].text);
		if (!strstr(err, row[i].word) || !strstr(err, "expected"))
			fail_msg("\"%s\": no %s in: %s", row[i].text, row[i].word, err);
	}
}

static void malformed_communities(void **state)
{
	static const struct refused row[] = {
		{ "", "\"\"" },
		{ " , ", "\" , \"" },
		{ "13335:60010 13335", "\"13335\"" },
		{ "13335:", "\"13335:\"" },
		{ ":60010", "\":60010\"" },
		{ "13335:60010:1", "\"13335:60010:1\"" },
		{ "65536:1", "\"65536:1\"" },
		{ "1:65536", "\"1:65536\"" },
		{ "01:1", "\"01:1\"" },
		{ "1:-1", "\"1:-1\"" },
		{ "no-export", "\"no-export\"" },
		{ "1.10:1", "\"1.10:1\"" },
	};
	static uint32_t community[BGP_COMMUNITIES_MAX];
	uint16_t n;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(row); i++) {
		if (bgp_communities_parse(row[i].text, community, &n, err, sizeof(err)) != -EINVAL)
			fail_msg("\"%s\" was taken", row[i].text);
		if (!strstr(err, row[i].word) || !strstr(err, "expected"))
			fail_msg("\"%s\": no %s in: %s", row[i].text, row[i].word, err);
	}
	assert_int_equal(bgp_communities_parse(" 0:0, 13335:60010\t65535:65535,", community, &n,
					       err, sizeof(err)),
			 0);
	assert_int_equal(n, 3);
	assert_int_equal(community[0], 0);
	assert_int_equal(community[1], C(13335, 60010));
	assert_int_equal(community[2], UINT32_MAX);
}

static void text_up_to_the_limits(void **state)
{
	static char text[(BGP_ASNS_MAX + 1) * 4 + 1];
	static uint32_t community[BGP_COMMUNITIES_MAX];
	unsigned int i, fit;
	uint16_t n;

	(void)state;
	for (fit = 0; fit < 2; fit++) {
		for (i = 0, text[0] = '\0'; i < BGP_ASNS_MAX + 1 - fit; i++)
			memcpy(text + 4 * i, "1:2 ", 5);
		assert_int_equal(bgp_communities_parse(text, community, &n, err, sizeof(err)),
				 fit ? 0 : -E2BIG);
		assert_int_equal(n, BGP_COMMUNITIES_MAX);
		for (i = 0; i < BGP_ASNS_MAX + 1 - fit; i++)
			memcpy(text + 4 * i, i % 2 ? "{1} " : "2   ", 5);
		assert_int_equal(bgp_path_parse(text, &path, err, sizeof(err)), fit ? 0 : -E2BIG);
		assert_int_equal(path.asns, BGP_ASNS_MAX);
		for (i = 0; i < BGP_ASNS_MAX + 1 - fit; i++)
			memcpy(text + 4 * i, "{1} ", 5);
		assert_int_equal(bgp_path_parse(text, &path, err, sizeof(err)), fit ? 0 : -E2BIG);
	}
}

/* Random text: taken or refused with a reason, and what is taken is within its limits. */
static void any_text_is_safe(void **state)
{
	static const char letters[] = "0123456789999.:,{} \tx-{}";
	static uint32_t community[BGP_COMMUNITIES_MAX];
	unsigned int i, k, len, taken = 0;
	char text[40];
	uint32_t asn;
	uint16_t n;

	(void)state;
	for (i = 0; i < 200000; i++) {
		len = rng_below(sizeof(text));
		for (k = 0; k < len; k++)
			text[k] = letters[rng_below(sizeof(letters) - 1)];
		text[len] = '\0';
		err[0] = '\0';
		if (bgp_path_parse(text, &path, err, sizeof(err))) {
			assert_true(strstr(err, "expected"));
		} else {
			taken++;
			assert_in_range(path.asns, 1, sizeof(text) / 2);
			assert_in_range(path.segments, 1, path.asns);
		}
		if (bgp_communities_parse(text, community, &n, err, sizeof(err)) == 0)
			assert_in_range(n, 1, sizeof(text) / 3);
		if (bgp_asn_parse(text, &asn, err, sizeof(err)) == 0)
			assert_true(asn > 0);
	}
	assert_true(taken > 1000);
}

static void as_numbers(void **state)
{
	uint32_t asn = 0;

	(void)state;
	assert_int_equal(bgp_asn_parse("65000", &asn, err, sizeof(err)), 0);
	assert_int_equal(asn, 65000);
	assert_int_equal(bgp_asn_parse("1.10", &asn, err, sizeof(err)), 0);
	assert_int_equal(asn, 65546);
	assert_int_equal(bgp_asn_parse("4294967295", &asn, err, sizeof(err)), 0);
	assert_int_equal(asn, UINT32_MAX);
	assert_int_equal(bgp_asn_parse("", &asn, err, sizeof(err)), -EINVAL);
	assert_int_equal(bgp_asn_parse("65000 ", &asn, err, sizeof(err)), -EINVAL);
	assert_int_equal(bgp_asn_parse("AS65000", &asn, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "\"AS65000\": expected an AS number"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_3_base_priority_by_community),
		cmocka_unit_test(rule_3_provider_asn),
		cmocka_unit_test(rule_3_against_the_naive),
		cmocka_unit_test(rule_4_prepends),
		cmocka_unit_test(rule_4_against_the_naive),
		cmocka_unit_test(a_full_path_takes_no_more),
		cmocka_unit_test(rules_3_and_4_make_a_candidate),
		cmocka_unit_test(paths_as_segments),
		cmocka_unit_test(malformed_paths),
		cmocka_unit_test(malformed_communities),
		cmocka_unit_test(text_up_to_the_limits),
		cmocka_unit_test(any_text_is_safe),
		cmocka_unit_test(as_numbers),
	};

	return cmocka_run_group_tests(tests, rng_setup, NULL);
}
