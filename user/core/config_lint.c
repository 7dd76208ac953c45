/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a configuration may say but hardly means. The lists are sorted (config_check()), so one
 * sweep meets each prefix after all that cover it: a stack of the open ones gives the nearest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config_check.h"
#include "core/group.h"
#include "core/region.h"

#define REGIONS_ALL ((1u << REGION_COUNT) - 1)

struct lint {
	const struct config *c;
	config_lint_fn fn;
	void *arg;
	int main_name; /* -1: no route is in it */
};

bool priority_lint(struct prefix p, uint32_t priority, char *text, size_t len)
{
	char buf[PREFIX_STRLEN];

	if (priority < PRIORITY_DEGRADED)
		return false;
	snprintf(text, len,
		 "route %s: priority %u meets the health penalties (%u and %u, rule 3): a degraded "
		 "tunnel of a lower priority may still win over it",
		 prefix_str(p, buf), priority, PRIORITY_DEGRADED, PRIORITY_DOWN);
	return true;
}

static void lint_priorities(struct lint *l)
{
	const struct config_route *t = l->c->route;
	char text[256];
	size_t i;

	for (i = 0; i < l->c->routes; i++, t++)
		if (priority_lint(t->p, t->priority, text, sizeof(text)))
			l->fn(l->arg, &t->pos, text);
}

/* --- regions -------------------------------------------------------------------------------------
 */

/* A routed prefix and the regions from which a look-up finds a route there or in a shorter one. */
struct open {
	struct prefix p;
	uint16_t regions;
};

static void lint_prefix_regions(struct lint *l, const struct config_route *t, uint16_t covered)
{
	char text[256], prefix[PREFIX_STRLEN], regions[REGION_SET_STRLEN];

	snprintf(text, sizeof(text),
		 "route %s%s%s: neither it nor a shorter prefix has a route for %s: traffic there "
		 "is dropped (rules 2 and 9)",
		 prefix_str(t->p, prefix), t->table == l->main_name ? "" : " in table ",
		 t->table == l->main_name ? "" : config_name(l->c, t->table),
		 region_set_str(REGIONS_ALL & ~covered, regions));
	l->fn(l->arg, &t->pos, text);
}

/* The look-up falls to a shorter prefix where no route of the longest is visible (rule 2). */
static void lint_regions(struct lint *l)
{
	const struct config_route *t = l->c->route, *end = t + l->c->routes, *first;
	struct open open[33]; /* each shorter than the next */
	unsigned int depth = 0;
	uint16_t covered;

	while (t != end) {
		first = t;
		covered = 0;
		for (; t != end && t->table == first->table && !prefix_cmp(t->p, first->p); t++)
			covered |= t->regions ? t->regions : REGIONS_ALL;
		if (first != l->c->route && first->table != first[-1].table)
			depth = 0;
		while (depth && !prefix_covers(open[depth - 1].p, first->p))
			depth--;
		if (depth)
			covered |= open[depth - 1].regions;
		open[depth++] = (struct open){ first->p, covered };
		if (covered != REGIONS_ALL)
			lint_prefix_regions(l, first, covered);
	}
}

/* --- accounts ------------------------------------------------------------------------------------
 */

#define ACCOUNT_NONE UINT32_MAX

/* What the sweep over prefixes and routes of `main` keeps. */
struct sweep {
	uint32_t *owner; /* account of the tunnel, by its name */
	size_t *change;	 /* for each prefix the next one of another account */
	size_t at;	 /* first prefix after the route */
	const struct config_prefix *open[33];
	unsigned int depth;
};

static void lint_account(struct lint *l, const struct config_route *t,
			 const struct config_prefix *p, uint32_t owner)
{
	char text[256], a[PREFIX_STRLEN], b[PREFIX_STRLEN];

	snprintf(text, sizeof(text),
		 "route %s via \"%s\": the tunnel is of account \"%s\", prefix %s of account "
		 "\"%s\": "
		 "what comes back by the tunnel is dropped as spoofed",
		 prefix_str(t->p, a), config_name(l->c, t->via), config_name(l->c, (uint16_t)owner),
		 prefix_str(p->p, b), config_name(l->c, p->account));
	l->fn(l->arg, &t->pos, text);
}

