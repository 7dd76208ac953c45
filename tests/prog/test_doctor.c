/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The doctor: every kind of damage to what follows from the configuration is found where it is,
 * is left alone by a mere look, and is mended by a repair, after which packets meet what they met
 * before. Damage to the configuration itself (what leads nowhere) is removed and said.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/stride.h"
#include "dump.h"
#include "snapshot.h"
#include "store/plan.h"
#include "world.h"

#define LOCAL A4(198, 51, 100, 1)

static const struct store_limits limits = { .max_prefixes = 2000,
					    .max_tunnels = 64,
					    .max_groups = 512,
					    .max_tables = 6,
					    .max_chunks = 1000 };

static const struct conf_tunnel tunnels[] = {
	{ .name = "t1", .local = LOCAL, .remote = A4(192, 0, 2, 1), .account = "acme" },
	{ .name = "t2", .local = LOCAL, .remote = A4(192, 0, 2, 2) },
	{ .name = "t3", .local = LOCAL, .remote = A4(192, 0, 2, 2), .has_key = true, .key = 3 },
};
static const struct conf_prefix prefixes[] = { { P(10, 0, 0, 0, 8), "acme" } };
static const struct conf_policy policies[] = { { P(172, 16, 0, 0, 12), "red" } };
static const struct conf_route routes[] = {
	{ .p = P(10, 1, 0, 0, 16), .tunnel = "t1" },
	{ .p = P(10, 1, 1, 0, 24), .tunnel = "t2" },
	{ .p = P(10, 1, 1, 0, 24), .tunnel = "t3" },
	{ .p = P(10, 1, 1, 128, 26), .tunnel = "t1" },
	{ .table = "red", .p = P(0, 0, 0, 0, 0), .tunnel = "t2" },
};
static const struct conf base = {
	.tunnel = tunnels,
	.prefix = prefixes,
	.policy = policies,
	.route = routes,
	.tunnels = COUNT(tunnels),
	.prefixes = COUNT(prefixes),
	.policies = COUNT(policies),
	.routes = COUNT(routes),
};

/* --- damage ---------------------------------------------------------------------------------- */

static struct ps_tunnel *tunnel(const char *name)
{
	return &hs.st->tunnel[store_tunnel_find(hs.st, name)];
}

/* Some group in use. */
static uint32_t a_group(void)
{
	uint32_t g;

	for (g = 0; hs.st->group[g].state != PS_STATE_USED; g++)
		;
	return g;
}

static uint32_t *entry(uint32_t table, uint32_t addr, unsigned int level)
{
	uint32_t *e = &hs.st->fib[stride_root(table) + (addr >> 24)].e[addr >> 16 & 255];

	if (level > 0)
		e = &hs.st->fib[*e & ~PS_FIB_CHUNK].e[addr >> 8 & 255];
	if (level > 1)
		e = &hs.st->fib[*e & ~PS_FIB_CHUNK].e[addr & 255];
	return e;
}

static void bucket(void)
{
	struct ps_group *g = &hs.st->group[a_group()];

	hs.st->row[g->row & PS_ROW_BLOCK_MASK].slot[17] ^= 1;
}

static void leaf(void)
{
	*entry(PS_T_MAIN, A4(10, 1, 1, 130), 2) ^= 1;
}

static void leaf_of_a_prefix_that_is_gone(void)
{
	*entry(PS_T_MAIN, A4(11, 0, 0, 0), 0) = stride_leaf(16, 0);
}

static void root_of_a_chunk(void)
{
	*entry(PS_T_MAIN, A4(10, 1, 0, 0), 0) = 0;
}

static void chunk_used_twice(void)
{
	*entry(PS_T_MAIN, A4(12, 1, 0, 0), 0) = *entry(PS_T_MAIN, A4(10, 1, 0, 0), 0);
}

static void chunk_out_of_range(void)
{
	*entry(PS_T_MAIN, A4(10, 1, 0, 0), 0) = PS_FIB_CHUNK | hs.st->meta->max_chunks;
}

static void owner(void)
{
	*entry(PS_T_OWNED, A4(10, 77, 0, 0), 0) = stride_leaf(8, 7);
}

static void remote(void)
{
	*entry(PS_T_REMOTE, A4(192, 0, 2, 2), 2) = 0;
}

static void local(void)
{
	*entry(PS_T_LOCAL, LOCAL, 2) = 0;
}

static void chunk_lost(void)
{
	hs.st->meta->chunk_next++;
	hs.st->meta->chunk_used++;
}

static void free_list(void)
{
	hs.st->meta->chunk_free = *entry(PS_T_MAIN, A4(10, 1, 0, 0), 0) & ~PS_FIB_CHUNK;
}

static void header(void)
{
	hs.st->slot[tunnel("t1")->slot].ttl ^= 1;
}

static void chain(void)
{
	hs.st->slot[tunnel("t2")->slot].next = 0;
	hs.st->slot[tunnel("t3")->slot].next = 0;
}

