/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * See model.h. The order of the questions is design section 5's, and where that is silent, this:
 * whose packet is it, is its header sound, where does it go, can the fast path take it there.
 */
#include "model.h"

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <string.h>

#include "penstock/flow.h"

/* --- longest prefixes, by looking at all ----------------------------------------------------- */

static bool within(struct prefix p, uint32_t addr)
{
	return p.len == 0 || (addr >> (32 - p.len)) == (p.addr >> (32 - p.len));
}

static const struct model_prefix *route_find(const struct model *m, const char *table,
					     uint32_t addr)
{
	const struct model_prefix *best = NULL;
	unsigned int i;

	for (i = 0; i < m->prefixes; i++)
		if (!strcmp(m->prefix[i].table, table) && within(m->prefix[i].p, addr) &&
		    (!best || m->prefix[i].p.len > best->p.len))
			best = &m->prefix[i];
	return best;
}

static const struct conf_prefix *owner_find(const struct model *m, uint32_t addr)
{
	const struct conf_prefix *best = NULL, *c = m->conf->prefix;
	unsigned int i;

	for (i = 0; i < m->conf->prefixes; i++)
		if (within(c[i].p, addr) && (!best || c[i].p.len > best->p.len))
			best = &c[i];
	return best;
}

static const struct conf_policy *policy_find(const struct model *m, uint32_t addr)
{
	const struct conf_policy *best = NULL, *c = m->conf->policy;
	unsigned int i;

	for (i = 0; i < m->conf->policies; i++)
		if (within(c[i].p, addr) && (!best || c[i].p.len > best->p.len))
			best = &c[i];
	return best;
}

/* --- frames ---------------------------------------------------------------------------------- */

static uint32_t source(const uint8_t *ip)
{
	return get32(ip + 12);
}

static uint32_t destination(const uint8_t *ip)
{
	return get32(ip + 16);
}

/* Offset of the IPv4 header, 0 if there is none or not 20 bytes of it. */
static uint32_t find_ip(const struct frame *f)
{
	uint32_t at = 12, tags;

	if (f->len < 34)
		return 0;
	for (tags = 0; tags < 2; tags++)
		if (get16(f->b + at) == 0x8100 || get16(f->b + at) == 0x88a8)
			at += 4;
		else
			break;
	if (get16(f->b + at) != 0x0800 || at + 2 + 20 > f->len || f->b[at + 2] >> 4 != 4)
		return 0;
	return at + 2;
}

/*
 * RFC 1812, 5.2.2, within `room` bytes. 0 or a reason. A header with options is summed where
 * nobody else will do it.
 */
static int sound(const uint8_t *ip, uint32_t room, bool sum_options)
{
	uint32_t header = (ip[0] & 15u) * 4, total = get16(ip + 2);

	if (header < 20 || total < header || total > room)
		return PS_R_MALFORMED;
	if ((header == 20 || sum_options) && checksum(ip, header, 0))
		return PS_R_BAD_CHECKSUM;
	return 0;
}

/* Design 3.6. `end`: behind the last byte of the frame. */
static void ports_of(struct ps_flow *flow, const uint8_t *ip, const uint8_t *end, bool reverse)
{
	const uint8_t *l4 = ip + (ip[0] & 15u) * 4;
	bool ports = (ip[9] == 6 || ip[9] == 17 || ip[9] == 132 || ip[9] == 136) &&
		     !(get16(ip + 6) & 0x3fff) && l4 + 4 <= end;
	const uint8_t *from = reverse ? ip + 16 : ip + 12, *to = reverse ? ip + 12 : ip + 16;

	memset(flow, 0, sizeof(*flow));
	memcpy(&flow->saddr_be, from, 4);
	memcpy(&flow->daddr_be, to, 4);
	if (!ports)
		return;
	memcpy(&flow->sport_be, reverse ? l4 + 2 : l4, 2);
	memcpy(&flow->dport_be, reverse ? l4 : l4 + 2, 2);
}

static uint32_t hash_of(const uint8_t *ip, const uint8_t *end)
{
	const uint8_t *icmp = ip + (ip[0] & 15u) * 4, *quoted = icmp + 8;
	struct ps_flow flow;

	ports_of(&flow, ip, end, false);
	if (ip[9] == 1 && !(get16(ip + 6) & 0x3fff) && quoted + 20 <= end &&
	    (icmp[0] == 3 || icmp[0] == 4 || icmp[0] == 11 || icmp[0] == 12) &&
	    quoted[0] >> 4 == 4 && (quoted[0] & 15) >= 5)
		ports_of(&flow, quoted, end, true);
	return ps_flow_hash(&flow);
}

