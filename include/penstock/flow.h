/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flow identity: which packets must stay together, and the hash that chooses their bucket.
 *
 * Addresses always. Ports too for TCP, UDP, UDP-Lite and SCTP, unless the packet is a fragment:
 * later fragments have no ports, so the first one may not use them either, or a datagram's parts
 * would take different tunnels. An ICMP error belongs to the flow of the packet it quotes, in the
 * direction the error travels, hence reversed: path-MTU messages follow their flow.
 *
 * The hash is defined over host-order values, so nodes of any byte order agree. Two 64-bit
 * multiplications with a fold between them: it lies on the way from packet to tunnel, where
 * murmur3 over three words made the whole program a third slower. The upper half of the product is
 * taken, each bit of which depends on all bits below. Golden values in tests/unit pin it: a change
 * moves every flow of every user, so it is an ABI change.
 *
 * Compiled into the BPF programs, the CLI and the tests. Pointers are compared with `end` before
 * every read, in the form the verifier understands.
 */
#ifndef PENSTOCK_FLOW_H
#define PENSTOCK_FLOW_H

#include "penstock/wire.h"

struct ps_flow {
	__be32 saddr_be;
	__be32 daddr_be;
	__be16 sport_be; /* 0 where ports do not count */
	__be16 dport_be;
};

static inline __u32 ps_flow_hash(const struct ps_flow *f)
{
	__u64 addrs = (__u64)PS_BE32(f->daddr_be) << 32 | PS_BE32(f->saddr_be);
	__u32 ports = (__u32)PS_BE16(f->sport_be) << 16 | PS_BE16(f->dport_be);
	__u64 h = (addrs ^ (ports * 0x9e3779b97f4a7c15ull)) * 0xbf58476d1ce4e5b9ull;

	h = (h ^ (h >> 32)) * 0x94d049bb133111ebull;
	return (__u32)(h >> 32);
}

static inline int ps_proto_has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_UDPLITE;
}

static inline int ps_ip_is_fragment(const struct iphdr *ip)
{
	return (ip->frag_off & PS_BE16(PS_IP_MF | PS_IP_OFFSET)) != 0;
}

/* ICMP types that quote a packet: unreachable, source quench, time exceeded, parameter problem. */
static inline int ps_icmp_is_error(__u8 type)
{
	return type == 3 || type == 4 || type == 11 || type == 12;
}

/*
 * Fills `f` from one IPv4 header; ports only if they are there. `l4` is where its payload starts.
 * A packet too short for its ports is a flow of its addresses.
 */
static inline __attribute__((always_inline)) void
ps_flow_of_header(struct ps_flow *f, const struct iphdr *ip, const void *l4, const void *end)
{
	const __be16 *port = (const __be16 *)l4;

	f->saddr_be = ip->saddr;
	f->daddr_be = ip->daddr;
	f->sport_be = 0;
	f->dport_be = 0;
	if (!ps_proto_has_ports(ip->protocol) || ps_ip_is_fragment(ip))
		return;
	if ((const void *)(port + 2) > end)
		return;
	f->sport_be = port[0];
	f->dport_be = port[1];
}

/*
 * Fills `f` for the packet whose header is at `ip`, of which at least 20 bytes lie before `end`
 * and whose payload starts at `l4`.
 */
static inline __attribute__((always_inline)) void
ps_flow_of_packet(struct ps_flow *f, const struct iphdr *ip, const void *l4, const void *end)
{
	const __u8 *icmp = (const __u8 *)l4;
	const struct iphdr *quoted = (const struct iphdr *)(icmp + 8);
	struct ps_flow q;
	__u32 ihl;

	ps_flow_of_header(f, ip, l4, end);
	if (ip->protocol != IPPROTO_ICMP || ps_ip_is_fragment(ip))
		return;
	if ((const void *)(quoted + 1) > end || !ps_icmp_is_error(icmp[0]))
		return;
	ihl = quoted->ihl;
	if (quoted->version != 4 || ihl < 5)
		return;
	ps_flow_of_header(&q, quoted, (const __u8 *)quoted + ihl * 4, end);
	f->saddr_be = q.daddr_be;
	f->daddr_be = q.saddr_be;
	f->sport_be = q.dport_be;
	f->dport_be = q.sport_be;
}

#endif
