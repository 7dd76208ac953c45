/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a configuration must be as a whole: sorted lists first, then one pass over each. Sorting
 * makes duplicates and conflicting tunnels neighbours, and prefixes runs of ground, so that
 * 600,000 prefixes and 2.3 million routes take a few comparisons each. Comparing every tunnel with
 * every prefix, as the store does for one that is added, was not an option.
 *
 * Names are compared by their rank, worked out once. Equal objects keep the order of the file, so
 * the second one is to blame and the first one is named. The rules themselves, and their words,
 * are core/tunnel.h's and core/admission.h's.
 */
#include "core/config_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/admission.h"
#include "core/region.h"
#include "core/tunnel.h"

struct check {
	struct config *c;
	const char *name; /* of the file */
	struct error *err;
	uint32_t *rank;	 /* of each name in alphabetical order, `main` first; from 1 */
	uint8_t *tunnel; /* is this name a tunnel's, or of a next hop of its own? */
};

/* --- errors --------------------------------------------------------------------------------------
 */

/* Puts the place before the sentence that is there, and what else is to blame behind it. */
static int place(const struct check *k, int r, const struct config_pos *pos,
		 const struct config_pos *other)
{
	char text[300], where[32] = "", also[64] = "";

	snprintf(text, sizeof(text), "%.299s", k->err->text);
	if (pos->line)
		snprintf(where, sizeof(where), ":%u:%u", pos->line, pos->column);
	if (other && other->line)
		snprintf(also, sizeof(also), "; see line %u, column %u", other->line,
			 other->column);
	return error_usage(k->err, -r, "%.200s%s: %s%s", k->name, where, text, also);
}

/* `what` has the bad word in quotes. */
static int twice(const struct check *k, const char *what, const struct config_pos *pos,
		 const struct config_pos *first)
{
	error_usage(k->err, EEXIST, "%s is given twice", what);
	return place(k, -EEXIST, pos, first);
}

/* --- order ---------------------------------------------------------------------------------------
 */

