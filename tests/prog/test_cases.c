/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of cases (cases.h) through the loaded programs, and what does not fit a table: whole
 * families of frames, and states that only damage brings about. The last test asks that every
 * reason of reasons.h has been seen.
 *
 * What the slow path makes of a case follows from the fast path's row: the kernel has taken off
 * tags and padding, has judged and decremented the TTL, so the frame goes out with the TTL it
 * came with; and "slow" reasons are no reasons there.
 */
#include <errno.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cases.h"

static const struct conf *applied;

static void use(const struct conf *c)
{
	if (applied != c)
		conf_apply(c);
	applied = c;
}

/* --- tunnel counters ------------------------------------------------------------------------- */

static struct ps_tunnel_stats before[66];

static void stats_look(struct ps_tunnel_stats *s)
{
	uint16_t i;

	for (i = 0; i < COUNT(before); i++)
		assert_int_equal(store_tunnel_stats(hs.st, i, &s[i]), 0);
}

/* Exactly one packet of `bytes` on the named tunnels, nothing elsewhere. */
static void stats_check(const char *tx, const char *rx, uint32_t bytes)
{
	struct ps_tunnel_stats now[COUNT(before)], want;
	unsigned int i;

	stats_look(now);
	for (i = 0; i < COUNT(before); i++) {
		const char *name =
			i < hs.st->meta->max_tunnels && hs.st->tunnel[i].state == PS_STATE_USED ?
				hs.st->tunnel[i].name :
				"";

		want = before[i];
		if (tx && !strcmp(name, tx)) {
			want.tx_packets++;
			want.tx_bytes += bytes;
		}
		if (rx && !strcmp(name, rx)) {
			want.rx_packets++;
			want.rx_bytes += bytes;
		}
		if (memcmp(&want, &now[i], sizeof(want)))
			wrong("counters of tunnel %u (%s): tx %ld/%ld rx %ld/%ld, want tx %s rx %s "
			      "%u bytes",
			      i, name, (long)(now[i].tx_packets - before[i].tx_packets),
			      (long)(now[i].tx_bytes - before[i].tx_bytes),
			      (long)(now[i].rx_packets - before[i].rx_packets),
			      (long)(now[i].rx_bytes - before[i].rx_bytes), tx ? tx : "-",
			      rx ? rx : "-", bytes);
	}
	memcpy(before, now, sizeof(before));
}

/* Total length of the innermost tunnelled packet of the layers. */
static uint32_t inner_length(const struct layer *l, const struct frame *f)
{
	uint32_t at = 0;
	unsigned int i;

	for (i = 0; l[i].kind == L_ETH || l[i].kind == L_VLAN; i++)
		at += l[i].kind == L_ETH ? 14 : 4;
	if (l[i].kind == L_IP && l[i + 1].kind == L_GRE &&
	    (l[i].from == LOCAL || l[i].from == LOCAL2 || l[i].to == LOCAL || l[i].to == LOCAL2)) {
		uint32_t gre = at + 20 + 4u * l[i].options;

		at = gre + 4 + (f->b[gre] & 0x80 ? 4 : 0) + (f->b[gre] & 0x20 ? 4 : 0) +
		     (f->b[gre] & 0x10 ? 4 : 0);
	}
	return l[i].kind == L_IP ? get16(f->b + at + 2) : 0;
}

/* --- the table ------------------------------------------------------------------------------- */

/* The layers without tags and padding; the innermost steered IPv4 header gets `ttl` if not 0. */
static void as_kernel_has_it(struct layer *to, const struct layer *from, uint8_t ttl)
{
	unsigned int i, n = 0, ips = 0;

	for (i = 0; from[i].kind != L_END; i++) {
		if (from[i].kind == L_VLAN || from[i].kind == L_PAD)
			continue;
		to[n] = from[i];
		if (to[n].kind == L_ETH && (from[i + 1].kind == L_VLAN))
			to[n].proto = 0;
		if (to[n].kind == L_IP && ++ips == 2 && ttl)
			to[n].ttl = ttl;
		n++;
	}
	to[n].kind = L_END;
}

static const struct layer *first_ip(const struct layer *l)
{
	while (l->kind != L_IP && l->kind != L_END)
		l++;
	return l;
}

