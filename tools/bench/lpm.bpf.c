// SPDX-License-Identifier: GPL-2.0-only
/* The product's wan program with the main table in an LPM_TRIE, the rest as it is. */
#include "lib/ctx_xdp.h"

#define fib_lookup fib_lookup_stride
#include "lib/fib.h"
#undef fib_lookup

struct lpm_key {
	__u32 len;
	__be32 addr_be;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__type(key, struct lpm_key);
	__type(value, __u32);
} bench_lpm SEC(".maps");

static __always_inline __u32 fib_lookup(__u32 table, __be32 addr_be)
{
	struct lpm_key key = { 32, addr_be };
	__u32 *leaf;

	if (table != PS_T_MAIN)
		return fib_lookup_stride(table, addr_be);
	leaf = bpf_map_lookup_elem(&bench_lpm, &key);
	return leaf ? *leaf : 0;
}

#include "../../bpf/xdp.bpf.c"

__attribute__((noinline)) int prog0(struct xdp_md *ctx)
{
	return finish(ctx, wan(ctx));
}
