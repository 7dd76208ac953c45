/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between two configurations that are sorted as config_check() sorts. Pure. */
#ifndef CONFIG_DIFF_H
#define CONFIG_DIFF_H

#include "core/config.h"

enum config_object {
	CONFIG_NODE,
	CONFIG_PREFIX,
	CONFIG_TUNNEL,
	CONFIG_ROUTE,
	CONFIG_POLICY,
	CONFIG_OBJECTS
};

/* One object that differs, as struct config_OBJECT; numbers of names are those of its side. */
struct config_change {
	enum config_object object;
	const struct config *old_config, *new_config;
	const void *old; /* NULL: added */
	const void *new; /* NULL: removed */
};

typedef int (*config_change_fn)(void *arg, const struct config_change *d);
/*
 * Calls fn for each difference: node, prefixes, tunnels, routes, policies. Stops when it returns
 * non-zero, and returns that. The node's keys that `new` does not give are no difference.
 */
int config_diff(const struct config *old, const struct config *new, config_change_fn fn, void *arg);

/* The routes of one prefix in one table that differ in anything; one of the lists may be empty. */
struct config_routes {
	const struct config_route *old, *new;
	size_t olds, news;
};

typedef int (*config_routes_fn)(void *arg, const struct config_routes *r);
int config_diff_routes(const struct config *old, const struct config *new, config_routes_fn fn,
		       void *arg);

/* Keys of the node (CONFIG_NODE_*) that `new` gives with another value. */
uint8_t config_node_diff(const struct config_node *old, const struct config_node *new);

#endif
