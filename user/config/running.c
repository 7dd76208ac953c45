/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From the maps to a struct config. Prefixes are many and groups few, so a group's candidates are
 * turned into routes once, in their final order, and copied for each prefix that has the group.
 *
 * The maps list routes by the id of the table, a configuration by its name; whole tables are moved
 * at the end if need be, which beats sorting millions of routes that are in order but for that.
 */
#include "config/running.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/group.h"
#include "penstock/wire.h"

struct group_routes { /* static routes of a group, without table and prefix */
	bool made;
	unsigned int n;
	struct config_route *route;
};

struct reader {
	const struct store *st;
	struct config *c;
	size_t cap; /* of the list that is being filled */
	struct group_routes *group;
	int *table; /* number of the name by table id; negative: not asked for yet */
};

/* Room for n more of a list's items; NULL: none. */
static void *more(void *list, size_t have, size_t n, size_t *cap, size_t size)
{
	size_t want;

	if (have + n <= *cap)
		return list;
	want = (have + n) + (have + n) / 4 + 16;
	list = realloc(list, want * size);
	if (list)
		*cap = want;
	return list;
}

static int name_number(struct config *c, const char *name, uint16_t *to)
{
	int i = names_intern(&c->names, name);

	if (i < 0)
		return i;
	*to = (uint16_t)i;
	return 0;
}

/* --- what is small ----------------------------------------------------------------------- */

static void read_node(const struct store *st, struct config_node *n)
{
	const struct ps_node *from = st->node;

	*n = (struct config_node){
		.given = CONFIG_NODE_MODE | CONFIG_NODE_REGION | CONFIG_NODE_ASN |
			 CONFIG_NODE_HASH_MODE | CONFIG_NODE_PREPEND_COUNT,
		.mode = (uint8_t)from->mode,
		.hash_mode = from->hash_mode,
		.prepend_count = from->prepend_count,
		.region = from->region,
		.asn = from->asn,
	};
}

static int read_prefix(void *arg, uint16_t table, struct prefix p, uint32_t account)
{
	struct reader *r = arg;
	struct config *c = r->c;
	void *list = more(c->prefix, c->prefixes, 1, &r->cap, sizeof(*c->prefix));

	(void)table;
	if (!list)
		return -ENOMEM;
	c->prefix = list;
	c->prefix[c->prefixes] = (struct config_prefix){ .p = p };
	return name_number(c, store_account_name(r->st, (uint16_t)account),
			   &c->prefix[c->prefixes++].account);
}

static int read_policy(void *arg, uint16_t table, struct prefix p, uint32_t to)
{
	struct reader *r = arg;
	struct config *c = r->c;
	void *list = more(c->policy, c->policies, 1, &r->cap, sizeof(*c->policy));

	(void)table;
	if (!list || to >= r->st->meta->max_tables)
		return list ? -EINVAL : -ENOMEM;
	c->policy = list;
	c->policy[c->policies] = (struct config_policy){ .from = p };
	return name_number(c, r->st->table[to].name, &c->policy[c->policies++].table);
}

static int read_tunnel(struct config *c, const struct store *st, const struct ps_tunnel *t,
		       struct config_tunnel *to)
{
	int r;

	*to = (struct config_tunnel){
		.local = PS_BE32(t->local_be),
		.remote = PS_BE32(t->remote_be),
		.flags = t->flags,
		.ttl = t->ttl,
		.mtu = t->mtu,
	};
	/* What a flag says is not there may hold what was there before. */
	if (t->flags & PS_TUNNEL_F_KEY)
		to->key = t->key;
	if (t->flags & PS_TUNNEL_F_ADDRESS) {
		to->addr = PS_BE32(t->addr_be);
		to->addr_len = t->addr_len;
	}
	r = name_number(c, t->name, &to->name);
	return r ? r : name_number(c, store_account_name(st, t->account), &to->account);
}

static int tunnel_cmp(const void *a, const void *b)
{
	return strcmp((*(const struct ps_tunnel *const *)a)->name,
		      (*(const struct ps_tunnel *const *)b)->name);
}

static int read_tunnels(const struct store *st, struct config *c)
{
	uint32_t max = st->meta->max_tunnels, i;
	const struct ps_tunnel **list = calloc(max, sizeof(const struct ps_tunnel *));
	size_t n = 0;
	int r = 0;

	if (!list)
		return -ENOMEM;
	for (i = PS_TUNNEL_FIRST; i < max; i++)
		if (st->tunnel[i].state == PS_STATE_USED)
			list[n++] = &st->tunnel[i];
	if (n)
		qsort(list, n, sizeof(*list), tunnel_cmp);
	c->tunnel = calloc(n + 1, sizeof(*c->tunnel));
	if (!c->tunnel)
		r = -ENOMEM;
	for (i = 0; !r && i < n; i++)
		r = read_tunnel(c, st, list[i], &c->tunnel[c->tunnels++]);
	free(list);
	return r;
}

/* --- routes ------------------------------------------------------------------------------ */

