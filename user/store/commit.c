/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Carrying out a plan (plan.h), make before break. First what only user space reads, then what
 * packets meet, in this order:
 *
 *   slots and endpoints of new and changed tunnels;
 *   rows that no leaf leads to yet, and copies of those that will change;
 *   leaves of routes that come or change, longest prefixes first, so that an address goes from its
 *   old answer to that of its final prefix at once; those that will go keep the old content;
 *   owned prefixes and policies: after the routes that come with them, before those that go, since
 *   an owned address without a route is dropped;
 *   rows that change, bucket by bucket; leaves that led to copies;
 *   leaves that go, shortest prefixes first, so that each uncovers its final cover;
 *   tunnels that go.
 *
 * At every instant a packet meets for its prefix the old decision or the new one. Each step may be
 * repeated: that is what recovery does.
 *
 * What a packet may still be reading is not overwritten: a changed tunnel goes to its spare slot,
 * chunks, rows and ids that are cut off stay in limbo until a grace period has passed, which is
 * waited for only when something has to be used again.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/tunnel.h"
#include "penstock/wire.h"
#include "store/plan.h"

#define BATCH 4096u /* entries of a hash map written by one call */

/* What carrying out needs beside the plan. */
struct work {
	struct store *st;
	const struct plan *p;
	struct ps_tunnel *was;	   /* all tunnels, as before the transaction */
	struct group_tunnel *view; /* as core/group.h wants them, afterwards */
	struct group_tunnel *old;  /* and before; part of view */
	uint8_t *class;		   /* by group id */
	uint32_t *fresh, *stale;   /* copies of rows by group id; NULL: there are none */
	struct plan_edit *flip;	   /* routes that appear or vanish while their groups stay */
	uint32_t flips;
};

/* --- what only user space reads ------------------------------------------------------ */

static int delete_entries(struct store *st, enum store_map map, const struct plan_edit *e,
			  uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		if (e[i].now != GROUP_NONE)
			continue;
		store_step(st);
		if (bpf_map_delete_elem(st->fd[map], &e[i].key) && errno != ENOENT)
			return -errno;
	}
	return 0;
}

/* What goes first, so that a full map has room for what comes. */
static int write_entries(struct store *st, enum store_map map, const struct plan_edit *e,
			 uint32_t n)
{
	struct ps_prefix_key *k = malloc(BATCH * sizeof(*k));
	uint32_t *v = malloc(BATCH * sizeof(*v)), i, m = 0;
	int r = k && v ? delete_entries(st, map, e, n) : -ENOMEM;

	for (i = 0; !r && i <= n; i++) {
		if (m == BATCH || (i == n && m)) {
			store_step(st);
			r = bpf_map_update_batch(st->fd[map], k, v, &m, NULL) ? -errno : 0;
			m = 0;
		}
		if (!r && i < n && e[i].now != GROUP_NONE) {
			k[m] = e[i].key;
			v[m++] = e[i].now;
		}
	}
	free(k);
	free(v);
	return r;
}

/* Names that come (`add`), or that go. */
static void write_names(const struct work *w, bool add)
{
	uint32_t i;

	for (i = 0; i < w->p->head->names; i++) {
		const struct plan_name *n = &w->p->name[i];

		if ((n->now.refs != 0) != add)
			continue;
		store_step(w->st);
		*(n->account ? &w->st->account[n->id] : &w->st->table[n->id]) = n->now;
	}
}

static int write_primary(const struct work *w)
{
	const struct plan_head *h = w->p->head;
	struct store *st = w->st;
	uint32_t i;
	int r = 0;

	write_names(w, true);
	for (i = 0; i < h->tunnels; i++) {
		store_step(st);
		st->tunnel[w->p->tunnel[i].id] = w->p->tunnel[i].now;
	}
	for (i = 0; i < h->groups; i++) {
		const struct plan_group *g = &w->p->group[i];

		store_step(st);
		if (g->list)
			st->cand[g->id] = w->p->list[g->list - 1];
		if (g->now.state == PS_STATE_USED)
			st->group[g->id] = g->now;
	}
	for (i = 0; !r && i < PLAN_MAPS; i++)
		r = write_entries(st, plan_maps[i], w->p->edit[i], h->edits[i]);
	return r;
}

/* --- tunnels ------------------------------------------------------------------------- */

/* A new tunnel counts from zero, also where its id was another's. */
static void clear_stats(struct store *st, uint32_t id)
{
	int cpus = libbpf_num_possible_cpus();
	void *zero = cpus > 0 ? calloc((size_t)cpus, sizeof(struct ps_tunnel_stats)) : NULL;

	store_step(st);
	if (zero)
		bpf_map_update_elem(st->fd[MAP_TUNNEL_STAT], &id, zero, BPF_ANY);
	free(zero);
}

