/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The programs against the model (model.h): random configurations, random frames, and the same
 * verdict, reason and bytes from both, packet by packet, and the same counters at the end.
 *
 * PENSTOCK_SEED repeats a run, PENSTOCK_LONG makes it five times as long.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "model.h"
#include "world.h"

#define PER_WORLD 1000u
#define WORLDS 200u
static struct rng rng;
static uint64_t world_seed; /* repeats the world as the first one */
static uint64_t seen[3][PS_REASON_MAX], compared[3], unknown;

/* The frame as it would come to penstock0: without tags and padding. false: it would not. */
static bool for_slow_path(struct frame *f)
{
	uint32_t at = 12, total;

	while (at + 6 <= f->len && (get16(f->b + at) == 0x8100 || get16(f->b + at) == 0x88a8))
		at += 4;
	if (f->len < at + 22)
		return false;
	memmove(f->b + 12, f->b + at, f->len - at);
	f->len -= at - 12;
	total = get16(f->b + 16);
	if (get16(f->b + 12) == 0x0800 && total >= 20 && total + 14 < f->len)
		f->len = total + 14;
	return true;
}

/* --- comparing ------------------------------------------------------------------------------- */

static struct ps_tunnel_stats want[2 + WORLD_TUNNELS], had[2 + WORLD_TUNNELS];

static void stats_of(const struct world *w, struct ps_tunnel_stats *s)
{
	unsigned int i;

	for (i = 0; i < w->c.tunnels; i++) {
		int id = store_tunnel_find(hs.st, w->tunnel[i].name);

		assert_true(id >= 0);
		assert_int_equal(store_tunnel_stats(hs.st, (uint16_t)id, &s[MODEL_FIRST + i]), 0);
	}
}

static void stats_check(const struct world *w)
{
	struct ps_tunnel_stats now[2 + WORLD_TUNNELS];
	unsigned int i;

	stats_of(w, now);
	for (i = MODEL_FIRST; i < MODEL_FIRST + w->c.tunnels; i++) {
		assert_int_equal(now[i].tx_packets - had[i].tx_packets, want[i].tx_packets);
		assert_int_equal(now[i].tx_bytes - had[i].tx_bytes, want[i].tx_bytes);
		assert_int_equal(now[i].rx_packets - had[i].rx_packets, want[i].rx_packets);
		assert_int_equal(now[i].rx_bytes - had[i].rx_bytes, want[i].rx_bytes);
	}
}

static void count(const struct model_out *o)
{
	if (o->tx >= 0) {
		want[o->tx].tx_packets++;
		want[o->tx].tx_bytes += o->tx_bytes;
	}
	if (o->rx >= 0) {
		want[o->rx].rx_packets++;
		want[o->rx].rx_bytes += o->rx_bytes;
	}
}

static void compare(const struct model *m, enum hook hook, enum dev in, const struct frame *f)
{
	static const char *const name[] = { "wan", "lan", "slow" };
	static struct model_out model;
	static struct outcome o;
	bool dropped;
	int r;

	model_run(m, hook, in, f, &model);
	r = harness_run(hook, in, f, &o);
	if (r) {
		if (!harness_declines(hook, f))
			fail_msg("%s: %u bytes: test run: %s", name[hook], f->len, strerror(-r));
		return;
	}
	count(&model);
	if (model.unknown) {
		unknown++;
		return;
	}
	dropped = hook == HOOK_TC ? o.verdict == TC_ACT_SHOT : o.verdict == XDP_DROP;
	if (o.verdict != model.verdict || o.reason != model.reason ||
	    (!dropped && !frame_equal(&model.out, &o.out))) {
		frame_print("the frame", f);
		if (!dropped && model.verdict == o.verdict)
			frame_diff("model and program", &model.out, &o.out);
		fail_msg("PENSTOCK_SEED=%lu: %s: model %s (%s), program %s (%s)",
			 (unsigned long)world_seed, name[hook], verdict_name(hook, model.verdict),
			 reason_name(model.reason), verdict_name(hook, o.verdict),
			 reason_name(o.reason));
	}
	seen[hook][o.reason]++;
	compared[hook]++;
}

static void one_world(struct world *w)
{
	static struct frame f;
	struct model m;
	unsigned int i;

	world_random(w, &rng);
	conf_apply(&w->c);
	memset(want, 0, sizeof(want));
	stats_of(w, had);
	model_init(&m, &w->c);
	for (i = 0; i < PER_WORLD; i++) {
		if (i % 250 == 249 && w->c.tunnels) {
			struct conf_tunnel *t = &w->tunnel[rng_below(&rng, w->c.tunnels)];

			t->health = (uint8_t)rng_below(&rng, 3);
			conf_health(t->name, t->health);
			model_free(&m);
			model_init(&m, &w->c);
		}
		world_frame(w, &rng, &f);
		compare(&m, HOOK_WAN, DEV_WAN0, &f);
		compare(&m, HOOK_LAN, DEV_LAN0, &f);
		if (for_slow_path(&f))
			compare(&m, HOOK_TC, DEV_WAN0, &f);
	}
	stats_check(w);
	model_free(&m);
}

/* Reasons that random traffic must have met, or the generator is no good. */
static void check_spread(void)
{
	static const int never[] = { PS_R_NO_HEADROOM, PS_R_NO_TUNNEL, PS_R_FILTERED };
	static const int all[] = { 0,
#define NUMBER(name, number, label, kind, meaning) number,
				   PS_REASONS(NUMBER)
#undef NUMBER
	};
	size_t i, k;

	for (i = 0; i < COUNT(all); i++) {
		uint64_t n = seen[0][all[i]] + seen[1][all[i]] + seen[2][all[i]];

		printf("  %-20s %8lu %8lu %8lu\n", all[i] ? reason_name(all[i]) : "(sent)",
		       (unsigned long)seen[0][all[i]], (unsigned long)seen[1][all[i]],
		       (unsigned long)seen[2][all[i]]);
		for (k = 0; k < COUNT(never) && never[k] != all[i]; k++)
			;
		if (k == COUNT(never))
			assert_true(n >= 20);
	}
	printf("compared: wan %lu, lan %lu, slow %lu; unknown to the model %lu\n",
	       (unsigned long)compared[0], (unsigned long)compared[1], (unsigned long)compared[2],
	       (unsigned long)unknown);
}

static void test_model(void **state)
{
	static struct world w;
	unsigned int n, worlds = WORLDS * (getenv("PENSTOCK_LONG") ? 5 : 1);
	uint64_t seed;

	(void)state;
	NEED_HARNESS();
	seed = rng_seed("test_model", (uint64_t)time(NULL));
	harness_attach();
	for (n = 0; n < worlds; n++) {
		rng.s = world_seed = seed + n;
		one_world(&w);
	}
	check_spread();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_model) };

	if (harness_setup(NULL))
		return 1;
	return cmocka_run_group_tests(tests, NULL, harness_teardown);
}
