/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Wire formats and the arithmetic on them that both sides need. IPv4: RFC 791; GRE: RFC 2784 and,
 * for key and sequence number, RFC 2890; checksums: RFC 1071 and RFC 1624.
 */
#ifndef PENSTOCK_WIRE_H
#define PENSTOCK_WIRE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/types.h>

#include "penstock/abi.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define PS_BE16(x) ((__be16)(__u16)((((x)&0xffu) << 8) | (((x) >> 8) & 0xffu)))
#define PS_BE32(x) ((__be32)__builtin_bswap32(x))
#else
#define PS_BE16(x) ((__be16)(x))
#define PS_BE32(x) ((__be32)(x))
#endif

#define PS_ETH_LEN 14u
#define PS_VLAN_LEN 4u
#define PS_VLAN_MAX 2u
#define PS_IP_LEN 20u
#define PS_GRE_LEN 4u /* without checksum, key and sequence number */

#define PS_IP_DF 0x4000u
#define PS_IP_MF 0x2000u
#define PS_IP_OFFSET 0x1fffu /* in units of 8 bytes */

/* GRE flag word, host order. */
#define PS_GRE_C 0x8000u
#define PS_GRE_R 0x4000u /* RFC 1701 routing: refused, as RFC 2784 section 2.3 asks */
#define PS_GRE_K 0x2000u
#define PS_GRE_S 0x1000u
#define PS_GRE_REFUSED 0x4fffu /* routing, strict source route, recursion, reserved, version */

struct ps_gre {
	__be16 flags_be;
	__be16 proto_be;
};

/* Outer IPv4 and GRE header bytes of a tunnel: 24, and 4 more with a key. */
static inline __u32 ps_gre_overhead(int has_key)
{
	return PS_IP_LEN + PS_GRE_LEN + (has_key ? 4u : 0u);
}

/* Folds a sum of 16-bit words. Two folds are enough below 2^32: the first leaves <= 0x1fffe. */
static inline __u16 ps_csum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/* The header's fields are written as what they are and summed as words: aliases, by permission. */
typedef __u32 __attribute__((may_alias)) ps_word;

/* Sum of a 20-byte IPv4 header; memory order, so no byte swaps. 0xffff for a correct header. */
static inline __u16 ps_ip_sum(const struct iphdr *ip)
{
	const ps_word *w = (const ps_word *)ip;
	__u64 sum = (__u64)w[0] + w[1] + w[2] + w[3] + w[4];

	return ps_csum_fold((__u32)((sum & 0xffff) + (sum >> 16))); /* <= 0x5fffe */
}

/* TTL down by one, checksum updated by RFC 1624 equation 3. TTL must be at least 1. */
static inline void ps_ip_ttl_dec(struct iphdr *ip)
{
	__u32 check = ip->check;

	check += PS_BE16(0x0100);
	ip->check = (__u16)(check + (check >= 0xffff));
	ip->ttl--;
}

#endif
