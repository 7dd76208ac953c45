/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A packet that `route get` asks about, and its bytes: what the flow hash is computed of, and what
 * a test run puts through the program. Never a fragment, no options, TTL 64. Pure.
 */
#ifndef CORE_QUERY_H
#define CORE_QUERY_H

#include <stddef.h>
#include <stdint.h>

struct query {
	uint32_t src, dst; /* host byte order */
	uint16_t sport, dport;
	uint16_t length; /* of the IPv4 packet; 0: no more than its headers */
	uint8_t protocol;
};

#define QUERY_HEADERS_MAX 40u

/* Bytes of the headers, IPv4's and the protocol's own where we know it: the smallest packet. */
unsigned int query_headers(uint8_t protocol);
/* Bytes of the packet. */
unsigned int query_length(const struct query *q);
/*
 * Writes the first `room` bytes of the packet, from its IPv4 header on, which is QUERY_HEADERS_MAX
 * at least; the payload is zeros. ICMP is an echo request, GRE says that it holds no IPv4.
 * Checksums are those of the whole packet, but for SCTP's.
 */
void query_packet(const struct query *q, uint8_t *to, size_t room);
/* Its flow hash, as the programs compute it. */
uint32_t query_hash(const struct query *q);

#endif
