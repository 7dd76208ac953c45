/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Staging of tunnels: what two of them must not share, and the route that an interface address
 * brings with it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/tunnel.h"
#include "penstock/wire.h"
#include "store/internal.h"

int txn_tunnel_find(struct txn *t, const char *name)
{
	uint32_t i;

	for (i = 0; i < t->st->meta->max_tunnels; i++)
		if (t->tunnel[i].state == PS_STATE_USED && !strcmp(t->tunnel[i].name, name))
			return (int)i;
	return -1;
}

const struct ps_tunnel *txn_tunnel(struct txn *t, int id)
{
	return &t->tunnel[id];
}

int txn_tunnel_check(struct txn *t, int id, const struct ps_tunnel *tun, struct error *err)
{
	struct tunnel_face face = tunnel_face(tun), other;
	unsigned int chain = 0;
	uint32_t i;
	int r;

	for (i = PS_TUNNEL_FIRST; i < t->st->meta->max_tunnels; i++) {
		if ((int)i == id || t->tunnel[i].state != PS_STATE_USED)
			continue;
		other = tunnel_face(&t->tunnel[i]);
		r = tunnel_clash(&face, &other, err);
		if (r)
			return r;
		chain += t->tunnel[i].remote_be == tun->remote_be;
	}
	r = tunnel_chain_check(tun->name, chain, err);
	return r ? r : txn_endpoints_check(t, tun, err);
}

static int tunnel_check(struct txn *t, int id, const struct ps_tunnel *tun, struct error *err)
{
	return t->whole ? 0 : txn_tunnel_check(t, id, tun, err);
}

/* The far host of the interface subnet is reached through the tunnel, whatever its health. */
static int interface_route(struct txn *t, int id, const struct ps_tunnel *tun, bool add,
			   struct error *err)
{
	struct ps_candidate c = { .tunnel = (uint16_t)id,
				  .weight = 1,
				  .origin = PS_ORIGIN_INTERFACE };
	const struct route_match own = { id, PS_ORIGIN_INTERFACE, ROUTE_ANY };
	struct prefix p = { .len = 32 };

	if (!(tun->flags & PS_TUNNEL_F_ADDRESS))
		return 0;
	p.addr = ifaddr_peer(PS_BE32(tun->addr_be), tun->addr_len);
	return add ? txn_route_put(t, PS_T_MAIN, p, &c, false, err) :
		     txn_route_del(t, PS_T_MAIN, p, &own, err);
}

static int tunnel_free(struct txn *t)
{
	uint32_t i;
	int pass;

	for (pass = 0; pass < 2; pass++) {
		for (i = PS_TUNNEL_FIRST; i < t->st->meta->max_tunnels; i++)
			if (t->tunnel[i].state == PS_STATE_FREE)
				return (int)i;
		txn_reclaim(t);
	}
	return -ENOSPC;
}

int txn_tunnel_add(struct txn *t, const struct ps_tunnel *tun, struct error *err)
{
	struct ps_tunnel *to;
	int id, r;

	if (txn_tunnel_find(t, tun->name) >= 0)
		return error_usage(err, EEXIST, "tunnel \"%s\" exists already", tun->name);
	r = tunnel_check(t, -1, tun, err);
	if (r)
		return r;
	id = tunnel_free(t);
	if (id < 0)
		return error_usage(err, ENOSPC,
				   "tunnel \"%s\": all %u tunnels are in use; unload and load with "
				   "a larger max-tunnels",
				   tun->name, t->st->meta->max_tunnels - PS_TUNNEL_FIRST);
	to = &t->tunnel[id];
	*to = *tun;
	to->state = PS_STATE_USED;
	to->kind = PS_SLOT_GRE;
	to->slot = (uint16_t)(2 * id);
	to->dirty_slot = 0;
	r = interface_route(t, id, to, true, err);
	if (r) {
		memset(to, 0, sizeof(*to));
		return r;
	}
	txn_name_ref(t, &t->account[to->account]);
	t->plumb = true;
	return 0;
}

int txn_tunnel_set(struct txn *t, int id, const struct ps_tunnel *tun, struct error *err)
{
	struct ps_tunnel *to = &t->tunnel[id], old = *to;
	bool moved = old.addr_be != tun->addr_be || old.addr_len != tun->addr_len ||
		     ((old.flags ^ tun->flags) & PS_TUNNEL_F_ADDRESS);
	int r = tunnel_check(t, id, tun, err);

	if (!r && moved)
		r = interface_route(t, id, &old, false, err);
	if (!r && moved)
		r = interface_route(t, id, tun, true, err);
	if (r)
		return r;
	*to = *tun;
	to->slot = old.slot;
	to->dirty_slot = old.dirty_slot;
	if (old.account != to->account) {
		txn_name_ref(t, &t->account[to->account]);
		txn_name_unref(t, &t->account[old.account]);
	}
	t->plumb |= moved || old.mtu != to->mtu;
	t->changed = true;
	return 0;
}

int txn_tunnel_del(struct txn *t, int id, struct error *err)
{
	struct ps_tunnel *tun = &t->tunnel[id];
	int r;

	if (id < (int)PS_TUNNEL_FIRST)
		return error_usage(err, EPERM, "\"%s\" can't be deleted", tun->name);
	r = interface_route(t, id, tun, false, err);
	if (r)
		return r;
	if (!t->whole && txn_group_uses(t, (uint16_t)id)) {
		interface_route(t, id, tun, true, err);
		return error_usage(err, EBUSY,
				   "tunnel \"%s\" is still used by routes: delete them "
				   "first",
				   tun->name);
	}
	txn_name_unref(t, &t->account[tun->account]);
	tun->state = PS_STATE_LIMBO;
	t->plumb = true;
	return 0;
}
