/* SPDX-License-Identifier: GPL-2.0-only */
/* See world.h. */
#include "world.h"

#include <stdio.h>
#include <string.h>

static struct rng *rng; /* the caller's */

static uint32_t below(uint32_t n)
{
	return rng_below(rng, n);
}

static bool chance(uint32_t percent)
{
	return rng_chance(rng, percent);
}

/* --- random configurations ------------------------------------------------------------------- */

static const char *random_account(void)
{
	static const char *const name[] = { "default", "acme", "beta" };

	return name[below(3)];
}

static struct prefix random_prefix(void)
{
	static const uint8_t len[] = { 8,  12, 15, 16, 16, 17, 20, 22, 23,
				       24, 24, 24, 25, 28, 30, 31, 32, 32 };
	struct prefix p = { A4(10, below(3), below(4), below(4) * 64 + below(3)),
			    len[below(sizeof(len))] };

	p.addr &= prefix_mask(p.len);
	return p;
}

static bool tunnel_taken(const struct world *w, const struct conf_tunnel *t)
{
	unsigned int i;

	for (i = 0; i < w->c.tunnels; i++) {
		const struct conf_tunnel *o = &w->tunnel[i];

		if (o->local == t->local && o->remote == t->remote && o->has_key == t->has_key &&
		    o->key == t->key)
			return true;
	}
	return false;
}

static void add_tunnel(struct world *w)
{
	static const uint16_t mtu[] = { 0, 0, 576, 600, 1000, 1400, 1476 };
	struct conf_tunnel t = {
		.local = A4(198, 51, 100, 1 + below(2)),
		.remote = A4(192, 0, 2, 1 + below(5)),
		.has_key = chance(50),
		.ttl = (uint8_t)(chance(70) ? 64 : 1 + below(255)),
		.mtu = mtu[below(7)],
		.health = (uint8_t)(chance(60) ? 0 : below(3)),
		.unresolved = chance(10),
		.port = chance(6) ? DEV_IDLE : below(3),
	};
	unsigned int i = w->c.tunnels;

	if (t.has_key)
		t.key = below(3);
	if (tunnel_taken(w, &t))
		return;
	snprintf(t.name, sizeof(t.name), "t%u-%x", i, below(65536));
	snprintf(t.account, sizeof(t.account), "%s", random_account());
	if (chance(60)) {
		/* Often inside the prefixes, so that the two rules meet. */
		t.addr_len = chance(50) ? 31 : 30;
		t.addr = (chance(50) ? A4(10, 0, 1, 0) : A4(10, 255, 0, 0)) + 4 * i +
			 (t.addr_len == 31 ? below(2) : 1 + below(2));
	}
	w->tunnel[w->c.tunnels++] = t;
}

static void add_prefix(struct world *w)
{
	struct prefix p = random_prefix();
	unsigned int i;

	for (i = 0; i < w->c.prefixes; i++)
		if (!prefix_cmp(w->prefix[i].p, p))
			return;
	/* Refused: a prefix inside an interface subnet. */
	for (i = 0; i < w->c.tunnels; i++) {
		struct prefix subnet = { .len = w->tunnel[i].addr_len };

		subnet.addr = w->tunnel[i].addr & prefix_mask(subnet.len);
		if (subnet.len && prefix_covers(subnet, p))
			return;
	}
	w->prefix[w->c.prefixes].p = p;
	snprintf(w->prefix[w->c.prefixes++].account, PS_NAME_LEN, "%s", random_account());
}

static void add_policy(struct world *w)
{
	struct prefix p = random_prefix();
	unsigned int i;

	for (i = 0; i < w->c.policies; i++)
		if (!prefix_cmp(w->policy[i].p, p))
			return;
	w->policy[w->c.policies].p = p;
	snprintf(w->policy[w->c.policies++].table, PS_NAME_LEN, "x%u", below(3));
}

