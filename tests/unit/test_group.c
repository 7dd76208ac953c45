/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Groups: the rules of steering (docs/steering-rules.md) one by one and in both directions, the
 * shares, and what may move when a tunnel's health changes. Where a test is named after a rule, the
 * number is the rule's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/group.h"
#include "core/region.h"
#include "rng.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define POOL 80
#define HEALTHY PS_HEALTH_HEALTHY
#define DEGRADED PS_HEALTH_DEGRADED
#define DOWN PS_HEALTH_DOWN
#define STATIC PS_ORIGIN_STATIC
#define BGP PS_ORIGIN_BGP
#define INTERFACE PS_ORIGIN_INTERFACE

/* A node with tunnels t0, t1, ...: tunnel id, slot and name go together. */
struct net {
	struct group_tunnel t[POOL];
	char name[POOL][PS_NAME_LEN];
	struct group_node node;
	struct ps_candidate c[PS_CANDIDATES_MAX];
	unsigned int n;
};

static void net_init(struct net *x, uint32_t salt)
{
	unsigned int i;

	memset(x, 0, sizeof(*x));
	for (i = 0; i < POOL; i++) {
		snprintf(x->name[i], PS_NAME_LEN, "t%u-%x", i, salt);
		x->t[i].name = x->name[i];
		x->t[i].slot = (uint16_t)(2 * i + 1);
	}
}

static struct ps_candidate *net_add(struct net *x, uint16_t tunnel, uint32_t priority,
				    uint16_t weight)
{
	x->c[x->n] = (struct ps_candidate){
		.priority = priority,
		.tunnel = tunnel,
		.weight = weight,
	};
	return &x->c[x->n++];
}

/* n tunnels of one tier. */
static void net_tier(struct net *x, unsigned int n, const uint16_t *weight, uint32_t salt)
{
	unsigned int i;

	net_init(x, salt);
	for (i = 0; i < n; i++)
		net_add(x, (uint16_t)i, 100, weight ? weight[i] : 1);
}

static unsigned int row_size(unsigned int log2)
{
	return ROW_MIN << log2;
}

static void net_row(const struct net *x, unsigned int log2, uint16_t *row)
{
	group_row(x->c, x->n, x->t, &x->node, log2, row);
}

static unsigned int row_count(const uint16_t *row, unsigned int size, uint16_t slot)
{
	unsigned int i, n = 0;

	for (i = 0; i < size; i++)
		n += row[i] == slot;
	return n;
}

/* --- rules 2 to 8 ---------------------------------------------------------------------------- */

