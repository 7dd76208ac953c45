/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random transactions against a naive copy of what they should leave: routes, prefixes, policies
 * and health in any order, some refused, some aborted. After each, addresses are looked up in the
 * FIB and the rows they lead to compared with core's; at the end all is deleted and everything
 * must have come back.
 *
 * The naive side keeps lists and looks at all of them. It knows the rules that refuse: a route is
 * there already or is not there, lies outside the owned prefixes (rule 10), a prefix still has
 * routes. PENSTOCK_SEED repeats a run, PENSTOCK_LONG makes it ten times as long.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/group.h"
#include "harness.h"

#define TUNNELS 8
#define TABLES 3 /* main, and two egress tables */
#define MAX 400
#define STEPS 1500

struct naive_route {
	unsigned int table;
	struct prefix p;
	struct ps_candidate c;
};

struct naive_entry {
	struct prefix p;
	unsigned int value; /* account, or table */
};

struct naive {
	struct naive_route route[MAX];
	struct naive_entry owned[MAX], policy[MAX];
	unsigned int routes, owneds, policies;
	uint8_t health[TUNNELS];
	uint16_t region;
	uint8_t hash_mode;
};

static const char *const table_name[TABLES] = { "main", "red", "blue" };
static const char *const account_name[3] = { "default", "acme", "beta" };
static struct naive now, staged;
static struct rng rng;

static uint32_t below(uint32_t n)
{
	return rng_below(&rng, n);
}

/* A small world: many steps meet the same prefixes, nested in each other. */
static struct prefix random_prefix(void)
{
	static const uint8_t len[] = { 8,  9,  14, 15, 16, 16, 17, 20, 23,
				       24, 24, 25, 28, 30, 31, 32, 32, 0 };
	uint8_t l = len[below(below(30) ? 17 : 18)];
	struct prefix p = { A4(10, below(2), below(3), below(2) * 128 + below(3)), l };

	if (below(8) == 0)
		p.addr = A4(10 + below(2), below(256), below(256), below(256));
	p.addr &= prefix_mask(l);
	return p;
}

/* --- the naive side -------------------------------------------------------------------------- */

static int entry_find(const struct naive_entry *e, unsigned int n, struct prefix p)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (!prefix_cmp(e[i].p, p))
			return (int)i;
	return -1;
}

/* Rule 10, by halving. */
static bool filled(const struct naive *n, struct prefix p)
{
	struct prefix half = p;
	unsigned int i, inside = 0;

	for (i = 0; i < n->owneds; i++) {
		if (prefix_covers(n->owned[i].p, p))
			return true;
		inside += prefix_covers(p, n->owned[i].p);
	}
	if (!inside || p.len == 32)
		return false;
	half.len++;
	if (!filled(n, half))
		return false;
	half.addr |= 1u << (32 - half.len);
	return filled(n, half);
}

static int route_find(const struct naive *n, unsigned int table, struct prefix p,
		      const struct route_match *m)
{
	unsigned int i;

	for (i = 0; i < n->routes; i++)
		if (n->route[i].table == table && !prefix_cmp(n->route[i].p, p) &&
		    (m->tunnel < 0 || n->route[i].c.tunnel == m->tunnel) &&
		    (m->origin < 0 || n->route[i].c.origin == m->origin) &&
		    (m->regions < 0 || n->route[i].c.regions == m->regions))
			return (int)i;
	return -1;
}

/* All candidates of a prefix. */
static unsigned int candidates(const struct naive *n, unsigned int table, struct prefix p,
			       struct ps_candidate *list)
{
	unsigned int i, k = 0;

	for (i = 0; i < n->routes; i++)
		if (n->route[i].table == table && !prefix_cmp(n->route[i].p, p))
			list[k++] = n->route[i].c;
	return k;
}

static bool any_visible(const struct naive *n, unsigned int table, struct prefix p)
{
	struct ps_candidate list[MAX];
	unsigned int k = candidates(n, table, p, list), i;

	for (i = 0; i < k; i++)
		if (!list[i].regions || (list[i].regions & n->region))
			return true;
	return false;
}

/* --- steps: each on the store and on the naive side, with the same answer -------------------- */

static void agree(const char *what, struct prefix p, int got, int want, const struct error *err)
{
	char word[PREFIX_STRLEN];

	if (got != want)
		fail_msg("%s %s: want %d, got %d%s%s", what, prefix_str(p, word), want, got,
			 got ? ": " : "", got ? err->text : "");
}

