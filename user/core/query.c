/* SPDX-License-Identifier: GPL-2.0-only */
/* See query.h. */
#include "core/query.h"

#include <string.h>

#include "penstock/flow.h"

#define ICMP_ECHO_REQUEST 8
#define TCP_SYN 0x02

static unsigned int l4_headers(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return 20;
	case IPPROTO_SCTP:
		return 12;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_ICMP:
		return 8;
	case IPPROTO_GRE:
		return PS_GRE_LEN;
	default:
		return 0;
	}
}

unsigned int query_headers(uint8_t protocol)
{
	return PS_IP_LEN + l4_headers(protocol);
}

unsigned int query_length(const struct query *q)
{
	return q->length ? q->length : query_headers(q->protocol);
}

static void put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static unsigned int get16(const uint8_t *p)
{
	return (unsigned int)p[0] << 8 | p[1];
}

/* One's complement of the one's complement sum of what is there; the zeros after it add nothing. */
static uint16_t checksum(const uint8_t *p, unsigned int n, uint32_t sum)
{
	for (; n > 1; p += 2, n -= 2)
		sum += get16(p);
	return (uint16_t)~ps_csum_fold(sum);
}

/* TCP, UDP and UDP-Lite: with the addresses, the protocol and the length of what is summed. */
static uint16_t l4_checksum(const struct query *q, const uint8_t *l4, unsigned int len)
{
	uint32_t sum = (q->src >> 16) + (q->src & 0xffff) + (q->dst >> 16) + (q->dst & 0xffff);

	return checksum(l4, l4_headers(q->protocol), sum + q->protocol + len);
}

/* `len`: from here to the end of the packet. */
static void l4_write(const struct query *q, uint8_t *l4, unsigned int len)
{
	uint16_t sum;

	if (ps_proto_has_ports(q->protocol)) {
		put16(l4, q->sport);
		put16(l4 + 2, q->dport);
	}
	switch (q->protocol) {
	case IPPROTO_TCP:
		l4[12] = 5 << 4;
		l4[13] = TCP_SYN;
		put16(l4 + 14, 0xffff);
		put16(l4 + 16, l4_checksum(q, l4, len));
		break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE: /* there it is the coverage, which may be all */
		put16(l4 + 4, len);
		sum = l4_checksum(q, l4, len);
		put16(l4 + 6, sum ? sum : 0xffff);
		break;
	case IPPROTO_ICMP:
		l4[0] = ICMP_ECHO_REQUEST;
		put16(l4 + 2, checksum(l4, l4_headers(q->protocol), 0));
		break;
	default:
		break;
	}
}

void query_packet(const struct query *q, uint8_t *to, size_t room)
{
	unsigned int len = query_length(q);
	struct iphdr ip = {
		.version = 4,
		.ihl = PS_IP_LEN / 4,
		.tot_len = PS_BE16(len),
		.frag_off = PS_BE16(PS_IP_DF),
		.ttl = 64,
		.protocol = q->protocol,
		.saddr = PS_BE32(q->src),
		.daddr = PS_BE32(q->dst),
	};

	ip.check = (__u16)~ps_ip_sum(&ip);
	memset(to, 0, room);
	memcpy(to, &ip, sizeof(ip));
	l4_write(q, to + sizeof(ip), len - PS_IP_LEN);
}

uint32_t query_hash(const struct query *q)
{
	uint32_t packet[24]; /* so that what an ICMP error quotes would fit too */
	struct ps_flow flow;

	query_packet(q, (uint8_t *)packet, sizeof(packet));
	ps_flow_of_packet(&flow, (const struct iphdr *)packet, packet + PS_IP_LEN / 4,
			  (const uint8_t *)packet + query_headers(q->protocol));
	return ps_flow_hash(&flow);
}