static void rule_3_to_5_effective_priority(void **state)
{
	static const struct {
		uint32_t base;
		uint16_t prepends;
		uint8_t origin, health;
		uint32_t effective;
	} row[] = {
		{ 0, 0, STATIC, HEALTHY, 0 },
		{ 100, 0, STATIC, HEALTHY, 100 },
		{ 100, 0, STATIC, DEGRADED, 500100 },
		{ 100, 0, STATIC, DOWN, 1000100 },
		{ 100, 3, STATIC, HEALTHY, 100 }, /* prepends are a thing of BGP */
		{ 150, 2, BGP, HEALTHY, 170 },	  /* community 60150 and two prepends */
		{ 150, 2, BGP, DEGRADED, 500170 },
		{ 501000, 0, BGP, HEALTHY, 501000 },
		{ 0, 65535, BGP, HEALTHY, 655350 },
		{ UINT32_MAX, 0, STATIC, HEALTHY, UINT32_MAX },
		{ UINT32_MAX - 1, 0, STATIC, DEGRADED, UINT32_MAX },
		{ UINT32_MAX - 5, 1, BGP, DOWN, UINT32_MAX },
		{ UINT32_MAX - PRIORITY_DOWN, 0, STATIC, DOWN, UINT32_MAX },
		{ UINT32_MAX - PRIORITY_DOWN - 1, 0, STATIC, DOWN, UINT32_MAX - 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(row); i++) {
		struct ps_candidate c = {
			.priority = row[i].base,
			.prepends = row[i].prepends,
			.origin = row[i].origin,
		};

		assert_int_equal(priority_effective(&c, row[i].health), row[i].effective);
	}
}

#define WEUR 0x80
#define ME 0x10

static void rules_2_and_5_to_8_active_set(void **state)
{
	static const struct {
		const char *rule;
		struct {
			uint32_t priority;
			uint16_t regions;
			uint8_t origin, health;
		} c[3];
		uint16_t region;
		uint64_t active;
	} row[] = {
		{ "2: scoped to this region", { { 1, WEUR, 0, 0 }, { 2, 0, 0, 0 } }, WEUR, 1 },
		{ "2: scoped elsewhere", { { 1, WEUR, 0, 0 }, { 2, 0, 0, 0 } }, ME, 2 },
		{ "2: two regions", { { 1, WEUR | ME, 0, 0 }, { 2, 0, 0, 0 } }, ME, 1 },
		{ "2: node without a region", { { 1, WEUR, 0, 0 }, { 2, 0, 0, 0 } }, 0, 2 },
		{ "2: none visible", { { 1, WEUR, 0, 0 }, { 2, WEUR, 0, 0 } }, ME, 0 },
		{ "5: degraded loses", { { 1, 0, 0, DEGRADED }, { 2, 0, 0, 0 } }, 0, 2 },
		{ "5: down loses", { { 1, 0, 0, DOWN }, { 2, 0, 0, DEGRADED } }, 0, 2 },
		{ "5: all down, lowest", { { 1, 0, 0, DOWN }, { 2, 0, 0, DOWN } }, 0, 1 },
		{ "5: base above penalty", { { 1, 0, 0, DEGRADED }, { 500002, 0, 0, 0 } }, 0, 1 },
		{ "5: base meets penalty", { { 1, 0, 0, DEGRADED }, { 500001, 0, 0, 0 } }, 0, 3 },
		{ "6: lower first", { { 1, 0, 0, 0 }, { 2, 0, 0, 0 } }, 0, 1 },
		{ "6: lower last", { { 2, 0, 0, 0 }, { 1, 0, 0, 0 } }, 0, 2 },
		{ "6: lower BGP", { { 100, 0, STATIC, 0 }, { 99, 0, BGP, 0 } }, 0, 2 },
		{ "7: tie, static", { { 100, 0, STATIC, 0 }, { 100, 0, BGP, 0 } }, 0, 1 },
		{ "7: the other way", { { 100, 0, BGP, 0 }, { 100, 0, STATIC, 0 } }, 0, 2 },
		{ "7: after the penalty", { { 100, 0, STATIC, DOWN }, { 100, 0, BGP, 0 } }, 0, 2 },
		{ "7: connected", { { 0, 0, STATIC, 0 }, { 0, 0, INTERFACE, 0 } }, 0, 2 },
		{ "8: ties share", { { 7, 0, 0, 0 }, { 7, ME, 0, 0 }, { 8, 0, 0, 0 } }, ME, 3 },
		{ "8: BGP ties share", { { 7, 0, BGP, 0 }, { 7, 0, BGP, 0 } }, 0, 3 },
	};
	unsigned int i, j;
	struct net x;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(row); i++) {
		net_init(&x, i);
		for (j = 0; j < 3 && (j < 2 || row[i].c[j].priority); j++) {
			struct ps_candidate *c = net_add(&x, (uint16_t)j, row[i].c[j].priority, 1);

			c->regions = row[i].c[j].regions;
			c->origin = row[i].c[j].origin;
			x.t[j].health = row[i].c[j].health;
		}
		x.node.region = row[i].region;
		if (group_active(x.c, x.n, x.t, &x.node) != row[i].active)
			fail_msg("rule %s", row[i].rule);
	}
	assert_int_equal(group_active(x.c, 0, x.t, &x.node), 0);
}

/* A list of up to n candidates in which ties, penalties and scopes meet. */
static void net_random(struct net *x, unsigned int n)
{
	static const uint32_t base[] = { 100, 100, 100, 110, 120, 500100, 1000100, UINT32_MAX };
	struct ps_candidate *c;

	net_init(x, (uint32_t)rng_next());
	for (n = 1 + rng_below(n); n; n--) {
		c = net_add(x, (uint16_t)rng_below(POOL), base[rng_below(ARRAY_SIZE(base))],
			    (uint16_t)(1 + rng_below(256)));
		c->origin = rng_below(3) ? STATIC : BGP;
		c->prepends = c->origin == BGP ? (uint16_t)rng_below(3) : 0;
		c->weight = c->origin == BGP ? 1 : c->weight;
		if (rng_below(3) == 0)
			c->regions = (uint16_t)rng_below(1u << REGION_COUNT);
		x->t[c->tunnel].health = (uint8_t)rng_below(3);
	}
	if (rng_below(4))
		x->node.region = (uint16_t)(1u << rng_below(REGION_COUNT));
}

/* The rules in the order they are written, one sieve after the other. */
static uint64_t naive_active(const struct net *x)
{
	static const double penalty[] = { 0, 500000, 1000000 };
	bool in[PS_CANDIDATES_MAX], has_static = false;
	double p[PS_CANDIDATES_MAX], best = 1e18;
	uint64_t active = 0;
	unsigned int i;

	for (i = 0; i < x->n; i++) {
		const struct ps_candidate *c = &x->c[i];

		in[i] = c->regions == 0 || (x->node.region && (c->regions & x->node.region));
		p[i] = c->priority + 10.0 * c->prepends + penalty[x->t[c->tunnel].health];
		if (p[i] > 4294967295.0)
			p[i] = 4294967295.0;
		if (in[i] && p[i] < best)
			best = p[i];
	}
	for (i = 0; i < x->n; i++) {
		in[i] = in[i] && p[i] == best;
		has_static |= in[i] && x->c[i].origin == STATIC;
	}
	for (i = 0; i < x->n; i++)
		if (in[i] && (x->c[i].origin == STATIC || !has_static))
			active |= 1ull << i;
	return active;
}

