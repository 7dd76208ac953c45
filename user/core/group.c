/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a candidate list to a bucket row (see group.h).
 *
 * Terms. A *tier* is the visible candidates of one base priority (prepends included) and origin:
 * those that share by weight when all are equally healthy. A *member* is a tunnel of a tier; where
 * routes of several region scopes name one tunnel twice, they are one member with the sum of their
 * weights, which is what rule 8 makes of them, since they are always active together. A tunnel may
 * be a member of several tiers.
 *
 * Preference order of a bucket: each tier has a first choice for it; the first choices of all
 * tiers come first, best score first, then all other members, best score first. First choices are
 * handed out by quota, bucket by bucket in index order, to the best-scoring member of the tier
 * with quota left. Neither health nor anything outside the tier has a part in that, so a tier's
 * first choices never change while its routes stay.
 *
 * Score, the smaller the better: -log2(u) / weight, where u in (0,1] is a hash of tunnel name and
 * bucket: exponentially distributed with a rate proportional to the weight, so the smallest of a
 * set is each member's with a probability proportional to its weight, whatever the set. Fractions
 * are compared by cross-multiplication; names break ties.
 *
 * Only visible candidates count, so nodes of different regions may choose differently for one flow;
 * counting the invisible ones would leave the quotas of the others inexact.
 *
 * group_row() makes no order explicit. The first active member in it is: of the active first
 * choices the best, or, where no first choice is active, the best of the active members. One pass
 * over the tiers with an active member finds both.
 */
#include "core/group.h"

#include <assert.h>
#include <string.h>

#include "core/region.h"

/* A tunnel of a tier. */
struct member {
	const char *name;
	uint64_t key; /* of its tier: priority and origin */
	uint64_t name_hash;
	uint64_t score; /* for the current bucket; still to be divided by the weight */
	uint16_t weight;
	uint16_t quota; /* first choices it may still take */
	uint16_t slot;
	bool active;
};

struct tier {
	unsigned int first; /* members first .. end - 1 */
	unsigned int end;
	bool live; /* has an active member */
};

/* All tiers that are visible on a node, their members in order of name. */
struct tiers {
	struct member m[PS_CANDIDATES_MAX];
	struct tier t[PS_CANDIDATES_MAX];
	unsigned int n;
};

void group_view(const struct ps_tunnel *t, uint32_t n, struct group_tunnel *view)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		view[i] = (struct group_tunnel){
			.name = t[i].state == PS_STATE_USED ? t[i].name : NULL,
			.slot = t[i].slot,
			.health = t[i].health,
		};
}

/* Rule 4: prepends are a thing of BGP. */
static uint64_t priority_route(const struct ps_candidate *c)
{
	uint64_t p = c->priority;

	if (c->origin == PS_ORIGIN_BGP)
		p += (uint64_t)c->prepends * PRIORITY_PREPEND;
	return p < UINT32_MAX ? p : UINT32_MAX;
}

/* Rule 5. */
uint32_t priority_effective(const struct ps_candidate *c, uint8_t health)
{
	uint64_t p = priority_route(c);

	if (health == PS_HEALTH_DEGRADED)
		p += PRIORITY_DEGRADED;
	else if (health == PS_HEALTH_DOWN)
		p += PRIORITY_DOWN;
	return p < UINT32_MAX ? (uint32_t)p : UINT32_MAX;
}

/* Rules 6 and 7: the lowest wins, and at a tie connected before static before BGP. */
static uint64_t priority_key(uint64_t priority, uint8_t origin)
{
	static const uint8_t rank[] = {
		[PS_ORIGIN_INTERFACE] = 0,
		[PS_ORIGIN_STATIC] = 1,
		[PS_ORIGIN_BGP] = 2,
	};

	return priority << 2 | (origin < sizeof(rank) ? rank[origin] : 3);
}

/* Rule 8. */
static uint16_t candidate_weight(const struct ps_candidate *c)
{
	return c->origin == PS_ORIGIN_BGP || !c->weight ? 1 : c->weight;
}

int candidate_cmp(const struct ps_candidate *a, const struct ps_candidate *b)
{
	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	if (a->origin != b->origin)
		return a->origin < b->origin ? -1 : 1;
	if (a->prepends != b->prepends)
		return a->prepends < b->prepends ? -1 : 1;
	if (a->tunnel != b->tunnel)
		return a->tunnel < b->tunnel ? -1 : 1;
	if (a->regions != b->regions)
		return a->regions < b->regions ? -1 : 1;
	return (int)a->weight - (int)b->weight;
}