static struct ps_candidate random_candidate(void)
{
	struct ps_candidate c = {
		.priority = 100 + below(3) * 50,
		.tunnel = (uint16_t)(below(15) ? PS_TUNNEL_FIRST + below(TUNNELS) : below(2)),
		.weight = (uint16_t)(below(2) ? 1 : 1 + below(256)),
		.regions = (uint16_t)(below(3) ? 0 : below(8)),
		.origin = below(4) ? PS_ORIGIN_STATIC : PS_ORIGIN_BGP
	};

	return c;
}

static void step_route(struct txn *t, unsigned int table, uint16_t id, bool replace)
{
	struct prefix p = random_prefix();
	struct ps_candidate c = random_candidate();
	const struct route_match same = { c.tunnel, c.origin, c.regions };
	int at = route_find(&staged, table, p, &same), want = 0, r;
	struct error err = { "", false };

	if (staged.routes == MAX)
		return;
	r = (replace ? txn_route_replace : txn_route_add)(t, id, p, &c, &err);
	if (!table && !filled(&staged, p))
		want = -EPERM;
	else if (at >= 0 && !replace)
		want = -EEXIST;
	agree(replace ? "replace" : "add", p, r, want, &err);
	if (!want)
		staged.route[at < 0 ? (int)staged.routes++ : at] =
			(struct naive_route){ table, p, c };
}

/* One that is there, mostly. */
static void step_route_del(struct txn *t, const uint16_t *ids)
{
	struct naive_route any =
		staged.routes && below(6) ?
			staged.route[below(staged.routes)] :
			(struct naive_route){ below(TABLES), random_prefix(), random_candidate() };
	const struct route_match m = { below(3) ? any.c.tunnel : ROUTE_ANY,
				       below(2) ? any.c.origin : ROUTE_ANY,
				       below(2) ? any.c.regions : ROUTE_ANY };
	struct error err = { "", false };
	int at, n = 0, r;

	r = txn_route_del(t, ids[any.table], any.p, &m, &err);
	while ((at = route_find(&staged, any.table, any.p, &m)) >= 0) {
		staged.route[at] = staged.route[--staged.routes];
		n++;
	}
	agree("delete", any.p, r, n ? 0 : -ENOENT, &err);
}

static void step_prefix_add(struct txn *t)
{
	struct prefix p = random_prefix();
	struct error err = { "", false };
	unsigned int who = below(3);
	bool there = entry_find(staged.owned, staged.owneds, p) >= 0;
	uint16_t account;

	if (staged.owneds == MAX || p.len == 0)
		return;
	must(txn_account(t, account_name[who], &account, &err), &err, "account");
	agree("own", p, txn_prefix_add(t, p, account, &err), there ? -EEXIST : 0, &err);
	if (!there)
		staged.owned[staged.owneds++] = (struct naive_entry){ p, who };
}

static void step_prefix_del(struct txn *t)
{
	struct prefix p =
		staged.owneds && below(8) ? staged.owned[below(staged.owneds)].p : random_prefix();
	int at = entry_find(staged.owned, staged.owneds, p), want = at < 0 ? -ENOENT : 0;
	struct error err = { "", false };
	static struct naive without;
	unsigned int i;

	without = staged;
	if (at >= 0) {
		without.owned[at] = without.owned[--without.owneds];
		for (i = 0; i < without.routes; i++)
			if (!without.route[i].table && !filled(&without, without.route[i].p))
				want = -EBUSY;
	}
	agree("disown", p, txn_prefix_del(t, p, &err), want, &err);
	if (!want)
		staged = without;
}

static void step_policy(struct txn *t, const uint16_t *ids)
{
	struct prefix p = staged.policies && below(2) ? staged.policy[below(staged.policies)].p :
							random_prefix();
	int at = entry_find(staged.policy, staged.policies, p);
	struct error err = { "", false };
	unsigned int table = 1 + below(2);

	if (below(2) && staged.policies < MAX) {
		agree("policy", p, txn_policy_add(t, p, ids[table], &err), at < 0 ? 0 : -EEXIST,
		      &err);
		if (at < 0)
			staged.policy[staged.policies++] = (struct naive_entry){ p, table };
		return;
	}
	agree("no policy", p, txn_policy_del(t, p, &err), at < 0 ? -ENOENT : 0, &err);
	if (at >= 0)
		staged.policy[at] = staged.policy[--staged.policies];
}

/* Health, or another header: either gives the tunnel's rows something to do. */
static void step_tunnel(struct txn *t)
{
	int id = (int)(PS_TUNNEL_FIRST + below(TUNNELS));
	struct ps_tunnel tunnel = *txn_tunnel(t, id);
	struct error err;

	if (below(2)) {
		tunnel.health = (uint8_t)below(3);
		staged.health[id - (int)PS_TUNNEL_FIRST] = tunnel.health;
	} else {
		tunnel.ttl = (uint8_t)(1 + below(255));
	}
	must(txn_tunnel_set(t, id, &tunnel, &err), &err, "tunnel");
}