static void active_set_against_the_sieve(void **state)
{
	struct net x;
	int i;

	(void)state;
	for (i = 0; i < 100000; i++) {
		net_random(&x, i % 16 ? 8 : 64);
		if (group_active(x.c, x.n, x.t, &x.node) != naive_active(&x))
			fail_msg("active %llx, should be %llx",
				 (unsigned long long)group_active(x.c, x.n, x.t, &x.node),
				 (unsigned long long)naive_active(&x));
	}
}

/* --- quotas ---------------------------------------------------------------------------------- */

/*
 * Slot by slot to whoever lacks most of its share; those whose share is below one slot get one and
 * are out of it. Numerators are whole, so doubles hold them exactly.
 */
static void naive_quota(const uint16_t *w, unsigned int n, unsigned int size, uint16_t *quota)
{
	double total, lack, most;
	unsigned int i, left, who;
	bool pinned[64] = { false }, more;

	do {
		more = false;
		total = 0;
		left = size;
		for (i = 0; i < n; i++) {
			total += pinned[i] ? 0 : w[i];
			left -= pinned[i];
		}
		for (i = 0; i < n; i++)
			if (!pinned[i] && (double)left * w[i] < total)
				pinned[i] = more = true;
	} while (more);
	for (i = 0; i < n; i++)
		quota[i] = pinned[i];
	size = left;
	for (; left; left--) {
		most = -1e18;
		who = n;
		for (i = 0; i < n; i++) {
			lack = (double)size * w[i] - (double)quota[i] * total;
			if (!pinned[i] && lack > most) {
				most = lack;
				who = i;
			}
		}
		quota[who]++;
	}
}

static void quota_against_the_naive(void **state)
{
	uint16_t w[64], quota[64], naive[64];
	unsigned int i, j, n, size, sum;

	(void)state;
	for (i = 0; i < 20000; i++) {
		n = 1 + rng_below(i % 8 ? 6 : 64);
		size = row_size(i % 64 ? rng_below(3) : rng_below(7));
		for (j = 0; j < n; j++)
			w[j] = (uint16_t)(rng_below(3) ? 1 + rng_below(256) : 1 + rng_below(4));
		group_quota(w, n, size, quota);
		naive_quota(w, n, size, naive);
		for (j = 0, sum = 0; j < n; j++) {
			sum += quota[j];
			if (quota[j] != naive[j] || quota[j] < 1)
				fail_msg("weight %u of %u in %u: %u slots, should be %u", w[j], n,
					 size, quota[j], naive[j]);
		}
		assert_int_equal(sum, size);
	}
	group_quota(w, 0, 64, quota); /* nobody: nothing */
}

static void quota_ties_go_to_the_lower_index(void **state)
{
	static const uint16_t three[] = { 1, 1, 1 }, big[] = { 256, 1, 1, 1 };
	uint16_t quota[4];

	(void)state;
	group_quota(three, 3, 64, quota);
	assert_int_equal(quota[0], 22);
	assert_int_equal(quota[1], 21);
	assert_int_equal(quota[2], 21);
	group_quota(big, 4, 64, quota);
	assert_int_equal(quota[0], 61);
	assert_int_equal(quota[3], 1);
}

/* --- shares ---------------------------------------------------------------------------------- */

static bool within_1_percent(unsigned int have, double want)
{
	return have >= want * 0.99 - 1e-9 && have <= want * 1.01 + 1e-9;
}

static void row_sizes(void **state)
{
	static const uint16_t service[] = { 64, 128, 192, 255 };
	uint16_t w[64], row[ROW_MAX];
	unsigned int log2, i;
	struct net x;

	(void)state;
	net_tier(&x, 1, NULL, 1);
	assert_int_equal(group_row_log2(x.c, x.n, x.t), 0);
	net_tier(&x, 2, NULL, 1);
	assert_int_equal(group_row_log2(x.c, x.n, x.t), 0);
	net_tier(&x, 3, NULL, 1); /* 42 of 128 is 1.6 % short of a third; 85 of 256 is 0.4 % */
	assert_int_equal(group_row_log2(x.c, x.n, x.t), 2);
	net_tier(&x, 64, NULL, 1);
	assert_int_equal(group_row_log2(x.c, x.n, x.t), 0);
	for (i = 0; i < 64; i++)
		w[i] = (uint16_t)(1 + i * 4);
	net_tier(&x, 64, w, 1);
	assert_int_equal(group_row_log2(x.c, x.n, x.t), PS_ROW_LOG2_MAX);
	assert_int_equal(group_row_log2(x.c, 0, x.t), 0);

	net_tier(&x, 4, service, 1);
	log2 = group_row_log2(x.c, x.n, x.t);
	assert_in_range(log2, 1, 3);
	net_row(&x, log2, row);
	for (i = 0; i < 4; i++)
		assert_true(within_1_percent(row_count(row, row_size(log2), x.t[i].slot),
					     row_size(log2) * service[i] / 639.0));
}

