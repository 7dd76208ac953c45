/* SPDX-License-Identifier: GPL-2.0-only */
/* How long the control plane takes: a million prefixes, and one more afterwards. */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

#define SINGLE 2000

static int double_cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Whole transactions of one route each: begin, stage, commit. */
static void single(struct store *st)
{
	static double took[SINGLE];
	struct error err;
	struct txn *t;
	uint32_t i;

	for (i = 0; i < SINGLE; i++) {
		struct prefix p = { 0x01000000u + i * 0x00010100u, 30 };
		struct ps_candidate c = { .priority = 100, .tunnel = PS_TUNNEL_FIRST, .weight = 1 };
		double begin = now_s();

		must(txn_begin(st, &t, &err), &err, "begin");
		must(txn_route_replace(t, PS_T_MAIN, p, &c, &err), &err, "route");
		must(txn_commit(t, &err), &err, "commit");
		took[i] = (now_s() - begin) * 1e3;
	}
	qsort(took, SINGLE, sizeof(took[0]), double_cmp);
	row("one-p50", "one more route, whole transaction, median", took[SINGLE / 2], "ms", 0,
	    false);
	row("one-p99", "  p99", took[SINGLE * 99 / 100], "ms", 1, true);
	row("one-max", "  worst", took[SINGLE - 1], "ms", 0, false);
}

static void failover(struct store *st)
{
	struct error err;
	struct txn *t;
	double begin = now_s();
	struct ps_tunnel tun;

	must(txn_begin(st, &t, &err), &err, "begin");
	tun = *txn_tunnel(t, PS_TUNNEL_FIRST);
	tun.health = PS_HEALTH_DOWN;
	must(txn_tunnel_set(t, PS_TUNNEL_FIRST, &tun, &err), &err, "tunnel");
	must(txn_commit(t, &err), &err, "commit");
	row("failover", "one of 4 tunnels of a group down, whole transaction",
	    (now_s() - begin) * 1e3, "ms", 0, false);
}

void load(const struct bench *b)
{
	struct scenario s = { "load", b->quick ? 100000 : 1000000, 10, 16 };
	struct prefix *p = tables_prefixes(s.prefixes);
	struct store *st = tables_open(&s, 1);
	double stage, commit;
	struct error err;

	printf("\ncontrol plane, %u prefixes with 4 routes each\n", s.prefixes);
	tables_routes(st, &s, p, &stage, &commit);
	row("load", "prefixes loaded: staged, checked and written", stage + commit, "s", 10, true);
	row("load-write", "  of that, written", commit, "s", 0, false);
	single(st);
	failover(st);
	free(p);
	store_close(st);
	must(store_unload(instance, &err), &err, "unload");
}
