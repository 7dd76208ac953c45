/* SPDX-License-Identifier: GPL-2.0-only */
/* How long the control plane takes: a million prefixes, and one more afterwards. */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

#define SINGLE 2000
#define CHUNKS 160000u /* enough for a million prefixes */

/* The stride table alone, on memory of its own: what is left of a transaction at best. */
static void stride(const struct prefix *p, uint32_t n)
{
	struct ps_meta meta = { .max_chunks = CHUNKS };
	struct stride s = { .meta = &meta };
	static double took[SINGLE];
	double begin, all;
	uint32_t i, at;

	s.chunk = calloc(CHUNKS, sizeof(*s.chunk));
	s.link = calloc(CHUNKS, sizeof(*s.link));
	if (!s.chunk || !s.link)
		die("out of memory");
	stride_init(&s, 1);
	begin = now_s();
	for (i = 0; i < n; i++)
		if (stride_insert(&s, 0, p[i], i))
			die("stride_insert: the table is full");
	all = now_s() - begin;
	for (i = 0; i < SINGLE; i++) {
		at = (uint32_t)((uint64_t)i * n / SINGLE);
		begin = now_s();
		if (stride_insert(&s, 0, p[at], n + i))
			die("stride_insert: the table is full");
		took[i] = (now_s() - begin) * 1e6;
	}
	/* The longest prefixes are still there as they were put. */
	for (i = 0; i < n; i++)
		if (p[i].len == 32 && stride_len(stride_lookup(&s, 0, p[i].addr)) != 32)
			die("stride: a prefix is lost");
	qsort(took, SINGLE, sizeof(took[0]), double_cmp);
	row("stride-load", "stride table alone: all prefixes inserted", all, "s", 0, false);
	row("stride-p99", "  one prefix changed, p99", took[SINGLE * 99 / 100], "us", 20, true);
	row("stride-max", "  worst", took[SINGLE - 1], "us", 0, false);
	free(s.chunk);
	free(s.link);
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
	stride(p, s.prefixes);
	free(p);
	store_close(st);
	must(store_unload(instance, &err), &err, "unload");
}
