/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules of steering (docs/steering-rules.md) where the store has a part in them: the order of
 * insertion through transactions, what identifies a route, the 64 routes of rule 8, and the count
 * of BGP routes that rule 10 refuses. Decisions are the loaded program's.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/group.h"
#include "harness.h"

#define LOCAL A4(198, 51, 100, 1)
#define FIRST A4(192, 0, 2, 1)
#define FLOWS 12u
#define MOST 6u
#define ME (1u << 4)
#define WEUR (1u << 7)

static const struct conf_tunnel tunnel[] = {
	{ .name = "one", .local = LOCAL, .remote = FIRST },
	{ .name = "two", .local = LOCAL, .remote = FIRST + 1, .health = PS_HEALTH_DEGRADED },
	{ .name = "three", .local = LOCAL, .remote = FIRST + 2 },
	{ .name = "four", .local = LOCAL, .remote = FIRST + 3, .health = PS_HEALTH_DOWN },
};
static const struct conf_prefix owned[] = { { P(10, 1, 0, 0, 16), "" } };
static const struct conf conf = { .name = "rules",
				  .region = ME,
				  .tunnel = tunnel,
				  .tunnels = COUNT(tunnel),
				  .prefix = owned,
				  .prefixes = 1 };
static const struct prefix prefix = P(10, 1, 2, 0, 24);
static struct rng rng;

static struct txn *begin(void)
{
	struct error err;
	struct txn *t;

	must(txn_begin(hs.st, &t, &err), &err, "begin");
	return t;
}

static void commit(struct txn *t)
{
	struct error err;

	must(txn_commit(t, &err), &err, "commit");
}

static int route_add(struct txn *t, struct prefix p, const struct ps_candidate *c,
		     struct error *err)
{
	return txn_route_add(t, PS_T_MAIN, p, c, err);
}

static void clear_route(void)
{
	struct txn *t = begin();
	struct error err;

	must(txn_route_del(t, PS_T_MAIN, prefix, &ROUTE_MATCH_ALL, &err), &err, "delete");
	commit(t);
}

/* --- every order ----------------------------------------------------------------------------- */

/* What routes have left behind: their list, their row, where flows go. */
struct left {
	struct ps_candidates list;
	unsigned int n, log2;
	uint16_t row[ROW_MAX];
	uint8_t by[FLOWS];
};

static int find_route(void *arg, uint16_t table, struct prefix p, uint32_t group)
{
	(void)table;
	if (!prefix_cmp(p, prefix))
		*(uint32_t *)arg = group;
	return 0;
}

static void look(struct left *to)
{
	uint32_t group = UINT32_MAX, size, i;
	static struct outcome o;
	struct frame in;

	memset(to, 0, sizeof(*to));
	assert_int_equal(store_route_each(hs.st, find_route, &group), 0);
	assert_in_range(group, 0, hs.st->meta->max_groups - 1);
	to->n = hs.st->group[group].n;
	memcpy(to->list.c, hs.st->cand[group].c, to->n * sizeof(to->list.c[0]));
	to->log2 = hs.st->group[group].row >> PS_ROW_LOG2_SHIFT;
	size = PS_BLOCK_SLOTS << to->log2;
	memcpy(to->row, hs.st->row[hs.st->group[group].row & PS_ROW_BLOCK_MASK].slot,
	       size * sizeof(*to->row));
	for (i = 0; i < FLOWS; i++) {
		frame_build(&in,
			    FRAME(ETH(MAC_US, MAC_PEER), IP(A4(8, 8, 8, i), A4(10, 1, 2, 3), 64),
				  UDP((uint16_t)(1000 + i), 53)));
		assert_int_equal(harness_run_uncounted(HOOK_WAN, DEV_WAN0, &in, &o), 0);
		/* Where it went, or that it went nowhere. */
		to->by[i] = o.verdict == XDP_TX ? (uint8_t)(get32(o.out.b + 30) - FIRST) : 255;
	}
}

