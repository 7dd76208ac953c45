/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The programs' access to the stride tables of penstock/fib.h: a map, and no view. */
#ifndef LIB_FIB_H
#define LIB_FIB_H

#include "lib/compiler.h"
#include "lib/maps.h"
#include "penstock/fib.h"

PS_STEER __u32 ps_view_entry(const void *view, __u32 chunk, __u32 i)
{
	struct ps_chunk *c = bpf_map_lookup_elem(&ps_fib, &chunk);

	(void)view;
	return c ? *(volatile __u32 *)&c->e[i & (PS_CHUNK_SLOTS - 1)] : 0;
}

static __always_inline __u32 fib_lookup(__u32 table, __be32 addr_be)
{
	return ps_fib_lookup(NULL, table, addr_be);
}

#endif
