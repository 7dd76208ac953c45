/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writers that are killed. For a set of transactions, a child is killed by SIGKILL before its
 * first write to a map, before its second, and so on to the last; system calls, FIB entries,
 * buckets and plain stores alike. Each time:
 *
 *  - what packets meet is, for every probed address and bucket, the old decision or the new one;
 *  - the same when the next opener is killed in the midst of finishing;
 *  - after the next opening, the configuration is wholly the old or wholly the new one, decisions
 *    agree with it, and the doctor finds nothing: no difference, no lost chunk.
 *
 * Decisions are compared as what they lead to (header bytes), so that ids do not count. The last
 * lines say how many points of how many were survived.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dump.h"
#include "penstock/wire.h"
#include "store/internal.h"
#include "store/plan.h"
#include "world.h"

/* --- what packets meet ----------------------------------------------------------------------- */

#define ADDRS 96
#define SAMPLES 80 /* buckets of each row: the first block, and some of the others */
#define TABLES 9   /* main and egress tables */

struct end { /* of a tunnel, as a received packet tells it */
	uint32_t remote, local, key;
	bool has_key;
};

struct probes {
	uint32_t addr[ADDRS];
	unsigned int addrs;
	struct end end[2 * WORLD_TUNNELS];
	unsigned int ends;
};

struct decisions {
	uint32_t route[TABLES][ADDRS][SAMPLES];
	uint32_t owned[ADDRS], policy[ADDRS];
	uint32_t end[2 * WORLD_TUNNELS];
};

static uint32_t fnv(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint32_t h = 0x811c9dc5u;

	while (n--)
		h = (h ^ *b++) * 0x01000193u;
	return h ? h : 1;
}

/* What a slot does to a packet. */
static uint32_t slot_print(const struct store *st, uint32_t slot)
{
	return fnv(&st->slot[slot], offsetof(struct ps_slot, next));
}

static uint32_t sample_bucket(unsigned int i)
{
	return i < PS_BLOCK_SLOTS ? i : 64 + (i - PS_BLOCK_SLOTS) * 251;
}

static uint32_t decide(const struct store *st, uint32_t leaf, uint32_t hash)
{
	uint32_t ref = stride_payload(leaf), log2 = ref >> PS_ROW_LOG2_SHIFT;
	uint32_t block = (ref & PS_ROW_BLOCK_MASK) + ((hash / 64) & ((1u << log2) - 1));

	return slot_print(st, st->row[block].slot[hash % 64]);
}

static uint32_t endpoint(const struct store *st, const struct end *e)
{
	uint32_t slot = stride_payload(stride_lookup(&st->stride, PS_T_REMOTE, e->remote)), i;

	/* As is_endpoint() of bpf/lib/decap.h. */
	if (!(slot && st->slot[slot].local_be == PS_BE32(e->local)) &&
	    !stride_lookup(&st->stride, PS_T_LOCAL, e->local))
		return 0;
	for (i = 0; i < PS_CHAIN_MAX && slot; i++) {
		const struct ps_slot *s = &st->slot[slot];

		if (s->local_be == PS_BE32(e->local) &&
		    !!(s->flags & PS_SLOT_F_KEY) == e->has_key &&
		    (!e->has_key || s->key_be == PS_BE32(e->key)))
			return slot_print(st, slot);
		slot = s->next;
	}
	return 2;
}

static void decide_all(const struct store *st, const struct probes *p, struct decisions *d)
{
	unsigned int a, t, i;

	memset(d, 0, sizeof(*d));
	for (a = 0; a < p->addrs; a++) {
		uint32_t owned = stride_lookup(&st->stride, PS_T_OWNED, p->addr[a]);

		d->owned[a] = stride_payload(owned) + !!owned;
		d->policy[a] = stride_payload(stride_lookup(&st->stride, PS_T_POLICY, p->addr[a]));
		for (t = 0; t < TABLES && PS_T_EGRESS + t <= st->meta->max_tables; t++) {
			uint32_t table = t ? PS_T_EGRESS + t - 1 : PS_T_MAIN;
			uint32_t leaf = stride_lookup(&st->stride, table, p->addr[a]);

			for (i = 0; i < SAMPLES; i++)
				d->route[t][a][i] =
					leaf ? decide(st, leaf, sample_bucket(i)) : !t && owned;
		}
	}
	for (i = 0; i < p->ends; i++)
		d->end[i] = endpoint(st, &p->end[i]);
}

