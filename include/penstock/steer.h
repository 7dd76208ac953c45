/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a packet to its leaf, and from a leaf to the tunnel: row[hash & mask]. Weights, priorities
 * and health never reach the packet path; they are in the rows.
 *
 * One set of functions decides for the programs and for `penstock route get`, so that the answer
 * can't be an opinion about the programs. What they look at is given by whoever includes this, in
 * four functions over an opaque view: the programs read their maps, the tool its mapped memory, or
 * the primary maps, from which it works out what the derived ones should say.
 *
 * A function returns 0 and a negative reason in *why, as the stages of bpf/ do.
 */
#ifndef PENSTOCK_STEER_H
#define PENSTOCK_STEER_H

#include <stddef.h>

#include "penstock/fib.h"
#include "penstock/reasons.h"

/* The leaf of the longest prefix of a table that holds the address; 0: none. */
PS_STEER __u32 ps_view_leaf(const void *view, __u32 table, __be32 addr_be);
/* NULL beyond the end, which only a corrupt map can ask for. */
PS_STEER const struct ps_block *ps_view_block(const void *view, __u32 block);
PS_STEER const struct ps_slot *ps_view_slot(const void *view, __u32 slot);
PS_STEER __u32 ps_view_mode(const void *view);

/*
 * Destination in `main`: its leaf. Otherwise 0 and why in *why: on a transit node an owned
 * destination without a route ends here (rule 9); on an edge node owned destinations are the
 * LAN's and the kernel's business.
 */
PS_STEER __u32 ps_route_main(const void *view, const struct iphdr *ip, int *why)
{
	__u32 leaf = ps_view_leaf(view, PS_T_MAIN, ip->daddr);

	if (leaf)
		return leaf;
	*why = -PS_R_TO_KERNEL;
	if (ps_view_mode(view) == PS_MODE_TRANSIT && ps_view_leaf(view, PS_T_OWNED, ip->daddr))
		*why = -PS_R_NO_ROUTE;
	return 0;
}

/* Source in a policy: the leaf of the destination in the policy's table. Otherwise as above. */
PS_STEER __u32 ps_route_policy(const void *view, const struct iphdr *ip, int *why)
{
	__u32 leaf = ps_view_leaf(view, PS_T_POLICY, ip->saddr);

	if (!leaf) {
		*why = -PS_R_TO_KERNEL;
		return 0;
	}
	if (ps_view_leaf(view, PS_T_OWNED, ip->daddr)) {
		*why = -PS_R_OWN_DESTINATION;
		return 0;
	}
	leaf = ps_view_leaf(view, ps_fib_payload(leaf), ip->daddr);
	*why = -PS_R_NO_ROUTE;
	return leaf;
}

/* What the kernel sent to penstock0: by policy first, then by `main`; it is nobody else's. */
PS_STEER __u32 ps_route_slow(const void *view, const struct iphdr *ip, int *why)
{
	__u32 leaf = ps_route_policy(view, ip, why);

	if (leaf || *why == -PS_R_NO_ROUTE)
		return leaf;
	leaf = ps_route_main(view, ip, why);
	if (!leaf && *why != -PS_R_NO_ROUTE)
		*why = -PS_R_NOT_OURS;
	return leaf;
}

PS_STEER __u32 ps_row_log2(__u32 leaf)
{
	return (leaf >> PS_ROW_LOG2_SHIFT) & 7;
}

/* The slot of the packet's bucket, its number in *slot. NULL only for a corrupt row. */
PS_STEER const struct ps_slot *ps_select(const void *view, __u32 leaf, __u32 hash, __u32 *slot)
{
	__u32 block = (leaf & PS_ROW_BLOCK_MASK) +
		      ((hash / PS_BLOCK_SLOTS) & ((1u << ps_row_log2(leaf)) - 1));
	const struct ps_block *b = ps_view_block(view, block);

	if (!b)
		return NULL;
	*slot = *(const volatile __u16 *)&b->slot[hash % PS_BLOCK_SLOTS];
	return ps_view_slot(view, *slot);
}

/* A next hop that is no tunnel, or none at all: the reason. 0 for a tunnel. */
PS_STEER int ps_slot_check(const struct ps_slot *s)
{
	if (!s || s->kind == PS_SLOT_NONE)
		return -PS_R_NO_TUNNEL;
	if (s->kind == PS_SLOT_UNDERLAY)
		return -PS_R_UNDERLAY;
	if (s->kind == PS_SLOT_DROP)
		return -PS_R_ROUTE_DROP;
	return 0;
}

#endif
