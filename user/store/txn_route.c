/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Staging of routes. Each prefix that is touched becomes an edit: its group before and after. The
 * edits lie in a hash, so a batch of a million stays linear.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/region.h"
#include "penstock/wire.h"
#include "store/internal.h"

static uint64_t key_hash(struct ps_prefix_key k)
{
	uint64_t x;

	memcpy(&x, &k, sizeof(x));
	x *= 0x9e3779b97f4a7c15ull;
	return x ^ (x >> 29);
}

static int edit_grow(struct txn *t)
{
	size_t cap = t->edit_cap ? t->edit_cap * 2 : 64, i, at;
	struct edit *e = realloc(t->edit, cap * sizeof(*e));
	uint32_t *index = calloc(cap * 2, sizeof(*index));

	if (e)
		t->edit = e;
	if (!e || !index) {
		free(index);
		return -ENOMEM;
	}
	free(t->edit_index);
	t->edit_index = index;
	t->edit_mask = cap * 2 - 1;
	t->edit_cap = cap;
	for (i = 0; i < t->edits; i++) {
		at = key_hash(t->edit[i].key) & t->edit_mask;
		while (index[at])
			at = (at + 1) & t->edit_mask;
		index[at] = (uint32_t)i + 1;
	}
	return 0;
}

/* Where the key is in the index, or the empty place for it. */
static size_t edit_place(const struct txn *t, struct ps_prefix_key k)
{
	size_t at = key_hash(k) & t->edit_mask;

	while (t->edit_index[at] && memcmp(&t->edit[t->edit_index[at] - 1].key, &k, sizeof(k)))
		at = (at + 1) & t->edit_mask;
	return at;
}

const struct edit *txn_edit_find(const struct txn *t, uint16_t table, struct prefix p)
{
	size_t at;

	if (!t->edits)
		return NULL;
	at = edit_place(t, entry_key(table, p));
	return t->edit_index[at] ? &t->edit[t->edit_index[at] - 1] : NULL;
}

struct edit *txn_edit(struct txn *t, uint16_t table, struct prefix p)
{
	struct ps_prefix_key k = entry_key(table, p);
	uint32_t value = GROUP_NONE;
	size_t at;

	if (t->edits == t->edit_cap && edit_grow(t))
		return NULL;
	at = edit_place(t, k);
	if (t->edit_index[at])
		return &t->edit[t->edit_index[at] - 1];
	if (entry_get(t->st, MAP_ROUTE, table, p, &value))
		value = GROUP_NONE;
	t->edit[t->edits] = (struct edit){ .key = k, .old = value, .new = value };
	t->edit_index[at] = (uint32_t)++t->edits;
	return &t->edit[t->edits - 1];
}

/* Gives the edit's prefix a new list; n == 0 removes the prefix. */
static int edit_set(struct txn *t, struct edit *e, struct ps_candidate *c, unsigned int n,
		    struct error *err)
{
	uint32_t id = GROUP_NONE;
	int r;

	if (e->new == GROUP_NONE && n && t->routes >= t->st->meta->max_prefixes)
		return error_usage(err, ENOSPC,
				   "all %u routed prefixes are in use; unload and load with a "
				   "larger max-prefixes",
				   t->st->meta->max_prefixes);
	if (n) {
		group_canonical(c, n);
		r = txn_group_get(t, c, n, &id, err);
		if (r)
			return r;
	}
	if (e->new != GROUP_NONE) {
		txn_group_put(t, e->new);
		t->routes--;
	} else {
		txn_table_ref(t, e->key.table);
	}
	e->new = id;
	if (id != GROUP_NONE)
		t->routes++;
	else
		txn_table_unref(t, e->key.table);
	t->changed = true;
	return 0;
}

/* The candidates of an edit, copied out so that they can be changed. */
static unsigned int edit_list(const struct txn *t, const struct edit *e, struct ps_candidate *c)
{
	const struct ps_candidate *list;
	unsigned int n;

	if (e->new == GROUP_NONE)
		return 0;
	list = txn_group_list(t, e->new, &n);
	memcpy(c, list, n * sizeof(*c));
	return n;
}

/* Rule 10. A refused BGP route is counted: its feed goes on without it. */
static int route_admit(struct txn *t, uint16_t table, struct prefix p, const struct ps_candidate *c,
		       struct error *err)
{
	char buf[PREFIX_STRLEN];
	bool owned = true;
	int r = 0;

	if (table == PS_T_MAIN)
		r = txn_owned(t, p, &owned, err);
	if (r || owned)
		return r;
	if (c->origin == PS_ORIGIN_BGP) {
		t->bgp_rejected++;
		t->changed = true;
	}
	return error_usage(err, EPERM,
			   "route %s: not inside an authorised prefix (rule 10): run `penstock "
			   "prefix add` first",
			   prefix_str(p, buf));
}

static int route_exists(const struct txn *t, uint16_t table, struct prefix p,
			const struct ps_candidate *c, struct error *err)
{
	char buf[PREFIX_STRLEN], regions[REGION_SET_STRLEN];

	return error_usage(err, EEXIST, "%s route %s via \"%s\"%s%s exists already in table \"%s\"",
			   c->origin == PS_ORIGIN_BGP ? "BGP" : "static", prefix_str(p, buf),
			   t->tunnel[c->tunnel].name, c->regions ? " in region " : "",
			   region_set_str(c->regions, regions), t->table[table].name);
}

