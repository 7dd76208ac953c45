/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checking and linting of configurations: each error with its places, and naive oracles for what
 * sorting makes fast: conflicts of tunnels, rule 10, the regions lint, the accounts lint. They
 * work in a small world, so that random objects meet.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/admission.h"
#include "core/config_check.h"
#include "core/region.h"
#include "core/tunnel.h"
#include "rng.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))
#define ROUNDS 20000

/* --- making one ----------------------------------------------------------------------------------
 */

/* Objects stand in lines 1, 2, 3 ..., in column 5. */
static uint32_t line;

static struct config_pos here(void)
{
	return (struct config_pos){ ++line, 5 };
}

static uint16_t name(struct config *c, const char *word)
{
	int i = names_intern(&c->names, word);

	assert_true(i >= 0);
	return (uint16_t)i;
}

static struct prefix parsed(const char *word)
{
	struct prefix p;
	char err[256];

	assert_int_equal(prefix_parse(word, &p, err, sizeof(err)), 0);
	return p;
}

static void *more(void *list, size_t n, size_t size)
{
	void *p = realloc(list, (n + 1) * size);

	assert_non_null(p);
	return p;
}

static void add_prefix(struct config *c, struct prefix p, const char *account)
{
	c->prefix = more(c->prefix, c->prefixes, sizeof(*c->prefix));
	c->prefix[c->prefixes++] =
		(struct config_prefix){ .p = p, .account = name(c, account), .pos = here() };
}

static struct config_tunnel *add_tunnel(struct config *c, const char *word, uint32_t local,
					uint32_t remote)
{
	c->tunnel = more(c->tunnel, c->tunnels, sizeof(*c->tunnel));
	c->tunnel[c->tunnels] = (struct config_tunnel){
		.name = name(c, word),
		.account = name(c, "default"),
		.local = local,
		.remote = remote,
		.ttl = 64,
		.mtu = 1476,
		.pos = here(),
	};
	return &c->tunnel[c->tunnels++];
}

static struct config_route *add_route(struct config *c, const char *table, struct prefix p,
				      const char *via)
{
	c->route = more(c->route, c->routes, sizeof(*c->route));
	c->route[c->routes] = (struct config_route){
		.p = p,
		.priority = 100,
		.weight = 1,
		.table = name(c, table),
		.via = name(c, via),
		.pos = here(),
	};
	return &c->route[c->routes++];
}

static void add_policy(struct config *c, struct prefix from, const char *table)
{
	c->policy = more(c->policy, c->policies, sizeof(*c->policy));
	c->policy[c->policies++] =
		(struct config_policy){ .from = from, .table = name(c, table), .pos = here() };
}

/* A random prefix in 10.0.0.0/24, or one that covers it. */
static struct prefix small_prefix(void)
{
	struct prefix p = { .len = (uint8_t)(22 + rng_below(11)) };

	p.addr = (IP(10, 0, 0, 0) | rng_below(256)) & prefix_mask(p.len);
	return p;
}

static bool has_prefix(const struct config *c, struct prefix p)
{
	size_t i;

	for (i = 0; i < c->prefixes; i++)
		if (!prefix_cmp(c->prefix[i].p, p))
			return true;
	return false;
}

/* --- errors --------------------------------------------------------------------------------------
 */

static void must_fail(struct config *c, const char *text)
{
	struct error err = { 0 };

	assert_true(config_check(c, "f", &err) < 0);
	assert_true(err.usage);
	assert_string_equal(err.text, text);
	config_free(c);
	line = 0;
}

static void must_pass(struct config *c)
{
	struct error err = { 0 };

	if (config_check(c, "f", &err))
		fail_msg("%s", err.text);
	config_free(c);
	line = 0;
}