/* 64 tunnels, weights 1 to 256: to the nearest slot, but for the ones that get a slot for less. */
static void many_tunnels_of_all_weights(void **state)
{
	uint16_t w[64], row[ROW_MAX];
	unsigned int i, k, total, have;
	struct net x;

	(void)state;
	for (k = 0; k < 50; k++) {
		for (i = 0, total = 0; i < 64; i++) {
			w[i] = (uint16_t)(i == 0 ? 1 : i == 1 ? 256 : 1 + rng_below(256));
			total += w[i];
		}
		net_tier(&x, 64, w, k);
		net_row(&x, PS_ROW_LOG2_MAX, row);
		for (i = 0; i < 64; i++) {
			double want = (double)ROW_MAX * w[i] / total;

			have = row_count(row, ROW_MAX, x.t[i].slot);
			if (have < 1 || have > want + 1.1 || have < want - 1.1)
				fail_msg("weight %u of %u: %u of 4096", w[i], total, have);
		}
	}
}

/* What the candidates that are active should have, by tunnel id, of a row of this size. */
static void wanted_shares(const struct net *x, unsigned int size, double *want)
{
	uint64_t active = naive_active(x);
	double total = 0;
	unsigned int i;

	memset(want, 0, POOL * sizeof(*want));
	for (i = 0; i < x->n; i++)
		if (active >> i & 1)
			total += x->c[i].weight;
	for (i = 0; i < x->n; i++)
		if (active >> i & 1)
			want[x->c[i].tunnel] += size * x->c[i].weight / total;
}

/* On no node may a tier in full health miss its weights in the row that was asked for. */
static void shares_are_within_1_percent(void **state)
{
	static uint16_t row[ROW_MAX];
	unsigned int i, j, region, log2, checked = 0;
	double want[POOL];
	struct net x;

	(void)state;
	for (i = 0; i < 3000; i++) {
		net_random(&x, i % 8 ? 5 : 12);
		for (j = 0; j < POOL; j++)
			x.t[j].health = HEALTHY;
		log2 = group_row_log2(x.c, x.n, x.t);
		if (log2 == PS_ROW_LOG2_MAX)
			continue;
		for (region = 0; region <= REGION_COUNT; region++) {
			x.node.region = (uint16_t)(1u << region >> 1);
			wanted_shares(&x, row_size(log2), want);
			if (!naive_active(&x))
				continue;
			net_row(&x, log2, row);
			for (j = 0; j < POOL; j++, checked++)
				if (!within_1_percent(row_count(row, row_size(log2), x.t[j].slot),
						      want[j]))
					fail_msg("%u of %u slots, should be %f",
						 row_count(row, row_size(log2), x.t[j].slot),
						 row_size(log2), want[j]);
		}
	}
	assert_true(checked > 500000);
}

/* No smaller row would do. */
static void rows_are_not_too_large(void **state)
{
	unsigned int i, j, n, log2, smaller, total;
	uint16_t w[8], quota[8];
	struct net x;

	(void)state;
	for (i = 0; i < 5000; i++) {
		n = 1 + rng_below(8);
		for (j = 0, total = 0; j < n; j++) {
			w[j] = (uint16_t)(1 + rng_below(rng_below(2) ? 256 : 4));
			total += w[j];
		}
		net_tier(&x, n, w, i);
		log2 = group_row_log2(x.c, x.n, x.t);
		for (smaller = 0; smaller < log2; smaller++) {
			bool good = true;

			naive_quota(w, n, row_size(smaller), quota);
			for (j = 0; j < n; j++)
				good &= within_1_percent(quota[j],
							 (double)row_size(smaller) * w[j] / total);
			assert_false(good);
		}
	}
}