static struct probes probes;
static struct decisions old, new;

/* Says which decision the word of struct decisions at `i` is. */
static void print_mixed(size_t i, uint32_t was, uint32_t is, uint32_t will)
{
	const size_t routes = sizeof(old.route) / sizeof(uint32_t);
	char addr[ADDR_STRLEN];

	if (i < routes)
		print_message("table %zu, %s, sample %zu", i / (ADDRS * SAMPLES),
			      addr_str(probes.addr[i / SAMPLES % ADDRS], addr), i % SAMPLES);
	else
		print_message("owner, policy or endpoint %zu", i - routes);
	print_message(": was %08x, is %08x, will be %08x\n", was, is, will);
}

/* How many decisions are neither the old nor the new ones. */
static unsigned int mixed(const struct store *st)
{
	static struct decisions now;
	const uint32_t *o = (void *)&old, *n = (void *)&new, *x = (void *)&now;
	unsigned int bad = 0;
	size_t i;

	decide_all(st, &probes, &now);
	for (i = 0; i < sizeof(now) / sizeof(*x); i++) {
		if (x[i] == o[i] || x[i] == n[i])
			continue;
		if (!bad++)
			print_mixed(i, o[i], x[i], n[i]);
	}
	return bad;
}

/* --- children -------------------------------------------------------------------------------- */

struct scenario {
	const char *name;
	const struct conf *base;
	void (*stage)(struct txn *t);
};

static unsigned int ticks, last_tick; /* of a child; 0: count only */

static void tick(void *arg)
{
	(void)arg;
	if (++ticks == last_tick)
		raise(SIGKILL);
}

static void hook(struct store *st, void (*fn)(void *))
{
	st->on_write = st->stride.on_store = st->stride.on_word = fn;
	st->on_write_arg = st->stride.on_store_arg = st;
}

/* In the child: the whole transaction, or as far as it gets. */
static void writer(const struct scenario *s, unsigned int at)
{
	struct error err;
	struct store *st;
	struct txn *t;

	if (store_open(&st, harness_instance(), true, &err))
		_exit(3);
	ticks = 0;
	last_tick = at;
	hook(st, tick);
	if (txn_begin(st, &t, &err))
		_exit(3);
	s->stage(t);
	_exit(txn_commit(t, &err) ? 3 : 0);
}

/* In the child: finishing what another left. */
static void finisher(unsigned int at)
{
	struct error err;
	struct store *st;

	if (open_instance(&st, harness_instance(), true, &err) ||
	    instance_lock(st->dir, st->instance, &err))
		_exit(3);
	ticks = 0;
	last_tick = at;
	hook(st, tick);
	_exit(store_recover(st, &err) ? 3 : 0);
}

/* Was it killed? It must have been, or have ended well. */
static bool killed(pid_t pid, const char *what)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return true;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("%s: the child ended with status %x", what, status);
	return false;
}

static bool run_writer(const struct scenario *s, unsigned int at)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		writer(s, at);
	return killed(pid, s->name);
}

static bool run_finisher(const struct scenario *s, unsigned int at)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		finisher(at);
	return killed(pid, s->name);
}

/* --- one transaction ------------------------------------------------------------------------- */

static char *text_old, *text_new;
static unsigned int points, double_points;
static struct rng rng;

static void check_mixed(const struct scenario *s, unsigned int at, const char *who)
{
	unsigned int bad = mixed(hs.st);

	if (bad)
		fail_msg("%s: %s killed at write %u: %u decisions are neither old nor new", s->name,
			 who, at, bad);
}