static void step_node(struct txn *t)
{
	struct ps_node *node = txn_node(t);

	node->region = staged.region = (uint16_t)(below(4) ? 1u << below(3) : 0);
	node->hash_mode = staged.hash_mode = below(6) == 0;
}

/* Tables exist while something uses them, so their ids are asked for each time. */
static void table_ids(struct txn *t, uint16_t *ids)
{
	struct error err;
	unsigned int i;

	for (i = 0; i < TABLES; i++)
		must(txn_table(t, table_name[i], true, &ids[i], &err), &err, "table");
}

static void step(struct txn *t)
{
	uint16_t ids[TABLES];
	unsigned int table = below(2) ? 0 : below(TABLES);

	table_ids(t, ids);
	switch (below(16)) {
	case 0:
	case 1:
	case 2:
		step_prefix_add(t);
		break;
	case 3:
		step_prefix_del(t);
		break;
	case 4:
	case 5:
		step_policy(t, ids);
		break;
	case 6:
		step_tunnel(t);
		break;
	case 7:
		if (below(5) == 0)
			step_node(t);
		break;
	case 8:
	case 9:
	case 10:
		step_route_del(t, ids);
		break;
	case 11:
		step_route(t, table, ids[table], true);
		break;
	default:
		step_route(t, table, ids[table], false);
	}
}

/* --- comparing ------------------------------------------------------------------------------- */

static void differ(const char *what, uint32_t addr, int want, int got)
{
	char word[ADDR_STRLEN];

	fail_msg("%s at %s: want %d, got %d", what, addr_str(addr, word), want, got);
}

static void compare_row(unsigned int table, struct prefix p, uint32_t leaf)
{
	const struct group_node node = { now.region, now.hash_mode };
	struct group_tunnel t[PS_TUNNEL_FIRST + TUNNELS];
	struct ps_candidate list[MAX];
	uint16_t row[ROW_MAX];
	unsigned int n = candidates(&now, table, p, list), log2, i;
	const uint16_t *got = hs.st->row[stride_payload(leaf) & PS_ROW_BLOCK_MASK].slot;

	for (i = 0; i < PS_TUNNEL_FIRST + TUNNELS; i++)
		t[i] = (struct group_tunnel){ hs.st->tunnel[i].name, hs.st->tunnel[i].slot,
					      i < PS_TUNNEL_FIRST ?
						      0 :
						      now.health[i - PS_TUNNEL_FIRST] };
	group_canonical(list, n);
	log2 = group_row_log2(list, n, t);
	if (log2 != stride_payload(leaf) >> PS_ROW_LOG2_SHIFT)
		differ("row size", p.addr, (int)log2,
		       (int)(stride_payload(leaf) >> PS_ROW_LOG2_SHIFT));
	group_row(list, n, t, &node, log2, row);
	for (i = 0; i < PS_BLOCK_SLOTS << log2; i++)
		if (row[i] != got[i])
			differ("bucket", p.addr, row[i], got[i]);
}

static void compare_routes(unsigned int table, uint16_t id, uint32_t addr)
{
	uint32_t leaf = stride_lookup(&hs.st->stride, id, addr);
	int best = -1;
	unsigned int i;

	for (i = 0; i < now.routes; i++) {
		const struct naive_route *r = &now.route[i];

		if (r->table == table && prefix_has_addr(r->p, addr) &&
		    (best < 0 || r->p.len > now.route[best].p.len) &&
		    any_visible(&now, table, r->p))
			best = (int)i;
	}
	if (stride_len(leaf) != (best < 0 ? -1 : now.route[best].p.len))
		differ("route", addr, best < 0 ? -1 : now.route[best].p.len, stride_len(leaf));
	if (best >= 0)
		compare_row(table, now.route[best].p, leaf);
}

static void compare_entries(const struct naive_entry *e, unsigned int n, uint16_t table,
			    uint32_t addr, bool policy)
{
	uint32_t leaf = stride_lookup(&hs.st->stride, table, addr), value = stride_payload(leaf);
	int best = -1;
	unsigned int i;

	for (i = 0; i < n; i++)
		if (prefix_has_addr(e[i].p, addr) && (best < 0 || e[i].p.len > e[best].p.len))
			best = (int)i;
	if (stride_len(leaf) != (best < 0 ? -1 : e[best].p.len))
		differ(policy ? "policy" : "prefix", addr, best < 0 ? -1 : e[best].p.len,
		       stride_len(leaf));
	if (best < 0)
		return;
	if (policy)
		assert_int_equal(store_table_find(hs.st, table_name[e[best].value]), value);
	else
		assert_string_equal(store_account_name(hs.st, (uint16_t)value),
				    account_name[e[best].value]);
}

