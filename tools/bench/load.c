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

/* One of the tunnels goes down and comes back: the worse of the two, and what it wrote. */
static void failover(struct store *st, const char *id, const char *what, double target)
{
	static const uint8_t health[] = { PS_HEALTH_DOWN, PS_HEALTH_HEALTHY };
	uint64_t buckets = st->row_writes, entries = st->stride.stores;
	double worst = 0, begin;
	struct error err;
	char text[80];
	struct txn *t;
	int i;

	for (i = 0; i < 2; i++) {
		struct ps_tunnel tun;

		begin = now_s();
		must(txn_begin(st, &t, &err), &err, "begin");
		tun = *txn_tunnel(t, PS_TUNNEL_FIRST);
		tun.health = health[i];
		must(txn_tunnel_set(t, PS_TUNNEL_FIRST, &tun, &err), &err, "tunnel");
		must(txn_commit(t, &err), &err, "commit");
		worst = now_s() - begin > worst ? now_s() - begin : worst;
	}
	row(id, what, worst * 1e3, "ms", target, true);
	snprintf(text, sizeof(text), "%s-writes", id);
	row(text, "  buckets written, down and up", (double)(st->row_writes - buckets), "", 0,
	    false);
	if (st->stride.stores != entries)
		die("%s: FIB entries were written", id);
}

static void unload(struct store *st)
{
	struct error err;

	store_close(st);
	must(store_unload(instance, &err), &err, "unload");
}

/* A tunnel that is in each of ten thousand groups. */
static void many_groups(void)
{
	struct scenario s = { "groups", 100000, 10000, 4 };
	struct prefix *p = tables_prefixes(s.prefixes);
	struct store *st = tables_open(&s, 1);

	tables_routes(st, &s, p, NULL, NULL);
	failover(st, "failover-10k", "one tunnel down that is in 10,000 groups, transaction", 500);
	free(p);
	unload(st);
}

void load(const struct bench *b)
{
	struct scenario s = { "load", b->quick ? 100000 : 1000000, 10, 4 };
	struct prefix *p = tables_prefixes(s.prefixes);
	struct store *st = tables_open(&s, 1);
	double stage, commit;

	printf("\ncontrol plane, %u prefixes with 4 routes each, in 10 groups\n", s.prefixes);
	tables_routes(st, &s, p, &stage, &commit);
	row("load", "prefixes loaded: staged, checked and written", stage + commit, "s", 10, true);
	row("load-write", "  of that, written", commit, "s", 0, false);
	single(st);
	failover(st, "failover", "one tunnel down that is in all 10 groups, transaction", 5);
	stride(p, s.prefixes);
	free(p);
	unload(st);
	many_groups();
}