static void duplicates_have_both_places(void **state)
{
	struct config c = { 0 };
	struct prefix p = parsed("10.0.0.0/8");

	(void)state;
	add_prefix(&c, p, "a");
	add_prefix(&c, parsed("10.0.0.0/9"), "a");
	add_prefix(&c, p, "b");
	must_fail(&c, "f:3:5: prefix \"10.0.0.0/8\" is given twice; see line 1, column 5");

	add_tunnel(&c, "t", IP(1, 0, 0, 1), IP(2, 0, 0, 1));
	add_tunnel(&c, "t", IP(1, 0, 0, 1), IP(2, 0, 0, 2));
	must_fail(&c, "f:2:5: tunnel \"t\" is given twice; see line 1, column 5");

	add_policy(&c, p, "x");
	add_policy(&c, p, "y");
	must_fail(&c, "f:2:5: policy from \"10.0.0.0/8\" is given twice; see line 1, column 5");

	add_route(&c, "x", p, "drop")->regions = 3;
	add_route(&c, "x", p, "drop")->regions = 1;
	add_route(&c, "x", p, "underlay")->regions = 3;
	add_route(&c, "y", p, "drop")->regions = 3;
	add_route(&c, "x", p, "drop")->regions = 3;
	must_fail(&c, "f:5:5: route \"10.0.0.0/8\" via \"drop\" region AFR,APAC in table \"x\" is "
		      "given twice; see line 1, column 5");
}

/* What does not come from a file has no place. */
static void no_place_is_not_said(void **state)
{
	struct config c = { 0 };

	(void)state;
	add_policy(&c, parsed("10.0.0.0/8"), "x");
	add_policy(&c, parsed("10.0.0.0/8"), "y");
	c.policy[0].pos = c.policy[1].pos = (struct config_pos){ 0, 0 };
	must_fail(&c, "f: policy from \"10.0.0.0/8\" is given twice");
}

static void next_hops_are_known(void **state)
{
	struct config c = { 0 };

	(void)state;
	add_tunnel(&c, "t", IP(1, 0, 0, 1), IP(2, 0, 0, 1));
	add_route(&c, "x", parsed("0.0.0.0/0"), "t");
	add_route(&c, "x", parsed("0.0.0.0/0"), "drop");
	add_route(&c, "x", parsed("0.0.0.0/0"), "underlay");
	must_pass(&c);

	add_tunnel(&c, "t", IP(1, 0, 0, 1), IP(2, 0, 0, 1));
	add_route(&c, "u", parsed("0.0.0.0/0"), "u");
	must_fail(&c, "f:2:5: route 0.0.0.0/0 via \"u\": expected a tunnel of this file, drop or "
		      "underlay");
}

static void rule_8_sixty_four_routes(void **state)
{
	struct config c = { 0 };
	char word[16];
	int i, n;

	(void)state;
	for (n = 64; n <= 65; n++) {
		for (i = 0; i < n; i++) {
			snprintf(word, sizeof(word), "t%02d", i);
			add_tunnel(&c, word, IP(1, 0, 0, 1), IP(2, 0, 0, i));
			add_route(&c, "x", parsed("10.0.0.0/8"), word);
			if (i == 64)
				continue;
			add_route(&c, "x", parsed("10.0.0.0/9"), word);
			add_route(&c, "y", parsed("10.0.0.0/8"), word);
		}
		if (n == 64)
			must_pass(&c);
	}
	must_fail(&c, "f:258:5: route \"10.0.0.0/8\": 64 routes of one prefix and table at most "
		      "(rule 8)");
}

/* --- tunnels -------------------------------------------------------------------------------------
 */

