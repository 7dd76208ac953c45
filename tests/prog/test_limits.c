/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Full maps: what does not fit is refused with a sentence that helps, nothing has changed then, and
 * what is given back can be used again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "snapshot.h"

#define LOCAL A4(198, 51, 100, 1)

static const struct conf_tunnel four[] = {
	{ .name = "one", .local = LOCAL, .remote = REMOTES + 1 },
	{ .name = "two", .local = LOCAL, .remote = REMOTES + 2 },
	{ .name = "three", .local = LOCAL, .remote = REMOTES + 3 },
	{ .name = "four", .local = LOCAL, .remote = REMOTES + 4 },
};
static const struct conf_prefix ten[] = { { P(10, 0, 0, 0, 8), "" } };
static const struct conf_route all_four[] = {
	{ .p = P(10, 0, 0, 0, 8), .tunnel = "one" },
	{ .p = P(10, 0, 0, 0, 8), .tunnel = "two" },
	{ .p = P(10, 0, 0, 0, 8), .tunnel = "three" },
	{ .p = P(10, 0, 0, 0, 8), .tunnel = "four" },
};
static const struct conf basic = { .name = "basic",
				   .tunnel = four,
				   .tunnels = 4,
				   .prefix = ten,
				   .prefixes = 1,
				   .route = all_four,
				   .routes = 4 };

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

static const struct store_limits tiny = {
	.max_prefixes = 24, .max_tunnels = 6, .max_groups = 3, .max_tables = 2, .max_chunks = 24
};

/* A step that is refused for want of room: as a usage error, and with nothing changed. */
static void refused(const char *what, int r, const struct error *err, const struct snapshot *before)
{
	if (r != -ENOSPC || !err->usage)
		fail_msg("%s: want -ENOSPC and a usage error, got %d: %s", what, r,
			 r ? err->text : "");
	printf("  %s: %s\n", what, err->text);
	snapshot_unchanged(before, what);
}

static int try_tunnel(struct txn *t, unsigned int n, struct error *err)
{
	struct conf_tunnel c = { .local = LOCAL, .remote = REMOTES + 100 + n };
	struct ps_tunnel tunnel;
	int r;

	snprintf(c.name, sizeof(c.name), "more%u", n);
	conf_tunnel_fill(t, &c, &tunnel);
	r = txn_tunnel_add(t, &tunnel, err);
	return r < 0 ? r : 0;
}

static int try_route(struct txn *t, uint32_t addr, uint8_t len, uint32_t priority,
		     struct error *err)
{
	struct conf_route r = { .p = { addr, len }, .tunnel = "one", .priority = priority };

	return conf_route_stage(t, &r, err);
}

static void limit_tunnels(const struct snapshot *before)
{
	struct error err = { "", false };
	struct txn *t = begin();

	assert_int_equal(try_tunnel(t, 0, &err), 0);
	assert_int_equal(try_tunnel(t, 1, &err), 0);
	refused("tunnels", try_tunnel(t, 2, &err), &err, before);
	txn_abort(t);
	snapshot_unchanged(before, "aborted");
}

static void limit_groups(const struct snapshot *before)
{
	struct error err = { "", false };
	struct txn *t = begin();

	/* The basic configuration has one. */
	assert_int_equal(try_route(t, A4(10, 1, 0, 0), 16, 7, &err), 0);
	assert_int_equal(try_route(t, A4(10, 2, 0, 0), 16, 8, &err), 0);
	refused("groups", try_route(t, A4(10, 3, 0, 0), 16, 9, &err), &err, before);
	/* A list that is there already still fits. */
	assert_int_equal(try_route(t, A4(10, 3, 0, 0), 16, 8, &err), 0);
	txn_abort(t);
	snapshot_unchanged(before, "aborted");
}

static void limit_prefixes(const struct snapshot *before)
{
	struct error err = { "", false };
	struct txn *t = begin();
	uint32_t i;
	int r = 0;

	for (i = 0; i < 23; i++)
		assert_int_equal(try_route(t, A4(10, i, 0, 0), 16, 7, &err), 0);
	refused("routed prefixes", try_route(t, A4(10, 200, 0, 0), 16, 7, &err), &err, before);
	for (i = 0; i < 23; i++)
		assert_int_equal(txn_prefix_add(t, (struct prefix){ A4(11, i, 0, 0), 16 }, 0, &err),
				 0);
	r = txn_prefix_add(t, (struct prefix){ A4(11, 200, 0, 0), 16 }, 0, &err);
	refused("owned prefixes", r, &err, before);
	for (i = 0, r = 0; !r && i < 5000; i++)
		r = txn_policy_add(t, (struct prefix){ A4(12, i / 256, i % 256, 0), 24 }, PS_T_MAIN,
				   &err);
	refused("policies", r, &err, before);
	txn_abort(t);
	snapshot_unchanged(before, "aborted");
}

