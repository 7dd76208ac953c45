/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What `route get` says (store/decide.h) against the loaded programs: random worlds and packets,
 * and the same verdict, reason and tunnel from both; the explanation from the primary maps must
 * agree too. Then questions about another region against a node that is moved there, damage to
 * each derived map, which must be noticed, and verification of false predictions, which must fail.
 *
 * PENSTOCK_SEED repeats a run, PENSTOCK_LONG makes it five times as long.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/group.h"
#include "net/netlink.h"
#include "penstock/wire.h"
#include "store/decide.h"
#include "world.h"

#define PER_WORLD 500u
#define WORLDS 200u
#define MOVED 24u

static struct rng rng;
static uint64_t world_seed;
static struct nl *nl;
static unsigned long compared, agreed, met[PS_REASON_MAX], sent, underlay, decapsulated;

static const enum hook hook_of[PROG_COUNT] = {
	[PROG_XDP_WAN] = HOOK_WAN, [PROG_XDP_LAN] = HOOK_LAN, [PROG_TC] = HOOK_TC
};
static const enum dev dev_of[PROG_COUNT] = { DEV_WAN0, DEV_LAN0, DEV_WAN0 };

/* --- questions ------------------------------------------------------------------------------- */

static uint32_t pooled(const struct world *w)
{
	return rng_chance(&rng, 92) ? w->pool[rng_below(&rng, w->pooled)] :
				      (uint32_t)rng_next(&rng);
}

static uint32_t from_policy(const struct world *w)
{
	const struct conf_policy *p = &w->policy[rng_below(&rng, w->c.policies)];

	return p->p.addr | ((uint32_t)rng_next(&rng) & ~prefix_mask(p->p.len));
}

static struct decide_question random_question(const struct world *w, enum store_prog prog)
{
	static const uint8_t protocol[] = { 6, 6, 17, 17, 17, 1, 1, 47, 132, 136, 50, 0, 255 };
	/* The last ones the kernel knows a way to. */
	static const uint32_t far[] = { A4(100, 64, 1, 1),  A4(100, 64, 1, 200),
					A4(172, 16, 0, 1),  A4(9, 255, 255, 255),
					A4(192, 0, 2, 130), A4(192, 0, 2, 131),
					A4(192, 0, 2, 77) };
	struct decide_question q = {
		.packet = { .src = pooled(w),
			    .dst = pooled(w),
			    .protocol = protocol[rng_below(&rng, sizeof(protocol))] },
		.prog = prog,
		.ifindex = hs.ifindex[dev_of[prog]],
		.nl = nl,
	};

	if (q.packet.protocol != 1 && q.packet.protocol != 47) {
		q.packet.sport = (uint16_t)rng_next(&rng);
		q.packet.dport = (uint16_t)rng_next(&rng);
	}
	if (prog != PROG_XDP_WAN && w->c.policies && rng_chance(&rng, 70)) {
		q.packet.src = from_policy(w);
		if (rng_chance(&rng, 80))
			q.packet.dst = far[rng_below(&rng, COUNT(far))];
	}
	if (prog == PROG_XDP_WAN && q.packet.protocol == 47 && rng_chance(&rng, 50))
		q.packet.dst = w->tunnel[rng_below(&rng, w->c.tunnels)].local;
	if (rng_chance(&rng, 20))
		q.packet.length = (uint16_t)(560 + rng_below(&rng, 950));
	return q;
}

/* Which of the kernel's tables answers for these depends on more than netlink tells. */
static bool doubtful(const struct world *w, const struct decide_question *q)
{
	unsigned int i;

	for (i = 0; q->prog == PROG_TC && i < w->c.tunnels; i++) {
		const struct conf_tunnel *t = &w->tunnel[i];
		struct prefix subnet = { t->addr & prefix_mask(t->addr_len), t->addr_len };

		if (t->addr_len && prefix_has_addr(subnet, q->packet.dst))
			return true;
	}
	return false;
}

static void frame_of(const struct decide_question *q, struct frame *f)
{
	memcpy(f->b, MAC_US, 6);
	memcpy(f->b + 6, MAC_PEER, 6);
	put16(f->b + 12, 0x0800);
	f->len = 14 + query_length(&q->packet);
	query_packet(&q->packet, f->b + 14, f->len - 14);
}