static void tunnels_that_clash(void **state)
{
	struct config c = { 0 };
	struct config_tunnel *t;
	int i, n;

	(void)state;
	add_tunnel(&c, "b", IP(1, 0, 0, 1), IP(2, 0, 0, 1));
	add_tunnel(&c, "a", IP(1, 0, 0, 1), IP(2, 0, 0, 1));
	must_fail(&c, "f:2:5: tunnel \"a\": \"b\" has the same local and remote address and key; "
		      "see line 1, column 5");

	add_tunnel(&c, "a", IP(1, 0, 0, 1), IP(2, 0, 0, 1));
	add_tunnel(&c, "b", IP(1, 0, 0, 1), IP(2, 0, 0, 1))->flags = PS_TUNNEL_F_KEY;
	t = add_tunnel(&c, "c", IP(1, 0, 0, 1), IP(2, 0, 0, 1));
	t->flags = PS_TUNNEL_F_KEY;
	t->key = 1;
	must_pass(&c);

	t = add_tunnel(&c, "a", IP(1, 0, 0, 1), IP(2, 0, 0, 1));
	t->flags = PS_TUNNEL_F_ADDRESS;
	t->addr = IP(10, 0, 0, 3);
	t->addr_len = 31;
	add_tunnel(&c, "between", IP(1, 0, 0, 1), IP(2, 0, 0, 2));
	t = add_tunnel(&c, "b", IP(1, 0, 0, 1), IP(2, 0, 0, 3));
	t->flags = PS_TUNNEL_F_ADDRESS;
	t->addr = IP(10, 0, 0, 1);
	t->addr_len = 30;
	must_fail(&c, "f:3:5: tunnel \"b\": its interface address lies in the subnet of tunnel "
		      "\"a\"; see line 1, column 5");

	add_tunnel(&c, "a", IP(1, 0, 0, 1), IP(1, 0, 0, 1));
	must_fail(&c, "f:1:5: remote \"1.0.0.1\": expected another address than the local one");

	for (n = 16; n <= 17; n++) {
		char word[16];

		for (i = 0; i < n; i++) {
			snprintf(word, sizeof(word), "t%d", i);
			add_tunnel(&c, word, IP(1, 0, 0, i + 1), IP(2, 0, 0, 1));
		}
		if (n == 16)
			must_pass(&c);
	}
	must_fail(&c, "f:17:5: tunnel \"t16\": 16 tunnels with one remote address at most");
}

static void tunnels_and_prefixes(void **state)
{
	struct config c = { 0 };
	struct config_tunnel *t;

	(void)state;
	add_prefix(&c, parsed("2.0.0.0/8"), "a");
	add_tunnel(&c, "t", IP(1, 0, 0, 1), IP(2, 0, 0, 1));
	must_fail(&c, "f:2:5: tunnel \"t\": its remote address 2.0.0.1 lies in prefix 2.0.0.0/8: "
		      "the tunnel would be reached through itself; see line 1, column 5");

	add_prefix(&c, parsed("0.0.0.0/0"), "a");
	add_tunnel(&c, "t", IP(1, 0, 0, 1), IP(2, 0, 0, 1));
	must_fail(&c, "f:2:5: tunnel \"t\": its remote address 2.0.0.1 lies in prefix 0.0.0.0/0: "
		      "the tunnel would be reached through itself; see line 1, column 5");

	add_prefix(&c, parsed("1.0.0.1/32"), "a");
	add_tunnel(&c, "t", IP(1, 0, 0, 1), IP(2, 0, 0, 1));
	must_fail(&c, "f:2:5: tunnel \"t\": its local address 1.0.0.1 lies in prefix 1.0.0.1/32: "
		      "the tunnel would be reached through itself; see line 1, column 5");

	add_prefix(&c, parsed("10.0.0.1/32"), "a");
	t = add_tunnel(&c, "t", IP(1, 0, 0, 1), IP(2, 0, 0, 1));
	t->flags = PS_TUNNEL_F_ADDRESS;
	t->addr = IP(10, 0, 0, 2);
	t->addr_len = 30;
	must_fail(&c, "f:2:5: tunnel \"t\": prefix 10.0.0.1/32 lies in its interface subnet; see "
		      "line 1, column 5");

	/* A subnet inside a prefix is the customer's own. */
	add_prefix(&c, parsed("10.0.0.0/29"), "a");
	t = add_tunnel(&c, "t", IP(1, 0, 0, 1), IP(2, 0, 0, 1));
	t->flags = PS_TUNNEL_F_ADDRESS;
	t->addr = IP(10, 0, 0, 2);
	t->addr_len = 30;
	must_pass(&c);
}

static struct tunnel_face face(const struct config *c, size_t i)
{
	const struct config_tunnel *t = &c->tunnel[i];

	return (struct tunnel_face){
		config_name(c, t->name), t->local, t->remote, t->key, t->addr, t->addr_len, t->flags
	};
}

