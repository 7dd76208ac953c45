/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Staging of owned prefixes and policies. Both are sorted lists, loaded on first touch, each entry
 * with its value before and after.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/admission.h"
#include "core/tunnel.h"
#include "penstock/wire.h"
#include "store/internal.h"

static int set_load(struct txn *t, struct entry_set *set, enum store_map map, struct error *err)
{
	struct entry *list;
	size_t i;
	int r;

	if (set->loaded)
		return 0;
	r = entry_load(t->st, map, &list, &set->n);
	if (r)
		return error_system(err, -r, "cannot read %s: %s", map_specs[map].name,
				    strerror(-r));
	set->live = set->n;
	set->cap = set->n + 64;
	set->e = malloc(set->cap * sizeof(*set->e));
	for (i = 0; set->e && i < set->n; i++)
		set->e[i] = (struct entry_edit){ list[i].p, list[i].value, list[i].value };
	free(list);
	if (!set->e)
		return error_system(err, ENOMEM, "out of memory");
	set->loaded = true;
	return 0;
}

/* First entry not before p; the list is sorted. */
static size_t set_at(const struct entry_set *set, struct prefix p)
{
	size_t lo = 0, hi = set->n, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (prefix_cmp(set->e[mid].p, p) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct entry_edit *set_find(const struct entry_set *set, struct prefix p)
{
	size_t i = set_at(set, p);

	return i < set->n && !prefix_cmp(set->e[i].p, p) ? &set->e[i] : NULL;
}

static int set_put(struct entry_set *set, struct prefix p, uint32_t value)
{
	struct entry_edit *e = set_find(set, p);
	size_t i;

	if (e) {
		set->live += e->new == GROUP_NONE;
		e->new = value;
		return 0;
	}
	if (set->n == set->cap) {
		e = realloc(set->e, set->cap * 2 * sizeof(*e));
		if (!e)
			return -ENOMEM;
		set->e = e;
		set->cap *= 2;
	}
	i = set_at(set, p);
	memmove(&set->e[i + 1], &set->e[i], (set->n - i) * sizeof(*set->e));
	set->e[i] = (struct entry_edit){ p, GROUP_NONE, value };
	set->n++;
	set->live++;
	return 0;
}

/* The longest one that covers p, NULL if none does. */
static struct entry_edit *set_cover(const struct entry_set *set, struct prefix p)
{
	struct entry_edit *e;

	for (;; p.addr &= prefix_mask(p.len)) {
		e = set_find(set, p);
		if (e && e->new != GROUP_NONE)
			return e;
		if (!p.len)
			return NULL;
		p.len--;
	}
}

/*
 * Rule 10 on the staged prefixes: is all of p owned? The list is sorted by address, so one pass
 * over its part that touches p sees whether the covered ground has a gap.
 */
static bool set_fills(const struct entry_set *set, struct prefix p)
{
	uint64_t end = (uint64_t)p.addr + (1ull << (32 - p.len));
	struct run run = { p.addr, p.addr };
	size_t i;

	if (set_cover(set, p))
		return true;
	for (i = set_at(set, p); i < set->n && set->e[i].p.addr < end; i++)
		if (set->e[i].new != GROUP_NONE && !run_extend(&run, set->e[i].p))
			return false;
	return run.end >= end;
}

int txn_prefixes(struct txn *t, struct error *err)
{
	return set_load(t, &t->prefix, MAP_PREFIX, err);
}

int txn_endpoints_check(struct txn *t, const struct ps_tunnel *tun, struct error *err)
{
	struct tunnel_face face = tunnel_face(tun);
	int r = set_load(t, &t->prefix, MAP_PREFIX, err);
	size_t i;

	for (i = 0; !r && i < t->prefix.n; i++)
		if (t->prefix.e[i].new != GROUP_NONE)
			r = tunnel_prefix_check(&face, t->prefix.e[i].p, err);
	return r;
}

int txn_owned(struct txn *t, struct prefix p, bool *owned, struct error *err)
{
	int r;

	/* Without staged changes the FIB answers, and a million routes stay cheap. */
	*owned = !t->prefix.loaded && stride_filled(&t->st->stride, PS_T_OWNED, p);
	if (*owned)
		return 0;
	r = set_load(t, &t->prefix, MAP_PREFIX, err);
	*owned = !r && set_fills(&t->prefix, p);
	return r;
}

const char *txn_other_owner(struct txn *t, struct prefix p, uint16_t account)
{
	uint64_t end = (uint64_t)p.addr + (1ull << (32 - p.len));
	uint32_t leaf = stride_lookup(&t->st->stride, PS_T_OWNED, p.addr), owner;
	struct entry_edit *e;
	struct error err;
	size_t i;

	/* As in txn_owned(). A longer one than p at its first address says nothing of p. */
	if (!t->prefix.loaded && leaf && stride_len(leaf) <= p.len) {
		owner = stride_payload(leaf);
		return owner != account ? t->account[owner].name : NULL;
	}
	if (set_load(t, &t->prefix, MAP_PREFIX, &err))
		return NULL;
	e = set_cover(&t->prefix, p);
	if (e)
		return e->new != account ? t->account[e->new].name : NULL;
	for (i = set_at(&t->prefix, p); i < t->prefix.n && t->prefix.e[i].p.addr < end; i++)
		if (t->prefix.e[i].new != GROUP_NONE && t->prefix.e[i].new != account)
			return t->account[t->prefix.e[i].new].name;
	return NULL;
}

/* What is staged for a prefix that must be there. */
static int staged_prefix(struct txn *t, struct prefix p, struct entry_edit **e, struct error *err)
{
	char buf[PREFIX_STRLEN];
	int r = set_load(t, &t->prefix, MAP_PREFIX, err);

	if (r)
		return r;
	*e = set_find(&t->prefix, p);
	if (*e && (*e)->new != GROUP_NONE)
		return 0;
	return error_usage(err, ENOENT, "there is no prefix %s", prefix_str(p, buf));
}

static int staged_policy(struct txn *t, struct prefix p, struct entry_edit **e, struct error *err)
{
	char buf[PREFIX_STRLEN];
	int r = set_load(t, &t->policy, MAP_POLICY, err);

	if (r)
		return r;
	*e = set_find(&t->policy, p);
	if (*e && (*e)->new != GROUP_NONE)
		return 0;
	return error_usage(err, ENOENT, "there is no policy from %s", prefix_str(p, buf));
}

int txn_prefix_add(struct txn *t, struct prefix p, uint16_t account, struct error *err)
{
	struct tunnel_face face;
	char buf[PREFIX_STRLEN];
	struct entry_edit *e;
	uint32_t i;
	int r = set_load(t, &t->prefix, MAP_PREFIX, err);

	if (r)
		return r;
	e = set_find(&t->prefix, p);
	if (e && e->new != GROUP_NONE)
		return error_usage(err, EEXIST, "prefix %s exists already, in account \"%s\"",
				   prefix_str(p, buf), t->account[e->new].name);
	for (i = PS_TUNNEL_FIRST; !t->whole && i < t->st->meta->max_tunnels; i++) {
		if (t->tunnel[i].state != PS_STATE_USED)
			continue;
		face = tunnel_face(&t->tunnel[i]);
		r = tunnel_prefix_check(&face, p, err);
		if (r)
			return r;
	}
	if (t->prefix.live >= map_entries(t->st->meta, MAP_PREFIX))
		return error_usage(err, ENOSPC,
				   "prefix %s: all %u prefixes are in use; unload and load with a "
				   "larger max-prefixes",
				   prefix_str(p, buf), map_entries(t->st->meta, MAP_PREFIX));
	if (set_put(&t->prefix, p, account))
		return error_system(err, ENOMEM, "out of memory");
	txn_name_ref(t, &t->account[account]);
	t->plumb = true;
	return 0;
}

int txn_prefix_set(struct txn *t, struct prefix p, uint16_t account, struct error *err)
{
	struct entry_edit *e;
	uint32_t old;
	int r = staged_prefix(t, p, &e, err);

	if (r)
		return r;
	old = e->new;
	if (old == account)
		return 0;
	e->new = account;
	txn_name_ref(t, &t->account[account]);
	txn_name_unref(t, &t->account[old]);
	return 0;
}

int txn_policy_add(struct txn *t, struct prefix p, uint16_t table, struct error *err)
{
	char buf[PREFIX_STRLEN];
	struct entry_edit *e;
	int r = set_load(t, &t->policy, MAP_POLICY, err);

	if (r)
		return r;
	e = set_find(&t->policy, p);
	if (e && e->new != GROUP_NONE)
		return error_usage(err, EEXIST, "policy from %s exists already, table \"%s\"",
				   prefix_str(p, buf), t->table[e->new].name);
	if (t->policy.live >= map_entries(t->st->meta, MAP_POLICY))
		return error_usage(err, ENOSPC, "policy from %s: all %u policies are in use",
				   prefix_str(p, buf), map_entries(t->st->meta, MAP_POLICY));
	if (set_put(&t->policy, p, table))
		return error_system(err, ENOMEM, "out of memory");
	txn_table_ref(t, table);
	t->plumb = true;
	t->changed = true;
	return 0;
}

int txn_policy_set(struct txn *t, struct prefix p, uint16_t table, struct error *err)
{
	struct entry_edit *e;
	uint32_t old;
	int r = staged_policy(t, p, &e, err);

	if (r)
		return r;
	old = e->new;
	if (old == table)
		return 0;
	e->new = table;
	txn_table_ref(t, table);
	txn_table_unref(t, (uint16_t)old);
	t->changed = true;
	return 0;
}

int txn_policy_del(struct txn *t, struct prefix p, struct error *err)
{
	struct entry_edit *e;
	int r = staged_policy(t, p, &e, err);

	if (r)
		return r;
	txn_table_unref(t, (uint16_t)e->new);
	e->new = GROUP_NONE;
	t->policy.live--;
	t->plumb = true;
	t->changed = true;
	return 0;
}

static bool still_routed(struct txn *t, const struct prefix *p, const struct ps_prefix_key *k,
			 uint32_t group, struct prefix *found)
{
	struct prefix q = { .addr = PS_BE32(k->addr_be), .len = k->len };
	const struct ps_candidate *c;
	unsigned int n;

	if (k->table != PS_T_MAIN || group == GROUP_NONE || !prefix_overlaps(*p, q))
		return false;
	c = txn_group_list(t, group, &n);
	if (c[0].origin == PS_ORIGIN_INTERFACE || set_fills(&t->prefix, q))
		return false;
	*found = q;
	return true;
}

/* Routes that are invisible here (rule 2) have no leaf, so the FIB knows nothing of them. */
static bool invisible_routes(const struct txn *t)
{
	uint32_t g;

	for (g = 0; g < t->st->meta->max_groups; g++)
		if (t->st->group[g].state == PS_STATE_USED && !t->st->group[g].visible)
			return true;
	return false;
}

/* Is there a route of `main` that would lie outside all owned prefixes without p? */
static int orphan_check(struct txn *t, struct prefix p, struct prefix *found)
{
	struct entry *list;
	size_t n, i;
	int r = 0;

	/* Edits first: they overrule the map. */
	for (i = 0; i < t->edits; i++)
		if (still_routed(t, &p, &t->edit[i].key, t->edit[i].new, found))
			return -EBUSY;
	if (!invisible_routes(t) && !stride_any(&t->st->stride, PS_T_MAIN, p))
		return 0;
	r = entry_load(t->st, MAP_ROUTE, &list, &n);
	for (i = 0; !r && i < n; i++) {
		struct ps_prefix_key k = entry_key(list[i].table, list[i].p);
		struct edit *e;

		if (!still_routed(t, &p, &k, list[i].value, found))
			continue;
		e = txn_edit(t, list[i].table, list[i].p);
		if (!e || e->new != GROUP_NONE)
			r = e ? -EBUSY : -ENOMEM;
	}
	free(list);
	return r;
}

int txn_prefix_del(struct txn *t, struct prefix p, struct error *err)
{
	char buf[PREFIX_STRLEN], route[PREFIX_STRLEN];
	struct prefix found = { 0, 0 };
	struct entry_edit *e;
	uint32_t account;
	int r = staged_prefix(t, p, &e, err);

	if (r)
		return r;
	account = e->new;
	e->new = GROUP_NONE;
	r = t->whole ? 0 : orphan_check(t, p, &found);
	if (r) {
		set_find(&t->prefix, p)->new = account;
		if (r != -EBUSY)
			return error_system(err, -r, "cannot read routes: %s", strerror(-r));
		return error_usage(err, EBUSY, "prefix %s still has routes: delete route %s first",
				   prefix_str(p, buf), prefix_str(found, route));
	}
	t->prefix.live--;
	txn_name_unref(t, &t->account[account]);
	t->plumb = true;
	return 0;
}
