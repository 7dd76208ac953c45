/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two writers at once, 10,000 transactions each on prefixes of their own but on shared groups,
 * rows, chunks and tunnels: nothing is lost, nothing mixed, and the doctor finds nothing. And a
 * tunnel that goes down costs writes by the number of groups that hold it, not of prefixes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/group.h"
#include "harness.h"

#define EACH 10000u
#define PREFIXES 200u
#define LOCAL A4(198, 51, 100, 1)

static const struct conf_tunnel tunnels[] = {
	{ .name = "t0", .local = LOCAL, .remote = A4(192, 0, 2, 1) },
	{ .name = "t1", .local = LOCAL, .remote = A4(192, 0, 2, 2) },
	{ .name = "t2", .local = LOCAL, .remote = A4(192, 0, 2, 3) },
	{ .name = "t3", .local = LOCAL, .remote = A4(192, 0, 2, 4) },
};
static const struct conf_prefix prefixes[] = { { P(10, 0, 0, 0, 8), "" } };
static const struct conf base = {
	.tunnel = tunnels, .tunnels = 4, .prefix = prefixes, .prefixes = 1
};

/* What a writer has left, by prefix: 0 nothing, else the priority of its only route. */
struct left {
	uint32_t priority[PREFIXES];
	uint8_t tunnel[PREFIXES];
	uint8_t health;
	uint32_t done;
};

static struct prefix nth(unsigned int who, uint32_t i)
{
	return (struct prefix){ A4(10, 1 + who, i, i % 4 * 64), (uint8_t)(i % 4 ? 26 : 24) };
}

static void change_route(struct txn *t, struct left *l, unsigned int who, struct rng *r)
{
	const struct route_match all = ROUTE_MATCH_ALL;
	uint32_t i = rng_below(r, PREFIXES);
	struct ps_candidate c = { .weight = 1, .priority = 1 + rng_below(r, 30) };
	struct error err;

	if (l->priority[i]) {
		must(txn_route_del(t, PS_T_MAIN, nth(who, i), &all, &err), &err, "del");
		l->priority[i] = 0;
		if (rng_below(r, 4) == 0)
			return;
	}
	l->tunnel[i] = (uint8_t)rng_below(r, 4);
	c.tunnel = (uint16_t)(PS_TUNNEL_FIRST + l->tunnel[i]);
	must(txn_route_add(t, PS_T_MAIN, nth(who, i), &c, &err), &err, "add");
	l->priority[i] = c.priority;
}

static void change_health(struct txn *t, struct left *l, unsigned int who, struct rng *r)
{
	int id = (int)(PS_TUNNEL_FIRST + who);
	struct ps_tunnel u = *txn_tunnel(t, id);
	struct error err;

	l->health = u.health = (uint8_t)((u.health + 1 + rng_below(r, 2)) % 3);
	must(txn_tunnel_set(t, id, &u, &err), &err, "health");
}

static void writer(struct left *l, unsigned int who)
{
	struct rng r = { who + 77 };
	struct error err;
	struct store *st;
	struct txn *t;

	harness_any_cpu();
	must(store_open(&st, harness_instance(), true, &err), &err, "open");
	while (l->done < EACH) {
		must(txn_begin(st, &t, &err), &err, "begin");
		if (rng_below(&r, 10))
			change_route(t, l, who, &r);
		else
			change_health(t, l, who, &r);
		must(txn_commit(t, &err), &err, "commit");
		l->done++;
	}
	store_close(st);
	_exit(0);
}

/* The route of a prefix must be the writer's last. */
static void check_prefix(const struct left *l, unsigned int who, uint32_t i)
{
	uint32_t leaf = stride_lookup(&hs.st->stride, PS_T_MAIN, nth(who, i).addr), ref, slot;

	if (!l->priority[i]) {
		if (leaf)
			wrong("writer %u, prefix %u: has a leaf", who, i);
		return;
	}
	ref = stride_payload(leaf);
	slot = hs.st->row[ref & PS_ROW_BLOCK_MASK].slot[0];
	if (!leaf || PS_SLOT_ID(slot) != PS_TUNNEL_FIRST + l->tunnel[i])
		wrong("writer %u, prefix %u: leads elsewhere", who, i);
}