/* All with all. */
static bool tunnels_good(const struct config *c)
{
	struct error err;
	unsigned int chain;
	size_t i, j;

	for (i = 0; i < c->tunnels; i++) {
		struct tunnel_face a = face(c, i);

		if (tunnel_ends_check(&a, &err))
			return false;
		for (j = 0, chain = 0; j < c->tunnels; j++) {
			struct tunnel_face b = face(c, j);

			chain += c->tunnel[i].remote == c->tunnel[j].remote;
			if (i != j && tunnel_clash(&a, &b, &err))
				return false;
		}
		if (chain > PS_CHAIN_MAX)
			return false;
		for (j = 0; j < c->prefixes; j++)
			if (tunnel_prefix_check(&a, c->prefix[j].p, &err))
				return false;
	}
	return true;
}

static void tunnel_conflicts_oracle(void **state)
{
	unsigned int good = 0, round;

	(void)state;
	for (round = 0; round < ROUNDS; round++) {
		struct config c = { 0 };
		unsigned int n = 2 + rng_below(4), i;
		struct config_tunnel *t;
		struct error err;
		char word[16];
		bool want;

		for (i = 0; i < n; i++) {
			snprintf(word, sizeof(word), "t%u", rng_below(1000) * 10 + i);
			t = add_tunnel(&c, word, IP(10, 0, 0, rng_below(4)),
				       IP(10, 0, 0, 64 + rng_below(4)));
			t->flags = (uint8_t)rng_below(4);
			t->key = t->flags & PS_TUNNEL_F_KEY ? rng_below(2) : 0;
			if (!(t->flags & PS_TUNNEL_F_ADDRESS))
				continue;
			t->addr_len = (uint8_t)(30 + rng_below(2));
			t->addr = rng_below(2) ? rng_below(4) : IP(10, 0, 0, 128 + rng_below(16));
		}
		if (rng_below(2))
			add_prefix(&c, small_prefix(), "default");
		want = tunnels_good(&c);
		good += want;
		if (want != !config_check(&c, "f", &err))
			fail_msg("round %u: expected %s", round, want ? "good" : "bad");
		config_free(&c);
	}
	assert_in_range(good, ROUNDS / 20, ROUNDS - ROUNDS / 20);
}

/* --- rule 10 -------------------------------------------------------------------------------------
 */

static bool all_owned(const struct config *c, struct prefix p)
{
	uint64_t a, end = (uint64_t)p.addr + (1ull << (32 - p.len));
	size_t i;

	for (a = p.addr; a < end; a++) {
		for (i = 0; i < c->prefixes; i++)
			if (prefix_has_addr(c->prefix[i].p, (uint32_t)a))
				break;
		if (i == c->prefixes)
			return false;
	}
	return true;
}

static void rule_10_oracle(void **state)
{
	unsigned int good = 0, round;

	(void)state;
	for (round = 0; round < ROUNDS; round++) {
		struct config c = { 0 };
		unsigned int n = rng_below(12);
		struct error err;
		struct prefix p;
		bool want;

		while (n--) {
			p = small_prefix();
			if (p.len < 25)
				p.len = 25;
			/* Neighbours are what makes a supernet. */
			if (c.prefixes && rng_below(2)) {
				p = c.prefix[c.prefixes - 1].p;
				p.addr ^= 1u << (32 - p.len);
			}
			if (!has_prefix(&c, p))
				add_prefix(&c, p, "default");
		}
		p = small_prefix();
		want = all_owned(&c, p);
		good += want;
		add_route(&c, "main", p, "drop");
		add_route(&c, "other", small_prefix(), "drop");
		if (want != !config_check(&c, "f", &err))
			fail_msg("round %u: expected %s", round, want ? "admitted" : "refused");
		if (!want)
			assert_non_null(strstr(err.text, "rule 10"));
		config_free(&c);
	}
	assert_in_range(good, ROUNDS / 20, ROUNDS - ROUNDS / 20);
}

