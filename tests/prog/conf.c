/* SPDX-License-Identifier: GPL-2.0-only */
/* Configurations of the tests, staged through the store's transactions. See harness.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "penstock/wire.h"

void conf_tunnel_fill(struct txn *t, const struct conf_tunnel *c, struct ps_tunnel *to)
{
	struct error err;

	memset(to, 0, sizeof(*to));
	memcpy(to->name, c->name, sizeof(to->name));
	to->kind = PS_SLOT_GRE;
	to->local_be = PS_BE32(c->local);
	to->remote_be = PS_BE32(c->remote);
	if (c->has_key) {
		to->flags |= PS_TUNNEL_F_KEY;
		to->key = c->key;
	}
	to->ttl = c->ttl ? c->ttl : 64;
	to->mtu = c->mtu ? c->mtu : c->has_key ? 1472 : 1476;
	if (c->addr_len) {
		to->flags |= PS_TUNNEL_F_ADDRESS;
		to->addr_be = PS_BE32(c->addr);
		to->addr_len = c->addr_len;
	}
	to->health = c->health;
	to->nh_state = c->unresolved ? PS_NH_NO_NEIGHBOUR : PS_NH_READY;
	to->nh_ifindex = hs.ifindex[c->port];
	memcpy(to->nh_dst, MAC_HOP, 6);
	memcpy(to->nh_src, MAC_OUT, 6);
	must(txn_account(t, c->account[0] ? c->account : "default", &to->account, &err), &err,
	     c->name);
}

int conf_route_stage(struct txn *t, const struct conf_route *r, struct error *err)
{
	struct ps_candidate c = { .priority = r->priority ? r->priority : 100,
				  .weight = r->weight ? r->weight : 1,
				  .regions = r->regions,
				  .prepends = r->prepends,
				  .origin = r->origin };
	int id = txn_tunnel_find(t, r->tunnel);
	uint16_t table;
	int e;

	if (id < 0)
		return error_usage(err, ENOENT, "no tunnel %s", r->tunnel);
	c.tunnel = (uint16_t)id;
	e = txn_table(t, r->table[0] ? r->table : "main", true, &table, err);
	return e ? e : txn_route_add(t, table, r->p, &c, err);
}

static void stage(struct txn *t, const struct conf *c)
{
	struct ps_node *node = txn_node(t);
	struct ps_tunnel tunnel;
	struct error err;
	char word[PREFIX_STRLEN];
	uint16_t id;
	unsigned int i;
	int r;

	node->mode = c->mode;
	node->region = c->region;
	node->hash_mode = c->hash_mode;
	for (i = 0; i < c->tunnels; i++) {
		conf_tunnel_fill(t, &c->tunnel[i], &tunnel);
		r = txn_tunnel_add(t, &tunnel, &err);
		must(r < 0 ? r : 0, &err, c->tunnel[i].name);
	}
	for (i = 0; i < c->prefixes; i++) {
		const char *account = c->prefix[i].account;

		must(txn_account(t, account[0] ? account : "default", &id, &err), &err, account);
		must(txn_prefix_add(t, c->prefix[i].p, id, &err), &err,
		     prefix_str(c->prefix[i].p, word));
	}
	for (i = 0; i < c->routes; i++)
		must(conf_route_stage(t, &c->route[i], &err), &err,
		     prefix_str(c->route[i].p, word));
	for (i = 0; i < c->policies; i++) {
		must(txn_table(t, c->policy[i].table, true, &id, &err), &err, c->policy[i].table);
		must(txn_policy_add(t, c->policy[i].p, id, &err), &err,
		     prefix_str(c->policy[i].p, word));
	}
}

/* --- removing -------------------------------------------------------------------------------- */

static int drop_route(void *arg, uint16_t table, struct prefix p, uint32_t group)
{
	struct error err;
	int r = txn_route_del(arg, table, p, &ROUTE_MATCH_ALL, &err);

	(void)group;
	/* The far address of an interface subnet goes with its tunnel. */
	return r == -ENOENT ? 0 : r;
}

static int drop_policy(void *arg, uint16_t table, struct prefix p, uint32_t value)
{
	struct error err;

	(void)table;
	(void)value;
	return txn_policy_del(arg, p, &err);
}

static int drop_prefix(void *arg, uint16_t table, struct prefix p, uint32_t value)
{
	struct error err;

	(void)table;
	(void)value;
	return txn_prefix_del(arg, p, &err);
}

static void unstage(struct txn *t)
{
	struct error err = { "", false };
	uint32_t i;

	must(store_route_each(hs.st, drop_route, t), &err, "delete routes");
	must(store_policy_each(hs.st, drop_policy, t), &err, "delete policies");
	must(store_prefix_each(hs.st, drop_prefix, t), &err, "delete prefixes");
	for (i = PS_TUNNEL_FIRST; i < hs.st->meta->max_tunnels; i++)
		if (hs.st->tunnel[i].state == PS_STATE_USED)
			must(txn_tunnel_del(t, (int)i, &err), &err, hs.st->tunnel[i].name);
}

void conf_clear(void)
{
	struct error err;
	struct txn *t;

	must(txn_begin(hs.st, &t, &err), &err, "begin");
	unstage(t);
	must(txn_commit(t, &err), &err, "commit");
}

void conf_apply(const struct conf *c)
{
	struct error err;
	struct txn *t;

	conf_clear();
	must(txn_begin(hs.st, &t, &err), &err, "begin");
	stage(t, c);
	must(txn_commit(t, &err), &err, c->name ? c->name : "commit");
}

void conf_swap(struct txn *t, const struct conf *c)
{
	unstage(t);
	stage(t, c);
}

void conf_health(const char *tunnel, uint8_t health)
{
	struct ps_tunnel now;
	struct error err;
	struct txn *t;
	int id;

	must(txn_begin(hs.st, &t, &err), &err, "begin");
	id = txn_tunnel_find(t, tunnel);
	assert_true(id >= 0);
	now = *txn_tunnel(t, id);
	now.health = health;
	must(txn_tunnel_set(t, id, &now, &err), &err, tunnel);
	must(txn_commit(t, &err), &err, "commit");
}