static void test_two_writers(void **state)
{
	struct left *l = mmap(NULL, 2 * sizeof(*l), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int who, i;
	uint64_t before;
	uint32_t n = 0;
	int status;

	(void)state;
	NEED_HARNESS();
	assert_ptr_not_equal(l, MAP_FAILED);
	conf_apply(&base);
	before = hs.st->meta->transactions;
	for (who = 0; who < 2; who++)
		if (!fork())
			writer(&l[who], who);
	for (who = 0; who < 2; who++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(hs.st->meta->transactions - before, 2 * EACH);
	for (who = 0; who < 2; who++) {
		assert_int_equal(hs.st->tunnel[PS_TUNNEL_FIRST + who].health, l[who].health);
		for (i = 0; i < PREFIXES; i++) {
			n += l[who].priority[i] != 0;
			check_prefix(&l[who], who, i);
		}
	}
	none_wrong();
	assert_int_equal(hs.st->meta->route_count, n);
	harness_healthy("two writers");
	printf("two writers, %u transactions each: none lost, none mixed\n", EACH);
	munmap(l, 2 * sizeof(*l));
}

/* --- failover -------------------------------------------------------------------------------- */

/* Routes n prefixes by all four tunnels, in so many groups. */
static void fill(uint32_t n, uint32_t groups)
{
	struct error err;
	struct txn *t;
	uint32_t i, k;

	must(txn_begin(hs.st, &t, &err), &err, "begin");
	for (i = 0; i < n; i++) {
		struct prefix p = { A4(10, 0, 0, 0) + (i << 4), 28 };

		for (k = 0; k < 4; k++) {
			struct ps_candidate c = { .priority = i % groups,
						  .weight = 1,
						  .tunnel = (uint16_t)(PS_TUNNEL_FIRST + k) };

			must(txn_route_add(t, PS_T_MAIN, p, &c, &err), &err, "route");
		}
	}
	must(txn_commit(t, &err), &err, "commit");
}

static double ms_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) * 1e3 +
	       (double)(now.tv_nsec - start->tv_nsec) / 1e6;
}

static void failover(uint32_t n, uint32_t groups)
{
	const struct store_limits limits = { .max_prefixes = n + 16, .max_groups = groups + 16 };
	uint64_t buckets, entries;
	struct timespec start;
	double ms;

	harness_reload(&limits);
	conf_apply(&base);
	fill(n, groups);
	buckets = hs.st->row_writes;
	entries = hs.st->stride.stores;
	clock_gettime(CLOCK_MONOTONIC, &start);
	conf_health("t1", PS_HEALTH_DOWN);
	ms = ms_since(&start);
	buckets = hs.st->row_writes - buckets;
	printf("%u prefixes in %u groups, a tunnel of all down: %.2f ms, %lu buckets, %lu FIB "
	       "entries\n",
	       n, groups, ms, (unsigned long)buckets,
	       (unsigned long)(hs.st->stride.stores - entries));
	/* A quarter of each row of 64. */
	assert_int_equal(buckets, groups * 16);
	assert_int_equal(hs.st->stride.stores, entries);
	harness_healthy("failover");
}

static void test_failover(void **state)
{
	uint32_t many = getenv("PENSTOCK_LONG") ? 1000000 : 100000;

	(void)state;
	NEED_HARNESS();
	failover(many / 10, 10);
	failover(many, 10); /* ten times the prefixes, the same writes */
	failover(20000, 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_two_writers),
					    cmocka_unit_test(test_failover) };

	if (harness_setup(NULL))
		return 1;
	return cmocka_run_group_tests(tests, NULL, harness_teardown);
}