static void references(void)
{
	hs.st->group[a_group()].refs += 5;
}

static void visibility(void)
{
	hs.st->group[a_group()].visible ^= 1;
}

static void row_elsewhere(void)
{
	uint32_t a = a_group(), b = a + 1;

	while (hs.st->group[b].state != PS_STATE_USED)
		b++;
	hs.st->group[b].row = hs.st->group[a].row;
}

static void name_references(void)
{
	hs.st->table[store_table_find(hs.st, "red")].refs = 9;
}

static void route_count(void)
{
	hs.st->meta->route_count++;
}

static void kernel_route(void)
{
	sh("ip route del 10.0.0.0/8 dev penstock0");
}

static void kernel_address(void)
{
	sh("ip addr add 172.30.0.1/31 dev penstock0");
}

static void kernel_mtu(void)
{
	sh("ip link set penstock0 mtu 1300");
}

static const struct damage {
	const char *what, *where;
	void (*make)(void);
} damages[] = {
	{ "a bucket", "ps_row", bucket },
	{ "a leaf", "ps_fib", leaf },
	{ "a leaf of a prefix that is gone", "ps_fib", leaf_of_a_prefix_that_is_gone },
	{ "the entry that leads to a chunk", "ps_fib", root_of_a_chunk },
	{ "a chunk used twice", "ps_fib", chunk_used_twice },
	{ "a chunk out of range", "ps_fib", chunk_out_of_range },
	{ "an owner", "ps_fib", owner },
	{ "a remote address", "ps_fib", remote },
	{ "a local address", "ps_fib", local },
	{ "a lost chunk", "ps_fib", chunk_lost },
	{ "a chunk in use on the free list", "ps_fib", free_list },
	{ "a ready header", "ps_slot", header },
	{ "a chain", "ps_slot", chain },
	{ "references of a group", "ps_group", references },
	{ "visibility of a group", "ps_group", visibility },
	{ "a row on another's", "ps_group", row_elsewhere },
	{ "references of a table", "ps_table", name_references },
	{ "the number of routes", "ps_meta", route_count },
	{ "a route of the kernel's", "kernel", kernel_route },
	{ "an address too many", "kernel", kernel_address },
	{ "the MTU of penstock0", "kernel", kernel_mtu },
};

/* --- looking and mending --------------------------------------------------------------------- */

struct found {
	const char *where;
	unsigned int n, here, mended;
};

static void count(void *arg, const char *where, const char *what, bool mended)
{
	struct found *f = arg;

	(void)what;
	f->n++;
	f->here += !strcmp(where, f->where);
	f->mended += mended;
}

static struct found doctor(const char *where, bool repair)
{
	struct found f = { .where = where };
	struct error err;

	must(store_doctor(harness_instance(), repair, count, &f, &err), &err, where);
	return f;
}

/* The answers to a sweep of addresses in all tables, as tunnels. */
static void answers(uint32_t *to, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		uint32_t table = (uint32_t)(i % (hs.st->meta->max_tables));
		uint32_t addr = (uint32_t)(i * 0x9e3779b1u), e;

		addr = i % 3 ? A4(10, 1, 0, 0) | (addr & 0x1ff) : addr;
		e = stride_lookup(&hs.st->stride, table, addr);
		if (e && (table == PS_T_MAIN || table >= PS_T_EGRESS)) {
			uint32_t ref = stride_payload(e);

			e = 1u + hs.st->row[ref & PS_ROW_BLOCK_MASK].slot[i % 64];
		}
		to[i] = e;
	}
}

#define ANSWERS 6000

static void test_damage(void **state)
{
	static uint32_t before[ANSWERS], after[ANSWERS];
	struct found f;
	size_t i;

	(void)state;
	NEED_HARNESS();
	conf_apply(&base);
	answers(before, ANSWERS);
	harness_healthy("before");
	for (i = 0; i < COUNT(damages); i++) {
		const struct damage *d = &damages[i];
		struct snapshot s;

		d->make();
		snapshot_take(&s);
		f = doctor(d->where, false);
		if (!f.here || f.mended)
			wrong("%s: %u findings, %u of them in %s, %u mended", d->what, f.n, f.here,
			      d->where, f.mended);
		snapshot_unchanged(&s, d->what);
		snapshot_free(&s);
		f = doctor(d->where, true);
		if (!f.here || f.mended != f.n)
			wrong("%s: repair: %u findings, %u mended", d->what, f.n, f.mended);
		harness_healthy(d->what);
		answers(after, ANSWERS);
		if (memcmp(before, after, sizeof(before)))
			wrong("%s: after the repair packets go elsewhere", d->what);
	}
	none_wrong();
	conf_clear();
	harness_healthy("after");
}