static void stage_all(const struct ps_candidate *c, unsigned int n, bool one_by_one)
{
	struct error err;
	struct txn *t = begin();
	unsigned int i;

	for (i = 0; i < n; i++) {
		must(route_add(t, prefix, &c[i], &err), &err, "add");
		if (one_by_one && i + 1 < n) {
			commit(t);
			t = begin();
		}
	}
	commit(t);
}

static unsigned int orders;

/* Calls itself for every order of c[k..n). */
static void every_order(struct ps_candidate *c, unsigned int k, unsigned int n,
			const struct left *want)
{
	static struct left got;
	struct ps_candidate x;
	unsigned int i;

	for (i = k; i < n; i++) {
		x = c[k], c[k] = c[i], c[i] = x;
		every_order(c, k + 1, n, want);
		x = c[k], c[k] = c[i], c[i] = x;
	}
	if (k < n)
		return;
	for (i = 0; i < 2; i++) {
		stage_all(c, n, i);
		look(&got);
		clear_route();
		if (memcmp(&got, want, sizeof(got)))
			fail_msg("another result in order %u%s", orders,
				 i ? ", each in a transaction" : "");
	}
	orders++;
}

/* Returns the tunnels that carried flows: bits of their place in the list above. */
static unsigned int check_orders(struct ps_candidate *c, unsigned int n)
{
	static const unsigned int factorial[] = { 1, 1, 2, 6, 24, 120, 720 };
	static struct left want;
	unsigned int carried = 0, i;

	stage_all(c, n, false);
	look(&want);
	clear_route();
	assert_int_equal(want.n, n);
	orders = 0;
	every_order(c, 0, n, &want);
	assert_int_equal(orders, factorial[n]);
	for (i = 0; i < FLOWS; i++)
		carried |= want.by[i] < 4 ? 1u << want.by[i] : 0;
	return carried;
}

/* A tier of two, one tunnel in two scopes, static and BGP by one tunnel, one that is not here. */
static void test_six_routes_in_every_order(void **state)
{
	struct ps_candidate c[MOST] = {
		{ .priority = 100, .tunnel = 2, .weight = 3 },
		{ .priority = 100, .tunnel = 2, .weight = 2, .regions = ME | WEUR },
		{ .priority = 100, .tunnel = 4, .weight = 1 },
		{ .priority = 50, .tunnel = 4, .weight = 7, .regions = WEUR },
		{ .priority = 90,
		  .tunnel = 4,
		  .weight = 1,
		  .origin = PS_ORIGIN_BGP,
		  .prepends = 1 },
		{ .priority = 10, .tunnel = 3, .weight = 1 },
	};

	(void)state;
	NEED_HARNESS();
	conf_apply(&conf);
	assert_int_equal(check_orders(c, MOST), 1u << 0 | 1u << 2);
}

static bool is_there(const struct ps_candidate *c, unsigned int n, const struct ps_candidate *x)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (c[i].tunnel == x->tunnel && c[i].origin == x->origin &&
		    c[i].regions == x->regions)
			return true;
	return false;
}

static void test_random_routes_in_every_order(void **state)
{
	static const uint32_t base[] = { 10, 90, 100, 100, 500100 };
	struct ps_candidate c[MOST], x;
	unsigned int round, n;

	(void)state;
	NEED_HARNESS();
	conf_apply(&conf);
	for (round = 0; round < 30; round++) {
		for (n = 0; n < 1 + round % MOST;) {
			x = (struct ps_candidate){
				.priority = base[rng_below(&rng, COUNT(base))],
				.tunnel = (uint16_t)(rng_below(&rng, 4) + PS_TUNNEL_FIRST),
				.weight = (uint16_t)(1 + rng_below(&rng, 9)),
				.regions = rng_below(&rng, 2) ?
						   (uint16_t)(rng_below(&rng, 32) * 8) :
						   0,
				.origin = rng_below(&rng, 3) ? PS_ORIGIN_STATIC : PS_ORIGIN_BGP,
			};
			if (x.origin == PS_ORIGIN_BGP) {
				x.weight = 1;
				x.prepends = (uint16_t)rng_below(&rng, 3);
			}
			if (!is_there(c, n, &x))
				c[n++] = x;
		}
		check_orders(c, n);
	}
}

