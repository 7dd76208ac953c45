/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two walks over the differences. The first adds and changes, the second removes: so the id of a
 * table or an account that goes is not given to one that comes while packets still follow the old
 * one, and the limits that are met are those that the writing will meet, which does it in that
 * order too. Whether the objects go together is asked at the end (store/txn_whole.c).
 *
 * A prefix's routes are replaced as a list, so that no candidate list that nobody wants takes a
 * group on the way.
 */
#include "config/stage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/diff.h"
#include "penstock/wire.h"

struct stage {
	struct txn *txn;
	const struct config *old, *new;
	const struct ps_tunnel *hop;
	size_t hops;
	struct error *err;
	bool removing; /* the second walk */
	/* Ids by number of the name, of the side that the walk takes them from; -1: not known. */
	int32_t *tunnel_id, *table_id;
};

bool config_tunnel_moved(const struct ps_tunnel *old, const struct config_tunnel *new)
{
	return old->local_be != PS_BE32(new->local) || old->remote_be != PS_BE32(new->remote);
}

void config_tunnel_fill(const struct config *c, const struct config_tunnel *from,
			struct ps_tunnel *to)
{
	snprintf(to->name, sizeof(to->name), "%s", config_name(c, from->name));
	to->kind = PS_SLOT_GRE;
	to->local_be = PS_BE32(from->local);
	to->remote_be = PS_BE32(from->remote);
	to->key = from->key;
	to->addr_be = PS_BE32(from->addr);
	to->addr_len = from->addr_len;
	to->flags = from->flags;
	to->ttl = from->ttl;
	to->mtu = from->mtu;
}

static void take_hop(const struct stage *s, struct ps_tunnel *t)
{
	size_t i;

	t->nh_state = PS_NH_UNRESOLVED;
	t->nh_ifindex = 0;
	t->nh_gateway_be = 0;
	memset(t->nh_dst, 0, sizeof(t->nh_dst));
	memset(t->nh_src, 0, sizeof(t->nh_src));
	for (i = 0; i < s->hops; i++) {
		const struct ps_tunnel *h = &s->hop[i];

		if (h->remote_be != t->remote_be || h->local_be != t->local_be ||
		    strcmp(h->name, t->name))
			continue;
		t->nh_state = h->nh_state;
		t->nh_ifindex = h->nh_ifindex;
		t->nh_gateway_be = h->nh_gateway_be;
		memcpy(t->nh_dst, h->nh_dst, sizeof(t->nh_dst));
		memcpy(t->nh_src, h->nh_src, sizeof(t->nh_src));
	}
}

/* --- objects ----------------------------------------------------------------------------- */

static void stage_node(struct stage *s)
{
	const struct config_node *n = &s->new->node;
	uint8_t d = config_node_diff(&s->old->node, n);
	struct ps_node *to = txn_node(s->txn);

	if (d & CONFIG_NODE_MODE)
		to->mode = n->mode;
	if (d & CONFIG_NODE_REGION)
		to->region = n->region;
	if (d & CONFIG_NODE_ASN)
		to->asn = n->asn;
	if (d & CONFIG_NODE_HASH_MODE)
		to->hash_mode = n->hash_mode;
	if (d & CONFIG_NODE_PREPEND_COUNT)
		to->prepend_count = n->prepend_count;
}

static int stage_prefix(struct stage *s, const struct config_prefix *old,
			const struct config_prefix *new)
{
	uint16_t account;
	int r;

	if (!new)
		return txn_prefix_del(s->txn, old->p, s->err);
	r = txn_account(s->txn, config_name(s->new, new->account), &account, s->err);
	if (r)
		return r;
	return old ? txn_prefix_set(s->txn, new->p, account, s->err) :
		     txn_prefix_add(s->txn, new->p, account, s->err);
}

static int stage_tunnel(struct stage *s, const struct config_tunnel *old,
			const struct config_tunnel *new)
{
	const char *name = config_name(new ? s->new : s->old, new ? new->name : old->name);
	int id = old ? txn_tunnel_find(s->txn, name) : -1, r;
	struct ps_tunnel t = { 0 };
	bool moved = true;

	if (old && id < 0)
		return error_system(s->err, EIO, "tunnel \"%s\" has vanished", name);
	if (!new)
		return txn_tunnel_del(s->txn, id, s->err);
	if (old) {
		t = *txn_tunnel(s->txn, id);
		moved = config_tunnel_moved(&t, new);
	}
	config_tunnel_fill(s->new, new, &t);
	if (moved)
		take_hop(s, &t);
	r = txn_account(s->txn, config_name(s->new, new->account), &t.account, s->err);
	if (r)
		return r;
	return old ? txn_tunnel_set(s->txn, id, &t, s->err) : txn_tunnel_add(s->txn, &t, s->err);
}

