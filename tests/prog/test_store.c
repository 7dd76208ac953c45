/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The store as its users meet it: loading twice, layouts of another version, sharing of groups,
 * health changes, two writers, a million prefixes. Full maps are in test_limits.c, routes in random
 * order against a naive model in test_routes.c.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/group.h"
#include "penstock/wire.h"
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

static int try_route(struct txn *t, uint32_t addr, uint8_t len, uint32_t priority,
		     struct error *err)
{
	struct conf_route r = { .p = { addr, len }, .tunnel = "one", .priority = priority };

	return conf_route_stage(t, &r, err);
}

/* Routes the prefix by all four tunnels, in this transaction. */
static int route_by_all(struct txn *t, struct prefix p, struct error *err)
{
	struct conf_route r = { .p = p };
	unsigned int i;
	int e = 0;

	for (i = 0; !e && i < 4; i++) {
		memcpy(r.tunnel, four[i].name, sizeof(r.tunnel));
		e = conf_route_stage(t, &r, err);
	}
	return e;
}

static double seconds_since(const struct timespec *from)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - from->tv_sec) + (double)(now.tv_nsec - from->tv_nsec) / 1e9;
}

/* --- loading --------------------------------------------------------------------------------- */

static uint32_t map_id(enum store_map map)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(hs.st->fd[map], &info, &len), 0);
	return info.id;
}

static uint32_t prog_id(enum store_prog prog)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = store_prog_fd(hs.st, prog);

	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	close(fd);
	return info.id;
}

static void test_upgrade(void **state)
{
	const struct store_limits same = { .max_tunnels = 64 }, other = { .max_tunnels = 65 };
	uint32_t maps[MAP_COUNT], progs[PROG_COUNT], i;
	struct error err = { "", false };
	struct snapshot before;
	bool upgraded = false;
	int r;

	(void)state;
	NEED_HARNESS();
	harness_attach();
	conf_apply(&basic);
	for (i = 0; i < MAP_COUNT; i++)
		maps[i] = map_id(i);
	for (i = 0; i < PROG_COUNT; i++)
		progs[i] = prog_id(i);
	snapshot_take(&before);
	must(store_load(harness_instance(), &same, &upgraded, &err), &err, "load again");
	assert_true(upgraded);
	harness_reopen();
	for (i = 0; i < MAP_COUNT; i++)
		assert_int_equal(maps[i], map_id(i));
	for (i = 0; i < PROG_COUNT; i++)
		assert_int_not_equal(progs[i], prog_id(i));
	snapshot_unchanged(&before, "load again");

	r = store_load(harness_instance(), &other, &upgraded, &err);
	assert_true(r < 0 && err.usage);
	assert_non_null(strstr(err.text, "65"));
	assert_non_null(strstr(err.text, "64"));
	harness_reopen();
	snapshot_unchanged(&before, "load with other limits");
	snapshot_free(&before);
	sh("ip -j link show wan0 | grep -q '\"xdp\"'");
}

/* Maps of another layout are refused, with both versions named, and left alone. */
static void test_abi(void **state)
{
	const struct store_limits none = { 0 };
	struct error err = { "", false };
	struct snapshot before;
	struct store *st = NULL;
	char ours[24];
	bool upgraded;

	(void)state;
	NEED_HARNESS();
	snprintf(ours, sizeof(ours), "version %d", PS_ABI_VERSION);
	hs.st->meta->abi = 4711;
	snapshot_take(&before);
	assert_true(store_open(&st, harness_instance(), false, &err) < 0);
	assert_null(st);
	assert_non_null(strstr(err.text, "4711"));
	assert_non_null(strstr(err.text, ours));
	err.text[0] = '\0';
	assert_true(store_load(harness_instance(), &none, &upgraded, &err) < 0);
	assert_non_null(strstr(err.text, "4711"));
	snapshot_unchanged(&before, "open and load of another version");
	snapshot_free(&before);
	hs.st->meta->abi = PS_ABI_VERSION;
	hs.st->meta->magic ^= 1;
	assert_true(store_open(&st, harness_instance(), false, &err) < 0);
	hs.st->meta->magic ^= 1;
	harness_reopen();
}