/* --- comparing ------------------------------------------------------------------------------- */

static void ask(const struct decide_question *q, struct decision *d)
{
	struct error err;

	must(decide(hs.st, q, d, &err), &err, "decide");
}

/* Is the outer header in the frame that of the tunnel in the bucket? */
static bool outer_is(const struct frame *f, const struct decide_answer *a)
{
	const struct ps_tunnel *t = &hs.st->tunnel[PS_SLOT_ID(a->slot)];
	bool key = t->flags & PS_TUNNEL_F_KEY;

	return f->len > 42 && f->b[23] == 47 && get32(f->b + 26) == PS_BE32(t->local_be) &&
	       get32(f->b + 30) == PS_BE32(t->remote_be) &&
	       get16(f->b + 34) == (key ? 0x2000 : 0) && (!key || get32(f->b + 38) == t->key);
}

static bool same(const struct decide_question *q, const struct decide_answer *a,
		 const struct outcome *o, const struct frame *in)
{
	enum hook hook = hook_of[q->prog];
	bool hand = hook != HOOK_TC && o->verdict == XDP_PASS;

	switch (a->verdict) {
	case DECIDE_SEND:
		return verdict_sent(hook, o->verdict) && outer_is(&o->out, a) && !o->reason;
	case DECIDE_UNDERLAY:
		return verdict_sent(hook, o->verdict) && frame_equal(in, &o->out) && !o->reason;
	case DECIDE_KERNEL:
		return hand && o->reason == a->reason;
	case DECIDE_DROP:
		return !hand && !verdict_sent(hook, o->verdict) && o->reason == a->reason;
	default: /* what there is inside is not IPv4 */
		return !hand && o->reason == PS_R_GRE_PROTOCOL;
	}
}

static void note(const struct decide_answer *a)
{
	compared++;
	met[a->reason]++;
	sent += a->verdict == DECIDE_SEND;
	underlay += a->verdict == DECIDE_UNDERLAY;
	decapsulated += a->verdict == DECIDE_DECAPSULATE;
}

/* Has the harness look at what was counted behind its back. */
static void settle(void)
{
	static struct frame f;
	static struct outcome o;
	struct decide_question q = { .prog = PROG_XDP_WAN };

	frame_of(&q, &f);
	harness_run(HOOK_WAN, DEV_WAN0, &f, &o);
}

static void one_packet(const struct decide_question *q)
{
	static struct frame f;
	static struct outcome o;
	static struct decision d;
	struct decide_run run;
	struct error err;
	char src[ADDR_STRLEN], dst[ADDR_STRLEN];

	ask(q, &d);
	frame_of(q, &f);
	assert_int_equal(harness_run(hook_of[q->prog], dev_of[q->prog], &f, &o), 0);
	note(&d.now);
	if (!d.agree)
		wrong("maps differ: %s", d.differs);
	if (same(q, &d.now, &o, &f))
		agreed += d.agree;
	else
		wrong("PENSTOCK_SEED=%lu %s > %s protocol %u length %u in %d: decided %d (%s), "
		      "the program: %s (%s)",
		      (unsigned long)world_seed, addr_str(q->packet.src, src),
		      addr_str(q->packet.dst, dst), q->packet.protocol, query_length(&q->packet),
		      q->prog, d.now.verdict, reason_name(d.now.reason),
		      verdict_name(hook_of[q->prog], o.verdict), reason_name(o.reason));
	if (rng_below(&rng, 40))
		return;
	must(decide_verify(hs.st, q, &d, &run, &err), &err, "verify");
	if (!run.agrees)
		wrong("verify: %s", run.differs);
	settle();
}

/* --- another region -------------------------------------------------------------------------- */

static void set_region(uint16_t region)
{
	struct error err;
	struct txn *t;

	must(txn_begin(hs.st, &t, &err), &err, "begin");
	txn_node(t)->region = region;
	must(txn_commit(t, &err), &err, "region");
}