static void runs_reach_both_ends(void **state)
{
	static const char *const in[] = { "0.0.0.0/0", "0.0.0.0/1", "255.255.255.255/32" };
	struct admission a = { 0 };
	struct run r = { 5, 5 };
	size_t i;

	(void)state;
	assert_false(admission_has(&a, parsed("0.0.0.0/0")));
	assert_int_equal(admission_add(&a, parsed("0.0.0.0/1")), 0);
	assert_false(admission_has(&a, parsed("0.0.0.0/0")));
	assert_int_equal(admission_add(&a, parsed("128.0.0.0/1")), 0);
	for (i = 0; i < ARRAY_SIZE(in); i++)
		assert_true(admission_has(&a, parsed(in[i])));
	assert_int_equal(a.n, 1);
	admission_free(&a);
	assert_false(run_extend(&r, parsed("0.0.0.6/32")));
	assert_true(run_extend(&r, parsed("0.0.0.5/32")));
	assert_int_equal(r.end, 6);
}

/* --- order ---------------------------------------------------------------------------------------
 */

static void lists_are_sorted(void **state)
{
	static const char *const tables[] = { "zz", "main", "a" }, *const vias[] = { "drop", "t9",
										     "t10" };
	struct config c = { 0 };
	struct error err;
	unsigned int i;
	int round;

	(void)state;
	for (round = 0; round < 200; round++) {
		add_tunnel(&c, "t9", IP(1, 0, 0, 1), IP(2, 0, 0, 1));
		add_tunnel(&c, "t10", IP(1, 0, 0, 1), IP(2, 0, 0, 2));
		add_prefix(&c, parsed("11.0.0.0/8"), "a");
		add_prefix(&c, parsed("10.0.0.0/8"), "a");
		for (i = 0; i < 18; i++) {
			add_route(&c, tables[i % 3], parsed(i % 2 ? "10.0.0.0/8" : "10.0.0.0/9"),
				  vias[i / 6])
				->priority = i;
		}
		for (i = 17; i > 0; i--) {
			struct config_route t = c.route[i];
			uint32_t j = rng_below(i + 1);

			c.route[i] = c.route[j];
			c.route[j] = t;
		}
		if (config_check(&c, "f", &err))
			fail_msg("%s", err.text);
		assert_string_equal(config_name(&c, c.tunnel[0].name), "t10");
		assert_int_equal(c.prefix[0].p.addr, IP(10, 0, 0, 0));
		for (i = 0; i < 18; i++) {
			const struct config_route *t = &c.route[i];

			assert_string_equal(config_name(&c, t->table), i < 6  ? "main" :
								       i < 12 ? "a" :
										"zz");
			assert_int_equal(t->p.len, i % 6 < 3 ? 8 : 9);
			assert_string_equal(config_name(&c, t->via), i % 3 == 0 ? "drop" :
								     i % 3 == 1 ? "t10" :
										  "t9");
		}
		config_free(&c);
	}
}

/* --- lint ----------------------------------------------------------------------------------------
 */

struct said {
	struct config_pos pos[512];
	char text[512][256];
	unsigned int n;
};

static struct said said;

static void note(void *arg, const struct config_pos *pos, const char *text)
{
	assert_ptr_equal(arg, &said);
	assert_true(said.n < ARRAY_SIZE(said.text));
	said.pos[said.n] = *pos;
	snprintf(said.text[said.n++], sizeof(said.text[0]), "%s", text);
}

static void lint(struct config *c)
{
	struct error err;

	if (config_check(c, "f", &err))
		fail_msg("%s", err.text);
	said.n = 0;
	config_lint(c, note, &said);
}

