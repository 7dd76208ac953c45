/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Why a packet ended here, or why the fast path gave it to the kernel: one list, from which the
 * enum, the names in `penstock stats drops`, the metric labels and the manual's table are made.
 *
 * X(NAME, number, "label", kind, "meaning"). Every packet is counted once at most, at the single
 * exit of its program. Numbers are ABI: never renumbered; a retired one stays as _UNUSED.
 */
#ifndef PENSTOCK_REASONS_H
#define PENSTOCK_REASONS_H

#define PS_DROP 0 /* the packet ended here */
#define PS_HAND 1 /* the kernel got it */

#define PS_REASONS(X)                                                                             \
	X(MALFORMED, 1, "malformed", PS_DROP,                                                     \
	  "headers cut short or lengths that contradict each other, on traffic that is ours")     \
	X(BAD_CHECKSUM, 2, "bad_checksum", PS_DROP, "IPv4 header checksum wrong")                 \
	X(NO_ROUTE, 3, "no_route", PS_DROP, "rule 9: owned or policy traffic without a route")    \
	X(ROUTE_DROP, 4, "route_drop", PS_DROP, "the route says `via drop`")                      \
	X(UNKNOWN_TUNNEL, 5, "unknown_tunnel", PS_DROP,                                           \
	  "GRE to an endpoint of ours from no tunnel's remote address, or with another key")      \
	X(GRE_HEADER, 6, "gre_header", PS_DROP,                                                   \
	  "GRE version not 0, routing bit or reserved bits set (RFC 2784)")                       \
	X(GRE_CHECKSUM, 7, "gre_checksum", PS_DROP, "GRE checksum present and wrong")             \
	X(GRE_PROTOCOL, 8, "gre_protocol", PS_DROP, "GRE payload is not IPv4")                    \
	X(GRE_FRAGMENT, 9, "gre_fragment", PS_DROP,                                               \
	  "a fragment of a GRE packet: the far end's tunnel MTU is too large for its path")       \
	X(SPOOFED_SOURCE, 10, "spoofed_source", PS_DROP,                                          \
	  "transit: inner source is not of the tunnel's account")                                 \
	X(FOREIGN_DESTINATION, 11, "foreign_destination", PS_DROP,                                \
	  "edge: inner destination is not of the tunnel's account")                               \
	X(ECN, 12, "ecn", PS_DROP, "outer header marked CE, inner not ECN-capable (RFC 6040)")    \
	X(TUNNEL_LOOP, 13, "tunnel_loop", PS_DROP,                                                \
	  "the tunnel's remote address is reached through a tunnel of ours")                      \
	X(NO_UNDERLAY, 14, "no_underlay", PS_DROP,                                                \
	  "slow path: the kernel has no route to the next hop")                                   \
	X(NOT_OURS, 15, "not_ours", PS_DROP, "sent to penstock0, but no prefix or policy has it") \
	X(TOO_BIG, 16, "too_big", PS_DROP, "slow path: larger than the tunnel's MTU")             \
	X(NO_HEADROOM, 17, "no_headroom", PS_DROP, "no room in the frame for the outer header")   \
	X(NO_TUNNEL, 19, "no_tunnel", PS_DROP, "a bucket names a tunnel that is gone")            \
	X(FILTERED, 20, "filtered", PS_DROP, "refused by a filter rule")                          \
	X(TO_KERNEL, 32, "to_kernel", PS_HAND, "not ours")                                        \
	X(NOT_IPV4, 33, "not_ipv4", PS_HAND, "ARP, IPv6 and the rest")                            \
	X(UNDERLAY, 34, "underlay", PS_HAND, "the route says `via underlay`")                     \
	X(OWN_DESTINATION, 35, "own_destination", PS_HAND,                                        \
	  "edge: policy traffic to our own prefixes")                                             \
	X(INTERFACE, 36, "interface", PS_HAND, "to or from a tunnel's interface subnet")          \
	X(SLOW_TTL, 37, "slow_ttl", PS_HAND, "TTL ends here: the kernel answers")                 \
	X(SLOW_OPTIONS, 38, "slow_options", PS_HAND, "IPv4 options: the kernel obeys them")       \
	X(SLOW_MTU, 39, "slow_mtu", PS_HAND,                                                      \
	  "too large: the kernel fragments or sends ICMP fragmentation needed")                   \
	X(SLOW_NEIGHBOUR, 40, "slow_neighbour", PS_HAND,                                          \
	  "the tunnel's next hop is not resolved, or not on a port")                              \
	X(SLOW_FORWARD, 41, "slow_forward", PS_HAND,                                              \
	  "decapsulated; local, or the kernel must route or resolve it")

enum ps_reason {
	PS_R_NONE = 0,
#define PS_REASON_ENUM(name, number, label, kind, meaning) PS_R_##name = number,
	PS_REASONS(PS_REASON_ENUM)
#undef PS_REASON_ENUM
	PS_REASON_MAX = 64, /* entries of ps_reason: room to add without a new layout */
};

#endif
