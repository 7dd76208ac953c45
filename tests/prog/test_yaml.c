/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * penstock.yaml there and back: random configurations print to text that parses to the same, in
 * whatever pieces it is read; the canonical form is what it is; readers and writers that fail.
 * What is refused, and how, is in tests/net/test_config_file.py.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../unit/config_equal.h"
#include "../unit/rng.h"
#include "config/yaml.h"
#include "core/config_check.h"
#include "core/tunnel.h"
#include "core/word.h"

#define ROUNDS 3000

/* A text, read in pieces of `step` bytes at most; from `fail_at` on it fails. */
struct text {
	char *at;
	size_t n, cap, read, step, fail_at;
	bool failed; /* to be written; then it is not asked again */
};

static struct text text_of(const char *s)
{
	return (struct text){ .at = (char *)s, .n = strlen(s), .step = 7, .fail_at = SIZE_MAX };
}

static ssize_t read_text(void *arg, void *buf, size_t len)
{
	struct text *t = arg;
	size_t n = t->n - t->read;

	if (t->read >= t->fail_at)
		return -EIO;
	n = n > len ? len : n;
	n = n > t->step ? t->step : n;
	memcpy(buf, t->at + t->read, n);
	t->read += n;
	return (ssize_t)n;
}

static int write_text(void *arg, const char *buf, size_t len)
{
	struct text *t = arg;

	assert_false(t->failed);
	t->failed = t->n + len > t->fail_at;
	if (t->failed)
		return -ENOSPC;
	if (t->n + len + 1 > t->cap) {
		t->cap = 2 * (t->n + len) + 1;
		t->at = realloc(t->at, t->cap);
		assert_non_null(t->at);
	}
	memcpy(t->at + t->n, buf, len);
	t->n += len;
	t->at[t->n] = '\0';
	return 0;
}

static void parse(struct config *c, struct text *t)
{
	struct error err;

	if (config_parse(c, "f", read_text, t, &err))
		fail_msg("%s\n%s", err.text, t->at);
}

static void print(const struct config *c, struct text *t)
{
	*t = (struct text){ .step = 1 + rng_below(4096), .fail_at = SIZE_MAX };
	assert_int_equal(config_print(c, write_text, t), 0);
}

/* --- there and back ------------------------------------------------------------------------------
 */

/* Also such as YAML would take for something else. */
static uint16_t random_name(struct config *c, const char *usual, enum name_kind kind)
{
	static const char *const odd[] = { "on",   "No",   "y",	 "NULL", "true", "1",
					   "0x1f", "1e3",  ".5", ".inf", "..",	 "_",
					   "1_0",  "2026", "t1", "a-b" };
	char word[PS_NAME_LEN], err[256];
	size_t n = 1 + rng_below(PS_NAME_LEN - 1), i;
	int r;

	if (usual && !rng_below(3))
		return (uint16_t)names_intern(&c->names, usual);
	do {
		for (i = 0; i < n; i++)
			word[i] = "abcxyzABCXYZ0189_.-"[rng_below(19)];
		word[n] = '\0';
		if (rng_below(2))
			strcpy(word, odd[rng_below(sizeof(odd) / sizeof(*odd))]);
	} while (name_check("x", word, kind, err, sizeof(err)));
	r = names_intern(&c->names, word);
	assert_true(r >= 0);
	return (uint16_t)r;
}

static struct prefix random_prefix(void)
{
	struct prefix p = { .len = (uint8_t)rng_below(33) };

	p.addr = (uint32_t)rng_next() & prefix_mask(p.len);
	return p;
}

static uint32_t random_host(void)
{
	return (uint32_t)(1 + rng_below(126)) << 24 | rng_below(1 << 24);
}

/* Now the default, now a limit, now something between. */
static uint32_t random_number(uint32_t usual, uint32_t min, uint32_t max)
{
	switch (rng_below(4)) {
	case 0:
		return usual;
	case 1:
		return rng_below(2) ? min : max;
	default:
		return min + (uint32_t)(rng_next() % ((uint64_t)max - min + 1));
	}
}

static void random_node(struct config_node *n)
{
	n->given = (uint8_t)rng_below(32);
	n->mode = n->given & CONFIG_NODE_MODE ? (uint8_t)rng_below(2) : 0;
	n->hash_mode = n->given & CONFIG_NODE_HASH_MODE ? (uint8_t)rng_below(2) : 0;
	n->prepend_count = n->given & CONFIG_NODE_PREPEND_COUNT ? (uint8_t)rng_below(2) : 0;
	n->asn = n->given & CONFIG_NODE_ASN ? random_number(13335, 1, UINT32_MAX) : 0;
	n->region =
		n->given & CONFIG_NODE_REGION && rng_below(3) ? (uint16_t)(1u << rng_below(9)) : 0;
}