/* --- rule 11: what is one route and what are two --------------------------------------------- */

static void test_rule_11_identity(void **state)
{
	const struct ps_candidate first = { .priority = 100, .tunnel = 2, .weight = 1 };
	struct ps_candidate c[4] = { first, first, first, first };
	struct error err;
	struct txn *t;
	struct left left;
	unsigned int i;

	(void)state;
	NEED_HARNESS();
	conf_apply(&conf);
	t = begin();
	must(route_add(t, prefix, &first, &err), &err, "add");
	/* The rest of a route is no part of what it is. */
	c[0].priority = 7;
	c[0].weight = 9;
	assert_int_equal(route_add(t, prefix, &c[0], &err), -EEXIST);
	assert_non_null(strstr(err.text, "\"one\""));
	c[1].origin = PS_ORIGIN_BGP;
	c[2].regions = ME;
	c[3].tunnel = 3;
	for (i = 1; i < 4; i++)
		must(route_add(t, prefix, &c[i], &err), &err, "add");
	for (i = 1; i < 4; i++)
		assert_int_equal(route_add(t, prefix, &c[i], &err), -EEXIST);
	must(txn_route_replace(t, PS_T_MAIN, prefix, &c[0], &err), &err, "replace");
	commit(t);
	look(&left);
	assert_int_equal(left.n, 4);
	assert_int_equal(left.list.c[0].priority, 7);
	assert_int_equal(left.list.c[1].priority, 100);
	clear_route();
}

/* --- rule 8: at most 64 ---------------------------------------------------------------------- */

static struct ps_candidate numbered(unsigned int i)
{
	return (struct ps_candidate){ .priority = 100,
				      .tunnel = (uint16_t)(PS_TUNNEL_FIRST + i % 4),
				      .regions = (uint16_t)(i / 4),
				      .weight = 1 };
}

static void test_rule_8_64_routes(void **state)
{
	struct ps_candidate c;
	struct error err;
	uint16_t other;
	struct txn *t;
	unsigned int i;

	(void)state;
	NEED_HARNESS();
	conf_apply(&conf);
	t = begin();
	for (i = 0; i < PS_CANDIDATES_MAX; i++) {
		c = numbered(i);
		must(route_add(t, prefix, &c, &err), &err, "add");
	}
	c = numbered(PS_CANDIDATES_MAX);
	assert_int_equal(route_add(t, prefix, &c, &err), -ENOSPC);
	assert_true(err.usage && strstr(err.text, "10.1.2.0/24") && strstr(err.text, "rule 8"));
	assert_int_equal(txn_route_replace(t, PS_T_MAIN, prefix, &c, &err), -ENOSPC);
	/* Of one prefix and table. */
	must(route_add(t, (struct prefix)P(10, 1, 3, 0, 24), &c, &err), &err, "prefix");
	must(txn_table(t, "red", true, &other, &err), &err, "table");
	must(txn_route_add(t, other, prefix, &c, &err), &err, "table");
	/* Changing one of a full list is no 65th; and where one goes another may come. */
	c = numbered(63);
	c.priority = 1;
	must(txn_route_replace(t, PS_T_MAIN, prefix, &c, &err), &err, "replace");
	must(txn_route_del(t, PS_T_MAIN, prefix,
			   &(struct route_match){ c.tunnel, ROUTE_ANY, c.regions }, &err),
	     &err, "delete");
	c = numbered(PS_CANDIDATES_MAX);
	must(route_add(t, prefix, &c, &err), &err, "add");
	c = numbered(63);
	assert_int_equal(route_add(t, prefix, &c, &err), -ENOSPC);
	commit(t);
	conf_clear();
}

/* --- counters: rules 3 and 10 ---------------------------------------------------------------- */