/* RFC 1624, equation 3, for a 16-bit word of an IPv4 header that changes. */
static void ip_word(uint8_t *ip, uint32_t off, uint16_t value)
{
	uint32_t sum = (uint16_t)~get16(ip + 10);

	sum += (uint16_t)~get16(ip + off) + (uint32_t)value;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put16(ip + 10, (uint16_t)~sum);
	put16(ip + off, value);
}

/* --- verdicts -------------------------------------------------------------------------------- */

static void end_with(struct model_out *o, enum hook hook, int reason)
{
	bool hand = reason >= 32;

	o->reason = reason;
	if (hook != HOOK_TC) {
		o->verdict = hand ? XDP_PASS : XDP_DROP;
		return;
	}
	/* Nobody stands behind penstock0. */
	o->verdict = TC_ACT_SHOT;
	if (hand)
		o->reason = PS_R_NOT_OURS;
}

static const struct conf_tunnel *tunnel_of(const struct model *m, int hop)
{
	return &m->conf->tunnel[hop - MODEL_FIRST];
}

static uint16_t mtu_of(const struct conf_tunnel *t)
{
	return t->mtu ? t->mtu : t->has_key ? 1472 : 1476;
}

/* Replaces what lies before the IPv4 header at `at` by Ethernet, outer header and GRE. */
static void wrap(const struct conf_tunnel *t, struct frame *f, uint32_t at, uint32_t total)
{
	uint32_t head = t->has_key ? 42 : 38, rest = f->len - at;
	uint8_t tos = f->b[at + 1], *ip = f->b + 14;

	memmove(f->b + head, f->b + at, rest);
	f->len = head + rest;
	memset(f->b, 0, head);
	memcpy(f->b, MAC_HOP, 6);
	memcpy(f->b + 6, MAC_OUT, 6);
	put16(f->b + 12, 0x0800);
	ip[0] = 0x45;
	ip[1] = tos;
	put16(ip + 2, total + head - 14);
	put16(ip + 6, 0x4000);
	ip[8] = t->ttl ? t->ttl : 64;
	ip[9] = 47;
	put32(ip + 12, t->local);
	put32(ip + 16, t->remote);
	put16(ip + 10, checksum(ip, 20, 0));
	put16(ip + 22, 0x0800);
	if (t->has_key) {
		put16(ip + 20, 0x2000);
		put32(ip + 24, t->key);
	}
}

static int hop_of(const struct model_prefix *route, const uint8_t *ip, const struct frame *f)
{
	return route->row[hash_of(ip, f->b + f->len) & ((PS_BLOCK_SLOTS << route->log2) - 1)];
}

/* Fast path: into the tunnel of the packet's bucket. */
static int steer(const struct model *m, enum dev in, const struct model_prefix *route, uint32_t at,
		 struct model_out *o)
{
	struct frame *f = &o->out;
	uint8_t *ip = f->b + at;
	int hop = hop_of(route, ip, f);
	const struct conf_tunnel *t;

	if (hop == MODEL_DROP)
		return PS_R_ROUTE_DROP;
	if (hop == MODEL_UNDERLAY)
		return PS_R_UNDERLAY;
	t = tunnel_of(m, hop);
	if (ip[8] <= 1)
		return PS_R_SLOW_TTL;
	if ((ip[0] & 15) != 5)
		return PS_R_SLOW_OPTIONS;
	if (get16(ip + 2) > mtu_of(t))
		return PS_R_SLOW_MTU;
	if (t->unresolved || t->port == DEV_IDLE)
		return PS_R_SLOW_NEIGHBOUR;
	o->tx = hop;
	o->tx_bytes = get16(ip + 2);
	ip_word(ip, 8, (uint16_t)(get16(ip + 8) - 0x100));
	wrap(t, f, at, o->tx_bytes);
	o->verdict = t->port == in ? XDP_TX : XDP_REDIRECT;
	return 0;
}

/* --- GRE that arrives ------------------------------------------------------------------------ */

static bool is_endpoint(const struct model *m, uint32_t addr)
{
	unsigned int i;

	for (i = 0; i < m->conf->tunnels; i++)
		if (m->conf->tunnel[i].local == addr)
			return true;
	return false;
}

static int sender_of(const struct model *m, const uint8_t *ip, bool has_key, uint32_t key)
{
	unsigned int i;

	for (i = 0; i < m->conf->tunnels; i++) {
		const struct conf_tunnel *t = &m->conf->tunnel[i];

		if (t->remote == source(ip) && t->local == destination(ip) &&
		    t->has_key == has_key && (!has_key || t->key == key))
			return (int)(MODEL_FIRST + i);
	}
	return -1;
}

