/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Replacing a configuration as a whole. On the way from one legal state to another, staging passes
 * through states that are not: two tunnels that swap their remote addresses have the same one for a
 * moment, a /23 is withdrawn before its halves are there. So the checks of objects against each
 * other wait until all is staged. Limits do not wait: what comes is written before what goes is
 * removed, so there must be room for both.
 *
 * What is left to be found here is mostly what the new configuration does not name: the routes that
 * BGP brought stay, and so must the prefixes and the tunnels that they need.
 *
 * Rejected: finding an order in which every step is legal. A swap has none.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "penstock/wire.h"
#include "store/internal.h"

void txn_whole_begin(struct txn *t)
{
	t->whole = true;
}

/* --- routes ------------------------------------------------------------------------------ */

/* What is asked of each staged route. Non-zero ends the walk. */
typedef int (*staged_fn)(struct txn *t, uint16_t table, struct prefix p, uint32_t group, void *arg);

/* A prefix that was not touched by this transaction, or whose edit came to nothing. */
static uint32_t staged_group(struct txn *t, const struct entry *e)
{
	struct edit *edit = txn_edit(t, e->table, e->p);

	return edit ? edit->new : e->value;
}

/* Every route as it will be after the commit. */
static int staged_each(struct txn *t, staged_fn fn, void *arg, struct error *err)
{
	size_t n, i, edits = t->edits;
	struct entry *list;
	uint32_t group;
	int r = entry_load(t->st, MAP_ROUTE, &list, &n);

	if (r)
		return error_system(err, -r, "cannot read routes: %s", strerror(-r));
	for (i = 0; !r && i < edits; i++) {
		const struct edit *e = &t->edit[i];
		struct prefix p = { .addr = PS_BE32(e->key.addr_be), .len = e->key.len };

		if (e->old == GROUP_NONE && e->new != GROUP_NONE)
			r = fn(t, e->key.table, p, e->new, arg);
	}
	for (i = 0; !r && i < n; i++) {
		group = edits ? staged_group(t, &list[i]) : list[i].value;
		if (group != GROUP_NONE)
			r = fn(t, list[i].table, list[i].p, group, arg);
	}
	free(list);
	return r;
}

static const char *origin_word(const struct ps_candidate *c)
{
	return c->origin == PS_ORIGIN_BGP ? "BGP route" : "route";
}

/* Rule 10 for what was there before the prefixes changed. */
static int admitted(struct txn *t, uint16_t table, struct prefix p, uint32_t group, void *arg)
{
	const struct ps_candidate *c;
	char buf[PREFIX_STRLEN];
	bool owned;
	unsigned int n;
	int r;

	c = txn_group_list(t, group, &n);
	if (table != PS_T_MAIN || c[0].origin == PS_ORIGIN_INTERFACE)
		return 0;
	r = txn_owned(t, p, &owned, arg);
	if (r || owned)
		return r;
	return error_usage(arg, EBUSY,
			   "%s %s via \"%s\" is there and would lie outside the authorised "
			   "prefixes (rule 10): keep a prefix for it, or have the route withdrawn "
			   "first",
			   origin_word(&c[0]), prefix_str(p, buf), t->tunnel[c[0].tunnel].name);
}

static int orphans_check(struct txn *t, struct error *err)
{
	size_t i;

	for (i = 0; i < t->prefix.n; i++)
		if (t->prefix.e[i].old != GROUP_NONE && t->prefix.e[i].new == GROUP_NONE)
			return staged_each(t, admitted, err, err);
	return 0;
}

/* --- tunnels ----------------------------------------------------------------------------- */

static bool going(const struct txn *t, uint32_t id)
{
	return t->st->tunnel[id].state == PS_STATE_USED && t->tunnel[id].state != PS_STATE_USED;
}

static const struct ps_candidate *needs_going(const struct txn *t, uint32_t group)
{
	const struct ps_candidate *c;
	unsigned int n, i;

	c = txn_group_list(t, group, &n);
	for (i = 0; i < n; i++)
		if (going(t, c[i].tunnel))
			return &c[i];
	return NULL;
}

static int name_user(struct txn *t, uint16_t table, struct prefix p, uint32_t group, void *arg)
{
	const struct ps_candidate *c = needs_going(t, group);
	char buf[PREFIX_STRLEN];

	if (!c)
		return 0;
	return error_usage(arg, EBUSY,
			   "tunnel \"%s\" is still used by the %s %s%s%s%s: keep it, or have the "
			   "route withdrawn first",
			   t->tunnel[c->tunnel].name, origin_word(c), prefix_str(p, buf),
			   table == PS_T_MAIN ? "" : " of table \"",
			   table == PS_T_MAIN ? "" : t->table[table].name,
			   table == PS_T_MAIN ? "" : "\"");
}

/* Groups are few: only when one of them is in the way are the routes searched for its name. */
static int users_check(struct txn *t, struct error *err)
{
	uint32_t g;

	for (g = 0; g < t->st->meta->max_groups; g++)
		if (t->group[g].state == PS_STATE_USED && t->group[g].refs && needs_going(t, g))
			return staged_each(t, name_user, err, err);
	return 0;
}

static bool any_going(const struct txn *t)
{
	uint32_t i;

	for (i = PS_TUNNEL_FIRST; i < t->st->meta->max_tunnels; i++)
		if (going(t, i))
			return true;
	return false;
}

/* All of them, since a new prefix may hold an endpoint of an old tunnel. */
static int tunnels_check(struct txn *t, struct error *err)
{
	uint32_t i;
	int r = txn_prefixes(t, err);

	for (i = PS_TUNNEL_FIRST; !r && i < t->st->meta->max_tunnels; i++)
		if (t->tunnel[i].state == PS_STATE_USED)
			r = txn_tunnel_check(t, (int)i, &t->tunnel[i], err);
	return r;
}

int txn_whole_check(struct txn *t, struct error *err)
{
	int r = 0;

	if (t->changed)
		r = tunnels_check(t, err);
	if (!r && any_going(t))
		r = users_check(t, err);
	if (!r)
		r = orphans_check(t, err);
	t->whole = false;
	return r;
}