/* What the slow path says where the fast path says this. */
static int slow_reason(int reason)
{
	switch (reason) {
	case PS_R_TO_KERNEL:
	case PS_R_NOT_IPV4:
	case PS_R_OWN_DESTINATION:
		return PS_R_NOT_OURS;
	case PS_R_SLOW_MTU:
		return PS_R_TOO_BIG;
	default:
		return reason;
	}
}

static void run_slow(const struct test_case *c)
{
	static struct frame in, want;
	static struct outcome o;
	struct layer layers[LAYERS_MAX];
	bool sends = c->tc_out || (c->out && !c->tc_reason && c->verdict != XDP_PASS);
	const char *tx = NULL;

	as_kernel_has_it(layers, c->packet, 0);
	frame_build(&in, layers);
	if (c->tc_out) {
		frame_build(&want, c->tc_out);
		tx = c->tx;
	} else if (sends) {
		as_kernel_has_it(layers, c->out, first_ip(c->packet)->ttl);
		frame_build(&want, layers);
		tx = c->tx;
	}
	assert_int_equal(harness_run(HOOK_TC, DEV_WAN0, &in, &o), 0);
	if (sends)
		judge(HOOK_TC, &o, TC_ACT_REDIRECT, 0, &want);
	else
		judge(HOOK_TC, &o, TC_ACT_SHOT,
		      c->tc_reason ? c->tc_reason : slow_reason(c->reason), NULL);
	stats_check(tx, NULL, in.len - 14);
}

static bool has_gre(const struct layer *l)
{
	for (; l->kind != L_END; l++)
		if (l->kind == L_GRE)
			return true;
	return false;
}

static void run_case(const struct test_case *c)
{
	static struct frame in, want;
	static struct outcome o;
	enum dev dev = c->hook == HOOK_LAN ? DEV_LAN0 : DEV_WAN0;
	const struct frame *compare = &want;

	frame_build(&in, c->packet);
	if (c->out)
		frame_build(&want, c->out);
	else
		compare = c->verdict == XDP_PASS ? &in : NULL;
	assert_int_equal(harness_run(c->hook, dev, &in, &o), 0);
	judge(c->hook, &o, c->verdict, c->reason, compare);
	stats_check(c->verdict == XDP_PASS ? NULL : c->tx, c->rx, inner_length(c->packet, &in));
	/* GRE for us never comes to penstock0. */
	if (c->tc_reason != TC_NEVER && !has_gre(c->packet))
		run_slow(c);
}

static void run_chapter(const struct chapter *ch)
{
	char name[160];
	size_t i;

	NEED_HARNESS();
	use(ch->conf);
	stats_look(before);
	for (i = 0; i < ch->n; i++) {
		snprintf(name, sizeof(name), "%s: %s", ch->name, ch->cases[i].what);
		current = name;
		run_case(&ch->cases[i]);
	}
	print_message("%s: %zu cases\n", ch->name, ch->n);
	none_wrong();
}

static void test_steer(void **state)
{
	(void)state;
	run_chapter(&chapter_steer);
}

static void test_bad(void **state)
{
	(void)state;
	run_chapter(&chapter_bad);
}

static void test_decap(void **state)
{
	(void)state;
	run_chapter(&chapter_decap);
}

static void test_gre(void **state)
{
	(void)state;
	run_chapter(&chapter_gre);
}

static void test_edge(void **state)
{
	(void)state;
	run_chapter(&chapter_edge);
}

/* --- families -------------------------------------------------------------------------------- */

#define SRC A4(10, 1, 50, 1)
#define SITE A4(10, 1, 1, 10)

/*
 * RFC 6040, figure 4: rows are the inner field, columns the outer; both Not-ECT, ECT(1), ECT(0),
 * CE. DROP: the packet is dropped.
 */
#define DROP 9
static const uint8_t figure4[4][4] = {
	/*	      00    01 10 11 */
	[0] = { 0, 0, 0, DROP },
	[1] = { 1, 1, 1, 3 },
	[2] = { 2, 1, 2, 3 },
	[3] = { 3, 3, 3, 3 },
};

