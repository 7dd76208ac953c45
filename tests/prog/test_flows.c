/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which packets stay together (design 3.6): random flows over four equal tunnels, by both paths.
 * What belongs to a flow takes its tunnel: other packets of it, ICMP errors about it, and for
 * datagrams in fragments, every fragment.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <stdio.h>

#include "cases.h"

static const struct conf_tunnel fan_tunnel[] = {
	{ .name = "w1", .local = LOCAL, .remote = A4(192, 0, 2, 11) },
	{ .name = "w2", .local = LOCAL, .remote = A4(192, 0, 2, 12) },
	{ .name = "w3", .local = LOCAL, .remote = A4(192, 0, 2, 13) },
	{ .name = "w4", .local = LOCAL, .remote = A4(192, 0, 2, 14) },
};
static const struct conf_prefix fan_prefix[] = { { P(10, 1, 0, 0, 16), "" } };
static const struct conf_route fan_route[] = {
	{ .p = P(10, 1, 0, 0, 16), .tunnel = "w1" },
	{ .p = P(10, 1, 0, 0, 16), .tunnel = "w2" },
	{ .p = P(10, 1, 0, 0, 16), .tunnel = "w3" },
	{ .p = P(10, 1, 0, 0, 16), .tunnel = "w4" },
};
static const struct conf fan = {
	.name = "fan",
	.tunnel = fan_tunnel,
	.tunnels = 4,
	.prefix = fan_prefix,
	.prefixes = 1,
	.route = fan_route,
	.routes = 4,
};

/* Remote address of the tunnel that takes it, by both paths. */
static uint32_t taken_by(const struct layer *layers)
{
	static struct frame in;
	static struct outcome o;
	uint32_t remote;

	frame_build(&in, layers);
	assert_int_equal(harness_run(HOOK_WAN, DEV_WAN0, &in, &o), 0);
	assert_int_equal(o.verdict, XDP_TX);
	remote = get32(o.out.b + 30);
	assert_int_equal(harness_run(HOOK_TC, DEV_WAN0, &in, &o), 0);
	assert_int_equal(o.verdict, TC_ACT_REDIRECT);
	if (get32(o.out.b + 30) != remote)
		wrong("fast and slow path disagree");
	return remote;
}

static void one_flow(struct rng *r, unsigned int *seen)
{
	static const uint8_t error[] = { 3, 4, 11, 12 };
	uint32_t host = (uint32_t)rng_next(r) | 0x08000000,
		 site = A4(10, 1, 0, 0) + rng_below(r, 65536);
	uint16_t hp = (uint16_t)rng_next(r), sp = (uint16_t)rng_next(r);
	uint32_t router = A4(172, 16, 0, 0) + rng_below(r, 65536), flow, bare;
	unsigned int i;

	flow = taken_by(FRAME(IN, IP(host, site, 64), TCP(hp, sp), DATA(4)));
	bare = taken_by(FRAME(IN, IP(host, site, 64, .proto = 253), DATA(4)));
	seen[flow & 3]++;
	if (taken_by(FRAME(IN, IP(host, site, 9, .tos = 7, .id = 3), UDP(hp, sp), DATA(90))) !=
	    flow)
		wrong("TTL, tos, id, length and protocol are no part of a flow");
	for (i = 0; i < sizeof(error); i++) {
		/* Quoted: what the site sent to the host. TCP, then UDP with 8 bytes only. */
		if (taken_by(FRAME(IN, IP(router, site, 64), ICMP(error[i], 1),
				   IP(site, host, 3, .options = (uint8_t)i), TCP(sp, hp))) != flow)
			wrong("ICMP type %u leaves its TCP flow", error[i]);
		if (taken_by(FRAME(IN, IP(router, site, 64), ICMP(error[i], 4), IP(site, host, 3),
				   UDP(sp, hp))) != flow)
			wrong("ICMP type %u leaves its UDP flow", error[i]);
		if (taken_by(FRAME(IN, IP(router, site, 64), ICMP(error[i], 0),
				   IP(site, host, 3, .frag = 0x2000), UDP(sp, hp))) != bare)
			wrong("ICMP type %u leaves its fragments", error[i]);
	}
	if (taken_by(FRAME(IN, IP(host, site, 64), ICMP(8, 0), IP(site, router, 3), UDP(sp, hp))) !=
	    bare)
		wrong("an echo request's payload is no quoted packet");
	if (taken_by(FRAME(IN, IP(host, site, 64, .frag = 0x2000), UDP(hp, sp), DATA(8))) != bare ||
	    taken_by(FRAME(IN, IP(host, site, 64, .frag = 0x2001, .proto = 17), DATA(8))) != bare ||
	    taken_by(FRAME(IN, IP(host, site, 64, .frag = 2, .proto = 17), DATA(8))) != bare)
		wrong("fragments of one datagram take different tunnels");
}

static void test_flows(void **state)
{
	struct rng r = { rng_seed("test_flows", 1) };
	unsigned int seen[4] = { 0 }, i;

	(void)state;
	NEED_HARNESS();
	conf_apply(&fan);
	current = "flows";
	for (i = 0; i < 500; i++)
		one_flow(&r, seen);
	for (i = 0; i < 4; i++)
		assert_true(seen[i] > 60);
	none_wrong();
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
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_flows) };

	if (harness_setup(NULL))
		return 1;
	return cmocka_run_group_tests(tests, setup, harness_teardown);
}