static void add_candidate(struct world *w, const char *table, struct prefix p)
{
	static const uint32_t priority[] = { 0, 100, 100, 200, 500000, 1000100 };
	struct conf_route r = { .p = p,
				.priority = priority[below(6)],
				.weight = (uint16_t)(chance(50) ? 0 : 1 + below(256)),
				.regions = (uint16_t)(chance(75) ? 0 : 1 + below(511)),
				.origin = chance(70) ? PS_ORIGIN_STATIC : PS_ORIGIN_BGP };
	unsigned int i;

	if (w->c.routes == WORLD_ROUTES)
		return;
	if (r.origin == PS_ORIGIN_BGP) {
		r.weight = 0;
		r.prepends = (uint16_t)below(3);
	}
	snprintf(r.table, sizeof(r.table), "%s", table);
	if (chance(8) || !w->c.tunnels)
		snprintf(r.tunnel, sizeof(r.tunnel), "%s", chance(50) ? "drop" : "underlay");
	else
		memcpy(r.tunnel, w->tunnel[below(w->c.tunnels)].name, sizeof(r.tunnel));
	for (i = 0; i < w->c.routes; i++)
		if (!strcmp(w->route[i].table, r.table) && !prefix_cmp(w->route[i].p, p) &&
		    !strcmp(w->route[i].tunnel, r.tunnel) && w->route[i].origin == r.origin &&
		    w->route[i].regions == r.regions)
			return;
	w->route[w->c.routes++] = r;
}

static void add_main_route(struct world *w)
{
	struct prefix p;
	unsigned int n = 1 + below(5);

	if (!w->c.prefixes)
		return;
	p = w->prefix[below(w->c.prefixes)].p; /* rule 10 */
	if (chance(70)) {
		uint8_t len = (uint8_t)(p.len + below(33u - p.len));

		p.addr |= (uint32_t)rng_next(rng) & ~prefix_mask(p.len);
		p.len = len;
		p.addr &= prefix_mask(len);
	}
	while (n--)
		add_candidate(w, "main", p);
}

static void add_egress_route(struct world *w)
{
	static const struct prefix p[] = { P(0, 0, 0, 0, 0),	  P(100, 64, 0, 0, 10),
					   P(100, 64, 1, 0, 24),  P(100, 64, 1, 128, 25),
					   P(100, 64, 1, 1, 32),  P(172, 16, 0, 0, 12),
					   P(192, 0, 2, 128, 25), P(8, 0, 0, 0, 7) };
	struct prefix one = p[below(8)];
	unsigned int n = 1 + below(3);
	char table[4];

	snprintf(table, sizeof(table), "x%u", below(3));
	while (n--)
		add_candidate(w, table, one);
}

static void pool_add(struct world *w, uint32_t addr)
{
	if (w->pooled < WORLD_POOL)
		w->pool[w->pooled++] = addr;
}

/* First and last address, their outer neighbours, and some inside. */
static void pool_prefix(struct world *w, struct prefix p)
{
	uint32_t last = p.addr | ~prefix_mask(p.len);

	pool_add(w, p.addr);
	pool_add(w, last);
	pool_add(w, p.addr - 1);
	pool_add(w, last + 1);
	pool_add(w, p.addr + below(last - p.addr));
}

static void fill_pool(struct world *w)
{
	unsigned int i;

	w->pooled = 0;
	for (i = 0; i < w->c.prefixes; i++)
		pool_prefix(w, w->prefix[i].p);
	for (i = 0; i < w->c.policies; i++)
		pool_prefix(w, w->policy[i].p);
	for (i = 0; i < w->c.routes; i++)
		pool_prefix(w, w->route[i].p);
	for (i = 0; i < w->c.tunnels; i++) {
		pool_add(w, w->tunnel[i].local);
		pool_add(w, w->tunnel[i].remote);
		if (w->tunnel[i].addr_len)
			pool_prefix(w, (struct prefix){ w->tunnel[i].addr &
								prefix_mask(w->tunnel[i].addr_len),
							w->tunnel[i].addr_len });
	}
	pool_add(w, A4(127, 0, 0, 1));
	pool_add(w, A4(255, 255, 255, 255));
	pool_add(w, 0);
}

