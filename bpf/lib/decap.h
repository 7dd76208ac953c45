/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * GRE that arrives: whose it is, whether it is sound, and what is inside (RFC 2784, RFC 2890).
 *
 * The tunnel is found by its outer source in a stride table, then by local endpoint and key along
 * the chain of tunnels with that remote: no hash map. Sequence numbers are read over: we promise
 * no order, and RFC 2890 lets a receiver ignore them. A GRE checksum, rare as it is, is verified.
 * Fragments of GRE packets are refused by name: no fast path can join them, and the kernel has no
 * tunnel to give them to; the far end is to keep its tunnel MTU (docs/architecture.md).
 */
#ifndef LIB_DECAP_H
#define LIB_DECAP_H

#include "lib/count.h"
#include "lib/fib.h"
#include "lib/parse.h"
#include "lib/select.h"

#define L2_MAX (PS_ETH_LEN + PS_VLAN_MAX * PS_VLAN_LEN)
#define IP_ECN_MASK 3
#define IP_ECN_CE 3

#define GRE_CHECKED_MAX 9216u /* bytes of the largest GRE packet whose checksum is verified */

/*
 * Is the checksum of the GRE packet at `off`, `len` bytes long, right? A global function: the
 * verifier looks at its loop once, not once for every path that leads here.
 */
__attribute__((noinline)) int gre_checksum_ok(struct xdp_md *ctx, __u32 off, __u32 len)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 sum = 0, i;
	__u16 *w;

	if (off > 128)
		return 0;
	w = data + off;
	for (i = 0; i < GRE_CHECKED_MAX / 2; i++) {
		if (len < 2 || (void *)(w + 1) > end)
			break;
		sum += *w++;
		len -= 2;
	}
	if (len == 1 && (void *)w + 1 <= end) {
		sum += PS_BE16((__u16)(*(__u8 *)w << 8));
		len = 0;
	}
	return len == 0 && ps_csum_fold(sum) == 0xffff;
}

/* What decap() found. */
struct gre {
	__u32 strip; /* outer IPv4 and GRE header bytes */
	__u32 id;    /* tunnel */
	__u8 tos;    /* outer */
};

struct gre_match {
	__be32 local_be;
	__be32 key_be;
	__u8 has_key;
};

/* Is the address an endpoint of ours? Most often it is that of the sender's first tunnel. */
static __always_inline int is_endpoint(__u32 first, __be32 daddr_be)
{
	struct ps_slot *s = first ? bpf_map_lookup_elem(&ps_slot, &first) : NULL;

	return (s && s->local_be == daddr_be) || fib_lookup(PS_T_LOCAL, daddr_be);
}

/* Walks the tunnels of one remote address. */
static __always_inline struct ps_slot *tunnel_find(__u32 slot, const struct gre_match *m,
						   struct gre *g)
{
	__u8 has_key;
	int i;

	for (i = 0; i < (int)PS_CHAIN_MAX && slot; i++) {
		struct ps_slot *s = bpf_map_lookup_elem(&ps_slot, &slot);

		if (!s)
			return NULL;
		has_key = !!(s->flags & PS_SLOT_F_KEY);
		if (s->local_be == m->local_be && has_key == m->has_key &&
		    (!has_key || s->key_be == m->key_be)) {
			g->id = PS_SLOT_ID(slot);
			return s;
		}
		slot = *(volatile __u16 *)&s->next;
	}
	return NULL;
}

/* Checks the GRE header at p's payload. 0 and g->strip and *m filled, or a reason. */
static __always_inline int gre_parse(const struct pkt *p, struct gre *g, struct gre_match *m,
				     int *checked)
{
	__u32 hlen = p->ip->ihl * 4, at = PS_GRE_LEN;
	void *l4 = (void *)p->ip + hlen;
	struct ps_gre *gre = l4;
	__u16 flags;

	if ((void *)(gre + 1) > p->end)
		return -PS_R_MALFORMED;
	flags = PS_BE16(gre->flags_be);
	if (flags & PS_GRE_REFUSED)
		return -PS_R_GRE_HEADER;
	if (gre->proto_be != PS_BE16(ETH_P_IP))
		return -PS_R_GRE_PROTOCOL;
	*checked = flags & PS_GRE_C;
	if (*checked)
		at += 4;
	m->has_key = !!(flags & PS_GRE_K);
	m->key_be = 0;
	if (m->has_key) {
		if (l4 + at + 4 > p->end)
			return -PS_R_MALFORMED;
		m->key_be = *(__be32 *)(l4 + at);
		at += 4;
	}
	if (flags & PS_GRE_S)
		at += 4;
	g->strip = hlen + at;
	if (g->strip + PS_IP_LEN > PS_BE16(p->ip->tot_len))
		return -PS_R_MALFORMED;
	return 0;
}

