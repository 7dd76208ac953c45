/* SPDX-License-Identifier: GPL-2.0-only */
/* Tables for the bench, filled through the store as anybody fills them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "penstock/wire.h"

static uint64_t seed = 0x70656e73746f636bull;

static uint32_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16);
}

/* Lengths in thousandths: 60 % /24, then /22, /23, /21, /20, /16 and a few longer than /24. */
static uint8_t length(void)
{
	static const struct {
		uint8_t len;
		uint16_t upto;
	} mix[] = {
		{ 24, 600 }, { 22, 720 }, { 23, 820 }, { 21, 875 }, { 20, 920 }, { 19, 950 },
		{ 18, 970 }, { 16, 984 }, { 17, 988 }, { 28, 992 }, { 29, 996 }, { 32, 1000 },
	};
	uint32_t r = rnd() % 1000, i = 0;

	while (mix[i].upto <= r)
		i++;
	return mix[i].len;
}

static int by_prefix(const void *a, const void *b)
{
	return prefix_cmp(*(const struct prefix *)a, *(const struct prefix *)b);
}

/* Drops the doubles of n prefixes; returns how many stay. */
static uint32_t unique(struct prefix *p, uint32_t n)
{
	uint32_t i, kept = 0;

	qsort(p, n, sizeof(*p), by_prefix);
	for (i = 0; i < n; i++)
		if (!kept || prefix_cmp(p[i], p[kept - 1]))
			p[kept++] = p[i];
	return kept;
}

static void shuffle(struct prefix *p, uint32_t n)
{
	struct prefix swap;
	uint32_t i, j;

	for (i = n; i > 1; i--) {
		j = rnd() % i;
		swap = p[i - 1];
		p[i - 1] = p[j];
		p[j] = swap;
	}
}

struct prefix *tables_prefixes(uint32_t n)
{
	/* As many /16 as the Internet has, and fewer for smaller tables. */
	uint32_t blocks = n / 16 < 38000 ? n / 16 + 1 : 38000, *block, i, have = 0;
	struct prefix *p = calloc(n, sizeof(*p));

	block = calloc(blocks, sizeof(*block));
	if (!p || !block)
		die("out of memory");
	for (i = 0; i < blocks; i++) /* 1.0.0.0 to 191.255.0.0, away from the endpoints */
		block[i] = (0x0100 + rnd() % 0xbf00) << 16;
	while (have < n) {
		for (i = have; i < n; i++) {
			p[i].len = length();
			p[i].addr =
				(block[rnd() % blocks] | (rnd() & 0xffff)) & prefix_mask(p[i].len);
		}
		have = unique(p, n);
	}
	shuffle(p, n);
	free(block);
	return p;
}

struct store *tables_open(const struct scenario *s, uint32_t tx)
{
	struct store_limits limits = {
		.max_prefixes = s->prefixes + 5000,
		.max_tunnels = s->tunnels,
		.max_groups = s->groups + 64,
	};
	struct error err;
	struct store *st;
	struct txn *t;
	bool upgraded;
	uint32_t i;

	must(store_load(instance, &limits, &upgraded, &err), &err, "load");
	must(store_open(&st, instance, true, &err), &err, "open");
	must(store_attach(st, "b0", PS_ROLE_WAN, PORT_AUTO, &err), &err, "attach");
	must(store_attach(st, "c0", PS_ROLE_WAN, PORT_AUTO, &err), &err, "attach");
	must(txn_begin(st, &t, &err), &err, "begin");
	for (i = 0; i < s->tunnels; i++) {
		struct ps_tunnel tun = {
			.local_be = PS_BE32(BENCH_LOCAL),
			.remote_be = PS_BE32(BENCH_REMOTE + i),
			.ttl = 64,
			.mtu = 1476,
			.nh_state = PS_NH_READY,
			.nh_ifindex = tx,
			.nh_dst = { 2, 1 },
			.nh_src = { 2, 2 },
		};

		snprintf(tun.name, sizeof(tun.name), "t%u", i);
		must(txn_tunnel_add(t, &tun, &err), &err, "tunnel");
	}
	must(txn_prefix_add(t, (struct prefix){ 0, 1 }, 0, &err), &err, "prefix");
	must(txn_prefix_add(t, (struct prefix){ 0x80000000u, 2 }, 0, &err), &err, "prefix");
	must(txn_commit(t, &err), &err, "commit");
	return st;
}

void tables_routes(struct store *st, const struct scenario *s, const struct prefix *p,
		   double *stage, double *commit)
{
	uint32_t ways = s->tunnels < 4 ? s->tunnels : 4, i, j, g;
	double begin = now_s(), mid;
	struct error err;
	struct txn *t;

	must(txn_begin(st, &t, &err), &err, "begin");
	for (i = 0; i < s->prefixes; i++) {
		g = i % s->groups;
		for (j = 0; j < ways; j++) {
			struct ps_candidate c = {
				.priority = 100 + g,
				.tunnel = (uint16_t)(PS_TUNNEL_FIRST + (g * ways + j) % s->tunnels),
				.weight = 1,
			};

			must(txn_route_replace(t, PS_T_MAIN, p[i], &c, &err), &err, "route");
		}
	}
	mid = now_s();
	must(txn_commit(t, &err), &err, "commit");
	if (stage)
		*stage = mid - begin;
	if (commit)
		*commit = now_s() - mid;
}

void tables_port(struct store *st, uint32_t ifindex)
{
	struct error err;
	struct txn *t;
	uint32_t i;

	must(txn_begin(st, &t, &err), &err, "begin");
	for (i = PS_TUNNEL_FIRST; i < st->meta->max_tunnels; i++) {
		struct ps_tunnel tun = *txn_tunnel(t, (int)i);

		if (tun.state != PS_STATE_USED)
			continue;
		tun.nh_ifindex = ifindex;
		must(txn_tunnel_set(t, (int)i, &tun, &err), &err, "tunnel");
	}
	must(txn_commit(t, &err), &err, "commit");
}
