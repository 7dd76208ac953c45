/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tables by which a received GRE packet finds its tunnel: PS_T_REMOTE leads to the first of
 * the tunnels with that remote address, which are chained by their slots; PS_T_LOCAL says that an
 * address is an endpoint of ours.
 *
 * An address becomes an endpoint once all its tunnels can be found, and ceases to be one before
 * they go: in between, its packets would be refused as of an unknown tunnel, where before and
 * after they are the kernel's.
 */
#include "penstock/wire.h"
#include "store/internal.h"

/* Puts a slot before the chain that begins with `next`: it is complete before it is led to. */
static uint16_t chain_put(struct store *st, uint16_t slot, uint16_t next)
{
	store_step(st);
	__atomic_store_n(&st->slot[slot].next, next, __ATOMIC_RELEASE);
	return slot;
}

static bool in_chain(const struct ps_tunnel *t, __be32 remote_be)
{
	return t->state == PS_STATE_USED && t->remote_be == remote_be;
}

/*
 * Links the tunnels of one remote address and returns the first one's slot, 0 if there is none.
 * From the highest id down, so that each link that packets follow leads to what is already in
 * place and to all that it led to before. What was there and goes, or has got another header,
 * stays in the chain until `gone`: so packets of the old endpoint meet the old answer until that
 * endpoint is ours no more.
 */
static uint16_t chain_link(struct store *st, const struct ps_tunnel *was, __be32 remote_be,
			   bool gone)
{
	uint16_t next = 0;
	uint32_t i;

	for (i = st->meta->max_tunnels; i-- > PS_TUNNEL_FIRST;) {
		const struct ps_tunnel *now = &st->tunnel[i];
		bool in = in_chain(now, remote_be);

		if (!gone && in_chain(&was[i], remote_be) && !(in && was[i].slot == now->slot))
			next = chain_put(st, was[i].slot, next);
		if (in)
			next = chain_put(st, now->slot, next);
	}
	return next;
}

void index_remote(struct store *st, const struct ps_tunnel *was, __be32 remote_be, bool gone)
{
	struct prefix p = { PS_BE32(remote_be), 32 };
	uint16_t first = chain_link(st, was, remote_be, gone);

	if (first)
		stride_insert(&st->stride, PS_T_REMOTE, p, first);
	else
		stride_delete(&st->stride, PS_T_REMOTE, p, 0);
}

void index_local(struct store *st, const struct ps_tunnel *was, __be32 local_be, bool gone)
{
	struct prefix p = { PS_BE32(local_be), 32 };
	bool any = false;
	uint32_t i;

	for (i = PS_TUNNEL_FIRST; i < st->meta->max_tunnels && !any; i++) {
		const struct ps_tunnel *now = &st->tunnel[i];

		any = now->state == PS_STATE_USED && now->local_be == local_be;
		if (!gone)
			any |= was[i].state == PS_STATE_USED && was[i].local_be == local_be;
	}
	if (any)
		stride_insert(&st->stride, PS_T_LOCAL, p, 1);
	else
		stride_delete(&st->stride, PS_T_LOCAL, p, 0);
}
