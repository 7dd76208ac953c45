/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Comparing by merging: both sides are sorted, so one walk over each list sees what is on one side
 * only and what is on both with another content. Names are compared as text, since each side has
 * numbers of its own.
 *
 * An object is the same one on both sides if it has the same key: a prefix, a tunnel's name, a
 * policy's source; for a route its table, prefix, next hop and set of regions.
 */
#include "config/diff.h"

#include <string.h>

struct sides {
	const struct config *old, *new;
	config_change_fn fn;
	void *arg;
};

static int name_cmp(const struct sides *s, uint16_t old, uint16_t new)
{
	return strcmp(config_name(s->old, old), config_name(s->new, new));
}

/* --- node -------------------------------------------------------------------------------- */

uint8_t config_node_diff(const struct config_node *old, const struct config_node *new)
{
	unsigned int d = 0;

	if (old->mode != new->mode)
		d |= CONFIG_NODE_MODE;
	if (old->region != new->region)
		d |= CONFIG_NODE_REGION;
	if (old->asn != new->asn)
		d |= CONFIG_NODE_ASN;
	if (old->hash_mode != new->hash_mode)
		d |= CONFIG_NODE_HASH_MODE;
	if (old->prepend_count != new->prepend_count)
		d |= CONFIG_NODE_PREPEND_COUNT;
	return (uint8_t)(d & new->given);
}

/* --- lists ------------------------------------------------------------------------------- */

struct list {
	const void *item;
	size_t n;
};

struct kind {
	enum config_object object;
	size_t size;
	int (*cmp)(const struct sides *s, const void *old, const void *new);
	bool (*same)(const struct sides *s, const void *old, const void *new);
};

static int prefix_key(const struct sides *s, const void *old, const void *new)
{
	(void)s;
	return prefix_cmp(((const struct config_prefix *)old)->p,
			  ((const struct config_prefix *)new)->p);
}

static bool prefix_same(const struct sides *s, const void *old, const void *new)
{
	return !name_cmp(s, ((const struct config_prefix *)old)->account,
			 ((const struct config_prefix *)new)->account);
}

static int tunnel_key(const struct sides *s, const void *old, const void *new)
{
	return name_cmp(s, ((const struct config_tunnel *)old)->name,
			((const struct config_tunnel *)new)->name);
}

static bool tunnel_same(const struct sides *s, const void *old, const void *new)
{
	const struct config_tunnel *a = old, *b = new;

	return !name_cmp(s, a->account, b->account) && a->local == b->local &&
	       a->remote == b->remote && a->key == b->key && a->addr == b->addr &&
	       a->addr_len == b->addr_len && a->flags == b->flags && a->ttl == b->ttl &&
	       a->mtu == b->mtu;
}

static int policy_key(const struct sides *s, const void *old, const void *new)
{
	(void)s;
	return prefix_cmp(((const struct config_policy *)old)->from,
			  ((const struct config_policy *)new)->from);
}

static bool policy_same(const struct sides *s, const void *old, const void *new)
{
	return !name_cmp(s, ((const struct config_policy *)old)->table,
			 ((const struct config_policy *)new)->table);
}

/* Within one prefix and table. */
static int route_key(const struct sides *s, const void *old, const void *new)
{
	const struct config_route *a = old, *b = new;
	int c = name_cmp(s, a->via, b->via);

	return c ? c : (int)a->regions - (int)b->regions;
}

static bool route_same(const struct sides *s, const void *old, const void *new)
{
	const struct config_route *a = old, *b = new;

	(void)s;
	return a->priority == b->priority && a->weight == b->weight;
}

static const struct kind prefix_kind = { CONFIG_PREFIX, sizeof(struct config_prefix), prefix_key,
					 prefix_same };
static const struct kind tunnel_kind = { CONFIG_TUNNEL, sizeof(struct config_tunnel), tunnel_key,
					 tunnel_same };
static const struct kind policy_kind = { CONFIG_POLICY, sizeof(struct config_policy), policy_key,
					 policy_same };