/* Insertion sort: lists are short, and mostly sorted already. */
void group_canonical(struct ps_candidate *c, unsigned int n)
{
	struct ps_candidate x;
	unsigned int i, j;

	for (i = 1; i < n; i++) {
		x = c[i];
		for (j = i; j > 0 && candidate_cmp(&x, &c[j - 1]) < 0; j--)
			c[j] = c[j - 1];
		c[j] = x;
	}
}

/* Finaliser of splitmix64: every bit of the result depends on every bit of x. */
static inline uint64_t mix64(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

uint64_t group_hash(const struct ps_candidate *c, unsigned int n)
{
	uint64_t h = mix64(n);
	unsigned int i;

	for (i = 0; i < n; i++) {
		h = mix64(h ^ ((uint64_t)c[i].priority << 32 | (uint32_t)c[i].tunnel << 16 |
			       c[i].weight));
		h = mix64(h ^ ((uint64_t)c[i].regions << 32 | (uint32_t)c[i].prepends << 16 |
			       c[i].origin));
	}
	return h;
}

/* Rule 2; and a candidate whose tunnel is gone is no candidate. */
static bool candidate_visible(const struct ps_candidate *c, const struct group_tunnel *t,
			      uint16_t region)
{
	return t[c->tunnel].name && region_visible(c->regions, region);
}

uint64_t group_active(const struct ps_candidate *c, unsigned int n, const struct group_tunnel *t,
		      const struct group_node *node)
{
	uint64_t best = UINT64_MAX, key, active = 0;
	unsigned int i;

	assert(n <= PS_CANDIDATES_MAX);
	for (i = 0; i < n; i++) {
		if (!candidate_visible(&c[i], t, node->region))
			continue;
		key = priority_key(priority_effective(&c[i], t[c[i].tunnel].health), c[i].origin);
		if (key < best) {
			best = key;
			active = 0;
		}
		if (key == best)
			active |= 1ull << i;
	}
	return active;
}

/* Gives one slot each to those whose share is less; *size and *total become what is left. */
static void quota_minimum(const uint16_t *weight, unsigned int n, unsigned int *size,
			  unsigned int *total, uint16_t *quota)
{
	bool again = true;
	unsigned int i, room, sum;

	while (again) {
		again = false;
		room = *size;
		sum = *total;
		for (i = 0; i < n; i++) {
			if (quota[i] || room * weight[i] >= sum)
				continue;
			quota[i] = 1;
			*size -= 1;
			*total -= weight[i];
			again = true;
		}
	}
}

void group_quota(const uint16_t *weight, unsigned int n, unsigned int size, uint16_t *quota)
{
	unsigned int rest[PS_CANDIDATES_MAX] = { 0 }; /* remainder of the share, times total */
	unsigned int total = 0, left, i, best;

	assert(n <= size && n <= PS_CANDIDATES_MAX);
	for (i = 0; i < n; i++) {
		total += weight[i];
		quota[i] = 0;
	}
	assert(!n || total);
	quota_minimum(weight, n, &size, &total, quota);
	left = size;
	for (i = 0; i < n; i++) {
		if (quota[i])
			continue;
		quota[i] = (uint16_t)(size * weight[i] / total);
		rest[i] = size * weight[i] % total;
		left -= quota[i];
	}
	/* Fewer are left than there are remainders: each takes one more at most. */
	for (; n && left; left--) {
		best = 0;
		for (i = 1; i < n; i++)
			if (rest[i] > rest[best])
				best = i;
		quota[best]++;
		rest[best] = 0;
	}
}

static uint64_t name_hash(const char *name)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3u;
	return mix64(h);
}