static void one_move(const struct world *w)
{
	static struct decision before[MOVED], after;
	struct decide_question q[MOVED];
	uint16_t region = (uint16_t)(rng_chance(&rng, 15) ? 0 : 1u << rng_below(&rng, 9));
	unsigned int i;

	for (i = 0; i < MOVED; i++) {
		q[i] = random_question(w, i % PROG_COUNT);
		q[i].elsewhere = true;
		q[i].region = region;
		ask(&q[i], &before[i]);
		q[i].elsewhere = false;
	}
	set_region(region);
	for (i = 0; i < MOVED; i++) {
		const struct decide_answer *a = &before[i].should, *b = &after.now;

		ask(&q[i], &after);
		if (a->verdict != b->verdict || a->reason != b->reason || a->slot != b->slot ||
		    a->size != b->size || stride_len(a->leaf) != stride_len(b->leaf) ||
		    before[i].skipped != after.skipped || !after.agree)
			wrong("PENSTOCK_SEED=%lu region %#x: foretold %s, slot %u; is %s, slot %u",
			      (unsigned long)world_seed, region, reason_name(a->reason), a->slot,
			      reason_name(b->reason), b->slot);
		assert_true(before[i].hypothetical && before[i].now.size == 0);
	}
}

static void test_decide(void **state)
{
	static const int must_meet[] = {
		PS_R_NO_ROUTE,	     PS_R_ROUTE_DROP, PS_R_NOT_OURS, PS_R_TOO_BIG,
		PS_R_NO_UNDERLAY,    PS_R_TO_KERNEL,  PS_R_UNDERLAY, PS_R_OWN_DESTINATION,
		PS_R_SLOW_NEIGHBOUR, PS_R_SLOW_MTU,
	};
	static struct world w;
	struct decide_question q;
	unsigned int n, i, worlds = WORLDS * (getenv("PENSTOCK_LONG") ? 5 : 1);
	uint64_t seed;

	(void)state;
	NEED_HARNESS();
	seed = rng_seed("test_decide", (uint64_t)time(NULL));
	settle();
	current = "decide";
	for (n = 0; n < worlds; n++) {
		rng.s = world_seed = seed + n;
		world_random(&w, &rng);
		conf_apply(&w.c);
		for (i = 0; i < PER_WORLD; i++) {
			do
				q = random_question(&w, i % PROG_COUNT);
			while (doubtful(&w, &q));
			one_packet(&q);
		}
		one_move(&w);
	}
	for (i = 1; i < PS_REASON_MAX; i++)
		if (met[i])
			printf("  %-20s %8lu\n", reason_name((int)i), met[i]);
	printf("sent %lu, underlay %lu, decapsulated %lu\n", sent, underlay, decapsulated);
	printf("%lu of %lu agree\n", agreed, compared);
	none_wrong();
	assert_int_equal(agreed, compared);
	assert_true(sent > compared / 10 && underlay >= 5 && decapsulated > 20);
	for (i = 0; i < COUNT(must_meet); i++)
		assert_true(met[must_meet[i]] >= 20);
}

/* --- a known node ---------------------------------------------------------------------------- */

#define LOCAL A4(198, 51, 100, 1)
#define HOST A4(203, 0, 113, 9)

static const struct conf_tunnel tunnels[] = {
	{ .name = "ams", .local = LOCAL, .remote = REMOTES + 1, .has_key = true, .key = 7 },
	{ .name = "fra", .local = LOCAL, .remote = REMOTES + 2 },
	{ .name = "sick", .local = LOCAL, .remote = REMOTES + 3, .health = PS_HEALTH_DEGRADED },
};
static const struct conf_prefix prefixes[] = { { P(10, 0, 0, 0, 8), "acme" } };
static const struct conf_policy policies[] = { { P(172, 16, 0, 0, 16), "isp" } };
static const struct conf_route routes[] = {
	{ .p = P(10, 1, 0, 0, 16), .tunnel = "ams", .priority = 100 },
	{ .p = P(10, 1, 0, 0, 16),
	  .tunnel = "fra",
	  .priority = 80,
	  .origin = PS_ORIGIN_BGP,
	  .prepends = 2 },
	{ .p = P(10, 1, 0, 0, 16), .tunnel = "sick", .priority = 50 },
	{ .p = P(10, 1, 0, 0, 16), .tunnel = "drop", .priority = 10, .regions = 2 },
	{ .p = P(10, 1, 1, 0, 24), .tunnel = "fra", .regions = 2 },
	{ .p = P(0, 0, 0, 0, 0), .tunnel = "fra", .table = "isp" },
};
static const struct conf known = { .name = "known",
				   .region = 1,
				   .tunnel = tunnels,
				   .tunnels = COUNT(tunnels),
				   .prefix = prefixes,
				   .prefixes = COUNT(prefixes),
				   .policy = policies,
				   .policies = COUNT(policies),
				   .route = routes,
				   .routes = COUNT(routes) };