static int stage_policy(struct stage *s, const struct config_policy *old,
			const struct config_policy *new)
{
	uint16_t table;
	int r;

	if (!new)
		return txn_policy_del(s->txn, old->from, s->err);
	r = txn_table(s->txn, config_name(s->new, new->table), true, &table, s->err);
	if (r)
		return r;
	return old ? txn_policy_set(s->txn, new->from, table, s->err) :
		     txn_policy_add(s->txn, new->from, table, s->err);
}

static int stage_change(void *arg, const struct config_change *d)
{
	struct stage *s = arg;

	if (s->removing != !d->new)
		return 0;
	switch (d->object) {
	case CONFIG_NODE:
		stage_node(s);
		return 0;
	case CONFIG_PREFIX:
		return stage_prefix(s, d->old, d->new);
	case CONFIG_TUNNEL:
		return stage_tunnel(s, d->old, d->new);
	case CONFIG_POLICY:
		return stage_policy(s, d->old, d->new);
	default:
		return 0; /* routes go by prefix, below */
	}
}

/* --- routes ------------------------------------------------------------------------------ */

static int table_id(struct stage *s, const struct config *c, uint16_t name, uint16_t *id)
{
	int r;

	if (s->table_id[name] < 0) {
		r = txn_table(s->txn, config_name(c, name), !s->removing, id, s->err);
		if (r)
			return r;
		s->table_id[name] = *id;
	}
	*id = (uint16_t)s->table_id[name];
	return 0;
}

static int tunnel_id(struct stage *s, uint16_t name, uint16_t *id)
{
	if (s->tunnel_id[name] < 0)
		s->tunnel_id[name] = txn_tunnel_find(s->txn, config_name(s->new, name));
	if (s->tunnel_id[name] < 0)
		return error_usage(s->err, ENOENT, "tunnel \"%s\" does not exist",
				   config_name(s->new, name));
	*id = (uint16_t)s->tunnel_id[name];
	return 0;
}

static int stage_routes(void *arg, const struct config_routes *b)
{
	const struct config_route *first = b->news ? b->new : b->old;
	struct ps_candidate list[PS_CANDIDATES_MAX];
	struct stage *s = arg;
	char buf[PREFIX_STRLEN];
	uint16_t table;
	size_t i;
	int r;

	if (s->removing != !b->news)
		return 0;
	if (b->news > PS_CANDIDATES_MAX)
		return error_usage(s->err, ENOSPC,
				   "route %s: %u routes of one prefix and table at most (rule 8)",
				   prefix_str(first->p, buf), PS_CANDIDATES_MAX);
	r = table_id(s, s->removing ? s->old : s->new, first->table, &table);
	memset(list, 0, b->news * sizeof(*list));
	for (i = 0; !r && i < b->news; i++) {
		list[i].priority = b->new[i].priority;
		list[i].weight = b->new[i].weight;
		list[i].regions = b->new[i].regions;
		list[i].origin = PS_ORIGIN_STATIC;
		r = tunnel_id(s, b->new[i].via, &list[i].tunnel);
	}
	return r ? r : txn_route_set(s->txn, table, first->p, list, (unsigned int)b->news, s->err);
}

/* --- the whole --------------------------------------------------------------------------- */

static int walk(struct stage *s, bool removing)
{
	const uint32_t names = removing ? s->old->names.n : s->new->names.n;
	int r;

	s->removing = removing;
	s->tunnel_id = malloc((names + 1) * sizeof(*s->tunnel_id));
	s->table_id = malloc((names + 1) * sizeof(*s->table_id));
	if (!s->tunnel_id || !s->table_id) {
		r = error_system(s->err, ENOMEM, "out of memory");
	} else {
		memset(s->tunnel_id, 0xff, (names + 1) * sizeof(*s->tunnel_id));
		memset(s->table_id, 0xff, (names + 1) * sizeof(*s->table_id));
		r = config_diff(s->old, s->new, stage_change, s);
		if (!r)
			r = config_diff_routes(s->old, s->new, stage_routes, s);
	}
	free(s->tunnel_id);
	free(s->table_id);
	return r;
}

int config_stage(struct txn *txn, const struct config *old, const struct config *new,
		 const struct ps_tunnel *hop, size_t hops, struct error *err)
{
	struct stage s = {
		.txn = txn, .old = old, .new = new, .hop = hop, .hops = hops, .err = err
	};
	int r;

	txn_whole_begin(txn);
	r = walk(&s, false);
	if (!r)
		r = walk(&s, true);
	return r ? r : txn_whole_check(txn, err);
}
