/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Encapsulation and sending on the fast path. All that could stop the packet is asked before the
 * first byte changes, so that what the kernel is handed is the packet as it came.
 */
#ifndef LIB_ENCAP_XDP_H
#define LIB_ENCAP_XDP_H

#include "lib/count.h"
#include "lib/encap.h"
#include "lib/parse.h"
#include "lib/select.h"

/*
 * Names the output: XDP_TX, XDP_REDIRECT, or 0 if the device is no port (any more). Asked before
 * the packet is changed, so that a port that is being detached costs no packet.
 */
static __always_inline int emit(const CTX *ctx, __u32 ifindex)
{
	int verdict;

	if (ifindex == ctx->ingress_ifindex)
		return XDP_TX; /* 10 ns less than a redirect */
	verdict = bpf_redirect_map(&ps_dev, ifindex, XDP_DROP);
	return verdict == XDP_REDIRECT ? verdict : 0;
}

/* Why the kernel must forward this packet; 0 if we can. */
static __always_inline int forward_check(const struct pkt *p, __u32 mtu)
{
	if (p->ip->ttl <= 1)
		return -PS_R_SLOW_TTL;
	if (p->ip->ihl != 5)
		return -PS_R_SLOW_OPTIONS;
	if (pkt_len(p) > mtu)
		return -PS_R_SLOW_MTU;
	return 0;
}

static __always_inline int encap(CTX *ctx, const struct pkt *p, const struct ps_slot *s, __u32 id)
{
	__u32 len = pkt_len(p), key = s->flags & PS_SLOT_F_KEY ? 4 : 0;
	__u8 tos = p->ip->tos;
	void *to;
	int verdict, r = forward_check(p, s->mtu);

	if (r)
		return r;
	verdict = s->flags & PS_SLOT_F_READY ? emit(ctx, s->ifindex) : 0;
	if (!verdict)
		return -PS_R_SLOW_NEIGHBOUR;
	ps_ip_ttl_dec(p->ip);
	if (bpf_xdp_adjust_head(ctx, (int)(p->l3 - ENCAP_FRAME - key)))
		return -PS_R_NO_HEADROOM;
	to = ctx_data(ctx);
	if (to + ENCAP_FRAME + 4 > ctx_end(ctx)) /* an IPv4 header follows, so the 4 are there */
		return -PS_R_MALFORMED;
	encap_copy(to, s);
	if (key)
		*(__be32 *)(to + ENCAP_FRAME) = s->key_be;
	encap_patch(to + PS_ETH_LEN, s, tos, len + ps_gre_overhead(key));
	count_tx(id, len);
	return verdict;
}

/* Sends the packet where its leaf leads. */
static __always_inline int steer(CTX *ctx, const struct pkt *p, __u32 leaf)
{
	__u32 slot = 0;
	const struct ps_slot *s = ps_select(NULL, leaf, pkt_hash(p), &slot);
	int r = ps_slot_check(s);

	return r ? r : encap(ctx, p, s, PS_SLOT_ID(slot));
}

#endif
