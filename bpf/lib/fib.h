/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Longest-prefix match in a 16-8-8 stride table: one to three array lookups (user/core/stride.h
 * is the writing side). Each entry is loaded once: what it leads to was complete before it.
 */
#ifndef LIB_FIB_H
#define LIB_FIB_H

#include "lib/compiler.h"
#include "lib/maps.h"
#include "penstock/wire.h"

static __always_inline __u32 fib_entry(__u32 chunk, __u32 i)
{
	struct ps_chunk *c = bpf_map_lookup_elem(&ps_fib, &chunk);

	return c ? *(volatile __u32 *)&c->e[i & (PS_CHUNK_SLOTS - 1)] : 0;
}

/* The leaf of the longest prefix of the table that holds the address; 0: none. */
static __always_inline __u32 fib_lookup(__u32 table, __be32 addr_be)
{
	__u32 addr = PS_BE32(addr_be), e;

	e = fib_entry(table * PS_ROOT_CHUNKS + (addr >> 24), addr >> 16);
	if (unlikely(!(e & PS_FIB_CHUNK)))
		return e;
	e = fib_entry(e & ~PS_FIB_CHUNK, addr >> 8);
	if (likely(!(e & PS_FIB_CHUNK)))
		return e;
	return fib_entry(e & ~PS_FIB_CHUNK, addr);
}

static __always_inline __u32 fib_payload(__u32 leaf)
{
	return leaf & PS_FIB_PAYLOAD_MASK;
}

#endif
