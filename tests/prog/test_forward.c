/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Decapsulated packets that go on by ordinary routing: the kernel's answer is remembered for a
 * while, with what it holds for. And a port that goes, with the tunnels on it.
 */
#include <linux/bpf.h>
#include <stdio.h>
#include <unistd.h>

#include "cases.h"

#define SRC A4(10, 1, 50, 1)

static const uint8_t MAC_NEXT[6] = { 2, 0, 0, 0, 0, 5 }, MAC_WAN[6] = { 2, 0, 0, 0, 0, 6 };

/* Sends one decapsulated packet to NEXT; the frame wanted, if it is to be sent. */
static void forward_one(const char *what, uint16_t data, int verdict, int reason)
{
	static struct frame in, want;
	static struct outcome o;

	current = what;
	frame_build(&in, FRAME(IN, IP(R_PLAIN, LOCAL, 60), GRE(0), IP(SRC, NEXT, 64), DATA(data)));
	frame_build(&want, reason ? FRAME(IN, IP(SRC, NEXT, 64), DATA(data)) :
				    FRAME(ETH(MAC_NEXT, MAC_WAN), IP(SRC, NEXT, 63), DATA(data)));
	assert_int_equal(harness_run(HOOK_WAN, DEV_WAN0, &in, &o), 0);
	judge(HOOK_WAN, &o, verdict, reason, &want);
}

/* Next hops are remembered for 100 jiffies: a second at most. */
static void forget_next_hops(void)
{
	usleep(1100 * 1000);
}

static void test_forward(void **state)
{
	static struct frame in;
	static struct outcome o;

	(void)state;
	NEED_HARNESS();
	conf_apply(&conf_transit);
	forward_one("forward: no route", 40, XDP_PASS, PS_R_SLOW_FORWARD);
	sh("ip link set wan1 address 02:00:00:00:00:06; ip link set wan0 address "
	   "02:00:00:00:00:06");
	sh("ip route add 203.0.113.200 dev wan1");
	forward_one("forward: no neighbour", 40, XDP_PASS, PS_R_SLOW_FORWARD);
	sh("ip neigh replace 203.0.113.200 lladdr 02:00:00:00:00:05 dev wan1 nud permanent");
	forward_one("forward: redirect with the right addresses", 40, XDP_REDIRECT, 0);
	/* Asked again, the kernel would say no: the answer is remembered. */
	sh("ip route del 203.0.113.200 dev wan1");
	forward_one("forward: remembered", 40, XDP_REDIRECT, 0);
	forward_one("forward: remembered, shorter", 4, XDP_REDIRECT, 0);
	forward_one("forward: a longer packet asks again", 41, XDP_PASS, PS_R_SLOW_FORWARD);
	forget_next_hops();
	forward_one("forward: forgotten in time", 40, XDP_PASS, PS_R_SLOW_FORWARD);

	sh("ip link set wan1 mtu 1300; ip route add 203.0.113.200 dev wan1");
	forward_one("forward: exactly the device's MTU", 1280, XDP_REDIRECT, 0);
	forward_one("forward: device's MTU + 1", 1281, XDP_PASS, PS_R_SLOW_FORWARD);
	sh("ip link set wan1 mtu 1500");
	current = "forward: tagged frames are the kernel's";
	frame_build(&in,
		    FRAME(IN, VLAN(4), IP(R_PLAIN, LOCAL, 60), GRE(0), IP(SRC, NEXT, 64), BODY));
	assert_int_equal(harness_run(HOOK_WAN, DEV_WAN0, &in, &o), 0);
	judge(HOOK_WAN, &o, XDP_PASS, PS_R_SLOW_FORWARD, NULL);
	current = "forward: TTL 1";
	frame_build(&in, FRAME(IN, IP(R_PLAIN, LOCAL, 60), GRE(0), IP(SRC, NEXT, 1), BODY));
	assert_int_equal(harness_run(HOOK_WAN, DEV_WAN0, &in, &o), 0);
	judge(HOOK_WAN, &o, XDP_PASS, PS_R_SLOW_TTL, NULL);

	sh("ip route replace 203.0.113.200 dev idle");
	sh("ip neigh replace 203.0.113.200 lladdr 02:00:00:00:00:05 dev idle nud permanent");
	forget_next_hops();
	forward_one("forward: a device that is no port", 40, XDP_PASS, PS_R_SLOW_FORWARD);
	sh("ip route replace 203.0.113.200 dev wan0");
	sh("ip neigh replace 203.0.113.200 lladdr 02:00:00:00:00:05 dev wan0 nud permanent");
	forward_one("forward: back out of the port it came by", 40, XDP_TX, 0);
	sh("ip route del 203.0.113.200");
	forget_next_hops();
	none_wrong();
}

/* A port that goes: its tunnels leave for the slow path before it is out of the device map. */
static void test_detach(void **state)
{
	static struct frame in;
	static struct outcome o;
	struct error err;

	(void)state;
	NEED_HARNESS();
	conf_apply(&conf_transit);
	current = "detach";
	frame_build(&in, FRAME(IN, IP(HOST, A4(10, 1, 1, 130), 64), BODY));
	assert_int_equal(harness_run(HOOK_WAN, DEV_WAN0, &in, &o), 0);
	judge(HOOK_WAN, &o, XDP_REDIRECT, 0, NULL);
	must(store_detach(hs.st, "wan1", &err), &err, "detach wan1");
	assert_int_equal(harness_run(HOOK_WAN, DEV_WAN0, &in, &o), 0);
	judge(HOOK_WAN, &o, XDP_PASS, PS_R_SLOW_NEIGHBOUR, &in);
	must(store_attach(hs.st, "wan1", PS_ROLE_WAN, PORT_NATIVE, &err), &err, "attach wan1");
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
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_forward),
					    cmocka_unit_test(test_detach) };

	if (harness_setup(NULL))
		return 1;
	return cmocka_run_group_tests(tests, setup, harness_teardown);
}