/* A reader may look, and cannot write. */
static void test_read_only(void **state)
{
	struct error err;
	struct store *st;

	(void)state;
	NEED_HARNESS();
	must(store_open(&st, harness_instance(), false, &err), &err, "open");
	assert_int_equal(st->meta->abi, PS_ABI_VERSION);
	assert_true(store_tunnel_find(st, "drop") == 0 && store_tunnel_find(st, "underlay") == 1);
	store_close(st);
	assert_true(store_open(&st, "no-such", false, &err) == -ENOENT);
	assert_non_null(strstr(err.text, "no-such"));
	assert_true(store_open(&st, "../x", false, &err) == -EINVAL);
}

/* --- groups ---------------------------------------------------------------------------------- */

static unsigned int groups_used(uint32_t *refs)
{
	unsigned int n = 0;
	uint32_t i;

	*refs = 0;
	for (i = 0; i < hs.st->meta->max_groups; i++) {
		if (hs.st->group[i].state != PS_STATE_USED)
			continue;
		n++;
		*refs += hs.st->group[i].refs;
	}
	return n;
}

#define MANY 10000u

static void test_interning(void **state)
{
	struct error err;
	uint32_t refs, i;
	struct txn *t;

	(void)state;
	NEED_HARNESS();
	harness_reload(NULL);
	conf_apply(&basic);
	t = begin();
	for (i = 0; i < MANY; i++)
		must(route_by_all(t, (struct prefix){ A4(10, 0, 0, 0) + i * 256, 24 }, &err), &err,
		     "route");
	commit(t);
	assert_int_equal(groups_used(&refs), 1);
	assert_int_equal(refs, MANY + 1);
	assert_int_equal(hs.st->meta->route_count, MANY + 1);
}

/* A tunnel that goes down costs its row, whatever the number of prefixes. */
static void test_health_writes(void **state)
{
	uint64_t rows, stores;
	struct snapshot before;

	(void)state;
	NEED_HARNESS();
	snapshot_take(&before);
	rows = hs.st->row_writes;
	stores = hs.st->stride.stores;
	conf_health("two", PS_HEALTH_DOWN);
	printf("  %u prefixes: %lu buckets written, %lu FIB entries\n", MANY,
	       (unsigned long)(hs.st->row_writes - rows),
	       (unsigned long)(hs.st->stride.stores - stores));
	assert_in_range(hs.st->row_writes - rows, 1, ROW_MAX);
	assert_int_equal(hs.st->stride.stores, stores);
	rows = hs.st->row_writes;
	conf_health("two", PS_HEALTH_HEALTHY);
	assert_in_range(hs.st->row_writes - rows, 1, ROW_MAX);
	/* Health again as it was: so are the FIB, the rows and the rest, but for the count. */
	hs.st->meta->transactions -= 2;
	snapshot_unchanged(&before, "down and up again");
	snapshot_free(&before);
	rows = hs.st->row_writes;
	conf_health("two", PS_HEALTH_HEALTHY);
	assert_int_equal(hs.st->row_writes, rows);
}

/* After everything is deleted nothing is left: references, names, chunks. */
static void test_all_given_back(void **state)
{
	uint32_t roots, refs, i;
	struct stride *s;

	(void)state;
	NEED_HARNESS();
	roots = hs.st->meta->max_tables * PS_ROOT_CHUNKS;
	s = &hs.st->stride;
	conf_clear();
	assert_int_equal(groups_used(&refs), 0);
	assert_int_equal(hs.st->meta->route_count, 0);
	stride_reclaim(s); /* no program runs here */
	assert_int_equal(hs.st->meta->chunk_used, roots);
	assert_int_equal(stride_available(s), hs.st->meta->max_chunks - roots);
	for (i = 1; i < STORE_ACCOUNTS; i++)
		assert_int_equal(hs.st->account[i].refs, 0);
	assert_string_equal(hs.st->account[0].name, "default");
	for (i = PS_T_EGRESS; i < hs.st->meta->max_tables; i++)
		assert_int_equal(hs.st->table[i].refs, 0);
	for (i = 0; i < roots * PS_CHUNK_SLOTS; i++)
		assert_int_equal(hs.st->fib[i / PS_CHUNK_SLOTS].e[i % PS_CHUNK_SLOTS], 0);
}

/* --- two writers ----------------------------------------------------------------------------- */

#define EACH 250u