/* RFC 2784 and 2890. Fills header length and sender. */
static int gre_header(const struct model *m, const uint8_t *ip, const uint8_t *end, uint32_t *len,
		      int *sender)
{
	const uint8_t *gre = ip + (ip[0] & 15u) * 4;
	uint32_t total = get16(ip + 2) - (ip[0] & 15u) * 4, key = 0;
	bool has_key;

	if (gre + 4 > end)
		return PS_R_MALFORMED;
	if (get16(gre) & 0x4fff)
		return PS_R_GRE_HEADER;
	if (get16(gre + 2) != 0x0800)
		return PS_R_GRE_PROTOCOL;
	*len = gre[0] & 0x80 ? 8 : 4;
	has_key = gre[0] & 0x20;
	if (has_key) {
		if (gre + *len + 4 > end)
			return PS_R_MALFORMED;
		key = get32(gre + *len);
		*len += 4;
	}
	if (gre[0] & 0x10)
		*len += 4;
	if (*len + 20 > total)
		return PS_R_MALFORMED;
	*sender = sender_of(m, ip, has_key, key);
	if (*sender < 0)
		return PS_R_UNKNOWN_TUNNEL;
	return gre[0] & 0x80 && checksum(gre, total, 0) ? PS_R_GRE_CHECKSUM : 0;
}

/* RFC 6040, section 4.2. -1: drop. */
static int ecn_of(int inner, int outer)
{
	if (outer == 3)
		return inner == 0 ? -1 : 3;
	return outer == 1 && inner == 2 ? 1 : inner;
}

static bool in_subnet(const struct conf_tunnel *t, uint32_t addr)
{
	return t->addr_len && within((struct prefix){ t->addr, t->addr_len }, addr);
}

/* May the inner packet pass? 0, PS_R_INTERFACE or why not. */
static int admit(const struct model *m, const struct conf_tunnel *t, const uint8_t *ip)
{
	bool edge = m->conf->mode == PS_MODE_EDGE;
	const struct conf_prefix *owner;

	if (in_subnet(t, destination(ip)) || (edge && in_subnet(t, source(ip))))
		return PS_R_INTERFACE;
	owner = owner_find(m, edge ? destination(ip) : source(ip));
	if (owner && !strcmp(owner->account[0] ? owner->account : "default",
			     t->account[0] ? t->account : "default"))
		return 0;
	return edge ? PS_R_FOREIGN_DESTINATION : PS_R_SPOOFED_SOURCE;
}

/* Takes the outer header off o->out. 0 or a reason. */
static int decap(const struct model *m, uint32_t at, struct model_out *o)
{
	struct frame *f = &o->out;
	uint8_t *ip = f->b + at;
	uint32_t gre_len, strip, room;
	int r, sender, ecn, outer = ip[1] & 3;

	r = sound(ip, f->len - at, true);
	if (r)
		return r;
	if (get16(ip + 6) & 0x3fff)
		return PS_R_GRE_FRAGMENT;
	r = gre_header(m, ip, f->b + f->len, &gre_len, &sender);
	if (r)
		return r;
	strip = (ip[0] & 15u) * 4 + gre_len;
	room = get16(ip + 2) - strip;
	memmove(ip, ip + strip, f->len - at - strip);
	f->len -= strip;
	r = ip[0] >> 4 != 4 ? PS_R_MALFORMED : sound(ip, room, false);
	if (r)
		return r;
	ecn = ecn_of(ip[1] & 3, outer);
	if (ecn < 0)
		return PS_R_ECN;
	if (ecn != (ip[1] & 3))
		ip_word(ip, 0, (uint16_t)((get16(ip) & ~3) | ecn));
	r = admit(m, tunnel_of(m, sender), ip);
	if (!r || r == PS_R_INTERFACE) {
		o->rx = sender;
		o->rx_bytes = get16(ip + 2);
	}
	return r;
}

/* --- the three programs ---------------------------------------------------------------------- */