int txn_route_put(struct txn *t, uint16_t table, struct prefix p, const struct ps_candidate *c,
		  bool replace, struct error *err)
{
	struct ps_candidate list[PS_CANDIDATES_MAX];
	char buf[PREFIX_STRLEN];
	struct edit *e = txn_edit(t, table, p);
	unsigned int n, i;

	if (!e)
		return error_system(err, ENOMEM, "out of memory");
	n = edit_list(t, e, list);
	for (i = 0; i < n; i++)
		if (list[i].tunnel == c->tunnel && list[i].origin == c->origin &&
		    list[i].regions == c->regions)
			break;
	if (i < n && !replace)
		return route_exists(t, table, p, c, err);
	if (i == PS_CANDIDATES_MAX)
		return error_usage(err, ENOSPC,
				   "route %s: %u routes of one prefix and table at most (rule 8)",
				   prefix_str(p, buf), PS_CANDIDATES_MAX);
	list[i] = *c;
	return edit_set(t, e, list, i < n ? n : n + 1, err);
}

static int route_write(struct txn *t, uint16_t table, struct prefix p, const struct ps_candidate *c,
		       bool replace, struct error *err)
{
	int r = route_admit(t, table, p, c, err);

	return r ? r : txn_route_put(t, table, p, c, replace, err);
}

int txn_route_add(struct txn *t, uint16_t table, struct prefix p, const struct ps_candidate *c,
		  struct error *err)
{
	return route_write(t, table, p, c, false, err);
}

int txn_route_replace(struct txn *t, uint16_t table, struct prefix p, const struct ps_candidate *c,
		      struct error *err)
{
	return route_write(t, table, p, c, true, err);
}

static bool route_matches(const struct ps_candidate *c, const struct route_match *m)
{
	return (m->tunnel == ROUTE_ANY || m->tunnel == c->tunnel) &&
	       (m->regions == ROUTE_ANY || m->regions == c->regions) &&
	       (m->origin == ROUTE_ANY ? c->origin != PS_ORIGIN_INTERFACE : m->origin == c->origin);
}

/* "via "t1" of origin bgp in region ME": what of the match is not any, behind a blank. */
static const char *match_str(const struct txn *t, const struct route_match *m, char *buf,
			     size_t len)
{
	char regions[REGION_SET_STRLEN];
	size_t n = 0;

	buf[0] = '\0';
	if (m->tunnel != ROUTE_ANY)
		n += (size_t)snprintf(buf + n, len - n, " via \"%s\"", t->tunnel[m->tunnel].name);
	if (m->origin != ROUTE_ANY)
		n += (size_t)snprintf(buf + n, len - n, " of origin %s",
				      m->origin == PS_ORIGIN_BGP ? "bgp" : "static");
	if (m->regions != ROUTE_ANY)
		snprintf(buf + n, len - n, " in region %s",
			 m->regions ? region_set_str((uint16_t)m->regions, regions) : "none");
	return buf;
}

int txn_route_del(struct txn *t, uint16_t table, struct prefix p, const struct route_match *m,
		  struct error *err)
{
	struct ps_candidate list[PS_CANDIDATES_MAX];
	char buf[PREFIX_STRLEN], what[128];
	struct edit *e = txn_edit(t, table, p);
	unsigned int n, i, kept = 0;

	if (!e)
		return error_system(err, ENOMEM, "out of memory");
	n = edit_list(t, e, list);
	for (i = 0; i < n; i++)
		if (!route_matches(&list[i], m))
			list[kept++] = list[i];
	if (kept == n)
		return error_usage(err, ENOENT, "there is no route %s%s in table \"%s\"",
				   prefix_str(p, buf), match_str(t, m, what, sizeof(what)),
				   t->table[table].name);
	return edit_set(t, e, list, kept, err);
}

void txn_bgp_misconfigured(struct txn *t)
{
	t->bgp_misconfigured++;
}

size_t txn_bgp_routes(const struct txn *t)
{
	const struct ps_candidate *c;
	size_t routes = 0;
	unsigned int n, i;
	uint32_t g;

	for (g = 0; g < t->st->meta->max_groups; g++) {
		if (t->group[g].state != PS_STATE_USED || !t->group[g].refs)
			continue;
		c = txn_group_list(t, g, &n);
		for (i = 0; i < n; i++)
			routes += c[i].origin == PS_ORIGIN_BGP ? t->group[g].refs : 0;
	}
	return routes;
}

/* Both canonical. */
static bool same_list(const struct ps_candidate *a, unsigned int n, const struct ps_candidate *b,
		      unsigned int m)
{
	return n == m && !memcmp(a, b, n * sizeof(*a));
}

int txn_route_set(struct txn *t, uint16_t table, struct prefix p, const struct ps_candidate *c,
		  unsigned int n, struct error *err)
{
	struct ps_candidate list[PS_CANDIDATES_MAX], was[PS_CANDIDATES_MAX];
	struct edit *e = txn_edit(t, table, p);
	char buf[PREFIX_STRLEN];
	unsigned int old, i, kept = 0;
	int r = 0;

	if (!e)
		return error_system(err, ENOMEM, "out of memory");
	old = edit_list(t, e, was);
	for (i = 0; i < old; i++)
		if (was[i].origin != PS_ORIGIN_STATIC)
			list[kept++] = was[i];
	if (kept + n > PS_CANDIDATES_MAX)
		return error_usage(err, ENOSPC,
				   "route %s: %u routes of one prefix and table at most (rule 8)",
				   prefix_str(p, buf), PS_CANDIDATES_MAX);
	memcpy(list + kept, c, n * sizeof(*c));
	kept += n;
	group_canonical(list, kept);
	if (same_list(list, kept, was, old))
		return 0;
	if (n && !t->whole)
		r = route_admit(t, table, p, c, err);
	return r ? r : edit_set(t, e, list, kept, err);
}
