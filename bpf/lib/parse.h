/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From frame to IPv4 header. Parsing asks only for what finding the packet's owner needs; the
 * header is judged by header_check() once the packet is known to be ours. Until then a bad packet
 * may be the host's, and the kernel judges those.
 */
#ifndef LIB_PARSE_H
#define LIB_PARSE_H

#include "lib/compiler.h"
#include "penstock/flow.h"
#include "penstock/reasons.h"
#include "penstock/wire.h"

struct pkt {
	struct iphdr *ip; /* at least 20 bytes before end */
	void *end;
	__u32 l3; /* offset of ip in the frame: 14, 18 or 22 */
};

static __always_inline int is_vlan(__be16 proto)
{
	return proto == PS_BE16(ETH_P_8021Q) || proto == PS_BE16(ETH_P_8021AD);
}

/* Ethernet and up to two VLAN tags. 0, or the reason why the packet is none of ours. */
static __always_inline int parse(const CTX *ctx, struct pkt *p)
{
	void *data = ctx_data(ctx), *end = ctx_end(ctx);
	__be16 *proto = data + PS_ETH_LEN - 2;
	__u32 l3 = PS_ETH_LEN;

	if (data + PS_ETH_LEN + PS_IP_LEN > end)
		return -PS_R_NOT_IPV4;
	if (unlikely(is_vlan(*proto))) {
		proto += 2;
		l3 += PS_VLAN_LEN;
		if (is_vlan(*proto)) {
			proto += 2;
			l3 += PS_VLAN_LEN;
		}
	}
	p->l3 = l3;
	p->ip = data + l3;
	p->end = end;
	if ((void *)(p->ip + 1) > end || *proto != PS_BE16(ETH_P_IP) || p->ip->version != 4)
		return -PS_R_NOT_IPV4;
	return 0;
}

/* Bytes of the packet: valid after header_check(). */
static __always_inline __u32 pkt_len(const struct pkt *p)
{
	return PS_BE16(p->ip->tot_len);
}

/* RFC 1812 section 5.2.2, for a packet that is ours. Bytes behind the packet are padding. */
static __always_inline int header_check(const CTX *ctx, const struct pkt *p)
{
	__u32 hlen = p->ip->ihl * 4, len = PS_BE16(p->ip->tot_len);

	if (unlikely(hlen < PS_IP_LEN || len < hlen || len > ctx_len(ctx) - p->l3))
		return -PS_R_MALFORMED;
	/* A header with options goes to the kernel, which sums it; see encap and forward. */
	if (likely(hlen == PS_IP_LEN) && unlikely(ps_ip_sum(p->ip) != 0xffff))
		return -PS_R_BAD_CHECKSUM;
	return 0;
}

static __always_inline __u32 pkt_hash(const struct pkt *p)
{
	struct ps_flow flow;

	ps_flow_of_packet(&flow, p->ip, (void *)p->ip + p->ip->ihl * 4, p->end);
	return ps_flow_hash(&flow);
}

#endif
