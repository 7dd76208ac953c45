// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The slow path: what the kernel routes to penstock0, whether handed over by the fast path or its
 * own, meets the same stages here and leaves by bpf_redirect_neigh(), so that the kernel finds the
 * neighbour, and has already decremented the TTL, obeyed options, fragmented or answered.
 *
 * Nothing passes: a packet that is not for a tunnel has reached the wrong device and is counted.
 */
#include "lib/ctx_skb.h"

#include "lib/count.h"
#include "lib/encap.h"
#include "lib/filter.h"
#include "lib/select.h"

#ifndef AF_INET
#define AF_INET 2
#endif

#define PULL_MAX 192 /* headers, with options, of a packet and of the one it quotes */

/* Where does the underlay lead? The answer's ifindex and gateway are in *f. */
static __always_inline int underlay_ask(CTX *ctx, struct bpf_fib_lookup *f, __u32 flags)
{
	long r;

	f->family = AF_INET;
	f->ifindex = ctx->ifindex;
	r = bpf_fib_lookup(ctx, f, sizeof(*f), flags);
	if (r != BPF_FIB_LKUP_RET_SUCCESS && r != BPF_FIB_LKUP_RET_NO_NEIGH)
		return -PS_R_NO_UNDERLAY;
	return f->ifindex == ctx->ifindex ? -PS_R_TUNNEL_LOOP : 0;
}

/*
 * The next hop is not handed over, though known: then the packet would keep the route that led to
 * penstock0, and one that has to wait for ARP would be sent with that device's MAC addresses.
 */
static __always_inline int emit_neigh(const struct bpf_fib_lookup *f)
{
	return bpf_redirect_neigh(f->ifindex, NULL, 0, 0);
}

/* Source policy traffic whose route says `via underlay`: out by the main table, past our rules. */
static __always_inline int underlay(CTX *ctx, const struct pkt *p)
{
	struct bpf_fib_lookup f = { .ipv4_src = p->ip->saddr, .ipv4_dst = p->ip->daddr };
	int r = underlay_ask(ctx, &f, BPF_FIB_LOOKUP_DIRECT);

	return r ? r : emit_neigh(&f);
}

static __always_inline int encap(CTX *ctx, const struct pkt *p, const struct ps_slot *s, __u32 id)
{
	struct bpf_fib_lookup f = {
		.l4_protocol = IPPROTO_GRE,
		.ipv4_src = s->local_be,
		.ipv4_dst = s->remote_be,
	};
	__u32 len = ctx->len - p->l3, key = s->flags & PS_SLOT_F_KEY ? 4 : 0;
	__u32 room = ps_gre_overhead(key), outer = len + room;
	__u8 tos = p->ip->tos;
	void *to;
	int r;

	if (len > s->mtu && !ctx->gso_size)
		return -PS_R_TOO_BIG;
	r = underlay_ask(ctx, &f, 0);
	if (r)
		return r;
	/* Segments keep their size: the kernel made them for the MTU of penstock0. */
	if (bpf_skb_adjust_room(ctx, (int)room, BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_GRE |
					BPF_F_ADJ_ROOM_FIXED_GSO))
		return -PS_R_NO_HEADROOM;
	to = ctx_data(ctx);
	if (to + ENCAP_FRAME + 4 > ctx_end(ctx))
		return -PS_R_MALFORMED;
	encap_copy(to, s);
	if (key)
		*(__be32 *)(to + ENCAP_FRAME) = s->key_be;
	/* A super-packet's own length is not sent: the kernel writes each segment's. */
	encap_patch(to + PS_ETH_LEN, s, tos, outer > 0xffff ? 0xffff : outer);
	count_tx(id, len);
	return emit_neigh(&f);
}

static __always_inline int slow(CTX *ctx)
{
	__u32 leaf, slot = 0, pull = ctx->len;
	const struct ps_slot *s;
	struct pkt p;
	int r, why;

	bpf_skb_pull_data(ctx, pull < PULL_MAX ? pull : PULL_MAX);
	if (parse(ctx, &p))
		return -PS_R_NOT_OURS;
	leaf = ps_route_slow(NULL, p.ip, &why);
	if (!leaf)
		return why;
	r = header_check(ctx, &p);
	if (r)
		return r;
	r = filter(&p, fib_lookup(PS_T_POLICY, p.ip->saddr) ? FILTER_EGRESS : FILTER_INGRESS);
	if (r)
		return r;
	s = ps_select(NULL, leaf, pkt_hash(&p), &slot);
	r = ps_slot_check(s);
	if (r == -PS_R_UNDERLAY)
		return underlay(ctx, &p);
	return r ? r : encap(ctx, &p, s, PS_SLOT_ID(slot));
}

SEC("tc")
int tc_penstock0(struct __sk_buff *skb)
{
	int r = slow(skb);

	/* Handing to the kernel would mean sending into the void behind penstock0. */
	return finish(skb, r <= -PS_REASON_HAND_FIRST ? -PS_R_NOT_OURS : r);
}

char tc_license[] SEC("license") = "Dual BSD/GPL";