static void random_tunnel(struct config *c, struct config_tunnel *t)
{
	*t = (struct config_tunnel){
		.name = random_name(c, NULL, NAME_TUNNEL),
		.account = random_name(c, "default", NAME_ACCOUNT),
		.local = random_host(),
		.remote = random_host(),
		.flags = (uint8_t)rng_below(8),
		.ttl = (uint8_t)random_number(64, 1, 255),
	};
	t->mtu = (uint16_t)random_number(tunnel_mtu_default(t->flags & PS_TUNNEL_F_KEY),
					 TUNNEL_MTU_MIN, TUNNEL_MTU_MAX);
	if (t->flags & PS_TUNNEL_F_KEY)
		t->key = random_number(0, 0, UINT32_MAX);
	if (!(t->flags & PS_TUNNEL_F_ADDRESS))
		return;
	t->addr_len = (uint8_t)(30 + rng_below(2));
	t->addr = t->addr_len == 31 ? (uint32_t)rng_next() :
				      ((uint32_t)rng_next() & ~3u) | (1 + rng_below(2));
}

static void random_route(struct config *c, struct config_route *t)
{
	*t = (struct config_route){
		.p = random_prefix(),
		.priority = random_number(100, 0, UINT32_MAX),
		.table = random_name(c, "main", NAME_TABLE),
		.via = random_name(c, rng_below(2) ? "drop" : "underlay", NAME_TUNNEL),
		.weight = (uint16_t)random_number(1, 1, 256),
		.regions = (uint16_t)(rng_below(2) ? rng_below(512) : 1u << rng_below(9)),
	};
}

static void random_config(struct config *c)
{
	size_t i;

	*c = (struct config){
		.prefixes = rng_below(6),
		.tunnels = rng_below(6),
		.routes = rng_below(6),
		.policies = rng_below(6),
	};
	if (!rng_below(50))
		c->routes = 3000; /* more than the printer's buffer */
	random_node(&c->node);
	c->prefix = calloc(c->prefixes + 1, sizeof(*c->prefix));
	c->tunnel = calloc(c->tunnels + 1, sizeof(*c->tunnel));
	c->route = calloc(c->routes + 1, sizeof(*c->route));
	c->policy = calloc(c->policies + 1, sizeof(*c->policy));
	for (i = 0; i < c->prefixes; i++)
		c->prefix[i] = (struct config_prefix){
			.p = random_prefix(),
			.account = random_name(c, "default", NAME_ACCOUNT),
		};
	for (i = 0; i < c->tunnels; i++)
		random_tunnel(c, &c->tunnel[i]);
	for (i = 0; i < c->routes; i++)
		random_route(c, &c->route[i]);
	for (i = 0; i < c->policies; i++)
		c->policy[i] = (struct config_policy){ .from = random_prefix(),
						       .table = random_name(c, NULL, NAME_TABLE) };
}

static void what_is_printed_parses_to_the_same(void **state)
{
	struct config c, back;
	struct text one, two;
	int round;

	(void)state;
	for (round = 0; round < ROUNDS; round++) {
		random_config(&c);
		print(&c, &one);
		back = (struct config){ 0 };
		parse(&back, &one);
		if (!config_equal(&c, &back))
			fail_msg("round %d: parses to something else:\n%s", round, one.at);
		print(&back, &two);
		assert_string_equal(one.at, two.at);
		config_free(&c);
		config_free(&back);
		free(one.at);
		free(two.at);
	}
}

/* --- the canonical form --------------------------------------------------------------------------
 */