/* What leads nowhere is removed. */
static void test_primary(void **state)
{
	struct ps_prefix_key route = { .addr_be = __builtin_bswap32(A4(10, 200, 0, 0)), .len = 16 };
	struct ps_prefix_key policy = { .addr_be = __builtin_bswap32(A4(9, 0, 0, 0)), .len = 8 };
	uint32_t value = hs.st ? hs.st->meta->max_groups - 1 : 0;
	char *before, *after;
	struct found f;

	(void)state;
	NEED_HARNESS();
	conf_apply(&base);
	before = dump_text(hs.st);
	assert_int_equal(bpf_map_update_elem(hs.st->fd[MAP_ROUTE], &route, &value, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(hs.st->fd[MAP_POLICY], &policy, &value, BPF_ANY), 0);
	f = doctor("ps_route", false);
	assert_true(f.here == 1 && f.n >= 2);
	f = doctor("ps_policy", true);
	assert_true(f.here == 1 && f.mended == f.n);
	harness_healthy("after the repair");
	after = dump_text(hs.st);
	assert_string_equal(before, after);
	tunnel("t1")->account = 999;
	f = doctor("ps_tunnel", true);
	assert_true(f.here == 1);
	harness_healthy("a tunnel without account");
	assert_int_equal(tunnel("t1")->account, 0);
	free(before);
	free(after);
}

/* A plan that makes no sense is not carried out; a repair falls back on the configuration. */
static void test_intent(void **state)
{
	struct error err = { "", false };
	struct plan_head *head;
	struct store *st;
	struct found f;
	uint64_t room;
	void *at;

	(void)state;
	NEED_HARNESS();
	conf_apply(&base);
	must(intent_open(hs.st, &at, &room, &err), &err, "intent");
	head = at;
	assert_true(plan_sound(hs.st, head, room));
	head->edits[PLAN_ROUTE] += 1000000;
	assert_false(plan_sound(hs.st, head, room));
	hs.st->meta->dirty = PS_DIRTY_MAPS;
	assert_int_equal(store_open(&st, harness_instance(), false, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "doctor --repair"));
	f = doctor("ps_intent", false);
	assert_true(f.here == 1 && !f.mended);
	f = doctor("ps_intent", true);
	assert_true(f.here == 1 && f.mended == f.n);
	assert_int_equal(hs.st->meta->dirty, 0);
	harness_healthy("a damaged plan");
	must(store_open(&st, harness_instance(), false, &err), &err, "open");
	store_close(st);
}

/*
 * Plans with random words: what is taken for sound does no harm to the one that carries it out
 * (memory: SAN=1), and leaves nothing that a repair could not mend.
 */
static void test_random_plans(void **state)
{
	unsigned int i, sound = 0, n = getenv("PENSTOCK_LONG") ? 200000 : 20000;
	static struct world from, to;
	static uint32_t plan[1 << 14];
	struct error err;
	struct plan p;
	struct rng rng;
	struct txn *t;
	uint64_t room;
	uint32_t *at;

	(void)state;
	NEED_HARNESS();
	rng.s = rng_seed("test_doctor", (uint64_t)time(NULL));
	world_random(&from, &rng);
	world_random(&to, &rng);
	conf_apply(&from.c);
	must(txn_begin(hs.st, &t, &err), &err, "begin");
	conf_swap(t, &to.c);
	must(plan_make(t, &p, &err), &err, "plan");
	memcpy(plan, p.head, p.head->bytes < sizeof(plan) ? p.head->bytes : sizeof(plan));
	for (i = 0; i < n; i++) {
		uint32_t k = rng_below(&rng, i % 2 ? 30 : (uint32_t)(p.head->bytes / 4));

		must(intent_open(hs.st, (void **)&at, &room, &err), &err, "intent");
		at[k] = rng_below(&rng, 2) ? (uint32_t)rng_next(&rng) : at[k] ^ 1u << i % 32;
		if (plan_sound(hs.st, (void *)at, room)) {
			sound++;
			if (i % 20 == 0) {
				plan_lay_out(&p, (void *)at);
				plan_carry_out(hs.st, &p);
			}
		}
		if (k < COUNT(plan))
			at[k] = plan[k];
	}
	txn_abort(t);
	printf("%u of %u changed plans could be carried out\n", sound, n);
	assert_true(sound > 0 && sound < n);
	doctor("", true);
	harness_healthy("plans without sense");
	harness_reload(&limits); /* what is configured now makes no sense either */
}

/* Healthy after whatever the store does. */
static void test_worlds(void **state)
{
	static struct world w;
	struct rng rng;
	unsigned int n;

	(void)state;
	NEED_HARNESS();
	rng.s = rng_seed("test_doctor", (uint64_t)time(NULL));
	for (n = 0; n < 40; n++) {
		world_random(&w, &rng);
		conf_apply(&w.c);
		harness_healthy("a random configuration");
	}
	conf_clear();
	harness_healthy("an empty one");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damage), cmocka_unit_test(test_primary),
		cmocka_unit_test(test_intent), cmocka_unit_test(test_random_plans),
		cmocka_unit_test(test_worlds),
	};
	if (harness_setup(&limits))
		return 1;
	return cmocka_run_group_tests(tests, NULL, harness_teardown);
}
