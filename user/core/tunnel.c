/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ready header (struct ps_slot). Outer DF is set and the id is zero, an atomic datagram of
 * RFC 6864; the checksum's constant part is summed here so that a packet adds two words to it.
 */
#include "core/tunnel.h"

#include <string.h>

#include "core/prefix.h"
#include "penstock/wire.h"

static void tunnel_l2(const struct ps_tunnel *t, struct ps_slot *s)
{
	memcpy(s->l2, t->nh_dst, 6);
	memcpy(s->l2 + 6, t->nh_src, 6);
	s->l2[12] = ETH_P_IP >> 8;
	s->l2[13] = ETH_P_IP & 0xff;
	s->ifindex = t->nh_ifindex;
	if (t->nh_state == PS_NH_READY)
		s->flags |= PS_SLOT_F_READY;
}

void tunnel_slot(const struct ps_tunnel *t, struct ps_slot *s)
{
	memset(s, 0, sizeof(*s));
	s->kind = t->kind;
	if (t->kind != PS_SLOT_GRE)
		return;
	tunnel_l2(t, s);
	s->ver_ihl = 0x45;
	s->frag_off_be = PS_BE16(PS_IP_DF);
	s->ttl = t->ttl;
	s->protocol = IPPROTO_GRE;
	s->local_be = t->local_be;
	s->remote_be = t->remote_be;
	s->gre_proto_be = PS_BE16(ETH_P_IP);
	if (t->flags & PS_TUNNEL_F_KEY) {
		s->flags |= PS_SLOT_F_KEY;
		s->gre_flags_be = PS_BE16(PS_GRE_K);
		s->key_be = PS_BE32(t->key);
	}
	if (t->flags & PS_TUNNEL_F_ADDRESS) {
		s->flags |= PS_SLOT_F_IFADDR;
		s->if_mask_be = PS_BE32(prefix_mask(t->addr_len));
		s->if_net_be = t->addr_be & s->if_mask_be;
	}
	s->csum = ps_ip_sum((const struct iphdr *)&s->ver_ihl);
	s->mtu = t->mtu;
	s->account = t->account;
}