static const char disorder[] =
	"# comment\n"
	"policies: [{table: \"1\", from: 10.0.0.0/8}, {from: 9.0.0.0/8, table: .inf}]\n"
	"routes:\n"
	"- prefix: 10.0.0.0/8\n"
	"  via: 'on'\n"
	"  priority: 0x64\n"
	"  weight: 1\n"
	"  table: main\n"
	"- {prefix: 0.0.0.0/0, via: underlay, priority: 4294967295, table: x}\n"
	"- {prefix: 0.0.0.0/0, via: t2, priority: 1, table: '1'}\n"
	"- {prefix: 10.0.0.0/8, via: t2, priority: 100, weight: 256, region: [WNAM, AFR]}\n"
	"- {prefix: 10.0.0.0/8, via: t2, priority: 100, region: [ME]}\n"
	"tunnels:\n"
	"- {name: t2, local: 1.0.0.1, remote: 2.0.0.1, key: 0, mtu: 1472, mss-clamp: on}\n"
	"- {name: on, kind: gre, local: 1.0.0.1, remote: 2.0.0.2, ttl: 64, mtu: 1472,\n"
	"   address: 192.168.0.1/31, account: default, mss-clamp: off}\n"
	"prefixes:\n"
	"- {prefix: 10.0.0.0/8, account: default}\n"
	"- {prefix: 9.0.0.0/8, account: No}\n"
	"node: {prepend-count: all, hash-mode: modulo, asn: 13335, region: none, mode: transit}\n";

static const char golden[] =
	"node:\n"
	"  mode: transit\n"
	"  region: none\n"
	"  asn: 13335\n"
	"  hash-mode: modulo\n"
	"  prepend-count: all\n"
	"prefixes:\n"
	"  - {prefix: 9.0.0.0/8, account: \"No\"}\n"
	"  - {prefix: 10.0.0.0/8}\n"
	"tunnels:\n"
	"  - {name: \"on\", local: 1.0.0.1, remote: 2.0.0.2, mtu: 1472, address: 192.168.0.1/31, "
	"mss-clamp: off}\n"
	"  - {name: t2, local: 1.0.0.1, remote: 2.0.0.1, key: 0}\n"
	"routes:\n"
	"  - {prefix: 10.0.0.0/8, via: \"on\", priority: 100}\n"
	"  - {prefix: 10.0.0.0/8, via: t2, priority: 100, region: ME}\n"
	"  - {prefix: 10.0.0.0/8, via: t2, priority: 100, weight: 256, region: [AFR, WNAM]}\n"
	"  - {prefix: 0.0.0.0/0, via: t2, priority: 1, table: \"1\"}\n"
	"  - {prefix: 0.0.0.0/0, via: underlay, priority: 4294967295, table: x}\n"
	"policies:\n"
	"  - {from: 9.0.0.0/8, table: \".inf\"}\n"
	"  - {from: 10.0.0.0/8, table: \"1\"}\n";

static void canonical_form(void **state)
{
	struct text in = text_of(disorder), again = text_of(golden), out;
	struct config c = { 0 };
	struct error err;

	(void)state;
	parse(&c, &in);
	assert_int_equal(config_check(&c, "f", &err), 0);
	print(&c, &out);
	assert_string_equal(out.at, golden);
	config_free(&c);
	free(out.at);
	parse(&c, &again);
	assert_int_equal(c.route[0].pos.line, 14);
	assert_int_equal(c.route[0].pos.column, 5);
	assert_int_equal(config_check(&c, "f", &err), 0);
	print(&c, &out);
	assert_string_equal(out.at, golden);
	config_free(&c);
	free(out.at);
}

static void nothing_is_a_document_too(void **state)
{
	struct config c = { 0 };
	struct text out;

	(void)state;
	print(&c, &out);
	assert_string_equal(out.at, "{}\n");
	parse(&c, &out);
	assert_int_equal(c.node.given, 0);
	config_free(&c);
	free(out.at);
}

/* --- failures ------------------------------------------------------------------------------------
 */

static void readers_and_writers_fail(void **state)
{
	struct config c = { 0 }, big = { 0 };
	size_t at;

	(void)state;
	for (at = 0; at < sizeof(golden) - 1; at += 7) {
		struct text in = text_of(golden);
		struct error err = { 0 };

		in.fail_at = at;
		assert_int_equal(config_parse(&c, "f", read_text, &in, &err), -EIO);
		assert_false(err.usage);
		assert_string_equal(err.text, "cannot read \"f\": Input/output error");
		config_free(&c);
	}
	while (big.routes < 3000) {
		config_free(&big);
		random_config(&big);
	}
	for (at = 0; at < 3; at++) {
		struct text out = { .fail_at = at << 16 };

		assert_int_equal(config_print(&big, write_text, &out), -ENOSPC);
		assert_true(out.n <= out.fail_at);
		free(out.at);
	}
	config_free(&big);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_printed_parses_to_the_same),
		cmocka_unit_test(canonical_form),
		cmocka_unit_test(nothing_is_a_document_too),
		cmocka_unit_test(readers_and_writers_fail),
	};

	return cmocka_run_group_tests(tests, rng_setup, NULL);
}