/* When one goes, the others take its buckets in proportion to their weights: many groups' mean. */
static void buckets_of_the_lost_are_shared_by_weight(void **state)
{
	static const uint16_t w[] = { 10, 1, 2, 4, 8 };
	unsigned int i, j, b, moved = 0, got[5] = { 0 };
	uint16_t before[256], after[256];
	struct net x;

	(void)state;
	for (i = 0; i < 2000; i++) {
		net_tier(&x, 5, w, i);
		net_row(&x, 2, before);
		x.t[0].health = DOWN;
		net_row(&x, 2, after);
		for (b = 0; b < 256; b++) {
			if (before[b] != x.t[0].slot)
				continue;
			moved++;
			for (j = 0; j < 5; j++)
				got[j] += after[b] == x.t[j].slot;
		}
	}
	assert_int_equal(got[0], 0);
	for (j = 1; j < 5; j++) {
		double share = 15.0 * got[j] / moved / w[j];

		if (share < 0.96 || share > 1.04)
			fail_msg("weight %u got %u of %u", w[j], got[j], moved);
	}
}

/* --- order and movement ---------------------------------------------------------------------- */

static void swap_candidates(struct ps_candidate *a, struct ps_candidate *b)
{
	struct ps_candidate x = *a;

	*a = *b;
	*b = x;
}

struct expected {
	struct ps_candidate c[6];
	uint64_t hash;
	unsigned int log2, orders;
	uint16_t row[ROW_MAX];
};

/* Calls itself for every order of c[k..n). */
static void every_order(struct net *x, unsigned int k, struct expected *e)
{
	static uint16_t row[ROW_MAX];
	struct ps_candidate c[6];
	unsigned int i;

	for (i = k; i < x->n; i++) {
		swap_candidates(&x->c[k], &x->c[i]);
		every_order(x, k + 1, e);
		swap_candidates(&x->c[k], &x->c[i]);
	}
	if (k < x->n)
		return;
	memcpy(c, x->c, x->n * sizeof(*c));
	group_canonical(c, x->n);
	assert_memory_equal(c, e->c, x->n * sizeof(*c));
	assert_true(group_hash(c, x->n) == e->hash);
	assert_int_equal(group_row_log2(x->c, x->n, x->t), e->log2);
	net_row(x, e->log2 < 2 ? e->log2 : 2, row);
	assert_memory_equal(row, e->row, row_size(e->log2 < 2 ? e->log2 : 2) * sizeof(*row));
	e->orders++;
}

/* Rule 11 along with it: the same tunnel may be in a list several times. */
static void every_insertion_order_gives_one_result(void **state)
{
	static const unsigned int factorial[] = { 1, 1, 2, 6, 24, 120, 720 };
	static struct expected e;
	unsigned int i, j;
	struct net x;

	(void)state;
	for (i = 0; i < 60; i++) {
		do
			net_random(&x, 6);
		while (i % 3 == 0 && x.n < 6);
		for (j = 0; j < x.n; j++) {
			x.c[j].tunnel %= 5;
			x.t[x.c[j].tunnel].health = rng_below(4) ? HEALTHY : DOWN;
		}
		x.node.hash_mode = i % 4 ? PS_HASH_RENDEZVOUS : PS_HASH_MODULO;
		group_canonical(x.c, x.n);
		memcpy(e.c, x.c, sizeof(e.c));
		e.hash = group_hash(x.c, x.n);
		e.log2 = group_row_log2(x.c, x.n, x.t);
		e.orders = 0;
		net_row(&x, e.log2 < 2 ? e.log2 : 2, e.row);
		every_order(&x, 0, &e);
		assert_int_equal(e.orders, factorial[x.n]);
	}
}

/* Other ids and slots, same names: the same tunnel in every bucket. */
static void ids_do_not_count(void **state)
{
	static uint16_t row[ROW_MAX], other[ROW_MAX];
	struct net x, y;
	unsigned int i, b, log2;

	(void)state;
	for (i = 0; i < 500; i++) {
		net_random(&x, 8);
		x.node.hash_mode = i % 4 ? PS_HASH_RENDEZVOUS : PS_HASH_MODULO;
		y = x;
		for (b = 0; b < POOL; b++) { /* id b becomes POOL - 1 - b */
			y.t[POOL - 1 - b] = x.t[b];
			y.t[POOL - 1 - b].slot = (uint16_t)(1000 + b);
		}
		for (b = 0; b < x.n; b++)
			y.c[b].tunnel = (uint16_t)(POOL - 1 - x.c[b].tunnel);
		log2 = rng_below(3);
		net_row(&x, log2, row);
		net_row(&y, log2, other);
		for (b = 0; b < row_size(log2); b++)
			if (row[b] && (row[b] - 1) / 2 != other[b] - 1000)
				fail_msg("bucket %u: tunnel %u, by other ids %u", b,
					 (row[b] - 1) / 2, other[b] - 1000);
	}
}