void world_random(struct world *w, struct rng *r)
{
	unsigned int n;

	rng = r;
	memset(w, 0, sizeof(*w));
	w->c = (struct conf){ .name = "random",
			      .mode = below(2),
			      .region = (uint16_t)(chance(30) ? 0 : 1u << below(REGION_COUNT)),
			      .hash_mode = chance(20),
			      .tunnel = w->tunnel,
			      .prefix = w->prefix,
			      .policy = w->policy,
			      .route = w->route };
	for (n = 1 + below(WORLD_TUNNELS); n; n--)
		add_tunnel(w);
	for (n = below(WORLD_PREFIXES); n; n--)
		add_prefix(w);
	for (n = below(30); n; n--)
		add_main_route(w);
	for (n = below(WORLD_POLICIES + 1); n; n--)
		add_policy(w);
	for (n = below(10); n; n--)
		add_egress_route(w);
	fill_pool(w);
}

/* --- random frames --------------------------------------------------------------------------- */

static uint32_t random_addr(const struct world *w)
{
	return chance(88) ? w->pool[below(w->pooled)] : (uint32_t)rng_next(rng);
}

static uint32_t random_size(const struct world *w)
{
	uint32_t mtu;

	if (chance(88) || !w->c.tunnels)
		return below(120);
	if (chance(25))
		return below(2800);
	/* Around a tunnel's MTU. */
	mtu = w->tunnel[below(w->c.tunnels)].mtu;
	return (mtu ? mtu : chance(50) ? 1476 : 1472) - 24 + below(8);
}

static struct layer random_ip(uint32_t from, uint32_t to)
{
	static const uint8_t ttl[] = { 0, 1, 2, 3, 255 };
	struct layer l = IP(from, to, 64, .id = (uint16_t)below(65536));

	if (chance(10))
		l.ttl = ttl[below(5)];
	if (chance(40))
		l.tos = (uint8_t)below(256);
	if (chance(12))
		l.frag = (uint16_t)(chance(50) ? 0x2000 : below(65536));
	if (chance(8))
		l.options = (uint8_t)below(11);
	if (chance(2))
		l.spoil = (uint16_t)(1 + below(65534));
	if (chance(3))
		l.longer = (int16_t)((int)below(40) - 20);
	if (chance(1))
		l.ihl = (uint8_t)(1 + below(15));
	if (chance(1))
		l.version = (uint8_t)(1 + below(15));
	return l;
}

/* An IPv4 packet of some kind; returns the number of layers. */
static unsigned int random_packet(const struct world *w, struct layer *l, uint32_t from,
				  uint32_t to)
{
	uint16_t sport = (uint16_t)below(65536), dport = (uint16_t)below(65536);
	static const uint8_t type[] = { 0, 3, 3, 4, 5, 8, 11, 12 };
	static const uint8_t protocol[] = { 17, 6, 132, 136, 1, 47, 4, 50, 0, 255 };
	uint16_t size = (uint16_t)random_size(w);
	unsigned int n = 0;

	l[n++] = random_ip(from, to);
	switch (below(6)) {
	case 0:
	case 1:
		l[n++] = (struct layer)UDP(sport, dport);
		break;
	case 2:
		l[n++] = (struct layer)TCP(sport, dport);
		break;
	case 3:
		l[n++] = (struct layer)ICMP(type[below(8)], 0);
		if (chance(80)) {
			l[n++] = random_ip(chance(80) ? to : random_addr(w), random_addr(w));
			l[n++] = chance(50) ? (struct layer)UDP(sport, dport) :
					      (struct layer)TCP(sport, dport);
		}
		break;
	default:
		l[n - 1].proto = protocol[below(sizeof(protocol))];
	}
	l[n++] = (struct layer)DATA(size);
	return n;
}