static void test_ecn_in(void **state)
{
	static struct frame in, want;
	static struct outcome o;
	unsigned int inner, outer, dscp;
	uint8_t tos;

	(void)state;
	NEED_HARNESS();
	use(&conf_transit);
	current = "ecn: RFC 6040 figure 4";
	for (dscp = 0; dscp < 256; dscp += 4)
		for (inner = 0; inner < 4; inner++)
			for (outer = 0; outer < 4; outer++) {
				tos = (uint8_t)(dscp | inner);
				frame_build(&in,
					    FRAME(IN,
						  IP(R_PLAIN, LOCAL, 60,
						     .tos = (uint8_t)((0xfc - dscp) | outer)),
						  GRE(0), IP(SRC, HOST, 64, .tos = tos), BODY));
				assert_int_equal(harness_run(HOOK_WAN, DEV_WAN0, &in, &o), 0);
				if (figure4[inner][outer] == DROP) {
					judge(HOOK_WAN, &o, XDP_DROP, PS_R_ECN, NULL);
					continue;
				}
				/* The inner DSCP stays. */
				tos = (uint8_t)(dscp | figure4[inner][outer]);
				frame_build(&want, FRAME(IN, IP(SRC, HOST, 64, .tos = tos), BODY));
				judge(HOOK_WAN, &o, XDP_PASS, PS_R_SLOW_FORWARD, &want);
			}
	none_wrong();
}

static void test_tos_out(void **state)
{
	static struct frame in, want;
	static struct outcome o;
	unsigned int tos;

	(void)state;
	NEED_HARNESS();
	use(&conf_transit);
	current = "tos: copied out";
	for (tos = 0; tos < 256; tos++) {
		const struct layer *layers =
			FRAME(IN, IP(HOST, SITE, 64, .tos = (uint8_t)tos), BODY);

		frame_build(&in, layers);
		assert_int_equal(harness_run(HOOK_WAN, DEV_WAN0, &in, &o), 0);
		frame_build(&want, FRAME(OUT(R_PLAIN, .tos = (uint8_t)tos),
					 IP(HOST, SITE, 63, .tos = (uint8_t)tos), BODY));
		judge(HOOK_WAN, &o, XDP_TX, 0, &want);
	}
	none_wrong();
}

/* Every prefix of good frames, by every program: nothing aborts, nothing incomplete goes out. */
static void cut(enum hook hook, const struct frame *whole, uint32_t complete)
{
	static struct frame in;
	static struct outcome o;
	uint32_t n;
	int r;

	memcpy(in.b, whole->b, whole->len);
	for (n = 14; n <= whole->len; n++) {
		in.len = n;
		r = harness_run(hook, hook == HOOK_LAN ? DEV_LAN0 : DEV_WAN0, &in, &o);
		if (r && harness_declines(hook, &in))
			continue;
		if (r)
			wrong("cut to %u: test run: %s", n, strerror(-r));
		else if (hook == HOOK_TC ? o.verdict == TC_ACT_OK : o.verdict == XDP_ABORTED)
			wrong("cut to %u: %s", n, verdict_name(hook, o.verdict));
		else if (n < complete &&
			 (verdict_sent(hook, o.verdict) || o.reason == PS_R_SLOW_FORWARD))
			wrong("cut to %u of %u: sent", n, complete);
		else if (o.reason < 0 || (!o.reason && !verdict_sent(hook, o.verdict)))
			wrong("cut to %u: counted as %s", n, reason_name(o.reason));
	}
}

static void cut_all(const struct conf *conf, const struct layer *layers, uint32_t padding)
{
	static struct frame whole;

	use(conf);
	frame_build(&whole, layers);
	cut(HOOK_WAN, &whole, whole.len - padding);
	cut(HOOK_LAN, &whole, whole.len - padding);
	cut(HOOK_TC, &whole, whole.len - padding);
}

static void test_truncated(void **state)
{
	(void)state;
	NEED_HARNESS();
	current = "truncated: transit";
	cut_all(&conf_transit, FRAME(IN, IP(HOST, SITE, 64), BODY), 0);
	cut_all(&conf_transit, FRAME(IN, VLAN(1), VLAN(2), IP(HOST, SITE, 64), TCP(1, 2)), 0);
	cut_all(&conf_transit, FRAME(IN, IP(HOST, SITE, 64), UDP(1, 2), DATA(2), PAD(16)), 16);
	cut_all(&conf_transit, FRAME(IN, IP(HOST, SITE, 64, .options = 9), BODY), 0);
	cut_all(&conf_transit, FRAME(IN, IP(HOST, SITE, 64), ICMP(3, 4), IP(SITE, HOST, 64), BODY),
		0);
	cut_all(&conf_transit,
		FRAME(IN, IP(R_PLAIN, LOCAL, 64), GRE(0x9000), IP(SRC, HOST, 64), BODY), 0);
	cut_all(&conf_transit,
		FRAME(IN, VLAN(1), VLAN(2), IP(R_SHARED, LOCAL, 64, .options = 10),
		      GRE(0xb000, .key = 100), IP(SRC, SITE, 64), BODY, PAD(7)),
		7);
	current = "truncated: edge";
	cut_all(&conf_edge, FRAME(IN, IP(A4(10, 1, 1, 5), HOST, 64), BODY), 0);
	cut_all(&conf_edge,
		FRAME(IN, IP(R_PLAIN, LOCAL, 64), GRE(0), IP(HOST, A4(10, 1, 1, 5), 64), BODY), 0);
	none_wrong();
}

