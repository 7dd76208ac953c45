/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What weights and health do to flows, measured on the program: many random flows to one prefix,
 * the tunnel of each read from the outer destination it leaves with.
 */
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

#define FLOWS 100000u
#define LOCAL A4(198, 51, 100, 1)
#define FIRST A4(192, 0, 2, 1)

static const uint16_t weight[4] = { 64, 128, 192, 255 };
static const struct conf_tunnel tunnel[4] = {
	{ .name = "one", .local = LOCAL, .remote = FIRST },
	{ .name = "two", .local = LOCAL, .remote = FIRST + 1 },
	{ .name = "three", .local = LOCAL, .remote = FIRST + 2, .has_key = true, .key = 3 },
	{ .name = "four", .local = LOCAL, .remote = FIRST + 3 },
};
static const struct conf_prefix prefix[] = { { P(10, 1, 0, 0, 16), "" } };

static uint8_t before[FLOWS], now[FLOWS];
static uint64_t seed;

static void apply(bool weighted, uint8_t hash_mode)
{
	struct conf_route route[4];
	const struct conf c = { .name = "shares",
				.hash_mode = hash_mode,
				.tunnel = tunnel,
				.tunnels = 4,
				.prefix = prefix,
				.prefixes = 1,
				.route = route,
				.routes = 4 };
	unsigned int i;

	for (i = 0; i < 4; i++) {
		route[i] = (struct conf_route){ .p = P(10, 1, 0, 0, 16),
						.weight = weighted ? weight[i] : 1 };
		memcpy(route[i].tunnel, tunnel[i].name, PS_NAME_LEN);
	}
	conf_apply(&c);
}

/* The tunnel of every flow; the flows are the same each time. */
static void send_all(uint8_t *by)
{
	struct rng r = { seed };
	static struct frame in;
	static struct outcome o;
	unsigned int i;

	for (i = 0; i < FLOWS; i++) {
		uint32_t from = (uint32_t)rng_next(&r), to = A4(10, 1, 0, 0) + rng_below(&r, 65536);
		uint16_t sport = (uint16_t)rng_next(&r), dport = (uint16_t)rng_next(&r);

		frame_build(&in, FRAME(ETH(MAC_US, MAC_PEER), IP(from, to, 64), UDP(sport, dport)));
		assert_int_equal(harness_run_uncounted(HOOK_WAN, DEV_WAN0, &in, &o), 0);
		assert_int_equal(o.verdict, XDP_TX);
		by[i] = (uint8_t)(get32(o.out.b + 30) - FIRST);
		assert_true(by[i] < 4);
	}
}

static void test_shares(void **state)
{
	unsigned int n[4] = { 0 }, sum = 0, i;

	(void)state;
	NEED_HARNESS();
	apply(true, PS_HASH_RENDEZVOUS);
	send_all(now);
	for (i = 0; i < FLOWS; i++)
		n[now[i]]++;
	for (i = 0; i < 4; i++)
		sum += weight[i];
	for (i = 0; i < 4; i++) {
		double want = (double)FLOWS * weight[i] / sum;

		printf("weight %3u: %5u flows, want %7.1f, off by %+.2f %%\n", weight[i], n[i],
		       want, 100 * (n[i] - want) / want);
		assert_true(n[i] > want * 0.97 && n[i] < want * 1.03);
	}
}

/*
 * Largest relative error of the shares of the tunnels but `t`. Only shares at full health are
 * exact by design: this is measured, not judged.
 */
static double worst_share(unsigned int t, bool weighted)
{
	unsigned int n[4] = { 0 }, sum = 0, i;
	double want, worst = 0, off;

	for (i = 0; i < FLOWS; i++)
		n[now[i]]++;
	for (i = 0; i < 4; i++)
		sum += i == t ? 0 : weighted ? weight[i] : 1;
	for (i = 0; i < 4; i++) {
		if (i == t)
			continue;
		want = (double)FLOWS * (weighted ? weight[i] : 1) / sum;
		off = n[i] > want ? n[i] / want - 1 : 1 - n[i] / want;
		worst = off > worst ? off : worst;
	}
	return worst * 100;
}

/* Every tunnel in turn goes down and returns. */
static void check_failover(bool weighted)
{
	unsigned int i, t, own, moved, back;
	double worst;

	send_all(before);
	for (t = 0; t < 4; t++) {
		conf_health(tunnel[t].name, PS_HEALTH_DOWN);
		send_all(now);
		for (i = own = moved = 0; i < FLOWS; i++) {
			own += before[i] == t;
			moved += before[i] != now[i];
			/* Nothing stays on it, nobody else moves. */
			assert_true(now[i] != t);
			assert_true(before[i] == t || before[i] == now[i]);
		}
		assert_int_equal(own, moved);
		worst = worst_share(t, weighted);
		conf_health(tunnel[t].name, PS_HEALTH_HEALTHY);
		send_all(now);
		for (i = back = 0; i < FLOWS; i++)
			back += before[i] != now[i];
		printf("%s weights, %s down: %u flows moved, all its own, others' shares off by up "
		       "to %.1f %%; back up: %u differ\n",
		       weighted ? "mixed" : "equal", tunnel[t].name, moved, worst, back);
		assert_int_equal(back, 0);
	}
}

static void test_failover(void **state)
{
	(void)state;
	NEED_HARNESS();
	apply(false, PS_HASH_RENDEZVOUS);
	check_failover(false);
	apply(true, PS_HASH_RENDEZVOUS);
	check_failover(true);
}

/* Degraded is worse than healthy and better than down; with all down, all carry (rule 5). */
static void test_health_order(void **state)
{
	unsigned int n[4] = { 0 }, i;

	(void)state;
	NEED_HARNESS();
	apply(false, PS_HASH_RENDEZVOUS);
	send_all(before);
	for (i = 0; i < 4; i++)
		conf_health(tunnel[i].name, PS_HEALTH_DOWN);
	send_all(now);
	assert_memory_equal(before, now, sizeof(now));
	conf_health("two", PS_HEALTH_DEGRADED);
	conf_health("four", PS_HEALTH_DEGRADED);
	send_all(now);
	for (i = 0; i < FLOWS; i++)
		n[now[i]]++;
	assert_int_equal(n[0] + n[2], 0);
	printf("two of four degraded, two down: the degraded ones carry %u and %u\n", n[1], n[3]);
	assert_in_range(n[1], FLOWS * 40 / 100, FLOWS * 60 / 100);
	conf_health("one", PS_HEALTH_HEALTHY);
	send_all(now);
	for (i = 0; i < FLOWS; i++)
		assert_int_equal(now[i], 0);
}

/* The documented alternative: spreads as well, but a tunnel that goes moves flows of others. */
static void test_modulo(void **state)
{
	unsigned int i, needless = 0;

	(void)state;
	NEED_HARNESS();
	apply(false, PS_HASH_MODULO);
	send_all(before);
	conf_health("two", PS_HEALTH_DOWN);
	send_all(now);
	for (i = 0; i < FLOWS; i++)
		needless += before[i] != 1 && before[i] != now[i];
	printf("modulo: %u of %u flows of other tunnels moved\n", needless, FLOWS);
	assert_true(needless > FLOWS / 4);
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
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_failover),
		cmocka_unit_test(test_health_order),
		cmocka_unit_test(test_modulo),
	};

	if (harness_setup(NULL))
		return 1;
	seed = rng_seed("test_shares", 20240601);
	return cmocka_run_group_tests(tests, setup, harness_teardown);
}