/* The next opener must make it whole. Returns whether the transaction has happened. */
static bool check_whole(const struct scenario *s, unsigned int at)
{
	static struct decisions now;
	char since[96], *text;
	bool done;

	harness_reopen();
	text = dump_text(hs.st);
	done = !strcmp(text, text_new);
	snprintf(since, sizeof(since), "%s: killed at write %u", s->name, at);
	if (!done && strcmp(text, text_old))
		fail_msg("%s: neither the old nor the new configuration:\n%s", since, text);
	free(text);
	decide_all(hs.st, &probes, &now);
	if (memcmp(&now, done ? &new : &old, sizeof(now)))
		fail_msg("%s: decisions are not those of the configuration", since);
	if (hs.st->meta->dirty)
		fail_msg("%s: dirty %u after opening", since, hs.st->meta->dirty);
	harness_healthy(since);
	return done;
}

static struct prefix edge_of(struct prefix p, bool last)
{
	return (struct prefix){ last ? p.addr | ~prefix_mask(p.len) : p.addr, 32 };
}

static int probe_entry(void *arg, uint16_t table, struct prefix p, uint32_t value)
{
	unsigned int i, k;

	(void)arg;
	(void)table;
	(void)value;
	for (k = 0; k < 2; k++) {
		uint32_t addr = edge_of(p, k).addr;

		for (i = 0; i < probes.addrs && probes.addr[i] != addr; i++)
			;
		if (i == probes.addrs && i < ADDRS)
			probes.addr[probes.addrs++] = addr;
	}
	return 0;
}

/* First and last addresses of all that is configured. */
static void add_probes(void)
{
	uint32_t i;

	store_route_each(hs.st, probe_entry, NULL);
	store_prefix_each(hs.st, probe_entry, NULL);
	store_policy_each(hs.st, probe_entry, NULL);
	for (i = PS_TUNNEL_FIRST; i < hs.st->meta->max_tunnels; i++) {
		const struct ps_tunnel *t = &hs.st->tunnel[i];

		if (t->state == PS_STATE_USED && probes.ends < COUNT(probes.end))
			probes.end[probes.ends++] =
				(struct end){ PS_BE32(t->remote_be), PS_BE32(t->local_be), t->key,
					      t->flags & PS_TUNNEL_F_KEY };
	}
}

static void learn(const struct scenario *s)
{
	memset(&probes, 0, sizeof(probes));
	conf_apply(s->base);
	add_probes();
	free(text_old);
	free(text_new);
	assert_false(run_writer(s, 0));
	harness_reopen();
	add_probes();
	decide_all(hs.st, &probes, &new);
	text_new = dump_text(hs.st);
	harness_healthy(s->name);
	conf_apply(s->base);
	decide_all(hs.st, &probes, &old);
	text_old = dump_text(hs.st);
	harness_healthy(s->name);
	assert_string_not_equal(text_old, text_new);
}

/* Watches a transaction that nobody kills: its first writes, and some of the many of a large one.
 */
static const struct scenario *watched;

static void watch(void *arg)
{
	unsigned int bad;

	if (++ticks > 4000 && ticks % 61)
		return;
	bad = mixed(arg);
	if (bad)
		fail_msg("%s: before write %u: %u decisions are neither old nor new", watched->name,
			 ticks, bad);
}

static unsigned int watch_all(const struct scenario *s)
{
	struct error err;
	struct txn *t;

	watched = s;
	ticks = 0;
	hook(hs.st, watch);
	must(txn_begin(hs.st, &t, &err), &err, s->name);
	s->stage(t);
	must(txn_commit(t, &err), &err, s->name);
	hook(hs.st, NULL);
	return ticks;
}

/*
 * Every `every`-th write; 0: so that it makes some 60 cases. Their number may differ by a few from
 * run to run: a bucket that happens to hold what it should is not written.
 */