static struct decide_question question(enum store_prog prog, uint32_t src, uint32_t dst)
{
	return (struct decide_question){
		.packet = { .src = src, .dst = dst, .protocol = 17, .sport = 9, .dport = 53 },
		.prog = prog,
		.ifindex = hs.ifindex[dev_of[prog]],
	};
}

static const struct decide_candidate *candidate(const struct decision *d, const char *tunnel)
{
	unsigned int i;

	for (i = 0; i < d->candidates; i++)
		if (!strcmp(d->candidate[i].tunnel, tunnel))
			return &d->candidate[i];
	fail_msg("no candidate %s", tunnel);
	return NULL;
}

static void test_explanation(void **state)
{
	struct decide_question q = question(PROG_XDP_WAN, HOST, A4(10, 1, 1, 5));
	static struct decision d;
	const struct decide_candidate *c;

	(void)state;
	NEED_HARNESS();
	conf_apply(&known);
	ask(&q, &d);
	assert_true(d.agree && d.now.verdict == DECIDE_SEND && d.now.reason == 0);
	assert_true(d.owner.found && d.owner.prefix.len == 8 && !d.policy.found);
	assert_string_equal(store_account_name(hs.st, d.owner.value), "acme");
	assert_true(d.routed && d.table == PS_T_MAIN && d.prefix.len == 16);
	assert_int_equal(d.skipped, 1);
	assert_int_equal(d.skip[0].len, 24);
	assert_int_equal(d.candidates, 4);
	assert_string_equal(hs.st->tunnel[PS_SLOT_ID(d.now.slot)].name, "ams");
	c = candidate(&d, "ams");
	assert_true(c->active && c->visible && c->rule == 0 && c->effective == 100);
	c = candidate(&d, "fra");
	assert_true(!c->active && c->rule == 7 && c->prepended == 20 && c->effective == 100);
	c = candidate(&d, "sick");
	assert_true(!c->active && c->rule == 6 && c->penalty == 500000 && c->effective == 500050);
	c = candidate(&d, "drop");
	assert_true(!c->active && !c->visible && c->rule == 2);

	q.elsewhere = true;
	q.region = 2;
	ask(&q, &d);
	assert_true(d.hypothetical && d.routed && d.prefix.len == 24 && d.skipped == 0);
	q.packet.dst = A4(10, 1, 2, 5);
	ask(&q, &d);
	assert_int_equal(d.should.reason, PS_R_ROUTE_DROP);

	q = question(PROG_XDP_LAN, A4(172, 16, 3, 4), HOST);
	ask(&q, &d);
	assert_true(d.policy.found && d.policy.prefix.len == 16 && d.routed && d.prefix.len == 0);
	assert_int_equal(d.table, d.policy.value);
	assert_true(!d.owner.found);
}

/* --- damage ---------------------------------------------------------------------------------- */

/* The first 32-bit word of `table`'s tree on the way to the address that is a leaf. */
static uint32_t *leaf_of(uint16_t table, uint32_t addr)
{
	uint32_t at = stride_root(table) + (addr >> 24);
	uint32_t *e = &hs.st->fib[at].e[addr >> 16 & 255];

	if (*e & PS_FIB_CHUNK)
		e = &hs.st->fib[*e & ~PS_FIB_CHUNK].e[addr >> 8 & 255];
	if (*e & PS_FIB_CHUNK)
		e = &hs.st->fib[*e & ~PS_FIB_CHUNK].e[addr & 255];
	return e;
}

static void must_disagree(const struct decide_question *q, const char *what)
{
	static struct decision d;

	ask(q, &d);
	if (d.agree)
		wrong("%s: not noticed", what);
	else
		printf("  %-12s %s\n", what, d.differs);
}

static void damage_word(const struct decide_question *q, const char *what, uint32_t *word,
			uint32_t value)
{
	uint32_t was = *word;

	*word = value;
	must_disagree(q, what);
	*word = was;
}

