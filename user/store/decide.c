/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * See decide.h. The two passes are the functions of penstock/steer.h over two kinds of view.
 *
 * The primary one answers "the leaf of this address in that table" by asking the exact-prefix maps
 * for each length from 32 down, and "the row of that leaf" by making the row anew from the group's
 * candidates (core/group.h); so it can do so for any region. What it meets on the way is the
 * explanation. Nothing derived is read there, or damage would explain itself.
 *
 * A reader takes no lock, so a transaction may be half written between the passes. A difference is
 * believed only when no transaction was committed meanwhile, or it is still there after a while.
 */
#include "store/decide.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/region.h"
#include "core/tunnel.h"
#include "net/netlink.h"
#include "penstock/steer.h"
#include "store/internal.h"

#define RETRIES 20
#define RETRY_MS 10

/* What a primary pass makes and finds. */
struct pass {
	struct decision *d;
	struct group_node node;
	const struct group_tunnel *tunnel;
	struct ps_block row[ROW_MAX / PS_BLOCK_SLOTS];
	struct ps_slot slot;
	int error; /* of the maps */
};

struct view {
	const struct store *st;
	struct pass *primary; /* NULL: the derived maps */
};

/* --- primary maps ----------------------------------------------------------------------------
 */

/* The longest prefix in a map that holds the address and passes `shows`. */
static bool longest(const struct view *v, enum store_map map, uint16_t table, uint32_t addr,
		    bool (*shows)(struct pass *w, const struct store *st, struct prefix p,
				  uint32_t value),
		    struct prefix *p, uint32_t *value)
{
	int len, r;

	for (len = 32; len >= 0; len--) {
		*p = (struct prefix){ addr & prefix_mask((uint8_t)len), (uint8_t)len };
		r = entry_get(v->st, map, table, *p, value);
		if (!r && (!shows || shows(v->primary, v->st, *p, *value)))
			return true;
		if (r && r != -ENOENT)
			v->primary->error = r;
	}
	return false;
}

/* Rule 2 for all routes of a prefix; notes it when none exists here. */
static bool group_shows(struct pass *w, const struct store *st, struct prefix p, uint32_t id)
{
	if (id < st->meta->max_groups && st->group[id].n <= PS_CANDIDATES_MAX &&
	    group_active(st->cand[id].c, st->group[id].n, w->tunnel, &w->node))
		return true;
	w->d->skip[w->d->skipped++] = p;
	return false;
}

static uint32_t primary_route(const struct view *v, uint16_t table, uint32_t addr)
{
	struct pass *w = v->primary;
	struct decision *d = w->d;
	const struct ps_candidate *c;
	uint32_t log2;

	d->looked_up = true;
	d->table = table;
	d->routed = longest(v, MAP_ROUTE, table, addr, group_shows, &d->prefix, &d->group);
	if (!d->routed)
		return 0;
	c = v->st->cand[d->group].c;
	log2 = group_row_log2(c, v->st->group[d->group].n, w->tunnel);
	group_row(c, v->st->group[d->group].n, w->tunnel, &w->node, log2, w->row[0].slot);
	return stride_leaf(d->prefix.len, log2 << PS_ROW_LOG2_SHIFT);
}

static uint32_t primary_match(const struct view *v, enum store_map map, uint32_t addr,
			      struct decide_match *m)
{
	uint32_t value = 0;

	m->found = longest(v, map, 0, addr, NULL, &m->prefix, &value);
	m->value = (uint16_t)value;
	return m->found ? stride_leaf(m->prefix.len, value) : 0;
}

static uint32_t primary_local(const struct view *v, __be32 addr_be)
{
	uint32_t i;

	for (i = PS_TUNNEL_FIRST; i < v->st->meta->max_tunnels; i++)
		if (v->st->tunnel[i].state == PS_STATE_USED && v->st->tunnel[i].local_be == addr_be)
			return stride_leaf(32, 1);
	return 0;
}

/* --- what penstock/steer.h asks for ----------------------------------------------------------
 */

PS_STEER __u32 ps_view_entry(const void *view, __u32 chunk, __u32 i)
{
	const struct store *st = ((const struct view *)view)->st;

	if (chunk >= st->meta->max_chunks)
		return 0;
	return __atomic_load_n(&st->fib[chunk].e[i & (PS_CHUNK_SLOTS - 1)], __ATOMIC_ACQUIRE);
}

PS_STEER __u32 ps_view_leaf(const void *view, __u32 table, __be32 addr_be)
{
	const struct view *v = view;

	if (!v->primary)
		return ps_fib_lookup(view, table, addr_be);
	switch (table) {
	case PS_T_OWNED:
		return primary_match(v, MAP_PREFIX, PS_BE32(addr_be), &v->primary->d->owner);
	case PS_T_POLICY:
		return primary_match(v, MAP_POLICY, PS_BE32(addr_be), &v->primary->d->policy);
	case PS_T_LOCAL:
		return primary_local(v, addr_be);
	default:
		return primary_route(v, (uint16_t)table, PS_BE32(addr_be));
	}
}