static void lints_have_words(void **state)
{
	static const struct {
		uint32_t line;
		const char *text;
	} want[] = {
		{ 5,
		  "route 10.0.0.0/9: neither it nor a shorter prefix has a route for "
		  "APAC,EEUR,ENAM,ME,OC,SAM,WEUR,WNAM: traffic there is dropped (rules 2 and 9)" },
		{ 6, "route 20.0.0.0/9 in table x: neither it nor a shorter prefix has a route for "
		     "AFR: traffic there is dropped (rules 2 and 9)" },
		{ 5,
		  "route 10.0.0.0/9: priority 500000 meets the health penalties (500000 and "
		  "1000000, rule 3): a degraded tunnel of a lower priority may still win over it" },
		{ 7, "route 11.0.0.0/8 via \"t\": the tunnel is of account \"acme\", prefix "
		     "11.0.0.0/8 of account \"b\": what comes back by the tunnel is dropped as "
		     "spoofed" },
		{ 8, "policy from 10.0.0.0/8: table \"y\" has no routes: the traffic is dropped" },
	};
	struct config c = { 0 };
	unsigned int i;

	(void)state;
	line = 0;
	add_prefix(&c, parsed("10.0.0.0/8"), "acme");
	add_prefix(&c, parsed("11.0.0.0/8"), "b");
	add_tunnel(&c, "t", IP(1, 0, 0, 1), IP(2, 0, 0, 1))->account = name(&c, "acme");
	add_tunnel(&c, "u", IP(1, 0, 0, 1), IP(2, 0, 0, 2))->account = name(&c, "b");
	add_route(&c, "main", parsed("10.0.0.0/9"), "t")->priority = 500000;
	c.route[0].regions = 1;
	add_route(&c, "x", parsed("20.0.0.0/9"), "u")->regions = 0x1fe;
	add_route(&c, "main", parsed("11.0.0.0/8"), "t")->priority = 499999;
	add_policy(&c, parsed("10.0.0.0/8"), "y");
	add_policy(&c, parsed("11.0.0.0/8"), "x");
	lint(&c);
	assert_int_equal(said.n, ARRAY_SIZE(want));
	for (i = 0; i < said.n; i++) {
		assert_string_equal(said.text[i], want[i].text);
		assert_int_equal(said.pos[i].line, want[i].line);
		assert_int_equal(said.pos[i].column, 5);
	}
	config_free(&c);
	lint(&c);
	assert_int_equal(said.n, 0);
}

/* Is the warning of this text there for this object? */
static bool is_said(const struct config_pos *pos, const char *text)
{
	unsigned int i;

	for (i = 0; i < said.n; i++)
		if (said.pos[i].line == pos->line && strstr(said.text[i], text))
			return true;
	return false;
}

/* Regions from which a look-up of this prefix finds a route: asked one by one of all routes. */
static uint16_t regions_found(const struct config *c, const struct config_route *t)
{
	uint16_t found = 0;
	unsigned int bit;
	size_t i;

	for (bit = 0; bit < REGION_COUNT; bit++)
		for (i = 0; i < c->routes; i++)
			if (c->route[i].table == t->table && prefix_covers(c->route[i].p, t->p) &&
			    region_visible(c->route[i].regions, (uint16_t)(1u << bit)))
				found |= (uint16_t)(1u << bit);
	return found;
}

static void regions_lint_oracle(void **state)
{
	static const char *const tables[] = { "main", "x", "y" };
	unsigned int missing = 0, checked = 0, round;
	char regions[REGION_SET_STRLEN], text[96];

	(void)state;
	for (round = 0; round < ROUNDS / 4; round++) {
		struct config c = { 0 };
		unsigned int n = 1 + rng_below(20), warned = 0;
		size_t i;

		add_prefix(&c, parsed("10.0.0.0/8"), "default");
		while (n--)
			add_route(&c, tables[rng_below(3)], small_prefix(), "drop")->regions =
				rng_below(6) ? (uint16_t)(rng_next() & rng_next() & 0x1ff) |
						       (uint16_t)(1u << rng_below(9)) :
					       0;
		/* Equal ones are errors: drop all but the first. */
		for (i = 0; i < c.routes; i++) {
			size_t j, kept = i + 1;

			for (j = i + 1; j < c.routes; j++)
				if (c.route[j].table != c.route[i].table ||
				    prefix_cmp(c.route[j].p, c.route[i].p) ||
				    c.route[j].regions != c.route[i].regions)
					c.route[kept++] = c.route[j];
			c.routes = kept;
		}
		lint(&c);
		for (i = 0; i < c.routes; i++) {
			const struct config_route *t = &c.route[i];
			uint16_t found = regions_found(&c, t);
			bool first = !i || t->table != t[-1].table || prefix_cmp(t->p, t[-1].p);

			snprintf(text, sizeof(text),
				 "has a route for %s:", region_set_str(0x1ff & ~found, regions));
			checked += first;
			warned += first && found != 0x1ff;
			if (is_said(&t->pos, text) != (first && found != 0x1ff))
				fail_msg("round %u: %s", round, text);
		}
		assert_int_equal(said.n, warned);
		missing += warned;
		config_free(&c);
	}
	assert_in_range(missing, checked / 20, checked - checked / 20);
}