/* Order of tiers, then of names. */
static int member_cmp(const struct member *a, const struct member *b)
{
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* Adds a member to n sorted ones, or its weight to the same tunnel's; returns their number. */
static unsigned int member_add(struct member *m, unsigned int n, const struct member *new)
{
	unsigned int i = n;
	int cmp = 1;

	while (i > 0 && (cmp = member_cmp(new, &m[i - 1])) < 0)
		i--;
	if (cmp == 0) {
		m[i - 1].weight = (uint16_t)(m[i - 1].weight + new->weight);
		return n;
	}
	memmove(&m[i + 1], &m[i], (n - i) * sizeof(*m));
	m[i] = *new;
	return n + 1;
}

/* Sorts the candidates visible in a region into tiers. `active`: bits of group_active(). */
static void tiers_make(struct tiers *x, const struct ps_candidate *c, unsigned int n,
		       const struct group_tunnel *t, uint16_t region, uint64_t active)
{
	unsigned int i, members = 0;
	struct tier *tier = NULL;
	struct member m;

	assert(n <= PS_CANDIDATES_MAX);
	for (i = 0; i < n; i++) {
		if (!candidate_visible(&c[i], t, region))
			continue;
		m = (struct member){
			.name = t[c[i].tunnel].name,
			.key = priority_key(priority_route(&c[i]), c[i].origin),
			.weight = candidate_weight(&c[i]),
			.slot = t[c[i].tunnel].slot,
			.active = active >> i & 1,
		};
		members = member_add(x->m, members, &m);
	}
	x->n = 0;
	for (i = 0; i < members; i++) {
		if (!tier || x->m[tier->first].key != x->m[i].key) {
			tier = &x->t[x->n++];
			*tier = (struct tier){ .first = i };
		}
		tier->end = i + 1;
		tier->live |= x->m[i].active;
	}
}

static void tier_quota(const struct tiers *x, const struct tier *tier, unsigned int size,
		       uint16_t *quota)
{
	unsigned int n = tier->end - tier->first, i;
	uint16_t weight[PS_CANDIDATES_MAX];

	for (i = 0; i < n; i++)
		weight[i] = x->m[tier->first + i].weight;
	group_quota(weight, n, size, quota);
}

/* Are all shares of the tier within 1 % of their weights in a row of this size? */
static bool tier_exact(const struct tiers *x, const struct tier *tier, unsigned int size)
{
	uint16_t quota[PS_CANDIDATES_MAX];
	uint64_t total = 0, want, have, off;
	unsigned int i;

	tier_quota(x, tier, size, quota);
	for (i = tier->first; i < tier->end; i++)
		total += x->m[i].weight;
	for (i = tier->first; i < tier->end; i++) {
		want = (uint64_t)size * x->m[i].weight;
		have = (uint64_t)quota[i - tier->first] * total;
		off = have > want ? have - want : want - have;
		if (off * 100 > want)
			return false;
	}
	return true;
}

/* The same for all tiers of the list, wherever the node is. `scopes`: all regions in the list. */
static bool row_exact(const struct ps_candidate *c, unsigned int n, const struct group_tunnel *t,
		      uint16_t scopes, unsigned int size)
{
	unsigned int region, i;
	struct tiers x;
	uint16_t bit;

	/* A node without a region stands for those in a region that no scope names. */
	for (region = 0; region <= REGION_COUNT; region++) {
		bit = (uint16_t)(1u << region >> 1);
		if (region && !(scopes & bit))
			continue;
		tiers_make(&x, c, n, t, bit, 0);
		for (i = 0; i < x.n; i++)
			if (!tier_exact(&x, &x.t[i], size))
				return false;
	}
	return true;
}

unsigned int group_row_log2(const struct ps_candidate *c, unsigned int n,
			    const struct group_tunnel *t)
{
	unsigned int log2 = 0, i;
	uint16_t scopes = 0;

	for (i = 0; i < n; i++)
		scopes |= c[i].regions;
	while (log2 < PS_ROW_LOG2_MAX && !row_exact(c, n, t, scopes, ROW_MIN << log2))
		log2++;
	return log2;
}

/* log2(1 + i / 64) * 2^31. Linear between the points; off by 5e-5 at most. */
static const uint32_t log2_table[65] = {
	0x00000000, 0x02dcf2d1, 0x05aeb4dd, 0x08759c50, 0x0b31fb7d, 0x0de42120, 0x108c588d,
	0x132ae9e2, 0x15c01a3a, 0x184c2bd0, 0x1acf5e2e, 0x1d49ee4c, 0x1fbc16b9, 0x22260fb6,
	0x24880f56, 0x26e2499d, 0x2934f098, 0x2b803474, 0x2dc4439b, 0x30014ac6, 0x32377512,
	0x3466ec15, 0x368fd7ee, 0x38b25f5a, 0x3acea7c0, 0x3ce4d544, 0x3ef50ad2, 0x40ff6a2e,
	0x43041403, 0x450327eb, 0x46fcc47a, 0x48f10751, 0x4ae00d1d, 0x4cc9f1ab, 0x4eaecfeb,
	0x508ec1fa, 0x5269e12f, 0x5440461c, 0x5612089a, 0x57df3fd0, 0x59a80239, 0x5b6c65aa,
	0x5d2c7f59, 0x5ee863e5, 0x60a02757, 0x6253dd2c, 0x64039858, 0x65af6b4b, 0x675767f5,
	0x68fb9fce, 0x6a9c23d6, 0x6c39049b, 0x6dd2523d, 0x6f681c73, 0x70fa728c, 0x72896373,
	0x7414fdb5, 0x759d4f81, 0x772266ad, 0x78a450b8, 0x7a231ace, 0x7b9ed1c7, 0x7d17822f,
	0x7e8d3846, 0x80000000,
};

/* -log2((h + 1) / 2^32) * 2^31, at most 2^36. */
static inline uint64_t minus_log2(uint32_t h)
{
	uint64_t v = (uint64_t)h + 1, frac;
	unsigned int whole = 63 - (unsigned int)__builtin_clzll(v), i;

	v <<= 32 - whole; /* 1.x with 32 bits of x */
	i = v >> 26 & 63;
	frac = v & 0x3ffffff;
	frac = log2_table[i] + ((uint64_t)(log2_table[i + 1] - log2_table[i]) * frac >> 26);
	return ((uint64_t)(32 - whole) << 31) - frac;
}

static inline uint64_t member_score(const struct member *m, unsigned int bucket)
{
	return minus_log2((uint32_t)(mix64(m->name_hash + bucket * 0x9e3779b97f4a7c15u) >> 32));
}

/* Products stay below 2^51: scores of 2^36 at most times weights of 64 x 256 at most. */
static inline bool member_better(const struct member *a, const struct member *b)
{
	uint64_t sa = a->score * b->weight, sb = b->score * a->weight;

	return sa < sb || (sa == sb && strcmp(a->name, b->name) < 0);
}

/* Whom the bucket carries. Buckets must be asked in order: quotas are used up. */
static const struct member *bucket_choose(struct tiers *x, unsigned int bucket)
{
	struct member *m, *first, *any = NULL, *best = NULL;
	unsigned int i, j;

	for (i = 0; i < x->n; i++) {
		if (!x->t[i].live)
			continue;
		first = NULL;
		for (j = x->t[i].first; j < x->t[i].end; j++) {
			m = &x->m[j];
			m->score = member_score(m, bucket);
			if (m->quota && (!first || member_better(m, first)))
				first = m;
			if (m->active && (!any || member_better(m, any)))
				any = m;
		}
		first->quota--;
		if (first->active && (!best || member_better(first, best)))
			best = first;
	}
	return best ? best : any;
}

static void row_rendezvous(struct tiers *x, unsigned int size, uint16_t *row)
{
	uint16_t quota[PS_CANDIDATES_MAX];
	unsigned int i, j;

	for (i = 0; i < x->n; i++) {
		if (!x->t[i].live)
			continue;
		tier_quota(x, &x->t[i], size, quota);
		for (j = x->t[i].first; j < x->t[i].end; j++) {
			x->m[j].quota = quota[j - x->t[i].first];
			x->m[j].name_hash = name_hash(x->m[j].name);
		}
	}
	for (i = 0; i < size; i++)
		row[i] = bucket_choose(x, i)->slot;
}

/*
 * `hash-mode modulo`: bucket b is next hop b mod N of the active ones in order of name, each there
 * as often as its weight says. More of them than buckets, and the weights are scaled to the row.
 */
static void row_modulo(const struct tiers *x, unsigned int size, uint16_t *row)
{
	const struct member *list[PS_CANDIDATES_MAX], *m;
	uint16_t times[PS_CANDIDATES_MAX];
	unsigned int n = 0, total = 0, i, j, b;

	for (i = 0; i < x->n; i++) {
		for (j = x->t[i].first; j < x->t[i].end; j++) {
			m = &x->m[j];
			if (!m->active)
				continue;
			for (b = n++; b > 0 && strcmp(m->name, list[b - 1]->name) < 0; b--)
				list[b] = list[b - 1];
			list[b] = m;
		}
	}
	for (i = 0; i < n; i++) {
		times[i] = list[i]->weight;
		total += times[i];
	}
	if (total > size) {
		uint16_t weight[PS_CANDIDATES_MAX];

		memcpy(weight, times, sizeof(weight));
		group_quota(weight, n, size, times);
		total = size;
	}
	for (i = 0, b = 0; i < n; i++)
		for (j = 0; j < times[i]; j++)
			row[b++] = list[i]->slot;
	for (; b < size; b++)
		row[b] = row[b - total];
}

void group_row(const struct ps_candidate *c, unsigned int n, const struct group_tunnel *t,
	       const struct group_node *node, unsigned int log2, uint16_t *row)
{
	uint64_t active = group_active(c, n, t, node);
	unsigned int size = ROW_MIN << log2;
	struct tiers x;

	assert(log2 <= PS_ROW_LOG2_MAX);
	if (!active) {
		memset(row, 0, size * sizeof(*row));
		return;
	}
	tiers_make(&x, c, n, t, node->region, active);
	if (node->hash_mode == PS_HASH_MODULO)
		row_modulo(&x, size, row);
	else
		row_rendezvous(&x, size, row);
}