static const struct kind route_kind = { CONFIG_ROUTE, sizeof(struct config_route), route_key,
					route_same };

static int merge(const struct sides *s, const struct kind *k, struct list old, struct list new)
{
	const char *a = old.item, *b = new.item;
	const char *a_end = old.n ? a + old.n * k->size : a;
	const char *b_end = new.n ? b + new.n * k->size : b;
	int r = 0;

	while (!r && (a != a_end || b != b_end)) {
		int c = a == a_end ? 1 : b == b_end ? -1 : k->cmp(s, a, b);
		struct config_change d = { k->object, s->old, s->new, c <= 0 ? a : NULL,
					   c >= 0 ? b : NULL };

		if (c || !k->same(s, a, b))
			r = s->fn(s->arg, &d);
		if (c <= 0)
			a += k->size;
		if (c >= 0)
			b += k->size;
	}
	return r;
}

/* --- routes ------------------------------------------------------------------------------ */

/* Order of two blocks: the main table first, then by table name, then by prefix. */
static int block_cmp(const struct sides *s, const struct config_route *old,
		     const struct config_route *new)
{
	const char *a = config_name(s->old, old->table), *b = config_name(s->new, new->table);
	int c = strcmp(a, b);

	if (!c)
		return prefix_cmp(old->p, new->p);
	if (!strcmp(a, "main"))
		return -1;
	return strcmp(b, "main") ? c : 1;
}

/* How many from here on are of the same table and prefix. */
static size_t block_len(const struct config *c, size_t at)
{
	const struct config_route *first = &c->route[at];
	size_t n = 1;

	while (at + n < c->routes && first[n].table == first->table &&
	       first[n].p.addr == first->p.addr && first[n].p.len == first->p.len)
		n++;
	return n;
}

static bool block_same(const struct sides *s, const struct config_routes *b)
{
	size_t i;

	if (b->olds != b->news)
		return false;
	for (i = 0; i < b->olds; i++)
		if (route_key(s, &b->old[i], &b->new[i]) || !route_same(s, &b->old[i], &b->new[i]))
			return false;
	return true;
}

int config_diff_routes(const struct config *old, const struct config *new, config_routes_fn fn,
		       void *arg)
{
	const struct sides s = { .old = old, .new = new };
	size_t i = 0, j = 0;
	int r = 0;

	while (!r && (i < old->routes || j < new->routes)) {
		struct config_routes b = { 0 };
		int c = i == old->routes ? 1 :
			j == new->routes ? -1 :
					   block_cmp(&s, &old->route[i], &new->route[j]);

		if (c <= 0) {
			b.old = &old->route[i];
			b.olds = block_len(old, i);
		}
		if (c >= 0) {
			b.new = &new->route[j];
			b.news = block_len(new, j);
		}
		if (!block_same(&s, &b))
			r = fn(arg, &b);
		i += b.olds;
		j += b.news;
	}
	return r;
}

static int diff_block(void *arg, const struct config_routes *b)
{
	return merge(arg, &route_kind, (struct list){ b->old, b->olds },
		     (struct list){ b->new, b->news });
}

/* --- the whole --------------------------------------------------------------------------- */

int config_diff(const struct config *old, const struct config *new, config_change_fn fn, void *arg)
{
	struct sides s = { old, new, fn, arg };
	struct config_change node = { CONFIG_NODE, old, new, &old->node, &new->node };
	int r = config_node_diff(&old->node, &new->node) ? fn(arg, &node) : 0;

	if (!r)
		r = merge(&s, &prefix_kind, (struct list){ old->prefix, old->prefixes },
			  (struct list){ new->prefix, new->prefixes });
	if (!r)
		r = merge(&s, &tunnel_kind, (struct list){ old->tunnel, old->tunnels },
			  (struct list){ new->tunnel, new->tunnels });
	if (!r)
		r = config_diff_routes(old, new, diff_block, &s);
	if (!r)
		r = merge(&s, &policy_kind, (struct list){ old->policy, old->policies },
			  (struct list){ new->policy, new->policies });
	return r;
}
