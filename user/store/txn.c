/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Staging. A transaction holds a copy of everything small (node, tunnels, names, group headers)
 * and a hash of the routes it touches, and checks each change against what the state would be
 * after the ones before it. So a batch may add a tunnel in one line and use it in the next, any
 * failure leaves the maps untouched, and --dry-run is a transaction that is not committed.
 *
 * Rejected: writing as one goes with an undo log. It needs every inverse to succeed when the map
 * that refused is full, and readers would see states that were taken back.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "penstock/wire.h"
#include "store/internal.h"

static void *copy(const void *from, size_t len)
{
	void *to = malloc(len);

	if (to)
		memcpy(to, from, len);
	return to;
}

int txn_begin(struct store *st, struct txn **out, struct error *err)
{
	const struct ps_meta *m = st->meta;
	struct txn *t;
	int r;

	r = instance_lock(st->dir, st->instance, err);
	if (r)
		return r;
	r = store_recover(st, err);
	if (r) {
		flock(st->dir, LOCK_UN);
		return r;
	}
	t = calloc(1, sizeof(*t));
	if (!t) {
		flock(st->dir, LOCK_UN);
		return error_system(err, ENOMEM, "out of memory");
	}
	t->st = st;
	t->node = *st->node;
	t->routes = m->route_count;
	t->tunnel = copy(st->tunnel, m->max_tunnels * sizeof(*t->tunnel));
	t->table = copy(st->table, m->max_tables * sizeof(*t->table));
	t->account = copy(st->account, STORE_ACCOUNTS * sizeof(*t->account));
	t->group = copy(st->group, m->max_groups * sizeof(*t->group));
	t->cand = calloc(m->max_groups, sizeof(*t->cand));
	if (!t->tunnel || !t->table || !t->account || !t->group || !t->cand) {
		txn_abort(t);
		return error_system(err, ENOMEM, "out of memory");
	}
	*out = t;
	return 0;
}

void txn_abort(struct txn *t)
{
	uint32_t i;

	if (!t)
		return;
	flock(t->st->dir, LOCK_UN);
	for (i = 0; t->cand && i < t->st->meta->max_groups; i++)
		free(t->cand[i]);
	free(t->cand);
	free(t->tunnel);
	free(t->table);
	free(t->account);
	free(t->group);
	free(t->prefix.e);
	free(t->policy.e);
	free(t->edit);
	free(t->edit_index);
	free(t->group_index);
	free(t->block_used);
	free(t->view);
	free(t);
}

void txn_reclaim(struct txn *t)
{
	uint32_t i;

	store_reclaim(t->st);
	for (i = 0; i < t->st->meta->max_tunnels; i++) {
		t->tunnel[i].dirty_slot = 0;
		/* One deleted by this transaction is still in use until the commit. */
		if (t->tunnel[i].state == PS_STATE_LIMBO && t->st->tunnel[i].state != PS_STATE_USED)
			t->tunnel[i].state = PS_STATE_FREE;
	}
}

struct ps_node *txn_node(struct txn *t)
{
	t->plumb = true;
	t->changed = true;
	return &t->node;
}

const struct ps_node *txn_node_get(const struct txn *t)
{
	return &t->node;
}

/*
 * Finds or makes a name; its reference count is the caller's business. -ENOSPC when full. The
 * number of a name that goes in this transaction is not given out: packets still use it (`was`).
 */
static int name_get(struct ps_name *list, const struct ps_name *was, uint32_t first, uint32_t n,
		    const char *name, bool create)
{
	uint32_t i, hole = n;

	for (i = first; i < n; i++) {
		if (!list[i].refs && !list[i].name[0] && !was[i].refs && hole == n)
			hole = i;
		if (!strcmp(list[i].name, name))
			return (int)i;
	}
	if (!create)
		return -ENOENT;
	if (hole == n)
		return -ENOSPC;
	memset(&list[hole], 0, sizeof(list[hole]));
	snprintf(list[hole].name, sizeof(list[hole].name), "%s", name);
	return (int)hole;
}

void txn_name_ref(struct txn *t, struct ps_name *n)
{
	n->refs++;
	t->changed = true;
}

void txn_name_unref(struct txn *t, struct ps_name *n)
{
	if (--n->refs == 0)
		memset(n, 0, sizeof(*n));
	t->changed = true;
}

int txn_account(struct txn *t, const char *name, uint16_t *id, struct error *err)
{
	int i = name_get(t->account, t->st->account, 0, STORE_ACCOUNTS, name, true);

	if (i < 0)
		return error_usage(err, -i, "account \"%s\": all %u accounts are in use", name,
				   STORE_ACCOUNTS);
	*id = (uint16_t)i;
	return 0;
}

int txn_table(struct txn *t, const char *name, bool create, uint16_t *id, struct error *err)
{
	int i;

	if (!strcmp(name, t->table[PS_T_MAIN].name)) {
		*id = PS_T_MAIN;
		return 0;
	}
	i = name_get(t->table, t->st->table, PS_T_EGRESS, t->st->meta->max_tables, name, create);
	if (i == -ENOENT)
		return error_usage(err, ENOENT, "table \"%s\" does not exist", name);
	if (i < 0)
		return error_usage(err, -i,
				   "table \"%s\": all %u egress tables are in use; unload and load "
				   "with a larger max-tables",
				   name, t->st->meta->max_tables - PS_T_EGRESS);
	*id = (uint16_t)i;
	return 0;
}

void txn_table_ref(struct txn *t, uint16_t table)
{
	if (table >= PS_T_EGRESS)
		txn_name_ref(t, &t->table[table]);
}

void txn_table_unref(struct txn *t, uint16_t table)
{
	if (table >= PS_T_EGRESS)
		txn_name_unref(t, &t->table[table]);
}