PS_STEER const struct ps_block *ps_view_block(const void *view, __u32 block)
{
	const struct view *v = view;

	if (v->primary)
		return &v->primary->row[block];
	return block < v->st->meta->max_blocks ? &v->st->row[block] : NULL;
}

PS_STEER const struct ps_slot *ps_view_slot(const void *view, __u32 slot)
{
	const struct view *v = view;

	if (slot >= map_entries(v->st->meta, MAP_SLOT))
		return NULL;
	if (!v->primary)
		return &v->st->slot[slot];
	tunnel_slot(&v->st->tunnel[PS_SLOT_ID(slot)], &v->primary->slot);
	return &v->primary->slot;
}

PS_STEER __u32 ps_view_mode(const void *view)
{
	return ((const struct view *)view)->st->node->mode;
}

/* --- one pass --------------------------------------------------------------------------------
 */

static void end_with(struct decide_answer *a, int reason)
{
	a->reason = reason;
	a->verdict = reason < PS_R_TO_KERNEL ? DECIDE_DROP : DECIDE_KERNEL;
}

/* What bpf/tc.bpf.c asks the kernel: is there a way to the address that is not penstock0 again? */
static int underlay_reason(const struct store *st, struct nl *nl, uint32_t dst, uint32_t src)
{
	struct nl_path path;

	if (!nl)
		return 0;
	if ((!src || nl_route_get(nl, dst, src, &path)) && nl_route_get(nl, dst, 0, &path))
		return PS_R_NO_UNDERLAY;
	if (path.local)
		return PS_R_NO_UNDERLAY;
	return (uint32_t)path.ifindex == st->node->ifindex ? PS_R_TUNNEL_LOOP : 0;
}

/* See encap() of bpf/tc.bpf.c and of bpf/lib/encap_xdp.h. */
static int tunnel_reason(const struct store *st, const struct decide_question *q,
			 const struct ps_slot *s)
{
	uint32_t len = query_length(&q->packet), dev, out = s->ifindex;

	if (q->prog == PROG_TC)
		return len > s->mtu ? PS_R_TOO_BIG :
				      underlay_reason(st, q->nl, PS_BE32(s->remote_be),
						      PS_BE32(s->local_be));
	if (len > s->mtu)
		return PS_R_SLOW_MTU;
	if (!(s->flags & PS_SLOT_F_READY) ||
	    (out != q->ifindex && bpf_map_lookup_elem(st->fd[MAP_DEV], &out, &dev)))
		return PS_R_SLOW_NEIGHBOUR;
	return 0;
}

static void answer(const struct view *v, const struct decide_question *q, uint32_t hash,
		   struct decide_answer *a)
{
	const struct iphdr ip = { .saddr = PS_BE32(q->packet.src),
				  .daddr = PS_BE32(q->packet.dst) };
	const struct ps_slot *s;
	int why = 0, r;

	memset(a, 0, sizeof(*a));
	if (q->prog == PROG_XDP_WAN && q->packet.protocol == IPPROTO_GRE &&
	    ps_view_leaf(v, PS_T_LOCAL, ip.daddr)) {
		a->verdict = DECIDE_DECAPSULATE;
		return;
	}
	a->leaf = q->prog == PROG_XDP_WAN ? ps_route_main(v, &ip, &why) :
		  q->prog == PROG_XDP_LAN ? ps_route_policy(v, &ip, &why) :
					    ps_route_slow(v, &ip, &why);
	if (!a->leaf) {
		end_with(a, q->prog == PROG_TC && -why >= PS_R_TO_KERNEL ? PS_R_NOT_OURS : -why);
		return;
	}
	a->size = PS_BLOCK_SLOTS << ps_row_log2(a->leaf);
	a->bucket = hash & (a->size - 1);
	a->block = a->leaf & PS_ROW_BLOCK_MASK;
	s = ps_select(v, a->leaf, hash, &a->slot);
	if (s)
		a->header = *s;
	a->header.next = 0; /* of decapsulation */
	r = -ps_slot_check(s);
	if (r == PS_R_UNDERLAY && q->prog == PROG_TC) {
		r = underlay_reason(v->st, q->nl, q->packet.dst, 0);
		a->verdict = DECIDE_UNDERLAY;
	} else if (!r) {
		r = tunnel_reason(v->st, q, s);
		a->verdict = DECIDE_SEND;
	}
	if (r)
		end_with(a, r);
}

/* --- explaining ------------------------------------------------------------------------------
 */

static uint32_t health_penalty(uint8_t health)
{
	return health == PS_HEALTH_DOWN	    ? PRIORITY_DOWN :
	       health == PS_HEALTH_DEGRADED ? PRIORITY_DEGRADED :
					      0;
}

static void explain_candidate(const struct store *st, const struct pass *w,
			      const struct ps_candidate *from, struct decide_candidate *c)
{
	const struct ps_tunnel *t = &st->tunnel[from->tunnel];

	c->route = *from;
	memcpy(c->tunnel, t->name, sizeof(c->tunnel));
	c->health = t->health;
	c->prepended = from->origin == PS_ORIGIN_BGP ? from->prepends * PRIORITY_PREPEND : 0;
	c->penalty = health_penalty(t->health);
	c->effective = priority_effective(from, t->health);
	c->visible = region_visible(from->regions, w->node.region);
}