/* Moves the Ethernet header and its tags up to the inner packet and cuts off what lies before. */
static __always_inline int decap_strip(CTX *ctx, struct pkt *p, __u32 strip)
{
	void *from = ctx_data(ctx), *to = from + strip, *end = ctx_end(ctx);

	if (strip > 60 + 16 || to + L2_MAX > end || from + L2_MAX > end)
		return -PS_R_MALFORMED;
	/* Never overlaps: strip is at least 24. Ascending order would not matter. */
	*(__u64 *)to = *(__u64 *)from;
	*(__u32 *)(to + 8) = *(__u32 *)(from + 8);
	*(__u16 *)(to + 12) = *(__u16 *)(from + 12);
	if (p->l3 > PS_ETH_LEN)
		*(__u32 *)(to + 14) = *(__u32 *)(from + 14);
	if (p->l3 > PS_ETH_LEN + PS_VLAN_LEN)
		*(__u32 *)(to + 18) = *(__u32 *)(from + 18);
	if (bpf_xdp_adjust_head(ctx, (int)strip))
		return -PS_R_NO_HEADROOM;
	p->end = ctx_end(ctx);
	p->ip = ctx_data(ctx) + p->l3;
	if (p->l3 > L2_MAX || (void *)(p->ip + 1) > p->end)
		return -PS_R_MALFORMED;
	return 0;
}

/* RFC 6040 section 4.2, figure 4. The inner DSCP stays: see docs/architecture.md. */
static __always_inline int decap_ecn(struct iphdr *ip, __u8 outer)
{
	__u8 inner = ip->tos & IP_ECN_MASK, want = inner;

	outer &= IP_ECN_MASK;
	if (inner == 0)
		return outer == IP_ECN_CE ? -PS_R_ECN : 0;
	if (outer == IP_ECN_CE || (outer == 1 && inner == 2))
		want = outer;
	if (want != inner) {
		/* RFC 1624 equation 3 on the word that holds tos. */
		__u32 sum = (__u16)~ip->check;

		sum += (__u16)~PS_BE16(inner) + PS_BE16(want);
		ip->check = (__u16)~ps_csum_fold(sum);
		ip->tos = (ip->tos & ~IP_ECN_MASK) | want;
	}
	return 0;
}

/* Inner address checks by mode. 0, or a reason; PS_R_INTERFACE hands health traffic on. */
static __always_inline int decap_check(const struct pkt *p, const struct ps_slot *s)
{
	int edge = ps_view_mode(NULL) == PS_MODE_EDGE;
	__u32 leaf;

	if (s->flags & PS_SLOT_F_IFADDR) {
		if ((p->ip->daddr & s->if_mask_be) == s->if_net_be)
			return -PS_R_INTERFACE;
		/* On a transit node such a source may only speak to the tunnel's own subnet. */
		if (edge && (p->ip->saddr & s->if_mask_be) == s->if_net_be)
			return -PS_R_INTERFACE;
	}
	leaf = fib_lookup(PS_T_OWNED, edge ? p->ip->daddr : p->ip->saddr);
	if (!leaf || ps_fib_payload(leaf) != s->account)
		return edge ? -PS_R_FOREIGN_DESTINATION : -PS_R_SPOOFED_SOURCE;
	return 0;
}

/*
 * For a GRE packet. 1: none of ours, nothing done. 0: it was ours, the frame is now the inner
 * packet, checked, and *p describes it. Negative: a reason.
 */
static __always_inline int decap(CTX *ctx, struct pkt *p)
{
	__u32 first = ps_fib_payload(fib_lookup(PS_T_REMOTE, p->ip->saddr));
	struct gre_match m = { .local_be = p->ip->daddr };
	struct ps_slot *s;
	struct gre g = {};
	int r, checked = 0;
	__u32 room;

	if (!is_endpoint(first, p->ip->daddr))
		return 1;
	r = header_check(ctx, p);
	if (r)
		return r;
	/* That leaves the sum of a header with options to the kernel, which will not see this one.
	 */
	if (p->ip->ihl != 5 && !gre_checksum_ok(ctx, p->l3, p->ip->ihl * 4))
		return -PS_R_BAD_CHECKSUM;
	if (ps_ip_is_fragment(p->ip))
		return -PS_R_GRE_FRAGMENT;
	r = gre_parse(p, &g, &m, &checked);
	if (r)
		return r;
	s = tunnel_find(first, &m, &g);
	if (!s)
		return -PS_R_UNKNOWN_TUNNEL;
	g.tos = p->ip->tos;
	if (checked) {
		__u32 hlen = p->ip->ihl * 4, len = pkt_len(p) - hlen;

		if (!gre_checksum_ok(ctx, p->l3 + hlen, len))
			return -PS_R_GRE_CHECKSUM;
	}
	room = pkt_len(p) - g.strip;
	r = decap_strip(ctx, p, g.strip);
	if (r)
		return r;
	/* What lies behind the outer packet is padding, not the inner packet's. */
	if (p->ip->version != 4 || pkt_len(p) > room)
		return -PS_R_MALFORMED;
	r = header_check(ctx, p);
	if (r)
		return r;
	r = decap_ecn(p->ip, g.tos);
	if (r)
		return r;
	r = decap_check(p, s);
	if (r == 0 || r == -PS_R_INTERFACE)
		count_rx(g.id, pkt_len(p));
	return r;
}

#endif