/* Adds EACH prefixes, a transaction each, to a store opened anew. Returns how many failed. */
static unsigned int add_some(unsigned int who)
{
	struct error err;
	struct store *st;
	struct txn *t;
	unsigned int i, failed = 0;

	if (store_open(&st, harness_instance(), true, &err))
		return EACH;
	for (i = 0; i < EACH; i++) {
		if (txn_begin(st, &t, &err))
			return EACH;
		if (try_route(t, A4(10, 1 + who, i, 0), 24, 10 + (i * 7 + who) % 20, &err)) {
			txn_abort(t);
			failed++;
		} else if (txn_commit(t, &err)) {
			failed++;
		}
	}
	store_close(st);
	return failed;
}

static void test_two_writers(void **state)
{
	unsigned int who, i;
	uint32_t refs;
	int status;

	(void)state;
	NEED_HARNESS();
	harness_reload(NULL);
	conf_apply(&basic);
	for (who = 0; who < 2; who++) {
		if (!fork()) {
			harness_any_cpu();
			_exit(add_some(who) ? 1 : 0);
		}
	}
	for (who = 0; who < 2; who++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(hs.st->meta->route_count, 2 * EACH + 1);
	assert_int_equal(groups_used(&refs), 21);
	assert_int_equal(refs, 2 * EACH + 1);
	for (who = 0; who < 2; who++)
		for (i = 0; i < EACH; i++)
			assert_int_equal(stride_len(stride_lookup(&hs.st->stride, PS_T_MAIN,
								  A4(10, 1 + who, i, 9))),
					 24);
}

/* --- size ------------------------------------------------------------------------------------ */

/* The i-th of many distinct prefixes; one in sixteen is longer than /24, as in real tables. */
static struct prefix nth(uint32_t i)
{
	struct prefix p = { A4(1, 0, 0, 0) + (i << 8), 24 };

	if (i % 16 == 7)
		p.len = (uint8_t)(25 + i / 16 % 8);
	else if (i % 4 == 0)
		p.len = (uint8_t)(22 + i / 4 % 3);
	p.addr &= prefix_mask(p.len);
	return p;
}

static void test_size(void **state)
{
	uint32_t n = getenv("PENSTOCK_LONG") ? 1000000 : 100000, i, twice = 0;
	const struct store_limits limits = { .max_prefixes = n + 16 };
	const struct conf_prefix world[] = { { P(0, 0, 0, 0, 1), "" } };
	struct timespec start;
	struct error err;
	struct txn *t;
	double staged, written;

	(void)state;
	NEED_HARNESS();
	harness_reload(&limits);
	conf_apply(&(struct conf){
		.name = "world", .tunnel = four, .tunnels = 4, .prefix = world, .prefixes = 1 });
	clock_gettime(CLOCK_MONOTONIC, &start);
	t = begin();
	for (i = 0; i < n; i++) {
		struct prefix p = nth(i);
		int r = try_route(t, p.addr, p.len, 100 + i % 3, &err);

		/* Shorter ones coincide now and then. */
		if (r == -EEXIST)
			twice++;
		else
			must(r, &err, "route");
	}
	staged = seconds_since(&start);
	commit(t);
	written = seconds_since(&start);
	printf("  %u prefixes: staged in %.2f s, written in %.2f s, %.0f a second\n", n - twice,
	       staged, written - staged, (n - twice) / written);
	assert_int_equal(hs.st->meta->route_count, n - twice);
	for (i = 0; i < n; i++)
		assert_true(stride_len(stride_lookup(&hs.st->stride, PS_T_MAIN, nth(i).addr)) >=
			    nth(i).len);
	clock_gettime(CLOCK_MONOTONIC, &start);
	conf_health("one", PS_HEALTH_DOWN);
	printf("  failover of all of them: %.1f ms\n", seconds_since(&start) * 1e3);
	clock_gettime(CLOCK_MONOTONIC, &start);
	conf_clear();
	printf("  deleted in %.2f s\n", seconds_since(&start));
	assert_int_equal(hs.st->meta->route_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_upgrade),	      cmocka_unit_test(test_abi),
		cmocka_unit_test(test_read_only),     cmocka_unit_test(test_interning),
		cmocka_unit_test(test_health_writes), cmocka_unit_test(test_all_given_back),
		cmocka_unit_test(test_two_writers),   cmocka_unit_test(test_size),
	};

	if (harness_setup(NULL))
		return 1;
	return cmocka_run_group_tests(tests, NULL, harness_teardown);
}