static void crash(const struct scenario *s, unsigned int every)
{
	unsigned int total, at = 1, done = 0, cases = 0;

	learn(s);
	total = watch_all(s);
	assert_true(total > 3);
	if (!every)
		every = total / 60 + 1;
	if (every > 1)
		at += rng_below(&rng, every);
	for (;; at += every) {
		conf_apply(s->base);
		if (!run_writer(s, at))
			break;
		check_mixed(s, at, "the writer");
		/* Every other time the one that comes after is killed, too. */
		if (cases % 2 && run_finisher(s, 1 + (at * 7) % total)) {
			check_mixed(s, at, "the one after it");
			double_points++;
		}
		done += check_whole(s, at);
		cases++;
	}
	points += cases;
	printf("%-32s %5u writes, %4u times killed, %4u of them done afterwards\n", s->name, at - 1,
	       cases, done);
	assert_true(done > 0);
}

/* --- the transactions ------------------------------------------------------------------------ */

#define LOCAL A4(198, 51, 100, 1)

static const struct conf_tunnel tunnels[] = {
	{ .name = "t1", .local = LOCAL, .remote = A4(192, 0, 2, 1), .account = "acme" },
	{ .name = "t2", .local = LOCAL, .remote = A4(192, 0, 2, 2), .account = "acme" },
	{ .name = "t3", .local = LOCAL, .remote = A4(192, 0, 2, 2), .has_key = true, .key = 3 },
	{ .name = "t4",
	  .local = LOCAL,
	  .remote = A4(192, 0, 2, 4),
	  .addr = A4(172, 31, 0, 0),
	  .addr_len = 31 },
};
static const struct conf_prefix prefixes[] = {
	{ P(10, 0, 0, 0, 9), "acme" },
	{ P(10, 128, 0, 0, 16), "acme" },
	{ P(10, 129, 0, 0, 16), "" },
};
#define R(pre, to, ...)                               \
	{                                             \
		.p = pre, .tunnel = to, ##__VA_ARGS__ \
	}
static const struct conf_route routes[] = {
	R(P(10, 1, 0, 0, 16), "t1"),
	R(P(10, 1, 0, 0, 16), "t2", .priority = 200),
	R(P(10, 1, 1, 0, 24), "t2"),
	R(P(10, 1, 1, 0, 24), "t3"),
	R(P(10, 1, 1, 128, 25), "t1"),
	R(P(10, 2, 0, 0, 16), "t1"),
	R(P(10, 2, 0, 0, 16), "t3", .weight = 3),
	R(P(10, 3, 0, 0, 16), "t2"),
	R(P(10, 3, 3, 0, 24), "t3", .regions = 8),
	R(P(10, 3, 4, 0, 24), "t4", .regions = 256),
	R(P(10, 3, 5, 0, 24), "t4", .regions = 8),
	R(P(10, 3, 5, 0, 24), "t1", .regions = 256),
	R(P(10, 128, 0, 0, 16), "t4"),
	R(P(10, 1, 0, 0, 16), "t3", .priority = 100, .origin = PS_ORIGIN_BGP),
	R(P(96, 0, 0, 0, 12), "t1", .table = "red"),
	R(P(100, 64, 0, 0, 10), "t2", .table = "red"),
	R(P(100, 64, 0, 0, 10), "underlay", .table = "blue"),
};
static const struct conf_policy policies[] = {
	{ P(172, 16, 0, 0, 12), "red" },
	{ P(172, 16, 1, 0, 24), "blue" },
};
static const struct conf base = {
	.name = "base",
	.region = 8,
	.tunnel = tunnels,
	.prefix = prefixes,
	.policy = policies,
	.route = routes,
	.tunnels = COUNT(tunnels),
	.prefixes = COUNT(prefixes),
	.policies = COUNT(policies),
	.routes = COUNT(routes),
};

static void put(struct txn *t, struct prefix p, const char *table, const char *tunnel,
		uint32_t priority)
{
	struct ps_candidate c = { .priority = priority, .weight = 1 };
	struct error err;
	uint16_t id;

	must(txn_table(t, table, true, &id, &err), &err, table);
	c.tunnel = (uint16_t)txn_tunnel_find(t, tunnel);
	must(txn_route_replace(t, id, p, &c, &err), &err, "put");
}

