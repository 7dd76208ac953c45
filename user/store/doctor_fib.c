/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The doctor on what packets are looked up in: ready headers and their chains, and the FIB, which
 * is compared entry by entry with an image of it made afresh in private memory.
 *
 * Chunks that nothing leads to are what a writer killed between two stores leaves behind; they are
 * found by following everything from the roots, and given back by a sweep.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/tunnel.h"
#include "penstock/wire.h"
#include "store/doctor.h"

/* --- slots --------------------------------------------------------------------------- */

/* Remote address and id of each tunnel in use; by address, the highest id first. */
static int chain_cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	if (x >> 32 != y >> 32)
		return x >> 32 < y >> 32 ? -1 : 1;
	return (y > x) - (y < x);
}

static uint64_t *chains(const struct store *st, size_t *n)
{
	uint64_t *list = calloc(st->meta->max_tunnels, sizeof(*list));
	uint32_t i;

	*n = 0;
	for (i = PS_TUNNEL_FIRST; list && i < st->meta->max_tunnels; i++)
		if (st->tunnel[i].state == PS_STATE_USED)
			list[(*n)++] = (uint64_t)PS_BE32(st->tunnel[i].remote_be) << 32 | i;
	if (list && *n)
		qsort(list, *n, sizeof(*list), chain_cmp);
	return list;
}

static void check_slot(const struct doctor *d, uint32_t id, uint16_t next)
{
	const struct ps_tunnel *t = &d->st->tunnel[id];
	struct ps_slot *have = &d->st->slot[t->slot], want;

	tunnel_slot(t, &want);
	want.next = next;
	if (!memcmp(&want, have, sizeof(want)))
		return;
	finding(d, "ps_slot", true, "tunnel \"%.15s\": its ready header is not as configured",
		t->name);
	if (d->repair)
		*have = want;
}

int doctor_slots(struct doctor *d)
{
	uint16_t next = 0;
	size_t n, i;
	uint64_t *list = chains(d->st, &n);
	uint32_t id;

	if (!list)
		return error_system(d->err, ENOMEM, "out of memory");
	for (i = 0; i < n; i++) {
		if (i && list[i] >> 32 != list[i - 1] >> 32)
			next = 0;
		check_slot(d, (uint32_t)list[i], next);
		next = d->st->tunnel[(uint32_t)list[i]].slot;
	}
	for (id = 0; id < PS_TUNNEL_FIRST; id++)
		check_slot(d, id, 0);
	free(list);
	return 0;
}

/* --- an image of the FIB ------------------------------------------------------------- */

struct image {
	struct stride s;
	struct ps_meta meta;
	uint64_t *seen;
};

static void image_free(struct image *x)
{
	free(x->s.chunk);
	free(x->s.link);
	free(x->seen);
}

/* Memory is touched as it is used only. */
static int image_init(struct image *x, const struct ps_meta *m)
{
	x->meta = *m;
	x->s.meta = &x->meta;
	x->s.chunk = calloc(m->max_chunks, sizeof(*x->s.chunk));
	x->s.link = calloc(m->max_chunks, sizeof(*x->s.link));
	x->seen = calloc(m->max_chunks / 64 + 1, sizeof(*x->seen));
	if (!x->s.chunk || !x->s.link || !x->seen)
		return -ENOMEM;
	stride_init(&x->s, m->max_tables);
	return 0;
}

static int image_entries(const struct doctor *d, struct image *x, enum plan_map map)
{
	const enum store_map from = plan_maps[map];
	size_t i;
	int r = 0;

	for (i = 0; !r && i < d->entries[map]; i++) {
		const struct entry *e = &d->entry[map][i];

		if (entry_shows(d->st, from, e->value))
			r = stride_insert(&x->s, entry_table(from, e->table), e->p,
					  entry_payload(d->st, from, e->value));
	}
	return r;
}

static int image_tunnels(const struct doctor *d, struct image *x)
{
	size_t n, i;
	uint64_t *list = chains(d->st, &n);
	int r = list ? 0 : -ENOMEM;

	for (i = 0; !r && i < n; i++) {
		const struct ps_tunnel *t = &d->st->tunnel[(uint32_t)list[i]];
		const struct prefix remote = { (uint32_t)(list[i] >> 32), 32 };
		const struct prefix local = { PS_BE32(t->local_be), 32 };

		r = stride_insert(&x->s, PS_T_REMOTE, remote, t->slot); /* the last one stays */
		if (!r)
			r = stride_insert(&x->s, PS_T_LOCAL, local, 1);
	}
	free(list);
	return r;
}

/* --- comparing ----------------------------------------------------------------------- */

static int check_tables(struct doctor *d, struct image *x)
{
	struct store *st = d->st;
	uint32_t table;
	int64_t n;

	for (table = 0; table < st->meta->max_tables; table++) {
		n = stride_compare(&st->stride, &x->s, table, st->meta->max_tables, d->repair,
				   x->seen);
		if (n < 0)
			return error_usage(d->err, (int)-n,
					   "not enough chunks to mend the FIB: unload and load "
					   "with a larger max-chunks");
		if (n)
			finding(d, "ps_fib", true, "table \"%.15s\": %lld entries lead elsewhere",
				st->table[table].name[0] ? st->table[table].name : "?",
				(long long)n);
	}
	return 0;
}

static int check_chunks(struct doctor *d, struct image *x)
{
	struct store *st = d->st;
	struct stride_audit a = stride_audit(&st->stride, st->meta->max_tables, x->seen);

	if (a.wrong || a.lost)
		finding(d, "ps_fib", true, "%u chunks are lost, %u are not where they should be",
			a.lost, a.wrong);
	memset(x->seen, 0, (st->meta->max_chunks / 64 + 1) * sizeof(*x->seen));
	return d->repair ? store_sweep(st, d->err) : 0;
}

int doctor_fib(struct doctor *d)
{
	struct image x = { 0 };
	int map, r = image_init(&x, d->st->meta);

	for (map = 0; !r && map < PLAN_MAPS; map++)
		r = image_entries(d, &x, (enum plan_map)map);
	if (!r)
		r = image_tunnels(d, &x);
	if (r)
		error_system(d->err, -r, "cannot make an image of the FIB: %s", strerror(-r));
	/* Chunks first, so that mending has all there are. */
	if (!r)
		r = check_chunks(d, &x);
	if (!r)
		r = check_tables(d, &x);
	if (!r && d->repair)
		r = store_sweep(d->st, d->err);
	image_free(&x);
	return r;
}