static void canonical_hash_tells_lists_apart(void **state)
{
	struct net x;
	uint64_t hash;

	(void)state;
	net_tier(&x, 3, NULL, 1);
	hash = group_hash(x.c, x.n);
	assert_true(group_hash(x.c, 2) != hash);
#define DIFFERS(field)                                                                \
	do {                                                                          \
		x.c[1].field++;                                                       \
		assert_true(group_hash(x.c, x.n) != hash);                            \
		assert_true(candidate_cmp(&(struct ps_candidate){ .field = 1 },       \
					  &(struct ps_candidate){ .field = 2 }) < 0); \
		assert_true(candidate_cmp(&(struct ps_candidate){ .field = 2 },       \
					  &(struct ps_candidate){ .field = 1 }) > 0); \
		x.c[1].field--;                                                       \
	} while (0)
	DIFFERS(priority);
	DIFFERS(tunnel);
	DIFFERS(weight);
	DIFFERS(regions);
	DIFFERS(prepends);
	DIFFERS(origin);
#undef DIFFERS
	assert_true(group_hash(x.c, x.n) == hash);
	assert_int_equal(candidate_cmp(&x.c[1], &x.c[1]), 0);
}

/*
 * Two tiers, the second's base by one degradation above the first's. By setting healths, any set of
 * tunnels of both can be made the active one.
 */
static void activate(struct net *x, unsigned int first_tier, unsigned int set)
{
	unsigned int i;

	for (i = 0; i < x->n; i++) {
		if (i < first_tier)
			x->t[i].health = set >> i & 1 ? DEGRADED : DOWN;
		else
			x->t[i].health = set >> i & 1 ? HEALTHY : DEGRADED;
	}
}

/*
 * One fixed order per bucket: the rows of the pairs say who goes before whom; then every other set,
 * all of them, must carry the one that goes before all others of the set. From this it follows that
 * nothing moves needlessly and that everything returns.
 */
static void each_bucket_has_one_order(void **state)
{
	static uint16_t pair[7][7][256], row[256];
	unsigned int i, j, b, k, n, set, carried;
	struct net x;

	(void)state;
	for (k = 0; k < 40; k++) {
		n = 2 + rng_below(6);
		net_init(&x, (uint32_t)rng_next());
		for (i = 0; i < n; i++)
			net_add(&x, (uint16_t)i, i < n / 2 ? 100 : 100 + PRIORITY_DEGRADED,
				(uint16_t)(1 + rng_below(k % 2 ? 1 : 256)));
		for (i = 0; i < n; i++) {
			for (j = 0; j < n; j++) {
				activate(&x, n / 2, 1u << i | 1u << j);
				net_row(&x, 2, pair[i][j]);
			}
		}
		for (set = 1; set < 1u << n; set++) {
			activate(&x, n / 2, set);
			assert_int_equal(group_active(x.c, x.n, x.t, &x.node), set);
			net_row(&x, 2, row);
			for (b = 0; b < 256; b++) {
				carried = (row[b] - 1u) / 2;
				assert_true(set >> carried & 1);
				for (j = 0; j < n; j++)
					if ((set >> j & 1) && pair[carried][j][b] != row[b])
						fail_msg("bucket %u: set %x carries %u, not %u", b,
							 set, carried, j);
			}
		}
	}
}

/* Random lists, healths that come and go: a bucket leaves a tunnel only with cause. */
static void nothing_moves_needlessly(void **state)
{
	static uint16_t row[ROW_MAX], before[ROW_MAX], start[ROW_MAX];
	unsigned int i, j, b, checked = 0;
	bool was[POOL], is[POOL], gained;
	struct net x, at_start;
	uint64_t active;

	(void)state;
	for (i = 0; i < 1500; i++) {
		net_random(&x, 6);
		at_start = x;
		active = naive_active(&x);
		net_row(&x, 1, row);
		memcpy(start, row, sizeof(start));
		for (j = 0; j < 8 && active; j++) {
			memset(was, 0, sizeof(was));
			memset(is, 0, sizeof(is));
			for (b = 0; b < x.n; b++)
				was[x.c[b].tunnel] |= active >> b & 1;
			x.t[x.c[rng_below(x.n)].tunnel].health = (uint8_t)rng_below(3);
			active = naive_active(&x);
			for (b = 0; b < x.n; b++)
				is[x.c[b].tunnel] |= active >> b & 1;
			memcpy(before, row, sizeof(before));
			net_row(&x, 1, row);
			for (b = 0; b < row_size(1); b++, checked++) {
				uint16_t from = (uint16_t)((before[b] - 1) / 2);
				uint16_t to = (uint16_t)((row[b] - 1) / 2);

				gained = is[to] && !was[to];
				if (!is[to] || (from != to && is[from] && !gained))
					fail_msg("bucket %u went from %s to %s", b, x.name[from],
						 x.name[to]);
			}
		}
		net_row(&at_start, 1, row);
		assert_memory_equal(row, start, row_size(1) * sizeof(*row));
	}
	assert_true(checked > 1000000);
}