/* The longest prefix around the route must be the tunnel's; without one, all those inside it. */
static bool foreign(const struct config *c, const struct config_route *t, uint16_t owner)
{
	const struct config_prefix *best = NULL;
	size_t i;

	for (i = 0; i < c->prefixes; i++)
		if (prefix_covers(c->prefix[i].p, t->p) &&
		    (!best || best->p.len < c->prefix[i].p.len))
			best = &c->prefix[i];
	if (best)
		return best->account != owner;
	for (i = 0; i < c->prefixes; i++)
		if (prefix_covers(t->p, c->prefix[i].p) && c->prefix[i].account != owner)
			return true;
	return false;
}

static void accounts_lint_oracle(void **state)
{
	unsigned int seen[2] = { 0, 0 }, round;

	(void)state;
	for (round = 0; round < ROUNDS / 4; round++) {
		struct config c = { 0 };
		unsigned int n = 1 + rng_below(8), i;
		struct prefix p;

		add_tunnel(&c, "t", IP(1, 0, 0, 1), IP(2, 0, 0, 1))->account = name(&c, "a");
		for (i = 0; i < 4; i++) /* all of a /24: supernets are admitted */
			add_prefix(&c, (struct prefix){ IP(10, 0, 0, i * 64), 26 },
				   rng_below(8) ? "a" : "b");
		while (n--) {
			p = small_prefix();
			if (p.len > 26 && !has_prefix(&c, p))
				add_prefix(&c, p, rng_below(3) ? "a" : "b");
		}
		for (n = 0; n < 6; n++) {
			p = small_prefix();
			for (i = 0; i < c.routes && prefix_cmp(c.route[i].p, p); i++)
				;
			if (i == c.routes && p.len >= 24)
				add_route(&c, "main", p, "t");
		}
		add_route(&c, "x", parsed("10.0.0.0/24"), "t");
		add_route(&c, "main", parsed("10.0.0.0/24"), "drop");
		lint(&c);
		for (i = 0, n = 0; i < c.routes; i++) {
			const struct config_route *t = &c.route[i];
			bool want = !strcmp(config_name(&c, t->table), "main") &&
				    !strcmp(config_name(&c, t->via), "t") &&
				    foreign(&c, t, name(&c, "a"));

			seen[want]++;
			n += want;
			if (is_said(&t->pos, "as spoofed") != want)
				fail_msg("round %u: expected %s", round, want ? "one" : "none");
		}
		assert_int_equal(said.n, n);
		config_free(&c);
	}
	assert_true(seen[0] > 1000 && seen[1] > 1000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(duplicates_have_both_places),
		cmocka_unit_test(no_place_is_not_said),
		cmocka_unit_test(next_hops_are_known),
		cmocka_unit_test(rule_8_sixty_four_routes),
		cmocka_unit_test(tunnels_that_clash),
		cmocka_unit_test(tunnels_and_prefixes),
		cmocka_unit_test(tunnel_conflicts_oracle),
		cmocka_unit_test(rule_10_oracle),
		cmocka_unit_test(runs_reach_both_ends),
		cmocka_unit_test(lists_are_sorted),
		cmocka_unit_test(lints_have_words),
		cmocka_unit_test(regions_lint_oracle),
		cmocka_unit_test(accounts_lint_oracle),
	};

	return cmocka_run_group_tests(tests, rng_setup, NULL);
}
