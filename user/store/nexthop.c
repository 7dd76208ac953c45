/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The next hop of a tunnel: the kernel's route to the remote address, then the neighbour's MAC,
 * then whether the device is a port of ours. All of that goes into the tunnel's ready header; what
 * is missing is said in nh_state, and the slow path carries the tunnel meanwhile.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/netlink.h"
#include "penstock/wire.h"
#include "store/internal.h"

#define POLL_MS 10

const char *nexthop_state_name(uint8_t state)
{
	static const char *const names[] = {
		[PS_NH_UNRESOLVED] = "unresolved",
		[PS_NH_NO_ROUTE] = "no route",
		[PS_NH_NO_NEIGHBOUR] = "no neighbour",
		[PS_NH_NO_PORT] = "not on a port",
		[PS_NH_GENERIC] = "generic port",
		[PS_NH_READY] = "ready",
		[PS_NH_LOOP] = "loop",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

/* Looks once; asks the kernel to find a neighbour that it does not know. */
static void resolve_once(const struct store *st, struct nl *nl, struct ps_tunnel *t)
{
	struct nl_path path;
	struct nl_link link;
	struct ps_port port;
	uint32_t ifindex, dev;

	memset(t->nh_dst, 0, sizeof(t->nh_dst));
	memset(t->nh_src, 0, sizeof(t->nh_src));
	t->nh_ifindex = 0;
	t->nh_gateway_be = 0;
	t->nh_state = PS_NH_NO_ROUTE;
	/* With our source first: policy rules may look at it. It need not be an address of ours. */
	if (nl_route_get(nl, PS_BE32(t->remote_be), PS_BE32(t->local_be), &path) &&
	    nl_route_get(nl, PS_BE32(t->remote_be), 0, &path))
		return;
	if (path.local || nl_link_get(nl, NULL, path.ifindex, &link))
		return;
	ifindex = (uint32_t)path.ifindex;
	t->nh_ifindex = ifindex;
	t->nh_gateway_be = PS_BE32(path.gateway);
	t->nh_state = PS_NH_LOOP;
	if (ifindex == st->node->ifindex)
		return;
	t->nh_state = PS_NH_NO_PORT;
	if (!link.ethernet)
		return;
	t->nh_state = PS_NH_NO_NEIGHBOUR;
	if (nl_neigh_get(nl, path.ifindex, path.gateway, t->nh_dst)) {
		nl_neigh_probe(nl, path.ifindex, path.gateway);
		return;
	}
	memcpy(t->nh_src, link.mac, sizeof(t->nh_src));
	t->nh_state = PS_NH_READY;
	if (bpf_map_lookup_elem(st->fd[MAP_PORT], &ifindex, &port))
		t->nh_state = PS_NH_NO_PORT;
	else if (bpf_map_lookup_elem(st->fd[MAP_DEV], &ifindex, &dev))
		t->nh_state = PS_NH_GENERIC;
}

/* All neighbours are asked before the first is waited for, so n tunnels wait no longer than one. */
static void resolve(const struct store *st, struct nl *nl, struct ps_tunnel *t, size_t n,
		    int wait_ms)
{
	const struct timespec poll = { .tv_nsec = POLL_MS * 1000000L };
	bool missing = false;
	size_t i;

	for (i = 0; i < n; i++) {
		resolve_once(st, nl, &t[i]);
		missing |= t[i].nh_state == PS_NH_NO_NEIGHBOUR;
	}
	for (; missing && wait_ms > 0; wait_ms -= POLL_MS) {
		nanosleep(&poll, NULL);
		missing = false;
		for (i = 0; i < n; i++) {
			if (t[i].nh_state == PS_NH_NO_NEIGHBOUR)
				resolve_once(st, nl, &t[i]);
			missing |= t[i].nh_state == PS_NH_NO_NEIGHBOUR;
		}
	}
}

void nexthop_resolve(const struct store *st, struct nl *nl, struct ps_tunnel *t, int wait_ms)
{
	resolve(st, nl, t, 1, wait_ms);
}

int store_nexthops(const struct store *st, struct ps_tunnel *t, size_t n, int wait_ms,
		   struct error *err)
{
	struct nl *nl;
	int r = n ? nl_open(&nl) : 0;

	if (r)
		return error_system(err, -r, "cannot ask for next hops: %s", strerror(-r));
	if (!n)
		return 0;
	resolve(st, nl, t, n, wait_ms);
	nl_close(nl);
	return 0;
}

/* Takes over what was found for tunnels that are still the ones that were asked about. */
static int refresh_commit(struct store *st, const struct ps_tunnel *found, const uint32_t *id,
			  size_t n, struct error *err)
{
	struct txn *t;
	size_t i;
	int r = txn_begin(st, &t, err);

	if (r)
		return r;
	for (i = 0; !r && i < n; i++) {
		struct ps_tunnel now = *txn_tunnel(t, (int)id[i]);

		if (now.state != PS_STATE_USED || now.remote_be != found[i].remote_be)
			continue;
		memcpy(now.nh_dst, found[i].nh_dst, sizeof(now.nh_dst));
		memcpy(now.nh_src, found[i].nh_src, sizeof(now.nh_src));
		now.nh_ifindex = found[i].nh_ifindex;
		now.nh_gateway_be = found[i].nh_gateway_be;
		now.nh_state = found[i].nh_state;
		if (memcmp(&now, txn_tunnel(t, (int)id[i]), sizeof(now)))
			r = txn_tunnel_set(t, (int)id[i], &now, err);
	}
	if (r) {
		txn_abort(t);
		return r;
	}
	return txn_commit(t, err);
}

int store_refresh(struct store *st, int id, int wait_ms, struct error *err)
{
	uint32_t i, max = st->meta->max_tunnels;
	struct ps_tunnel *found = calloc(max, sizeof(*found));
	uint32_t *ids = calloc(max, sizeof(*ids));
	struct nl *nl = NULL;
	size_t n = 0;
	int r;

	r = found && ids ? nl_open(&nl) : -ENOMEM;
	if (r) {
		error_system(err, -r, "cannot ask for next hops: %s", strerror(-r));
	} else {
		for (i = PS_TUNNEL_FIRST; i < max; i++) {
			if (st->tunnel[i].state != PS_STATE_USED || (id >= 0 && (uint32_t)id != i))
				continue;
			ids[n] = i;
			found[n++] = st->tunnel[i];
		}
		resolve(st, nl, found, n, wait_ms); /* without the lock */
		r = refresh_commit(st, found, ids, n, err);
		nl_close(nl);
	}
	free(found);
	free(ids);
	return r;
}