static void test_rule_10_rejected_bgp_routes_are_counted(void **state)
{
	const struct prefix outside = P(10, 9, 0, 0, 24);
	struct ps_candidate c = { .priority = 100, .tunnel = 2, .weight = 1 };
	const struct ps_meta *m;
	struct error err;
	struct txn *t;

	(void)state;
	NEED_HARNESS();
	conf_apply(&conf);
	m = hs.st->meta;
	assert_int_equal(m->bgp_rejected, 0);
	/* A feed goes on after a refusal; the commit counts. */
	c.origin = PS_ORIGIN_BGP;
	t = begin();
	assert_int_equal(route_add(t, outside, &c, &err), -EPERM);
	assert_non_null(strstr(err.text, "rule 10"));
	assert_int_equal(txn_route_replace(t, PS_T_MAIN, outside, &c, &err), -EPERM);
	must(route_add(t, prefix, &c, &err), &err, "add");
	txn_bgp_misconfigured(t);
	assert_int_equal(txn_bgp_routes(t), 1);
	assert_int_equal(m->bgp_rejected, 0);
	commit(t);
	assert_int_equal(m->bgp_rejected, 2);
	assert_int_equal(m->bgp_misconfigured, 1);
	/* Also where nothing else changes, but not what is given up. */
	t = begin();
	assert_int_equal(route_add(t, outside, &c, &err), -EPERM);
	commit(t);
	assert_int_equal(m->bgp_rejected, 3);
	t = begin();
	assert_int_equal(route_add(t, outside, &c, &err), -EPERM);
	txn_bgp_misconfigured(t);
	txn_abort(t);
	/* And static ones are refused, but are no feed's. */
	c.origin = PS_ORIGIN_STATIC;
	t = begin();
	assert_int_equal(route_add(t, outside, &c, &err), -EPERM);
	must(route_add(t, prefix, &c, &err), &err, "add");
	assert_int_equal(txn_bgp_routes(t), 1);
	commit(t);
	assert_int_equal(m->bgp_rejected, 3);
	assert_int_equal(m->bgp_misconfigured, 1);
	conf_clear();
}

/* As many as there are prefixes that have them, whatever groups they share. */
static void test_bgp_routes_are_counted_by_prefix(void **state)
{
	struct ps_candidate c = { .priority = 100, .tunnel = 2, .weight = 1 };
	struct prefix p = prefix;
	struct error err;
	struct txn *t;
	unsigned int i;

	(void)state;
	NEED_HARNESS();
	conf_apply(&conf);
	t = begin();
	for (i = 0; i < 5; i++, p.addr += 256) {
		c.origin = PS_ORIGIN_BGP;
		must(route_add(t, p, &c, &err), &err, "add");
		c.origin = PS_ORIGIN_STATIC;
		must(route_add(t, p, &c, &err), &err, "add");
	}
	assert_int_equal(txn_bgp_routes(t), 5);
	must(txn_route_del(t, PS_T_MAIN, prefix,
			   &(struct route_match){ ROUTE_ANY, PS_ORIGIN_BGP, ROUTE_ANY }, &err),
	     &err, "delete");
	assert_int_equal(txn_bgp_routes(t), 4);
	assert_int_equal(route_add(t, prefix, &c, &err), -EEXIST); /* the static one has stayed */
	commit(t);
	t = begin();
	assert_int_equal(txn_bgp_routes(t), 4);
	txn_abort(t);
	conf_clear();
}

static int setup(void **state)
{
	(void)state;
	if (!harness_missing())
		harness_attach();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_six_routes_in_every_order),
		cmocka_unit_test(test_random_routes_in_every_order),
		cmocka_unit_test(test_rule_11_identity),
		cmocka_unit_test(test_rule_8_64_routes),
		cmocka_unit_test(test_rule_10_rejected_bgp_routes_are_counted),
		cmocka_unit_test(test_bgp_routes_are_counted_by_prefix),
	};

	if (harness_setup(NULL))
		return 1;
	rng.s = rng_seed("test_rules", 20240702);
	return cmocka_run_group_tests(tests, setup, harness_teardown);
}