/* --- what only damage or bad luck brings about ----------------------------------------------- */

static void test_no_headroom(void **state)
{
	static struct frame in;
	static struct outcome o;

	(void)state;
	NEED_HARNESS();
	use(&conf_transit);
	current = "no_headroom: 216 bytes of metadata leave no room";
	frame_build(&in, FRAME(IN, IP(HOST, SITE, 64), BODY));
	assert_int_equal(harness_run_meta(HOOK_WAN, DEV_WAN0, &in, 216, &o), 0);
	judge(HOOK_WAN, &o, XDP_DROP, PS_R_NO_HEADROOM, NULL);
	current = "no_headroom: 32 bytes do";
	assert_int_equal(harness_run_meta(HOOK_WAN, DEV_WAN0, &in, 32, &o), 0);
	judge(HOOK_WAN, &o, XDP_TX, 0, NULL);
	none_wrong();
}

static void test_no_tunnel(void **state)
{
	static struct frame in;
	static struct outcome o;
	int id;

	(void)state;
	NEED_HARNESS();
	use(&conf_transit);
	current = "no_tunnel: a bucket leads to an empty slot";
	id = store_tunnel_find(hs.st, "plain");
	assert_true(id > 0);
	frame_build(&in, FRAME(IN, IP(HOST, SITE, 64), BODY));
	hs.st->slot[hs.st->tunnel[id].slot].kind = PS_SLOT_NONE;
	assert_int_equal(harness_run(HOOK_WAN, DEV_WAN0, &in, &o), 0);
	judge(HOOK_WAN, &o, XDP_DROP, PS_R_NO_TUNNEL, NULL);
	assert_int_equal(harness_run(HOOK_TC, DEV_WAN0, &in, &o), 0);
	judge(HOOK_TC, &o, TC_ACT_SHOT, PS_R_NO_TUNNEL, NULL);
	hs.st->slot[hs.st->tunnel[id].slot].kind = PS_SLOT_GRE;
	none_wrong();
}

/* --- all reasons ----------------------------------------------------------------------------- */

static void test_all_reasons(void **state)
{
	/* Until there are filter rules. */
	static const int unreachable[] = { PS_R_FILTERED };
	static const int all[] = {
#define NUMBER(name, number, label, kind, meaning) number,
		PS_REASONS(NUMBER)
#undef NUMBER
	};
	size_t i, k;

	(void)state;
	NEED_HARNESS();
	current = "reasons";
	for (i = 0; i < COUNT(all); i++) {
		for (k = 0; k < COUNT(unreachable) && unreachable[k] != all[i]; k++)
			;
		if (hs.reached[all[i]] == (k < COUNT(unreachable)))
			wrong("%s: %s", reason_name(all[i]),
			      hs.reached[all[i]] ? "seen: take it off the list" : "never seen");
	}
	none_wrong();
}

static int setup(void **state)
{
	(void)state;
	if (harness_missing())
		return 0;
	harness_attach();
	assert_int_equal(region_parse("WEUR"), OUR_REGION);
	assert_int_equal(region_parse("ENAM"), OTHER_REGION);
	sh("ip route add 203.0.113.251 dev penstock0");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steer),	    cmocka_unit_test(test_bad),
		cmocka_unit_test(test_decap),	    cmocka_unit_test(test_gre),
		cmocka_unit_test(test_edge),	    cmocka_unit_test(test_ecn_in),
		cmocka_unit_test(test_tos_out),	    cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_no_headroom), cmocka_unit_test(test_no_tunnel),
		cmocka_unit_test(test_all_reasons),
	};

	if (harness_setup(NULL))
		return 1;
	return cmocka_run_group_tests(tests, setup, harness_teardown);
}