/* --- the rest -------------------------------------------------------------------------------- */

static void no_visible_candidate_no_row(void **state)
{
	uint16_t row[ROW_MIN];
	struct net x;

	(void)state;
	net_tier(&x, 2, NULL, 1);
	x.c[0].regions = ME;
	x.c[1].regions = ME;
	x.node.region = WEUR;
	net_row(&x, 0, row);
	assert_int_equal(row_count(row, ROW_MIN, 0), ROW_MIN);
	x.node.region = ME;
	net_row(&x, 0, row);
	assert_int_equal(row_count(row, ROW_MIN, x.t[0].slot), 32);
	/* A tunnel that is gone is out of it. */
	x.t[0].name = NULL;
	net_row(&x, 0, row);
	assert_int_equal(row_count(row, ROW_MIN, x.t[1].slot), ROW_MIN);
}

static void drop_and_underlay_are_next_hops_like_others(void **state)
{
	uint16_t row[ROW_MIN];
	struct net x;

	(void)state;
	net_init(&x, 1);
	x.t[PS_TUNNEL_DROP] = (struct group_tunnel){ .name = "drop", .slot = 0 };
	x.t[PS_TUNNEL_UNDERLAY] = (struct group_tunnel){ .name = "underlay", .slot = 2 };
	net_add(&x, 5, 100, 1);
	net_add(&x, PS_TUNNEL_UNDERLAY, 200, 1);
	net_add(&x, PS_TUNNEL_DROP, 2000000, 1);
	net_row(&x, 0, row);
	assert_int_equal(row_count(row, ROW_MIN, x.t[5].slot), ROW_MIN);
	x.t[5].health = DOWN;
	net_row(&x, 0, row);
	assert_int_equal(row_count(row, ROW_MIN, 2), ROW_MIN);
	x.n = 1;
	x.t[5].health = HEALTHY;
	net_add(&x, PS_TUNNEL_DROP, 100, 3);
	net_row(&x, 0, row);
	assert_int_equal(row_count(row, ROW_MIN, 0), 48);
}

/* Two routes of a tier name one tunnel: it has the sum of their weights, where both are seen. */
static void one_tunnel_twice_in_a_tier(void **state)
{
	uint16_t row[ROW_MIN];
	struct net x;

	(void)state;
	net_init(&x, 1);
	net_add(&x, 3, 100, 1);
	net_add(&x, 4, 100, 1);
	net_add(&x, 3, 100, 2)->regions = ME;
	net_row(&x, 0, row);
	assert_int_equal(row_count(row, ROW_MIN, x.t[3].slot), 32);
	x.node.region = ME;
	net_row(&x, 0, row);
	assert_int_equal(row_count(row, ROW_MIN, x.t[3].slot), 48);
	assert_int_equal(group_row_log2(x.c, x.n, x.t), 0);
	net_add(&x, 4, 100, 1)->regions = WEUR; /* 1 : 2 there, which 64 buckets can't do */
	assert_int_equal(group_row_log2(x.c, x.n, x.t), 1);
}

/* Rule 8: weights are a thing of static routes. */
static void bgp_routes_share_equally(void **state)
{
	uint16_t row[ROW_MIN];
	struct net x;

	(void)state;
	net_init(&x, 1);
	net_add(&x, 3, 100, 1)->origin = BGP;
	net_add(&x, 4, 100, 200)->origin = BGP;
	net_row(&x, 0, row);
	assert_int_equal(row_count(row, ROW_MIN, x.t[3].slot), 32);
}

static void modulo_is_hash_mod_n(void **state)
{
	static uint16_t row[ROW_MAX];
	struct net x;
	unsigned int b, i;

	(void)state;
	net_init(&x, 1);
	x.node.hash_mode = PS_HASH_MODULO;
	x.t[7].name = "ams";
	x.t[5].name = "fra";
	x.t[6].name = "lon";
	net_add(&x, 5, 100, 2);
	net_add(&x, 6, 100, 1);
	net_add(&x, 7, 100, 1);
	net_row(&x, 2, row);
	for (b = 0; b < row_size(2); b++)
		assert_int_equal(row[b], x.t[b % 4 == 0 ? 7 : b % 4 < 3 ? 5 : 6].slot);
	x.t[7].health = DOWN;
	net_row(&x, 2, row);
	for (b = 0; b < row_size(2); b++)
		assert_int_equal(row[b], x.t[b % 3 < 2 ? 5 : 6].slot);
	/* By name over all tiers that meet: ams, fra. */
	net_init(&x, 1);
	x.node.hash_mode = PS_HASH_MODULO;
	x.t[7].name = "ams";
	x.t[5].name = "fra";
	net_add(&x, 5, 100, 1);
	net_add(&x, 7, 100 + PRIORITY_DEGRADED, 1);
	x.t[5].health = DEGRADED;
	net_row(&x, 0, row);
	for (b = 0; b < row_size(0); b++)
		assert_int_equal(row[b], x.t[b % 2 ? 5 : 7].slot);
	/* Weights beyond the row are scaled: nobody is left out. */
	net_init(&x, 1);
	x.node.hash_mode = PS_HASH_MODULO;
	for (i = 0; i < 64; i++)
		net_add(&x, (uint16_t)i, 100, 256);
	net_row(&x, 0, row);
	for (i = 0; i < 64; i++)
		assert_int_equal(row_count(row, ROW_MIN, x.t[i].slot), 1);
}

