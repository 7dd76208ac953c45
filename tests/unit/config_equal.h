/* SPDX-License-Identifier: GPL-2.0-only */
/* Do two configurations say the same, in the same order? Numbers of names and places may differ. */
#ifndef TESTS_UNIT_CONFIG_EQUAL_H
#define TESTS_UNIT_CONFIG_EQUAL_H

#include <stdbool.h>
#include <string.h>

#include "core/config.h"

static inline bool same_name(const struct config *a, uint16_t x, const struct config *b, uint16_t y)
{
	return !strcmp(config_name(a, x), config_name(b, y));
}

static inline bool same_tunnel(const struct config *a, const struct config_tunnel *x,
			       const struct config *b, const struct config_tunnel *y)
{
	return same_name(a, x->name, b, y->name) && same_name(a, x->account, b, y->account) &&
	       x->local == y->local && x->remote == y->remote && x->key == y->key &&
	       x->addr == y->addr && x->addr_len == y->addr_len && x->flags == y->flags &&
	       x->ttl == y->ttl && x->mtu == y->mtu;
}

static inline bool same_route(const struct config *a, const struct config_route *x,
			      const struct config *b, const struct config_route *y)
{
	return !prefix_cmp(x->p, y->p) && x->priority == y->priority && x->weight == y->weight &&
	       x->regions == y->regions && same_name(a, x->table, b, y->table) &&
	       same_name(a, x->via, b, y->via);
}

static inline bool same_node(const struct config_node *a, const struct config_node *b)
{
	return a->given == b->given && a->mode == b->mode && a->hash_mode == b->hash_mode &&
	       a->prepend_count == b->prepend_count && a->region == b->region && a->asn == b->asn;
}

static inline bool config_equal(const struct config *a, const struct config *b)
{
	size_t i;

	if (a->prefixes != b->prefixes || a->tunnels != b->tunnels || a->routes != b->routes ||
	    a->policies != b->policies || !same_node(&a->node, &b->node))
		return false;
	for (i = 0; i < a->prefixes; i++)
		if (prefix_cmp(a->prefix[i].p, b->prefix[i].p) ||
		    !same_name(a, a->prefix[i].account, b, b->prefix[i].account))
			return false;
	for (i = 0; i < a->tunnels; i++)
		if (!same_tunnel(a, &a->tunnel[i], b, &b->tunnel[i]))
			return false;
	for (i = 0; i < a->routes; i++)
		if (!same_route(a, &a->route[i], b, &b->route[i]))
			return false;
	for (i = 0; i < a->policies; i++)
		if (prefix_cmp(a->policy[i].from, b->policy[i].from) ||
		    !same_name(a, a->policy[i].table, b, b->policy[i].table))
			return false;
	return true;
}

#endif