/* Who is in, and for each of the others the rule that keeps it out. */
static void explain(const struct store *st, struct pass *w)
{
	struct decision *d = w->d;
	const struct ps_candidate *list = st->cand[d->group].c;
	const struct decide_candidate *winner = NULL;
	uint64_t active;
	unsigned int i;

	d->candidates = st->group[d->group].n;
	active = group_active(list, d->candidates, w->tunnel, &w->node);
	for (i = 0; i < d->candidates; i++) {
		explain_candidate(st, w, &list[i], &d->candidate[i]);
		d->candidate[i].active = active >> i & 1;
		if (d->candidate[i].active)
			winner = &d->candidate[i];
	}
	for (i = 0; i < d->candidates; i++) {
		struct decide_candidate *c = &d->candidate[i];

		if (c->active)
			continue;
		c->rule = !c->visible ? 2 : winner && c->effective > winner->effective ? 6 : 7;
	}
}

__attribute__((format(printf, 2, 3))) static bool differ(struct decision *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(d->differs, sizeof(d->differs), fmt, ap);
	va_end(ap);
	return false;
}

static const char *slot_name(const struct store *st, uint32_t slot)
{
	uint32_t id = PS_SLOT_ID(slot);

	return id < st->meta->max_tunnels && st->tunnel[id].state == PS_STATE_USED ?
		       st->tunnel[id].name :
		       "no tunnel";
}

/* Do the maps that packets use say what the configuration says? */
static bool agree(const struct store *st, struct decision *d)
{
	const struct decide_answer *now = &d->now, *should = &d->should;
	int len = stride_len(now->leaf), want = stride_len(should->leaf);

	if (len != want && want < 0)
		return differ(d, "the lookup finds a /%d, but there is no such route", len);
	if (len != want && len < 0)
		return differ(d, "the lookup finds nothing, but there is a route for a /%d", want);
	if (len != want)
		return differ(d, "the lookup finds a /%d instead of a /%d", len, want);
	if (now->size != should->size)
		return differ(d, "the row has %u buckets instead of %u", now->size, should->size);
	if (now->slot != should->slot)
		return differ(d, "bucket %u holds %s (slot %u) instead of %s (slot %u)",
			      now->bucket, slot_name(st, now->slot), now->slot,
			      slot_name(st, should->slot), should->slot);
	if (memcmp(&now->header, &should->header, sizeof(now->header)))
		return differ(d, "the header of %s is not that of its settings",
			      slot_name(st, now->slot));
	if (now->verdict != should->verdict || now->reason != should->reason)
		return differ(d, "the lookups of owned prefixes, policies or endpoints differ");
	return true;
}

/* --- both passes -----------------------------------------------------------------------------
 */

static struct group_tunnel *tunnels(const struct store *st)
{
	uint32_t i, n = st->meta->max_tunnels;
	struct group_tunnel *t = calloc(n, sizeof(*t));

	for (i = 0; t && i < n; i++)
		t[i] = (struct group_tunnel){
			.name = st->tunnel[i].state == PS_STATE_USED ? st->tunnel[i].name : NULL,
			.slot = st->tunnel[i].slot,
			.health = st->tunnel[i].health,
		};
	return t;
}

static int decide_once(const struct store *st, const struct decide_question *q, struct pass *w)
{
	const struct view derived = { .st = st }, primary = { .st = st, .primary = w };
	struct group_tunnel *t = tunnels(st);
	struct decision *d = w->d;

	if (!t)
		return -ENOMEM;
	memset(d, 0, sizeof(*d));
	w->tunnel = t;
	w->node = (struct group_node){ q->elsewhere ? q->region : st->node->region,
				       st->node->hash_mode };
	d->hash = query_hash(&q->packet);
	d->hypothetical = q->elsewhere;
	if (!d->hypothetical)
		answer(&derived, q, d->hash, &d->now);
	answer(&primary, q, d->hash, &d->should);
	if (!d->owner.found)
		primary_match(&primary, MAP_PREFIX, q->packet.dst, &d->owner);
	if (d->routed)
		explain(st, w);
	d->agree = d->hypothetical || agree(st, d);
	free(t);
	return w->error;
}

int decide(const struct store *st, const struct decide_question *q, struct decision *d,
	   struct error *err)
{
	const struct timespec pause = { .tv_nsec = RETRY_MS * 1000000L };
	struct pass *w = calloc(1, sizeof(*w));
	int r = -ENOMEM, left = RETRIES;
	uint64_t before;

	while (w) {
		w->d = d;
		before = __atomic_load_n(&st->meta->transactions, __ATOMIC_ACQUIRE);
		r = decide_once(st, q, w);
		if (r || d->agree || !left)
			break;
		if (left < RETRIES && !st->meta->dirty && before == st->meta->transactions)
			break;
		left--;
		nanosleep(&pause, NULL);
	}
	free(w);
	return r ? error_system(err, -r, "cannot read the maps: %s", strerror(-r)) : 0;
}