static void del(struct txn *t, struct prefix p, const char *table)
{
	const struct route_match all = ROUTE_MATCH_ALL;
	struct error err;
	uint16_t id;

	must(txn_table(t, table, false, &id, &err), &err, table);
	must(txn_route_del(t, id, p, &all, &err), &err, "del");
}

static void own(struct txn *t, struct prefix p, const char *account)
{
	struct error err;
	uint16_t id;

	must(txn_account(t, account, &id, &err), &err, account);
	must(txn_prefix_add(t, p, id, &err), &err, "own");
}

static void health(struct txn *t, const char *tunnel, uint8_t state)
{
	int id = txn_tunnel_find(t, tunnel);
	struct ps_tunnel u = *txn_tunnel(t, id);
	struct error err;

	u.health = state;
	must(txn_tunnel_set(t, id, &u, &err), &err, tunnel);
}

#define PX(...) ((struct prefix)P(__VA_ARGS__))

static void add(struct txn *t)
{
	own(t, PX(10, 200, 0, 0, 16), "beta");
	put(t, PX(10, 200, 0, 0, 16), "main", "t1", 100);
	put(t, PX(10, 200, 7, 192, 26), "main", "t2", 100);
	put(t, PX(10, 1, 1, 64, 26), "main", "t4", 100);
	put(t, PX(10, 4, 0, 0, 14), "main", "t3", 100);
}

/* Nested prefixes at once: each address must go straight to its own new answer. */
static void replace(struct txn *t)
{
	put(t, PX(10, 1, 0, 0, 16), "main", "t4", 50);
	put(t, PX(10, 1, 1, 0, 24), "main", "t1", 50);
	put(t, PX(10, 1, 1, 0, 25), "main", "t4", 50);
	put(t, PX(10, 1, 0, 0, 17), "main", "t2", 50);
}

/* The shorter with the longer, and the ground under both. */
static void delete (struct txn *t)
{
	struct error err;

	del(t, PX(10, 1, 1, 128, 25), "main");
	del(t, PX(10, 1, 1, 0, 24), "main");
	del(t, PX(10, 128, 0, 0, 16), "main");
	must(txn_prefix_del(t, PX(10, 128, 0, 0, 16), &err), &err, "disown");
	must(txn_prefix_del(t, PX(10, 129, 0, 0, 16), &err), &err, "disown");
}

static void down(struct txn *t)
{
	health(t, "t1", PS_HEALTH_DOWN);
}

/* Rows change while prefixes move between them, come and go. */
static void down_and_move(struct txn *t)
{
	health(t, "t1", PS_HEALTH_DOWN);
	health(t, "t2", PS_HEALTH_DEGRADED);
	put(t, PX(10, 3, 0, 0, 16), "main", "t1", 50);	/* t1 and t2 */
	del(t, PX(10, 1, 1, 128, 25), "main");		/* uncovers t2, t3 */
	del(t, PX(10, 1, 1, 0, 24), "main");		/* uncovers t1, t2 */
	put(t, PX(10, 5, 0, 0, 16), "main", "t1", 100); /* the group that 128/25 was in */
	put(t, PX(10, 2, 2, 0, 24), "main", "t2", 100);
	del(t, PX(10, 2, 0, 0, 16), "main");
}

static void change_tunnels(struct txn *t)
{
	int id = txn_tunnel_find(t, "t2");
	struct ps_tunnel u = *txn_tunnel(t, id);
	struct error err;

	u.remote_be = PS_BE32(A4(192, 0, 2, 99));
	u.ttl = 9;
	must(txn_tunnel_set(t, id, &u, &err), &err, "t2");
	id = txn_tunnel_find(t, "t4");
	u = *txn_tunnel(t, id);
	u.addr_be = PS_BE32(A4(172, 31, 0, 9));
	u.mtu = 1400;
	must(txn_tunnel_set(t, id, &u, &err), &err, "t4");
}

static void move_region(struct txn *t)
{
	txn_node(t)->region = 256;
}

