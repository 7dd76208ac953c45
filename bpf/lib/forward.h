/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Decapsulated packets that go on by ordinary routing: towards the Internet on a transit node,
 * the LAN on an edge node. The kernel's FIB decides; its answer is remembered per CPU in a
 * direct-mapped array for 100 jiffies (0.1 to 1 s, as HZ goes), as asking costs 100 ns and more.
 * What is remembered may be that old; a changed route or neighbour is believed within this time.
 *
 * Only ports of ours are sent to. Everything else, local addresses included, is the kernel's.
 */
#ifndef LIB_FORWARD_H
#define LIB_FORWARD_H

#include "lib/encap_xdp.h"

#ifndef AF_INET
#define AF_INET 2
#endif

/* Asks the kernel; fills *n on success. */
static __always_inline int nexthop_ask(CTX *ctx, const struct pkt *p, struct ps_nexthop *n,
				       __u64 now)
{
	struct bpf_fib_lookup f = {
		.family = AF_INET,
		.tos = p->ip->tos,
		.l4_protocol = p->ip->protocol,
		.ipv4_src = p->ip->saddr,
		.ipv4_dst = p->ip->daddr,
		.ifindex = ctx->ingress_ifindex,
	};
	__u32 ifindex;

	f.tot_len = pkt_len(p);
	if (bpf_fib_lookup(ctx, &f, sizeof(f), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return -PS_R_SLOW_FORWARD;
	ifindex = f.ifindex;
	if (!bpf_map_lookup_elem(&ps_dev, &ifindex))
		return -PS_R_SLOW_FORWARD;
	n->until = 0;
	n->daddr_be = p->ip->daddr;
	n->ifindex = f.ifindex;
	n->mtu = pkt_len(p); /* what the kernel has agreed to; a longer packet asks again */
	__builtin_memcpy(n->dst, f.dmac, 6);
	__builtin_memcpy(n->src, f.smac, 6);
	n->until = now + PS_NEXTHOP_TICKS;
	return 0;
}

static __always_inline int forward(CTX *ctx, const struct pkt *p)
{
	__u64 now = bpf_jiffies64();
	__u32 i = (p->ip->daddr * 0x9e3779b1u >> 16) % PS_NEXTHOP_ENTRIES;
	struct ps_nexthop *n = bpf_map_lookup_elem(&ps_nexthop, &i);
	struct ethhdr *eth = ctx_data(ctx);
	int verdict, r = forward_check(p, 0xffff);

	if (r)
		return r;
	if (!n || p->l3 != PS_ETH_LEN) /* tags belong to the port it came by */
		return -PS_R_SLOW_FORWARD;
	if (n->daddr_be != p->ip->daddr || n->until <= now || pkt_len(p) > n->mtu) {
		r = nexthop_ask(ctx, p, n, now);
		if (r)
			return r;
	}
	verdict = emit(ctx, n->ifindex);
	if (!verdict || (void *)(eth + 1) > p->end)
		return -PS_R_SLOW_FORWARD;
	ps_ip_ttl_dec(p->ip);
	__builtin_memcpy(eth->h_dest, n->dst, 6);
	__builtin_memcpy(eth->h_source, n->src, 6);
	return verdict;
}

#endif