/* Has the tunnel another header than before, or has it had none? */
static bool comes(const struct plan_tunnel *t)
{
	return t->now.state == PS_STATE_USED &&
	       (t->was.state != PS_STATE_USED || t->was.slot != t->now.slot);
}

static bool goes(const struct plan_tunnel *t)
{
	return t->was.state == PS_STATE_USED &&
	       (t->now.state != PS_STATE_USED || t->was.slot != t->now.slot);
}

/* All but the link, which belongs to the chain. No row leads to the slot before it is written. */
static void write_slot(struct store *st, const struct ps_tunnel *t)
{
	struct ps_slot s;

	tunnel_slot(t, &s);
	store_step(st);
	memcpy(&st->slot[t->slot], &s, offsetof(struct ps_slot, next));
}

static void make_tunnels(const struct work *w)
{
	uint32_t i;

	for (i = 0; i < w->p->head->tunnels; i++) {
		const struct plan_tunnel *t = &w->p->tunnel[i];

		if (!comes(t))
			continue;
		if (t->was.state != PS_STATE_USED)
			clear_stats(w->st, t->id);
		write_slot(w->st, &t->now);
	}
	for (i = 0; i < w->p->head->tunnels; i++)
		if (comes(&w->p->tunnel[i]))
			index_remote(w->st, w->was, w->p->tunnel[i].now.remote_be, false);
	for (i = 0; i < w->p->head->tunnels; i++)
		if (comes(&w->p->tunnel[i]))
			index_local(w->st, w->was, w->p->tunnel[i].now.local_be, false);
}

static void break_tunnels(const struct work *w)
{
	uint32_t i;

	for (i = 0; i < w->p->head->tunnels; i++)
		if (goes(&w->p->tunnel[i]))
			index_local(w->st, w->was, w->p->tunnel[i].was.local_be, true);
	for (i = 0; i < w->p->head->tunnels; i++)
		if (goes(&w->p->tunnel[i]))
			index_remote(w->st, w->was, w->p->tunnel[i].was.remote_be, true);
}

/* --- rows ---------------------------------------------------------------------------- */

/* What the row of a group is, or was, is written to the row at `ref`. */
static void write_row(const struct work *w, uint32_t g, uint32_t ref, bool was)
{
	const struct plan_head *h = w->p->head;
	const struct ps_node *n = was ? &h->was : &h->node;
	const struct group_node node = { n->region, n->hash_mode };
	uint32_t log2 = ref >> PS_ROW_LOG2_SHIFT, i;
	struct store *st = w->st;
	uint16_t row[ROW_MAX], *to = st->row[ref & PS_ROW_BLOCK_MASK].slot;

	group_row(st->cand[g].c, st->group[g].n, was ? w->old : w->view, &node, log2, row);
	for (i = 0; i < PS_BLOCK_SLOTS << log2; i++) {
		if (to[i] == row[i])
			continue;
		store_step(st);
		__atomic_store_n(&to[i], row[i], __ATOMIC_RELEASE);
		st->row_writes++;
	}
}

static void write_rows(const struct work *w, enum plan_class class)
{
	uint32_t i;

	for (i = 0; i < w->p->head->groups; i++) {
		const struct plan_group *g = &w->p->group[i];

		if (g->class == class)
			write_row(w, g->id, g->now.row, false);
	}
}

static void write_copies(const struct work *w)
{
	uint32_t i;

	for (i = 0; i < w->p->head->groups; i++) {
		const struct plan_group *g = &w->p->group[i];

		if (g->fresh != PLAN_NO_ROW)
			write_row(w, g->id, g->fresh, false);
		if (g->stale != PLAN_NO_ROW)
			write_row(w, g->id, g->stale, true);
	}
}

/* --- leaves -------------------------------------------------------------------------- */

static struct prefix edit_prefix(const struct plan_edit *e)
{
	return (struct prefix){ .addr = PS_BE32(e->key.addr_be), .len = e->key.len };
}

static bool shows(const struct work *w, uint32_t g)
{
	return g != GROUP_NONE && w->st->group[g].visible;
}

static bool has_copy(const uint32_t *copy, uint32_t g)
{
	return copy && copy[g] != PLAN_NO_ROW;
}

/* Routes that come, or lead elsewhere than before. */
static int insert_routes(const struct work *w, const struct plan_edit *e, uint32_t n)
{
	uint32_t i, row;
	int r = 0;

	for (i = 0; !r && i < n; i++) {
		if (!shows(w, e[i].now))
			continue;
		row = has_copy(w->fresh, e[i].now) ? w->fresh[e[i].now] :
						     w->st->group[e[i].now].row;
		r = stride_insert(&w->st->stride, e[i].key.table, edit_prefix(&e[i]), row);
	}
	return r;
}

