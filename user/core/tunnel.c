/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ready header (struct ps_slot). Outer DF is set and the id is zero, an atomic datagram of
 * RFC 6864; the checksum's constant part is summed here so that a packet adds two words to it.
 *
 * Then what tunnels must not share. Each rule judges one pair, and the caller finds the pairs: the
 * store by comparing one tunnel with all, a configuration by sorting.
 */
#include "core/tunnel.h"

#include <errno.h>
#include <string.h>

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

uint16_t tunnel_mtu_default(bool key)
{
	return key ? 1472 : 1476; /* 1500 less 20 of IPv4, 4 of GRE and 4 of the key */
}

struct tunnel_face tunnel_face(const struct ps_tunnel *t)
{
	return (struct tunnel_face){
		.name = t->name,
		.local = PS_BE32(t->local_be),
		.remote = PS_BE32(t->remote_be),
		.key = t->key,
		.addr = PS_BE32(t->addr_be),
		.addr_len = t->addr_len,
		.flags = t->flags,
	};
}

int tunnel_ends_check(const struct tunnel_face *t, struct error *err)
{
	char text[ADDR_STRLEN];

	if (t->local != t->remote)
		return 0;
	return error_usage(err, EINVAL,
			   "remote \"%s\": expected another address than the local one",
			   addr_str(t->remote, text));
}

int tunnel_clash(const struct tunnel_face *a, const struct tunnel_face *b, struct error *err)
{
	const uint8_t both = a->flags & b->flags;
	uint32_t mask;

	if (a->remote == b->remote && a->local == b->local && a->key == b->key &&
	    !((a->flags ^ b->flags) & PS_TUNNEL_F_KEY))
		return error_usage(err, EEXIST,
				   "tunnel \"%s\": \"%s\" has the same local and remote address "
				   "and key",
				   a->name, b->name);
	mask = prefix_mask(a->addr_len < b->addr_len ? a->addr_len : b->addr_len);
	if ((both & PS_TUNNEL_F_ADDRESS) && !((a->addr ^ b->addr) & mask))
		return error_usage(err, EEXIST,
				   "tunnel \"%s\": its interface address lies in the subnet of "
				   "tunnel \"%s\"",
				   a->name, b->name);
	return 0;
}

int tunnel_chain_check(const char *name, unsigned int others, struct error *err)
{
	if (others < PS_CHAIN_MAX)
		return 0;
	return error_usage(err, ENOSPC, "tunnel \"%s\": %u tunnels with one remote address at most",
			   name, PS_CHAIN_MAX);
}

int tunnel_prefix_check(const struct tunnel_face *t, struct prefix p, struct error *err)
{
	char a[ADDR_STRLEN], b[PREFIX_STRLEN];
	const uint32_t ends[2] = { t->remote, t->local };
	struct prefix subnet = { .addr = t->addr & prefix_mask(t->addr_len), .len = t->addr_len };
	int i;

	if ((t->flags & PS_TUNNEL_F_ADDRESS) && prefix_covers(subnet, p))
		return error_usage(err, EEXIST,
				   "tunnel \"%s\": prefix %s lies in its interface subnet", t->name,
				   prefix_str(p, b));
	for (i = 0; i < 2; i++)
		if (prefix_has_addr(p, ends[i]))
			return error_usage(err, ELOOP,
					   "tunnel \"%s\": its %s address %s lies in prefix %s: "
					   "the tunnel would be reached through itself",
					   t->name, i ? "local" : "remote", addr_str(ends[i], a),
					   prefix_str(p, b));
	return 0;
}