static void test_damage(void **state)
{
	struct decide_question q = question(PROG_XDP_WAN, HOST, A4(10, 1, 2, 5)), p = q;
	struct decide_question lan = question(PROG_XDP_LAN, A4(172, 16, 3, 4), HOST);
	static struct decision d;
	uint16_t *bucket;
	uint32_t *leaf;
	struct ps_slot *s;

	(void)state;
	NEED_HARNESS();
	current = "damage";
	conf_apply(&known);
	ask(&q, &d);
	assert_true(d.agree);
	bucket = &hs.st->row[d.now.block + d.now.bucket / PS_BLOCK_SLOTS]
			  .slot[d.now.bucket % PS_BLOCK_SLOTS];
	*bucket ^= 2;
	must_disagree(&q, "bucket");
	*bucket ^= 2;
	leaf = leaf_of(PS_T_MAIN, q.packet.dst);
	damage_word(&q, "no leaf", leaf, 0);
	damage_word(&q, "length", leaf, stride_leaf(9, stride_payload(*leaf)));
	damage_word(&q, "row size", leaf, *leaf ^ 1u << PS_ROW_LOG2_SHIFT);
	damage_word(&q, "far row", leaf, *leaf | PS_ROW_BLOCK_MASK);
	damage_word(&q, "far chunk", leaf, PS_FIB_CHUNK | 0x7fffffff);
	s = &hs.st->slot[d.now.slot];
	s->key_be ^= 1;
	must_disagree(&q, "header");
	s->key_be ^= 1;
	p.packet.dst = A4(10, 9, 0, 1);
	damage_word(&p, "owned", leaf_of(PS_T_OWNED, p.packet.dst), 0);
	damage_word(&lan, "policy", leaf_of(PS_T_POLICY, lan.packet.src), 0);
	ask(&q, &d);
	assert_true(d.agree);
	none_wrong();
}

/* --- predictions that are false -------------------------------------------------------------- */

static void must_not_verify(const struct decide_question *q, const struct decision *d,
			    const char *what)
{
	struct decide_run run;
	struct error err;

	must(decide_verify(hs.st, q, d, &run, &err), &err, what);
	if (run.agrees)
		wrong("%s: verified", what);
	else
		printf("  %-12s %s\n", what, run.differs);
}

static void test_false(void **state)
{
	struct decide_question q = question(PROG_XDP_WAN, HOST, A4(10, 1, 2, 5));
	static struct decision d;
	struct decision bad;

	(void)state;
	NEED_HARNESS();
	current = "false";
	conf_apply(&known);
	ask(&q, &d);
	bad = d;
	bad.now.header.remote_be ^= 1;
	must_not_verify(&q, &bad, "remote");
	bad = d;
	bad.now.header.key_be ^= 1;
	must_not_verify(&q, &bad, "key");
	bad = d;
	bad.now.header.flags &= (uint8_t)~PS_SLOT_F_KEY;
	must_not_verify(&q, &bad, "no key");
	bad.now = (struct decide_answer){ .verdict = DECIDE_KERNEL, .reason = PS_R_TO_KERNEL };
	must_not_verify(&q, &bad, "kernel");
	bad.now = (struct decide_answer){ .verdict = DECIDE_DROP, .reason = PS_R_NO_ROUTE };
	must_not_verify(&q, &bad, "drop");
	bad.now = (struct decide_answer){ .verdict = DECIDE_UNDERLAY };
	must_not_verify(&q, &bad, "underlay");
	bad.now = (struct decide_answer){ .verdict = DECIDE_DECAPSULATE };
	must_not_verify(&q, &bad, "decapsulate");
	q.packet.dst = HOST;
	bad.now = (struct decide_answer){ .verdict = DECIDE_KERNEL, .reason = PS_R_UNDERLAY };
	must_not_verify(&q, &bad, "reason");
	bad.now = (struct decide_answer){ .verdict = DECIDE_SEND };
	must_not_verify(&q, &bad, "sent");
	none_wrong();
}

static int setup(void **state)
{
	(void)state;
	if (harness_missing())
		return 0;
	harness_attach();
	return nl_open(&nl);
}

static int teardown(void **state)
{
	if (nl)
		nl_close(nl);
	return harness_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_explanation),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_false),
		cmocka_unit_test(test_decide),
	};

	if (harness_setup(NULL))
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