/* Routes that will go and whose rows are about to change keep what they have. */
static int hold_routes(const struct work *w, const struct plan_edit *e, uint32_t n)
{
	uint32_t i;
	int r = 0;

	for (i = 0; w->stale && !r && i < n; i++)
		if (!shows(w, e[i].now) && e[i].was != GROUP_NONE && has_copy(w->stale, e[i].was))
			r = stride_insert(&w->st->stride, e[i].key.table, edit_prefix(&e[i]),
					  w->stale[e[i].was]);
	return r;
}

/* Leaves that lead to a copy now lead to the group's own row, which has the same content. */
static int settle_routes(const struct work *w, const struct plan_edit *e, uint32_t n)
{
	uint32_t i;
	int r = 0;

	for (i = 0; w->fresh && !r && i < n; i++)
		if (shows(w, e[i].now) && has_copy(w->fresh, e[i].now))
			r = stride_insert(&w->st->stride, e[i].key.table, edit_prefix(&e[i]),
					  w->st->group[e[i].now].row);
	return r;
}

/* What shows through when the prefix is gone; the hash maps know already. */
static uint32_t cover_leaf(const struct store *st, enum store_map map, uint16_t table,
			   struct prefix p)
{
	struct prefix cover;
	uint32_t value;

	if (!entry_cover(st, map, table, p, &cover, &value))
		return 0;
	return stride_leaf(cover.len, entry_payload(st, map, value));
}

static void delete_route(const struct work *w, const struct plan_edit *e)
{
	struct prefix p = edit_prefix(e);

	if (e->was != GROUP_NONE && !shows(w, e->now))
		stride_delete(&w->st->stride, e->key.table, p,
			      cover_leaf(w->st, MAP_ROUTE, e->key.table, p));
}

/* From the ends of both lists, where the shortest are. */
static void delete_routes(const struct work *w, const struct plan_edit *e, uint32_t n)
{
	uint32_t flips = w->flips;

	while (n || flips) {
		if (n && (!flips || e[n - 1].key.len <= w->flip[flips - 1].key.len))
			delete_route(w, &e[--n]);
		else
			delete_route(w, &w->flip[--flips]);
	}
}

/* Owned prefixes or policies: those that come, then those that go. */
static int write_set(const struct work *w, enum plan_map map)
{
	const struct plan_edit *e = w->p->edit[map];
	uint32_t n = w->p->head->edits[map], i;
	uint16_t table = entry_table(plan_maps[map], 0);
	struct stride *s = &w->st->stride;
	int r = 0;

	for (i = 0; !r && i < n; i++)
		if (e[i].now != GROUP_NONE)
			r = stride_insert(s, table, edit_prefix(&e[i]), e[i].now);
	for (i = n; !r && i-- > 0;)
		if (e[i].now == GROUP_NONE)
			stride_delete(s, table, edit_prefix(&e[i]),
				      cover_leaf(w->st, plan_maps[map], 0, edit_prefix(&e[i])));
	return r;
}

/* --- the whole ----------------------------------------------------------------------- */

/* The routes of groups that stay and whose visibility changes, longest first. */
static int find_flips(struct work *w)
{
	struct entry *list;
	uint32_t at = 0;
	size_t n, i;
	int len, r = entry_load(w->st, MAP_ROUTE, &list, &n);

	if (!r)
		w->flip = malloc((n + 1) * sizeof(*w->flip));
	if (!r && !w->flip)
		r = -ENOMEM;
	for (len = 32; !r && len >= 0; len--) {
		for (i = 0; i < n; i++) {
			uint32_t g = list[i].value;

			if (list[i].p.len != len ||
			    (w->class[g] != PLAN_FRESH && w->class[g] != PLAN_VANISH))
				continue;
			w->flip[at++] =
				(struct plan_edit){ entry_key(list[i].table, list[i].p), g, g };
		}
	}
	w->flips = at;
	free(list);
	return r;
}