static void move_region_and_more(struct txn *t)
{
	txn_node(t)->region = 256;
	down_and_move(t);
	put(t, PX(10, 3, 3, 0, 25), "main", "t4", 100);
}

static void swap_tunnel(struct txn *t)
{
	static const struct conf_tunnel t5 = { .name = "t5",
					       .local = LOCAL,
					       .remote = A4(192, 0, 2, 2) };
	struct ps_tunnel u;
	struct error err;
	int r;

	del(t, PX(10, 1, 1, 0, 24), "main");
	del(t, PX(10, 1, 0, 0, 16), "main");
	del(t, PX(10, 3, 0, 0, 16), "main");
	del(t, PX(100, 64, 0, 0, 10), "red");
	must(txn_tunnel_del(t, txn_tunnel_find(t, "t2"), &err), &err, "t2");
	conf_tunnel_fill(t, &t5, &u);
	r = txn_tunnel_add(t, &u, &err);
	must(r < 0 ? r : 0, &err, "t5");
	put(t, PX(10, 1, 0, 0, 16), "main", "t5", 100);
}

static void change_policies(struct txn *t)
{
	struct error err;
	uint16_t id;

	must(txn_policy_del(t, PX(172, 16, 0, 0, 12), &err), &err, "red");
	del(t, PX(96, 0, 0, 0, 12), "red");
	del(t, PX(100, 64, 0, 0, 10), "red");
	put(t, PX(96, 0, 0, 0, 13), "green", "t4", 100);
	must(txn_table(t, "green", true, &id, &err), &err, "green");
	must(txn_policy_add(t, PX(172, 20, 0, 0, 16), id, &err), &err, "green");
}

static void modulo(struct txn *t)
{
	txn_node(t)->hash_mode = PS_HASH_MODULO;
}

static void test_each_write(void **state)
{
	static const struct scenario list[] = {
		{ "add", &base, add },
		{ "replace", &base, replace },
		{ "delete", &base, delete },
		{ "health", &base, down },
		{ "health, and routes that move", &base, down_and_move },
		{ "tunnels change", &base, change_tunnels },
		{ "one tunnel for another", &base, swap_tunnel },
		{ "region", &base, move_region },
		{ "region, health and routes", &base, move_region_and_more },
		{ "policies", &base, change_policies },
		{ "hash mode", &base, modulo },
	};
	size_t i;

	(void)state;
	NEED_HARNESS();
	rng.s = rng_seed("test_crash", (uint64_t)time(NULL));
	points = double_points = 0;
	for (i = 0; i < COUNT(list); i++)
		crash(&list[i], getenv("PENSTOCK_LONG") ? 1 : 7);
	printf("crash points survived: %u of %u; and %u in which the next was killed, too\n",
	       points, points, double_points);
}

/* --- one whole configuration for another ----------------------------------------------------- */

static struct world from, to;

static void swap(struct txn *t)
{
	conf_swap(t, &to.c);
}

static void test_worlds(void **state)
{
	unsigned int n, worlds = getenv("PENSTOCK_LONG") ? 25 : 6;
	const struct scenario s = { "a configuration for another", &from.c, swap };
	uint64_t seed;

	(void)state;
	NEED_HARNESS();
	seed = rng_seed("test_crash", (uint64_t)time(NULL));
	points = double_points = 0;
	for (n = 0; n < worlds; n++) {
		rng.s = seed + n;
		world_random(&from, &rng);
		world_random(&to, &rng);
		crash(&s, 0);
	}
	printf("crash points survived: %u of %u; and %u in which the next was killed, too\n",
	       points, points, double_points);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_each_write),
					    cmocka_unit_test(test_worlds) };
	/* Few tables, so that the doctor is quick. */
	const struct store_limits limits = { .max_prefixes = 2000,
					     .max_tunnels = 64,
					     .max_groups = 512,
					     .max_tables = 8,
					     .max_chunks = 1000 };

	if (harness_setup(&limits))
		return 1;
	return cmocka_run_group_tests(tests, NULL, harness_teardown);
}
