/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The programs' side of penstock/steer.h: what it asks for is in maps, and there is no view. */
#ifndef LIB_SELECT_H
#define LIB_SELECT_H

#include "lib/fib.h"
#include "penstock/steer.h"

PS_STEER __u32 ps_view_leaf(const void *view, __u32 table, __be32 addr_be)
{
	(void)view;
	return fib_lookup(table, addr_be);
}

PS_STEER const struct ps_block *ps_view_block(const void *view, __u32 block)
{
	(void)view;
	return bpf_map_lookup_elem(&ps_row, &block);
}

PS_STEER const struct ps_slot *ps_view_slot(const void *view, __u32 slot)
{
	(void)view;
	return bpf_map_lookup_elem(&ps_slot, &slot);
}

PS_STEER __u32 ps_view_mode(const void *view)
{
	__u32 zero = 0;
	struct ps_node *n = bpf_map_lookup_elem(&ps_node, &zero);

	(void)view;
	/* Without settings every check of a transit node applies: the stricter of the two. */
	return n ? n->mode : PS_MODE_TRANSIT;
}

#endif