static int work_begin(struct work *w)
{
	const struct ps_meta *m = w->st->meta;
	const struct plan_head *h = w->p->head;
	uint32_t i;

	w->was = malloc(m->max_tunnels * sizeof(*w->was));
	w->view = calloc(2 * m->max_tunnels, sizeof(*w->view));
	w->class = calloc(m->max_groups, 1);
	if (!w->was || !w->view || !w->class)
		return -ENOMEM;
	memcpy(w->was, w->st->tunnel, m->max_tunnels * sizeof(*w->was));
	for (i = 0; i < h->tunnels; i++)
		w->was[w->p->tunnel[i].id] = w->p->tunnel[i].was;
	w->old = w->view + m->max_tunnels;
	group_view(w->was, m->max_tunnels, w->old);
	for (i = 0; i < h->groups; i++)
		w->class[w->p->group[i].id] = (uint8_t)w->p->group[i].class;
	if (!(h->flags & PLAN_COPIES))
		return 0;
	w->fresh = malloc(2 * m->max_groups * sizeof(*w->fresh));
	if (!w->fresh)
		return -ENOMEM;
	memset(w->fresh, 0xff, 2 * m->max_groups * sizeof(*w->fresh));
	w->stale = w->fresh + m->max_groups;
	for (i = 0; i < h->groups; i++) {
		w->fresh[w->p->group[i].id] = w->p->group[i].fresh;
		w->stale[w->p->group[i].id] = w->p->group[i].stale;
	}
	return 0;
}

static void work_end(struct work *w)
{
	free(w->was);
	free(w->view);
	free(w->class);
	free(w->fresh);
	free(w->flip);
}

/* The programs read the mode and the device; each is one store. */
static void write_node(const struct work *w)
{
	const struct ps_node *from = &w->p->head->node;
	struct ps_node *to = w->st->node;

	store_step(w->st);
	__atomic_store_n(&to->mode, from->mode, __ATOMIC_RELEASE);
	*to = *from;
}

/* Counts, limbo for groups that nobody uses any more, names that are gone. */
static void finish(const struct work *w)
{
	const struct plan_head *h = w->p->head;
	struct store *st = w->st;
	uint32_t i;

	for (i = 0; i < h->groups; i++) {
		store_step(st);
		st->group[w->p->group[i].id] = w->p->group[i].now;
	}
	write_names(w, false);
	if (h->flags & PLAN_COPIES)
		store_grace(st); /* their blocks are free from here on */
	store_step(st);
	st->meta->route_count = h->routes;
	st->meta->transactions = h->transactions;
	st->meta->bgp_rejected = h->bgp_rejected;
	st->meta->bgp_misconfigured = h->bgp_misconfigured;
}

static int carry_out(struct work *w)
{
	const struct plan_edit *e = w->p->edit[PLAN_ROUTE];
	uint32_t n = w->p->head->edits[PLAN_ROUTE];
	int r;

	r = work_begin(w);
	if (!r)
		r = write_primary(w);
	if (!r && (w->p->head->flags & PLAN_FLIPS))
		r = find_flips(w);
	if (r)
		return r;
	group_view(w->st->tunnel, w->st->meta->max_tunnels, w->view);
	make_tunnels(w);
	write_rows(w, PLAN_FRESH);
	write_copies(w);
	r = insert_routes(w, e, n);
	if (!r)
		r = insert_routes(w, w->flip, w->flips);
	if (!r)
		r = hold_routes(w, e, n);
	if (!r)
		r = write_set(w, PLAN_PREFIX);
	if (!r)
		r = write_set(w, PLAN_POLICY);
	if (r)
		return r;
	write_node(w);
	write_rows(w, PLAN_CHANGE);
	r = settle_routes(w, e, n);
	if (r)
		return r;
	delete_routes(w, e, n);
	write_rows(w, PLAN_VANISH);
	break_tunnels(w);
	finish(w);
	return 0;
}

int plan_carry_out(struct store *st, const struct plan *p)
{
	struct work w = { .st = st, .p = p };
	int r = carry_out(&w);

	work_end(&w);
	return r;
}

void set_dirty(struct store *st, uint32_t dirty)
{
	store_step(st);
	__atomic_store_n(&st->meta->dirty, dirty, __ATOMIC_SEQ_CST);
}

int txn_commit(struct txn *t, struct error *err)
{
	struct store *st = t->st;
	struct plan p;
	bool plumb;
	int r = 0;

	if (!t->changed) {
		txn_abort(t);
		return 0;
	}
	r = plan_make(t, &p, err);
	if (!r) {
		plumb = p.head->flags & PLAN_PLUMB;
		set_dirty(st, PS_DIRTY_MAPS); /* from here on it will be done */
		r = plan_carry_out(st, &p);
		if (r) {
			error_system(err, -r,
				     "a map refused a write: %s; the next command tries again",
				     strerror(-r));
		} else {
			set_dirty(st, plumb ? PS_DIRTY_PLUMB : 0);
			intent_trim(st);
			if (plumb)
				r = plumb_sync(st, err);
			if (plumb && !r)
				set_dirty(st, 0);
		}
	}
	txn_abort(t);
	return r;
}