static int order(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

static int pos_cmp(const struct config_pos *a, const struct config_pos *b)
{
	int r = order(a->line, b->line);

	return r ? r : order(a->column, b->column);
}

static int prefix_order(const void *x, const void *y, void *arg)
{
	const struct config_prefix *a = x, *b = y;
	int r = prefix_cmp(a->p, b->p);

	(void)arg;
	return r ? r : pos_cmp(&a->pos, &b->pos);
}

static int tunnel_order(const void *x, const void *y, void *arg)
{
	const struct config_tunnel *a = x, *b = y;
	const struct check *k = arg;
	int r = order(k->rank[a->name], k->rank[b->name]);

	return r ? r : pos_cmp(&a->pos, &b->pos);
}

/* The identity of a route; what else it says does not count. */
static int route_cmp(const struct check *k, const struct config_route *a,
		     const struct config_route *b)
{
	int r = order(k->rank[a->table], k->rank[b->table]);

	if (!r)
		r = prefix_cmp(a->p, b->p);
	if (!r)
		r = order(k->rank[a->via], k->rank[b->via]);
	return r ? r : order(a->regions, b->regions);
}

static int route_order(const void *x, const void *y, void *arg)
{
	const struct config_route *a = x, *b = y;
	int r = route_cmp(arg, a, b);

	return r ? r : pos_cmp(&a->pos, &b->pos);
}

static int policy_order(const void *x, const void *y, void *arg)
{
	const struct config_policy *a = x, *b = y;
	int r = prefix_cmp(a->from, b->from);

	(void)arg;
	return r ? r : pos_cmp(&a->pos, &b->pos);
}

/* What was printed by us is in order already: then no memory is taken for sorting. */
static void sort(void *list, size_t n, size_t size,
		 int (*cmp)(const void *a, const void *b, void *arg), struct check *k)
{
	const char *at = list;
	size_t i;

	for (i = 1; i < n; i++, at += size)
		if (cmp(at, at + size, k) > 0)
			break;
	if (i < n)
		qsort_r(list, n, size, cmp, k);
}

static int name_order(const void *x, const void *y, void *arg)
{
	const struct names *s = arg;
	const char *a = s->name[*(const uint32_t *)x], *b = s->name[*(const uint32_t *)y];
	bool main_a = !strcmp(a, "main"), main_b = !strcmp(b, "main");

	return main_a != main_b ? (main_a ? -1 : 1) : strcmp(a, b);
}

static int rank_names(struct check *k)
{
	const struct names *s = &k->c->names;
	uint32_t *sorted = malloc((s->n + 1) * sizeof(*sorted)), i;

	k->rank = malloc((s->n + 1) * sizeof(*k->rank));
	k->tunnel = calloc(s->n + 1, 1);
	if (!sorted || !k->rank || !k->tunnel) {
		free(sorted);
		return error_system(k->err, ENOMEM, "out of memory");
	}
	for (i = 0; i < s->n; i++)
		sorted[i] = i;
	qsort_r(sorted, s->n, sizeof(*sorted), name_order, (void *)s);
	for (i = 0; i < s->n; i++)
		k->rank[sorted[i]] = i + 1;
	free(sorted);
	return 0;
}

/* --- tunnels -------------------------------------------------------------------------------------
 */

static struct tunnel_face face_of(const struct config *c, const struct config_tunnel *t)
{
	return (struct tunnel_face){
		.name = config_name(c, t->name),
		.local = t->local,
		.remote = t->remote,
		.key = t->key,
		.addr = t->addr,
		.addr_len = t->addr_len,
		.flags = t->flags,
	};
}

static int by_ends(const void *x, const void *y, void *arg)
{
	const struct config_tunnel *a = *(struct config_tunnel *const *)x;
	const struct config_tunnel *b = *(struct config_tunnel *const *)y;
	int r = order(a->remote, b->remote);

	(void)arg;
	if (!r)
		r = order(a->local, b->local);
	if (!r)
		r = order(a->flags & PS_TUNNEL_F_KEY, b->flags & PS_TUNNEL_F_KEY);
	if (!r)
		r = order(a->key, b->key);
	return r ? r : pos_cmp(&a->pos, &b->pos);
}

/*
 * By address, and those without one first. A /30 overlaps all that is in it, a /31 only its like:
 * of subnets that overlap, two are neighbours.
 */
static int by_subnet(const void *x, const void *y, void *arg)
{
	const struct config_tunnel *a = *(struct config_tunnel *const *)x;
	const struct config_tunnel *b = *(struct config_tunnel *const *)y;
	int r = order(a->flags & PS_TUNNEL_F_ADDRESS, b->flags & PS_TUNNEL_F_ADDRESS);

	(void)arg;
	if (!r)
		r = order(a->addr, b->addr);
	return r ? r : pos_cmp(&a->pos, &b->pos);
}

/* In this order, are any two neighbours in conflict? The later one in the file is to blame. */
static int neighbours_check(struct check *k, struct config_tunnel **list)
{
	struct config_tunnel *a, *b;
	struct tunnel_face fa, fb;
	size_t i;
	int r;

	for (i = 1; i < k->c->tunnels; i++) {
		a = list[i - 1];
		b = list[i];
		if (pos_cmp(&a->pos, &b->pos) > 0) {
			a = list[i];
			b = list[i - 1];
		}
		fa = face_of(k->c, a);
		fb = face_of(k->c, b);
		r = tunnel_clash(&fb, &fa, k->err);
		if (r)
			return place(k, r, &b->pos, &a->pos);
	}
	return 0;
}

static int chains_check(struct check *k, struct config_tunnel **list)
{
	unsigned int others = 0;
	size_t i;
	int r;

	for (i = 1; i < k->c->tunnels; i++) {
		others = list[i]->remote == list[i - 1]->remote ? others + 1 : 0;
		r = tunnel_chain_check(config_name(k->c, list[i]->name), others, k->err);
		if (r)
			return place(k, r, &list[i]->pos, NULL);
	}
	return 0;
}

static int tunnels_conflict(struct check *k)
{
	struct config_tunnel **list = malloc((k->c->tunnels + 1) * sizeof(*list));
	size_t i;
	int r;

	if (!list)
		return error_system(k->err, ENOMEM, "out of memory");
	for (i = 0; i < k->c->tunnels; i++)
		list[i] = &k->c->tunnel[i];
	qsort_r(list, k->c->tunnels, sizeof(*list), by_ends, NULL);
	r = neighbours_check(k, list);
	if (!r)
		r = chains_check(k, list);
	if (!r) {
		qsort_r(list, k->c->tunnels, sizeof(*list), by_subnet, NULL);
		r = neighbours_check(k, list);
	}
	free(list);
	return r;
}

static int tunnels_check(struct check *k)
{
	const struct config_tunnel *t = k->c->tunnel;
	struct tunnel_face face;
	char what[64];
	size_t i;
	int r;

	for (i = 0; i < k->c->tunnels; i++) {
		if (i && t[i].name == t[i - 1].name) {
			snprintf(what, sizeof(what), "tunnel \"%s\"", config_name(k->c, t[i].name));
			return twice(k, what, &t[i].pos, &t[i - 1].pos);
		}
		face = face_of(k->c, &t[i]);
		r = tunnel_ends_check(&face, k->err);
		if (r)
			return place(k, r, &t[i].pos, NULL);
		k->tunnel[t[i].name] = 1;
	}
	return tunnels_conflict(k);
}

/* --- prefixes ------------------------------------------------------------------------------------
 */

/* First prefix not before p. */
static size_t prefix_at(const struct config *c, struct prefix p)
{
	size_t lo = 0, hi = c->prefixes, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (prefix_cmp(c->prefix[mid].p, p) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The authorised prefixes that could conflict with a tunnel are few: they are looked up. */
static int tunnel_admit(struct check *k, const struct config_tunnel *t)
{
	struct tunnel_face face = face_of(k->c, t);
	const uint32_t ends[2] = { t->remote, t->local };
	const struct config *c = k->c;
	struct prefix p;
	size_t at;
	int i, r = 0;

	for (i = 0; i < 2; i++)
		for (p.len = 0; p.len <= 32; p.len++) {
			p.addr = ends[i] & prefix_mask(p.len);
			at = prefix_at(c, p);
			if (at == c->prefixes || prefix_cmp(c->prefix[at].p, p))
				continue;
			r = tunnel_prefix_check(&face, p, k->err);
			if (r)
				return place(k, r, &t->pos, &c->prefix[at].pos);
		}
	if (!(t->flags & PS_TUNNEL_F_ADDRESS))
		return 0;
	p = (struct prefix){ .addr = t->addr & prefix_mask(t->addr_len), .len = t->addr_len };
	for (at = prefix_at(c, p); at < c->prefixes && prefix_covers(p, c->prefix[at].p); at++) {
		r = tunnel_prefix_check(&face, c->prefix[at].p, k->err);
		if (r)
			return place(k, r, &t->pos, &c->prefix[at].pos);
	}
	return 0;
}

static int prefixes_check(struct check *k)
{
	const struct config *c = k->c;
	char what[64], text[PREFIX_STRLEN];
	size_t i;
	int r = 0;

	for (i = 1; i < c->prefixes; i++)
		if (!prefix_cmp(c->prefix[i].p, c->prefix[i - 1].p)) {
			snprintf(what, sizeof(what), "prefix \"%s\"",
				 prefix_str(c->prefix[i].p, text));
			return twice(k, what, &c->prefix[i].pos, &c->prefix[i - 1].pos);
		}
	for (i = 0; !r && i < c->tunnels; i++)
		r = tunnel_admit(k, &c->tunnel[i]);
	return r;
}

/* --- routes and policies -------------------------------------------------------------------------
 */

static int route_twice(struct check *k, const struct config_route *t)
{
	char what[160], text[PREFIX_STRLEN], regions[REGION_SET_STRLEN];

	snprintf(what, sizeof(what), "route \"%s\" via \"%s\"%s%s in table \"%s\"",
		 prefix_str(t->p, text), config_name(k->c, t->via), t->regions ? " region " : "",
		 region_set_str(t->regions, regions), config_name(k->c, t->table));
	return twice(k, what, &t->pos, &t[-1].pos);
}

static int route_via(struct check *k, const struct config_route *t)
{
	const char *via = config_name(k->c, t->via);
	char text[PREFIX_STRLEN];

	if (!strcmp(via, "drop") || !strcmp(via, "underlay")) {
		k->tunnel[t->via] = 1;
		return 0;
	}
	error_usage(k->err, ENOENT,
		    "route %s via \"%s\": expected a tunnel of this file, drop or underlay",
		    prefix_str(t->p, text), via);
	return place(k, -ENOENT, &t->pos, NULL);
}

/* Rules 8 and 10. `same`: routes of this prefix and table before this one. */
static int route_rules(struct check *k, const struct admission *owned, bool in_main,
		       const struct config_route *t, unsigned int same)
{
	char text[PREFIX_STRLEN];
	int r;

	if (same >= PS_CANDIDATES_MAX)
		r = error_usage(k->err, ENOSPC,
				"route \"%s\": %u routes of one prefix and table at most (rule 8)",
				prefix_str(t->p, text), PS_CANDIDATES_MAX);
	else if (in_main && !same && !admission_has(owned, t->p))
		r = error_usage(k->err, EPERM,
				"route \"%s\": not inside an authorised prefix (rule 10): expected "
				"one in `prefixes` that it lies in, or several that fill it",
				prefix_str(t->p, text));
	else
		return 0;
	return place(k, r, &t->pos, NULL);
}

static int routes_check(struct check *k, const struct admission *owned)
{
	int main_name = names_find(&k->c->names, "main"), r = 0;
	const struct config_route *t = k->c->route;
	unsigned int same = 0;
	size_t i;

	for (i = 0; !r && i < k->c->routes; i++, t++) {
		if (i && !route_cmp(k, t, t - 1))
			return route_twice(k, t);
		same = i && t->table == t[-1].table && !prefix_cmp(t->p, t[-1].p) ? same + 1 : 0;
		if (!k->tunnel[t->via])
			r = route_via(k, t);
		if (!r)
			r = route_rules(k, owned, t->table == main_name, t, same);
	}
	return r;
}

static int policies_check(struct check *k)
{
	const struct config_policy *p = k->c->policy;
	char what[64], text[PREFIX_STRLEN];
	size_t i;

	for (i = 1; i < k->c->policies; i++)
		if (!prefix_cmp(p[i].from, p[i - 1].from)) {
			snprintf(what, sizeof(what), "policy from \"%s\"",
				 prefix_str(p[i].from, text));
			return twice(k, what, &p[i].pos, &p[i - 1].pos);
		}
	return 0;
}

static int admission_make(struct check *k, struct admission *owned)
{
	size_t i;

	for (i = 0; i < k->c->prefixes; i++)
		if (admission_add(owned, k->c->prefix[i].p))
			return error_system(k->err, ENOMEM, "out of memory");
	return 0;
}

int config_check(struct config *c, const char *name, struct error *err)
{
	struct check k = { .c = c, .name = name, .err = err };
	struct admission owned = { 0 };
	int r = rank_names(&k);

	if (!r) {
		sort(c->prefix, c->prefixes, sizeof(*c->prefix), prefix_order, &k);
		sort(c->tunnel, c->tunnels, sizeof(*c->tunnel), tunnel_order, &k);
		sort(c->route, c->routes, sizeof(*c->route), route_order, &k);
		sort(c->policy, c->policies, sizeof(*c->policy), policy_order, &k);
		r = tunnels_check(&k);
	}
	if (!r)
		r = prefixes_check(&k);
	if (!r)
		r = admission_make(&k, &owned);
	if (!r)
		r = routes_check(&k, &owned);
	if (!r)
		r = policies_check(&k);
	admission_free(&owned);
	free(k.rank);
	free(k.tunnel);
	return r;
}