static int wan(const struct model *m, enum dev in, struct model_out *o)
{
	uint32_t at = find_ip(&o->out);
	uint8_t *ip = o->out.b + at;
	const struct model_prefix *route;
	bool inner = false;
	int r;

	if (!at)
		return PS_R_NOT_IPV4;
	if (ip[9] == 47 && is_endpoint(m, destination(ip))) {
		r = decap(m, at, o);
		if (r)
			return r;
		inner = true;
	}
	route = route_find(m, "main", destination(ip));
	if (!route && m->conf->mode == PS_MODE_TRANSIT && owner_find(m, destination(ip)))
		return PS_R_NO_ROUTE;
	if (!route && !inner)
		return PS_R_TO_KERNEL;
	if (!route) /* the kernel knows nobody to forward to */
		return ip[8] <= 1	 ? PS_R_SLOW_TTL :
		       (ip[0] & 15) != 5 ? PS_R_SLOW_OPTIONS :
					   PS_R_SLOW_FORWARD;
	r = inner ? 0 : sound(ip, o->out.len - at, false);
	return r ? r : steer(m, in, route, at, o);
}

static int lan(const struct model *m, enum dev in, struct model_out *o)
{
	uint32_t at = find_ip(&o->out);
	uint8_t *ip = o->out.b + at;
	const struct model_prefix *route;
	const struct conf_policy *policy;
	int r;

	if (!at)
		return PS_R_NOT_IPV4;
	policy = policy_find(m, source(ip));
	if (!policy)
		return PS_R_TO_KERNEL;
	if (owner_find(m, destination(ip)))
		return PS_R_OWN_DESTINATION;
	route = route_find(m, policy->table, destination(ip));
	if (!route)
		return PS_R_NO_ROUTE;
	r = sound(ip, o->out.len - at, false);
	return r ? r : steer(m, in, route, at, o);
}

/* What the kernel's own table says of an address: 0, PS_R_NO_UNDERLAY or PS_R_TUNNEL_LOOP. */
static int kernel_route(const struct model *m, uint32_t addr, bool *unknown)
{
	unsigned int i;

	/* Addresses of penstock0 and of its subnets: depends on which table they lie in. */
	for (i = 0; i < m->conf->tunnels; i++)
		*unknown |= in_subnet(&m->conf->tunnel[i], addr);
	if (within((struct prefix){ REMOTES, 24 }, addr))
		return 0;
	return m->conf->mode == PS_MODE_TRANSIT && owner_find(m, addr) ? PS_R_TUNNEL_LOOP :
									 PS_R_NO_UNDERLAY;
}

/* The slow path's choice: policy first, then main. NULL and a reason. */
static const struct model_prefix *slow_route(const struct model *m, const uint8_t *ip, int *reason)
{
	const struct conf_policy *policy = policy_find(m, source(ip));
	const struct model_prefix *route = NULL;
	bool owned = owner_find(m, destination(ip));

	*reason = 0;
	if (policy && !owned) {
		route = route_find(m, policy->table, destination(ip));
		*reason = PS_R_NO_ROUTE;
		return route;
	}
	route = route_find(m, "main", destination(ip));
	*reason = owned && m->conf->mode == PS_MODE_TRANSIT ? PS_R_NO_ROUTE : PS_R_NOT_OURS;
	return route;
}

static int slow(const struct model *m, struct model_out *o)
{
	uint32_t at = find_ip(&o->out), len = o->out.len - at;
	uint8_t *ip = o->out.b + at;
	const struct model_prefix *route;
	const struct conf_tunnel *t;
	int r, hop;

	if (!at)
		return PS_R_NOT_OURS;
	route = slow_route(m, ip, &r);
	if (!route)
		return r;
	r = sound(ip, len, false);
	if (r)
		return r;
	hop = hop_of(route, ip, &o->out);
	if (hop == MODEL_DROP)
		return PS_R_ROUTE_DROP;
	o->verdict = TC_ACT_REDIRECT;
	if (hop == MODEL_UNDERLAY)
		return kernel_route(m, destination(ip), &o->unknown);
	t = tunnel_of(m, hop);
	if (len > mtu_of(t))
		return PS_R_TOO_BIG;
	r = kernel_route(m, t->remote, &o->unknown);
	if (r)
		return r;
	o->tx = hop;
	o->tx_bytes = len;
	wrap(t, &o->out, at, len);
	return 0;
}

void model_run(const struct model *m, enum hook hook, enum dev in, const struct frame *f,
	       struct model_out *o)
{
	int r;

	o->tx = o->rx = -1;
	o->tx_bytes = o->rx_bytes = 0;
	o->unknown = false;
	o->reason = 0;
	o->out.len = f->len;
	memcpy(o->out.b, f->b, f->len);
	r = hook == HOOK_WAN ? wan(m, in, o) : hook == HOOK_LAN ? lan(m, in, o) : slow(m, o);
	if (r)
		end_with(o, hook, r);
}