static void limit_names(const struct snapshot *before)
{
	struct error err = { "", false };
	struct txn *t = begin();
	char name[PS_NAME_LEN];
	uint16_t id;
	unsigned int i;
	int r = 0;

	assert_int_equal(txn_table(t, "x0", true, &id, &err), 0);
	assert_int_equal(txn_table(t, "x1", true, &id, &err), 0);
	refused("tables", txn_table(t, "x2", true, &id, &err), &err, before);
	assert_int_equal(txn_table(t, "none", false, &id, &err), -ENOENT);
	for (i = 0; !r && i < 2000; i++) {
		snprintf(name, sizeof(name), "a%u", i);
		r = txn_account(t, name, &id, &err);
	}
	assert_int_equal(i, STORE_ACCOUNTS);
	refused("accounts", r, &err, before);
	txn_abort(t);
	snapshot_unchanged(before, "aborted");
}

/* Chunks are counted at the commit, before it writes. */
static void limit_chunks(const struct snapshot *before)
{
	struct error err = { "", false };
	struct txn *t = begin();
	uint32_t i;

	for (i = 0; i < 20; i++)
		assert_int_equal(try_route(t, A4(10, i, i, 128), 25, 7, &err), 0);
	refused("chunks", txn_commit(t, &err), &err, before);
}

/* 64 routes of one prefix (rule 8). */
static void limit_candidates(void)
{
	struct conf_tunnel c = { .local = LOCAL };
	struct conf_route r = { .p = P(10, 0, 0, 0, 8) };
	struct error err = { "", false };
	struct snapshot before;
	struct ps_tunnel tunnel;
	struct txn *t;
	uint32_t i;
	int e = 0;

	harness_reload(&(struct store_limits){ .max_tunnels = 80 });
	conf_apply(&(struct conf){ .name = "one", .prefix = ten, .prefixes = 1 });
	snapshot_take(&before);
	t = begin();
	for (i = 0; i < 65; i++) {
		snprintf(c.name, sizeof(c.name), "n%u", i);
		c.remote = REMOTES + i;
		conf_tunnel_fill(t, &c, &tunnel);
		assert_true(txn_tunnel_add(t, &tunnel, &err) >= 0);
		memcpy(r.tunnel, c.name, sizeof(r.tunnel));
		e = conf_route_stage(t, &r, &err);
		assert_int_equal(e, i < 64 ? 0 : -ENOSPC);
	}
	refused("candidates", e, &err, &before);
	txn_abort(t);
	snapshot_unchanged(&before, "aborted");
	snapshot_free(&before);
}

static void test_limits(void **state)
{
	struct snapshot before;

	(void)state;
	NEED_HARNESS();
	harness_reload(&tiny);
	conf_apply(&basic);
	snapshot_take(&before);
	limit_tunnels(&before);
	limit_groups(&before);
	limit_prefixes(&before);
	limit_names(&before);
	limit_chunks(&before);
	snapshot_free(&before);
	limit_candidates();
}

/* What was used up and given back can be used again, any number of times. */
static void test_reuse(void **state)
{
	struct error err;
	unsigned int round;
	uint32_t i;

	(void)state;
	NEED_HARNESS();
	harness_reload(&tiny);
	for (round = 0; round < 50; round++) {
		struct txn *t;

		conf_apply(&basic);
		t = begin();
		for (i = 0; i < 8; i++)
			must(try_route(t, A4(10, round, i, 128), 25, 7 + (round + i) % 2, &err),
			     &err, "route");
		commit(t);
		for (i = 0; i < 8; i++)
			assert_int_equal(stride_len(stride_lookup(&hs.st->stride, PS_T_MAIN,
								  A4(10, round, i, 200))),
					 25);
	}
	conf_clear();
}

/* In a full map one transaction may take out what is there and put in as many others. */
static void test_swap(void **state)
{
	const struct route_match all = ROUTE_MATCH_ALL;
	struct error err = { "", false };
	uint32_t i, n = 0;
	struct txn *t;

	(void)state;
	NEED_HARNESS();
	harness_reload(&tiny);
	conf_apply(&basic);
	t = begin();
	while (!try_route(t, A4(10, n, 0, 0), 16, 7, &err))
		n++;
	commit(t);
	assert_int_equal(hs.st->meta->route_count, hs.st->meta->max_prefixes);
	t = begin();
	for (i = 0; i < n; i++)
		must(txn_route_del(t, PS_T_MAIN, (struct prefix){ A4(10, i, 0, 0), 16 }, &all,
				   &err),
		     &err, "delete");
	for (i = 0; i < n; i++)
		must(try_route(t, A4(10, 100 + i, 0, 0), 16, 7, &err), &err, "add");
	commit(t);
	assert_int_equal(hs.st->meta->route_count, hs.st->meta->max_prefixes);
	harness_healthy("a full map swapped");
	conf_clear();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_limits),
					    cmocka_unit_test(test_reuse),
					    cmocka_unit_test(test_swap) };

	if (harness_setup(NULL))
		return 1;
	return cmocka_run_group_tests(tests, NULL, harness_teardown);
}