static uint32_t random_owned(const struct world *w)
{
	struct prefix p;

	if (!w->c.prefixes || chance(15))
		return random_addr(w);
	p = w->prefix[below(w->c.prefixes)].p;
	return p.addr | ((uint32_t)rng_next(rng) & ~prefix_mask(p.len));
}

/* A source in a policy, and a destination that its table may know. */
static uint32_t random_source(const struct world *w)
{
	struct prefix p = w->policy[below(w->c.policies)].p;

	return p.addr | ((uint32_t)rng_next(rng) & ~prefix_mask(p.len));
}

static uint32_t random_far(const struct world *w)
{
	static const uint32_t far[] = { A4(100, 64, 1, 1),   A4(100, 64, 1, 2), A4(100, 64, 1, 200),
					A4(100, 65, 0, 0),   A4(172, 16, 0, 0), A4(192, 0, 2, 130),
					A4(9, 255, 255, 255) };

	return chance(20) ? random_addr(w) : far[below(COUNT(far))];
}

static unsigned int random_gre(const struct world *w, struct layer *l)
{
	const struct conf_tunnel *t = &w->tunnel[below(w->c.tunnels)];
	struct layer gre = GRE(t->has_key ? 0x2000 : 0, .key = t->key);
	uint32_t from = random_owned(w), to = random_addr(w);
	unsigned int n;

	l[0] = random_ip(chance(95) ? t->remote : random_addr(w),
			 chance(95) ? t->local : random_addr(w));
	if (chance(6))
		gre.flags ^= 0x2000;
	if (chance(6))
		gre.key ^= below(4);
	if (chance(12))
		gre.flags |= 0x8000;
	if (chance(8))
		gre.spoil = (uint16_t)below(65535);
	if (chance(8))
		gre.flags |= 0x1000;
	if (chance(4))
		gre.flags |= (uint16_t)(1u << below(16));
	if (chance(3))
		gre.proto = (uint16_t)below(65536);
	l[1] = gre;
	if (t->addr_len && chance(10))
		to = t->addr ^ below(2);
	n = chance(50) ? random_packet(w, l + 2, from, to) : random_packet(w, l + 2, to, from);
	return n + 2;
}

static void mutate(struct frame *f)
{
	uint32_t n = 1 + below(4), reach = f->len < 110 ? f->len : 110, l3 = 14;

	while (n--)
		f->b[below(reach)] ^= (uint8_t)(1u << below(8));
	/* Often with the checksums mended, or most would end at the first question. */
	while (chance(70) && l3 + 20 <= f->len && f->b[l3] >> 4 == 4) {
		uint32_t len = (f->b[l3] & 15u) * 4;

		if (len < 20 || l3 + len > f->len)
			break;
		put16(f->b + l3 + 10, 0);
		put16(f->b + l3 + 10, checksum(f->b + l3, len, 0));
		l3 += len + 4;
	}
}

void world_frame(const struct world *w, struct rng *r, struct frame *f)
{
	struct layer l[LAYERS_MAX] = { ETH(MAC_US, MAC_PEER) };
	unsigned int n = 1, tags;

	rng = r;
	tags = chance(80) ? 0 : chance(60) ? 1 : chance(80) ? 2 : 3;
	while (tags--) {
		l[n - 1].proto = chance(80) ? 0x8100 : 0x88a8;
		l[n++] = (struct layer)VLAN((uint16_t)below(65536));
	}
	if (chance(40) && w->c.tunnels)
		n += random_gre(w, l + n);
	else if (chance(40) && w->c.policies)
		n += random_packet(w, l + n, random_source(w), random_far(w));
	else if (chance(95))
		n += random_packet(w, l + n, random_addr(w), random_addr(w));
	else {
		l[n - 1].proto = chance(50) ? 0x86dd : 0x0806;
		l[n++] = (struct layer)DATA((uint16_t)below(80));
	}
	if (chance(15))
		l[n++] = (struct layer)PAD((uint16_t)below(30));
	l[n].kind = L_END;
	frame_build(f, l);
	if (chance(15))
		mutate(f);
	if (chance(5))
		f->len = 14 + below(f->len - 13);
}
