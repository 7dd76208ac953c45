/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writing a tunnel's ready header in front of a packet. The header lies complete in the slot; what
 * differs by packet is tos, total length and, from these two, the checksum.
 *
 * DSCP and ECN are copied outwards (RFC 2983 uniform model for DSCP on the way out, RFC 6040
 * normal mode for ECN).
 */
#ifndef LIB_ENCAP_H
#define LIB_ENCAP_H

#include "lib/maps.h"
#include "penstock/wire.h"

/* Frame bytes of the whole header, Ethernet included, without and with key. */
#define ENCAP_FRAME (PS_ETH_LEN + PS_IP_LEN + PS_GRE_LEN)

/*
 * Copies Ethernet, IPv4 and GRE to `to`, of which 38 bytes (42 with a key) are known to be there.
 * Words are copied at the slot's own offset of 2 modulo 8: loads and stores the kernel's verifier
 * allows where the machine does; byte-wise copies cost 3 ns more.
 */
static __always_inline void encap_copy(void *to, const struct ps_slot *s)
{
	const void *from = s->l2;

	*(__u64 *)(to + 0) = *(__u64 *)(from + 0);
	*(__u64 *)(to + 8) = *(__u64 *)(from + 8);
	*(__u64 *)(to + 16) = *(__u64 *)(from + 16);
	*(__u64 *)(to + 24) = *(__u64 *)(from + 24);
	*(__u32 *)(to + 32) = *(__u32 *)(from + 32);
	*(__u16 *)(to + 36) = *(__u16 *)(from + 36);
}

/* Patches the copied IPv4 header for an inner packet. len: outer total length. */
static __always_inline void encap_patch(struct iphdr *ip, const struct ps_slot *s, __u8 tos,
					__u32 len)
{
	__be16 len_be = PS_BE16(len), tos_be = PS_BE16(tos);

	ip->tos = tos;
	ip->tot_len = len_be;
	ip->check = (__u16)~ps_csum_fold((__u32)s->csum + len_be + tos_be);
}

#endif