static void compare_at(uint32_t addr)
{
	unsigned int i;
	int id;

	for (i = 0; i < TABLES; i++) {
		id = store_table_find(hs.st, table_name[i]);
		if (id >= 0)
			compare_routes(i, (uint16_t)id, addr);
	}
	compare_entries(now.owned, now.owneds, PS_T_OWNED, addr, false);
	compare_entries(now.policy, now.policies, PS_T_POLICY, addr, true);
}

static void compare_all(void)
{
	unsigned int i;

	for (i = 0; i < 12; i++) {
		struct prefix p = random_prefix();

		if (now.routes && below(2))
			p = now.route[below(now.routes)].p;
		compare_at(p.addr);
		compare_at(p.addr - 1);
		compare_at(p.addr | ~prefix_mask(p.len));
		compare_at((p.addr | ~prefix_mask(p.len)) + 1);
	}
}

/* --- the test -------------------------------------------------------------------------------- */

static void one_transaction(unsigned int *aborted)
{
	struct error err;
	struct txn *t;
	unsigned int n;

	must(txn_begin(hs.st, &t, &err), &err, "begin");
	staged = now;
	for (n = 1 + below(below(4) ? 3 : 40); n; n--)
		step(t);
	if (below(6) == 0) {
		txn_abort(t);
		(*aborted)++;
		return;
	}
	must(txn_commit(t, &err), &err, "commit");
	now = staged;
}

/* References by groups, names and counts must be what the naive lists say. */
static void compare_counts(void)
{
	uint32_t refs = 0, prefixes = 0, i, k;

	for (i = 0; i < hs.st->meta->max_groups; i++)
		if (hs.st->group[i].state == PS_STATE_USED)
			refs += hs.st->group[i].refs;
	for (i = 0; i < now.routes; i++) {
		for (k = 0; k < i; k++)
			if (now.route[k].table == now.route[i].table &&
			    !prefix_cmp(now.route[k].p, now.route[i].p))
				break;
		prefixes += k == i;
	}
	assert_int_equal(refs, prefixes);
	assert_int_equal(hs.st->meta->route_count, prefixes);
}

static void given_back(void)
{
	uint32_t roots = hs.st->meta->max_tables * PS_ROOT_CHUNKS, i;

	conf_clear();
	memset(&now, 0, sizeof(now));
	compare_counts();
	stride_reclaim(&hs.st->stride); /* no program runs here */
	assert_int_equal(hs.st->meta->chunk_used, roots);
	assert_int_equal(stride_available(&hs.st->stride), hs.st->meta->max_chunks - roots);
	for (i = 1; i < STORE_ACCOUNTS; i++)
		assert_int_equal(hs.st->account[i].refs, 0);
	for (i = PS_T_EGRESS; i < hs.st->meta->max_tables; i++)
		assert_int_equal(hs.st->table[i].refs, 0);
	for (i = 0; i < roots * PS_CHUNK_SLOTS; i++)
		assert_int_equal(hs.st->fib[i / PS_CHUNK_SLOTS].e[i % PS_CHUNK_SLOTS], 0);
}

static void test_random(void **state)
{
	struct conf_tunnel tunnel[TUNNELS];
	struct conf c = { .name = "routes", .tunnel = tunnel, .tunnels = TUNNELS };
	unsigned int n, steps = STEPS * (getenv("PENSTOCK_LONG") ? 10 : 1), aborted = 0, most = 0;

	(void)state;
	NEED_HARNESS();
	rng.s = rng_seed("test_routes", (uint64_t)time(NULL));
	memset(tunnel, 0, sizeof(tunnel));
	for (n = 0; n < TUNNELS; n++) {
		snprintf(tunnel[n].name, sizeof(tunnel[n].name), "t%u", n);
		tunnel[n].local = A4(198, 51, 100, 1);
		tunnel[n].remote = REMOTES + n % 5;
		tunnel[n].has_key = true;
		tunnel[n].key = n;
	}
	conf_apply(&c);
	for (n = 0; n < steps; n++) {
		one_transaction(&aborted);
		compare_all();
		if (n % 50 == 0)
			compare_counts();
		most = now.routes > most ? now.routes : most;
	}
	compare_counts();
	printf("%u transactions, %u aborted, up to %u routes\n", steps, aborted, most);
	assert_true(most > 50);
	given_back();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random) };

	if (harness_setup(NULL))
		return 1;
	return cmocka_run_group_tests(tests, NULL, harness_teardown);
}