/*
 * Rows pinned: were one to change, every node that is upgraded would move the flows of its users,
 * and differ from its neighbours until they are. So a change here is a change of ABI.
 */
static void golden_rows(void **state)
{
	static const char healthy[] =
		"nflnfflnnfanlfnlfalfnfalflnffnflnllfallnlllflnflnfllnllllnnalaaa";
	static const char fra_down[] =
		"nnlnallnnnanlanlnallnaalnlnlanalnlllallnlllnlnnlnlllnllllnnalaaa";
	static const char *const name[] = { "ams-1", "fra-1", "lon-1", "nyc-1" };
	static const uint16_t weight[] = { 1, 2, 3, 2 };
	char text[ROW_MIN + 1] = "";
	uint16_t row[ROW_MIN];
	struct net x;
	unsigned int i;

	(void)state;
	net_init(&x, 1);
	for (i = 0; i < 4; i++) {
		x.t[i].name = name[i];
		x.t[i].slot = (uint16_t)i;
		net_add(&x, (uint16_t)i, 100, weight[i]);
	}
	net_row(&x, 0, row);
	for (i = 0; i < ROW_MIN; i++)
		text[i] = name[row[i]][0];
	assert_string_equal(text, healthy);
	x.t[1].health = DOWN;
	net_row(&x, 0, row);
	for (i = 0; i < ROW_MIN; i++)
		text[i] = name[row[i]][0];
	assert_string_equal(text, fra_down);
}

/* A large row by its digest: three tiers that meet by their penalties, several routes per tunnel.
 */
static void golden_digest(void **state)
{
	uint64_t digest = 0xcbf29ce484222325u;
	static uint16_t row[ROW_MAX];
	struct net x;
	unsigned int i;

	(void)state;
	net_init(&x, 1);
	x.node.region = ME;
	for (i = 0; i < 60; i++) {
		struct ps_candidate *c = net_add(&x, (uint16_t)(i % 25),
						 i < 25 ? 100 :
						 i < 50 ? 500100 :
							  1000100,
						 (uint16_t)(1 + i * 37 % 256));

		c->regions = i % 7 ? 0 : WEUR | (i % 2 ? ME : 0);
		x.t[i % 25].health = i % 5 ? DEGRADED : DOWN;
	}
	net_row(&x, PS_ROW_LOG2_MAX, row);
	for (i = 0; i < ROW_MAX; i++)
		digest = (digest ^ row[i]) * 0x100000001b3u;
	if (digest != 0x18bb680b5fa1430bu)
		fail_msg("digest 0x%016llx", (unsigned long long)digest);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_3_to_5_effective_priority),
		cmocka_unit_test(rules_2_and_5_to_8_active_set),
		cmocka_unit_test(active_set_against_the_sieve),
		cmocka_unit_test(quota_against_the_naive),
		cmocka_unit_test(quota_ties_go_to_the_lower_index),
		cmocka_unit_test(row_sizes),
		cmocka_unit_test(many_tunnels_of_all_weights),
		cmocka_unit_test(shares_are_within_1_percent),
		cmocka_unit_test(rows_are_not_too_large),
		cmocka_unit_test(buckets_of_the_lost_are_shared_by_weight),
		cmocka_unit_test(every_insertion_order_gives_one_result),
		cmocka_unit_test(ids_do_not_count),
		cmocka_unit_test(canonical_hash_tells_lists_apart),
		cmocka_unit_test(each_bucket_has_one_order),
		cmocka_unit_test(nothing_moves_needlessly),
		cmocka_unit_test(no_visible_candidate_no_row),
		cmocka_unit_test(drop_and_underlay_are_next_hops_like_others),
		cmocka_unit_test(one_tunnel_twice_in_a_tier),
		cmocka_unit_test(bgp_routes_share_equally),
		cmocka_unit_test(modulo_is_hash_mod_n),
		cmocka_unit_test(golden_rows),
		cmocka_unit_test(golden_digest),
	};

	return cmocka_run_group_tests(tests, rng_setup, NULL);
}
