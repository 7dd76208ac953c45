/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a killed writer left undone is done by the next one that opens the instance: the plan in
 * ps_intent is carried out (again), which ends where the killed one would have ended.
 *
 * Before that the chunk allocator is made anew from what the FIB holds: a process killed between
 * two stores may have left a chunk on no list. Every other allocation (groups, row blocks, ids,
 * slots) follows from the plan and the objects themselves.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "penstock/wire.h"
#include "store/plan.h"

static bool edits_sound(const struct store *st, const struct plan *p)
{
	const struct ps_meta *m = st->meta;
	const uint32_t most[PLAN_MAPS] = { m->max_groups, STORE_ACCOUNTS, m->max_tables };
	uint32_t i;
	int map;

	for (map = 0; map < PLAN_MAPS; map++) {
		for (i = 0; i < p->head->edits[map]; i++) {
			const struct plan_edit *e = &p->edit[map][i];

			if (e->key.len > 32 ||
			    (PS_BE32(e->key.addr_be) & ~prefix_mask(e->key.len)) ||
			    e->key.table >= (map == PLAN_ROUTE ? m->max_tables : 1) || e->key.pad ||
			    (e->now != GROUP_NONE && e->now >= most[map]) ||
			    (e->was != GROUP_NONE && e->was >= most[map]))
				return false;
		}
	}
	return true;
}

static bool row_sound(const struct ps_meta *m, uint32_t row)
{
	uint32_t log2 = row >> PS_ROW_LOG2_SHIFT;

	return log2 <= PS_ROW_LOG2_MAX && (row & PS_ROW_BLOCK_MASK) + (1u << log2) <= m->max_blocks;
}

static bool list_sound(const struct ps_meta *m, const struct ps_candidate *c, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (c[i].tunnel >= m->max_tunnels || !c[i].weight || c[i].weight > 256)
			return false;
	return true;
}

static bool group_sound(const struct store *st, const struct plan *p, const struct plan_group *g)
{
	const struct ps_meta *m = st->meta;

	if (g->id >= m->max_groups || g->list > p->head->lists || g->now.n > PS_CANDIDATES_MAX ||
	    g->class > PLAN_VANISH || !row_sound(m, g->now.row) ||
	    (g->fresh != PLAN_NO_ROW && !row_sound(m, g->fresh)) ||
	    (g->stale != PLAN_NO_ROW && !row_sound(m, g->stale)))
		return false;
	return list_sound(m, g->list ? p->list[g->list - 1].c : st->cand[g->id].c, g->now.n);
}

static bool objects_sound(const struct store *st, const struct plan *p)
{
	const struct ps_meta *m = st->meta;
	uint32_t i;

	for (i = 0; i < p->head->tunnels; i++) {
		const struct plan_tunnel *t = &p->tunnel[i];

		if (t->id < PS_TUNNEL_FIRST || t->id >= m->max_tunnels || t->now.addr_len > 32 ||
		    t->now.slot / 2 != t->id ||
		    (t->was.state == PS_STATE_USED && t->was.slot / 2 != t->id))
			return false;
	}
	for (i = 0; i < p->head->names; i++)
		if (p->name[i].id >= (p->name[i].account ? STORE_ACCOUNTS : m->max_tables))
			return false;
	for (i = 0; i < p->head->groups; i++)
		if (!group_sound(st, p, &p->group[i]))
			return false;
	return true;
}

bool plan_sound(const struct store *st, const struct plan_head *head, uint64_t room)
{
	struct plan p;

	if (room < sizeof(*head) || head->magic != PLAN_MAGIC || head->bytes > room ||
	    head->bytes != plan_bytes(head))
		return false;
	plan_lay_out(&p, (struct plan_head *)head);
	return objects_sound(st, &p) && edits_sound(st, &p);
}

int store_sweep(struct store *st, struct error *err)
{
	uint64_t *seen = calloc(st->meta->max_chunks / 64 + 1, sizeof(*seen));

	if (!seen)
		return error_system(err, ENOMEM, "out of memory");
	store_reclaim(st);
	stride_sweep(&st->stride, st->meta->max_tables, seen);
	free(seen);
	return 0;
}

static int finish_plan(struct store *st, struct error *err)
{
	struct plan_head *head;
	struct plan p;
	uint64_t room;
	void *at;
	int r = intent_open(st, &at, &room, err);

	if (r)
		return r;
	head = at;
	if (!plan_sound(st, head, room))
		return error_system(err, EUCLEAN,
				    "instance \"%s\": the record of an interrupted transaction is "
				    "damaged: run `penstock doctor --repair`",
				    st->instance);
	r = store_sweep(st, err);
	if (r)
		return r;
	plan_lay_out(&p, head);
	r = plan_carry_out(st, &p);
	if (r)
		return error_system(err, -r,
				    "cannot finish an interrupted transaction: a map refused a "
				    "write: %s",
				    strerror(-r));
	set_dirty(st, head->flags & PLAN_PLUMB ? PS_DIRTY_PLUMB : 0);
	intent_trim(st);
	return 0;
}

int store_recover(struct store *st, struct error *err)
{
	struct error ignored;
	int r = 0;

	if (st->meta->dirty & PS_DIRTY_MAPS)
		r = finish_plan(st, err);
	else if (st->meta->dirty & PS_DIRTY_CHUNKS)
		r = store_sweep(st, err);
	/* Only from within the namespace; if it fails, the next one tries again. */
	if (!r && (st->meta->dirty & PS_DIRTY_PLUMB) && st->meta->netns == netns_inode() &&
	    !plumb_sync(st, &ignored))
		set_dirty(st, 0);
	return r;
}
