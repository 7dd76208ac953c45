/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a packet to its leaf, and from a leaf to the tunnel: row[hash & mask]. Weights, priorities
 * and health never reach the packet path; they are in the rows.
 */
#ifndef LIB_SELECT_H
#define LIB_SELECT_H

#include "lib/fib.h"
#include "lib/parse.h"

static __always_inline __u32 node_mode(void)
{
	__u32 zero = 0;
	struct ps_node *n = bpf_map_lookup_elem(&ps_node, &zero);

	/* Without settings every check of a transit node applies: the stricter of the two. */
	return n ? n->mode : PS_MODE_TRANSIT;
}

/*
 * Destination in `main`: its leaf. Otherwise 0 and why in *why: on a transit node an owned
 * destination without a route ends here (rule 9); on an edge node owned destinations are the
 * LAN's and the kernel's business.
 */
static __always_inline __u32 route_main(const struct pkt *p, int *why)
{
	__u32 leaf = fib_lookup(PS_T_MAIN, p->ip->daddr);

	if (leaf)
		return leaf;
	*why = -PS_R_TO_KERNEL;
	if (node_mode() == PS_MODE_TRANSIT && fib_lookup(PS_T_OWNED, p->ip->daddr))
		*why = -PS_R_NO_ROUTE;
	return 0;
}

/* Source in a policy: the leaf of the destination in the policy's table. Otherwise as above. */
static __always_inline __u32 route_policy(const struct pkt *p, int *why)
{
	__u32 leaf = fib_lookup(PS_T_POLICY, p->ip->saddr);

	if (!leaf) {
		*why = -PS_R_TO_KERNEL;
		return 0;
	}
	if (fib_lookup(PS_T_OWNED, p->ip->daddr)) {
		*why = -PS_R_OWN_DESTINATION;
		return 0;
	}
	leaf = fib_lookup(fib_payload(leaf), p->ip->daddr);
	*why = -PS_R_NO_ROUTE;
	return leaf;
}

/* The slot of the packet's bucket; *id is the tunnel's. NULL only for a corrupt row. */
static __always_inline struct ps_slot *select_slot(__u32 leaf, __u32 hash, __u32 *id)
{
	__u32 log2 = (leaf >> PS_ROW_LOG2_SHIFT) & 7;
	__u32 block = (leaf & PS_ROW_BLOCK_MASK) + ((hash / PS_BLOCK_SLOTS) & ((1u << log2) - 1));
	struct ps_block *b = bpf_map_lookup_elem(&ps_row, &block);
	__u32 slot;

	if (!b)
		return NULL;
	slot = *(volatile __u16 *)&b->slot[hash % PS_BLOCK_SLOTS];
	*id = PS_SLOT_ID(slot);
	return bpf_map_lookup_elem(&ps_slot, &slot);
}

/* A next hop that is no tunnel, or none at all: the reason. 0 for a tunnel. */
static __always_inline int slot_check(const struct ps_slot *s)
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