static void sort_routes(const struct config *c, struct config_route *list, unsigned int n)
{
	unsigned int i, j;

	for (i = 1; i < n; i++) {
		struct config_route x = list[i];

		for (j = i; j > 0; j--) {
			int d = strcmp(config_name(c, list[j - 1].via), config_name(c, x.via));

			if (d < 0 || (!d && list[j - 1].regions <= x.regions))
				break;
			list[j] = list[j - 1];
		}
		list[j] = x;
	}
}

static int make_group(struct reader *r, uint32_t id)
{
	struct group_routes *g = &r->group[id];
	const struct ps_candidate *cand = r->st->cand[id].c;
	unsigned int n = r->st->group[id].n, i;
	int e;

	if (n > PS_CANDIDATES_MAX)
		return -EINVAL;
	g->route = calloc(n + 1, sizeof(*g->route));
	if (!g->route)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		struct config_route *to = &g->route[g->n];

		if (cand[i].origin != PS_ORIGIN_STATIC)
			continue;
		if (cand[i].tunnel >= r->st->meta->max_tunnels)
			return -EINVAL;
		to->priority = cand[i].priority;
		to->weight = cand[i].weight;
		to->regions = cand[i].regions;
		e = name_number(r->c, r->st->tunnel[cand[i].tunnel].name, &to->via);
		if (e)
			return e;
		g->n++;
	}
	sort_routes(r->c, g->route, g->n);
	g->made = true;
	return 0;
}

static int read_route(void *arg, uint16_t table, struct prefix p, uint32_t id)
{
	struct reader *r = arg;
	struct config *c = r->c;
	struct group_routes *g;
	unsigned int i;
	uint16_t name;
	void *list;
	int e = 0;

	if (id >= r->st->meta->max_groups || table >= r->st->meta->max_tables)
		return -EINVAL;
	g = &r->group[id];
	if (!g->made)
		e = make_group(r, id);
	if (!e && r->table[table] < 0) {
		e = name_number(c, r->st->table[table].name, &name);
		r->table[table] = e ? -1 : name;
	}
	if (e || !g->n)
		return e;
	list = more(c->route, c->routes, g->n, &r->cap, sizeof(*c->route));
	if (!list)
		return -ENOMEM;
	c->route = list;
	for (i = 0; i < g->n; i++) {
		struct config_route *to = &c->route[c->routes++];

		*to = g->route[i];
		to->p = p;
		to->table = (uint16_t)r->table[table];
	}
	return 0;
}

struct run { /* the routes of one table */
	const char *name;
	size_t at, n;
};

static int run_cmp(const void *a, const void *b)
{
	return strcmp(((const struct run *)a)->name, ((const struct run *)b)->name);
}

/* The main table is first already; puts the others in the order of their names. */
static int order_tables(struct config *c, uint32_t max)
{
	struct run *run = calloc(max + 1, sizeof(*run));
	struct config_route *route = NULL;
	size_t i, at = 0, n = 0, first;
	bool moved = false;

	if (!run)
		return -ENOMEM;
	for (i = 0; i < c->routes; i++) {
		if (!i || c->route[i].table != c->route[i - 1].table)
			run[n++] = (struct run){ config_name(c, c->route[i].table), i, 0 };
		run[n - 1].n++;
	}
	first = n && !strcmp(run[0].name, "main");
	for (i = first + 1; i < n; i++)
		moved |= run_cmp(&run[i - 1], &run[i]) > 0;
	if (moved) {
		qsort(run + first, n - first, sizeof(*run), run_cmp);
		route = malloc(c->routes * sizeof(*route));
		for (i = 0; route && i < n; i++) {
			memcpy(route + at, c->route + run[i].at, run[i].n * sizeof(*route));
			at += run[i].n;
		}
		if (route) {
			free(c->route);
			c->route = route;
		}
	}
	free(run);
	return moved && !route ? -ENOMEM : 0;
}

static int read_routes(const struct store *st, struct config *c)
{
	uint32_t groups = st->meta->max_groups, tables = st->meta->max_tables, i;
	struct reader r = { .st = st, .c = c };
	int e = -ENOMEM;

	r.group = calloc(groups, sizeof(*r.group));
	r.table = calloc(tables, sizeof(*r.table));
	for (i = 0; r.table && i < tables; i++)
		r.table[i] = -1;
	if (r.group && r.table)
		e = store_route_each(st, read_route, &r);
	for (i = 0; r.group && i < groups; i++)
		free(r.group[i].route);
	free(r.group);
	free(r.table);
	return e ? e : order_tables(c, tables);
}

int config_running(const struct store *st, struct config *c, struct error *err)
{
	struct reader prefixes = { .st = st, .c = c }, policies = prefixes;
	int r = read_tunnels(st, c);

	read_node(st, &c->node);
	if (!r)
		r = store_prefix_each(st, read_prefix, &prefixes);
	if (!r)
		r = read_routes(st, c);
	if (!r)
		r = store_policy_each(st, read_policy, &policies);
	return r ? error_system(err, -r, "cannot read the running configuration: %s",
				strerror(-r)) :
		   0;
}
