/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Longest-prefix match in a 16-8-8 stride table: one to three array lookups (user/core/stride.h is
 * the writing side). Each entry is loaded once: what it leads to was complete before it.
 *
 * Who includes this has defined how an entry is read: ps_view_entry(view, chunk, i), 0 for a chunk
 * beyond the end. `view` is handed through: the programs, whose maps are global, have no use for
 * it, the tool passes its mapped memory.
 */
#ifndef PENSTOCK_FIB_H
#define PENSTOCK_FIB_H

#include "penstock/wire.h"

#define PS_STEER static inline __attribute__((always_inline))

PS_STEER __u32 ps_view_entry(const void *view, __u32 chunk, __u32 i);

/* The leaf of the longest prefix of the table that holds the address; 0: none. */
PS_STEER __u32 ps_fib_lookup(const void *view, __u32 table, __be32 addr_be)
{
	__u32 addr = PS_BE32(addr_be), e;

	e = ps_view_entry(view, table * PS_ROOT_CHUNKS + (addr >> 24), addr >> 16);
	if (__builtin_expect(!(e & PS_FIB_CHUNK), 0))
		return e;
	e = ps_view_entry(view, e & ~PS_FIB_CHUNK, addr >> 8);
	if (__builtin_expect(!(e & PS_FIB_CHUNK), 1))
		return e;
	return ps_view_entry(view, e & ~PS_FIB_CHUNK, addr);
}

PS_STEER __u32 ps_fib_payload(__u32 leaf)
{
	return leaf & PS_FIB_PAYLOAD_MASK;
}

#endif