/* Its longest authorised prefix; or, if it is made of several, the first one not the tunnel's. */
static const struct config_prefix *foreign_prefix(const struct lint *l, struct sweep *s,
						  const struct config_route *t, uint32_t owner)
{
	const struct config *c = l->c;
	size_t i;

	while (s->at < c->prefixes && prefix_cmp(c->prefix[s->at].p, t->p) <= 0) {
		while (s->depth && !prefix_covers(s->open[s->depth - 1]->p, c->prefix[s->at].p))
			s->depth--;
		s->open[s->depth++] = &c->prefix[s->at++];
	}
	while (s->depth && !prefix_covers(s->open[s->depth - 1]->p, t->p))
		s->depth--;
	if (s->depth)
		return s->open[s->depth - 1]->account == owner ? NULL : s->open[s->depth - 1];
	i = s->at;
	if (i < c->prefixes && c->prefix[i].account == owner)
		i = s->change[i];
	return i < c->prefixes && prefix_covers(t->p, c->prefix[i].p) ? &c->prefix[i] : NULL;
}

static void sweep_accounts(struct lint *l, struct sweep *s)
{
	const struct config *c = l->c;
	const struct config_route *t = c->route, *end = t + c->routes;
	const struct config_prefix *p;
	size_t i;

	for (i = 0; i < c->names.n; i++)
		s->owner[i] = ACCOUNT_NONE;
	for (i = 0; i < c->tunnels; i++)
		s->owner[c->tunnel[i].name] = c->tunnel[i].account;
	for (i = c->prefixes; i-- > 0;)
		s->change[i] =
			i + 1 < c->prefixes && c->prefix[i].account == c->prefix[i + 1].account ?
				s->change[i + 1] :
				i + 1;
	/* `main` is the first table. */
	for (; t != end && t->table == l->main_name; t++) {
		if (s->owner[t->via] == ACCOUNT_NONE)
			continue;
		p = foreign_prefix(l, s, t, s->owner[t->via]);
		if (p)
			lint_account(l, t, p, s->owner[t->via]);
	}
}

static void lint_accounts(struct lint *l)
{
	struct sweep s = { .owner = malloc((l->c->names.n + 1) * sizeof(*s.owner)),
			   .change = malloc((l->c->prefixes + 1) * sizeof(*s.change)) };

	/* Without memory a warning is lost, nothing else. */
	if (s.owner && s.change)
		sweep_accounts(l, &s);
	free(s.owner);
	free(s.change);
}

/* --- policies ------------------------------------------------------------------------------------
 */

static void lint_policies(struct lint *l)
{
	const struct config *c = l->c;
	uint8_t *routed = calloc(c->names.n + 1, 1);
	char text[256], from[PREFIX_STRLEN];
	size_t i;

	for (i = 0; routed && i < c->routes; i++)
		routed[c->route[i].table] = 1;
	for (i = 0; routed && i < c->policies; i++) {
		if (routed[c->policy[i].table])
			continue;
		snprintf(text, sizeof(text),
			 "policy from %s: table \"%s\" has no routes: the traffic is dropped",
			 prefix_str(c->policy[i].from, from), config_name(c, c->policy[i].table));
		l->fn(l->arg, &c->policy[i].pos, text);
	}
	free(routed);
}

void config_lint(const struct config *c, config_lint_fn fn, void *arg)
{
	struct lint l = { c, fn, arg, names_find(&c->names, "main") };

	if (c->routes) {
		lint_regions(&l);
		lint_priorities(&l);
		lint_accounts(&l);
	}
	lint_policies(&l);
}
