/* SPDX-License-Identifier: GPL-2.0-only */
/* The model's configuration: candidates by prefix, and the rows that core makes of them. */
#include <stdlib.h>
#include <string.h>

#include "core/group.h"
#include "model.h"

static int hop_find(const struct conf *c, const char *name)
{
	unsigned int i;

	if (!strcmp(name, "drop"))
		return MODEL_DROP;
	if (!strcmp(name, "underlay"))
		return MODEL_UNDERLAY;
	for (i = 0; i < c->tunnels; i++)
		if (!strcmp(c->tunnel[i].name, name))
			return (int)(MODEL_FIRST + i);
	abort();
}

static const char *table_of(const struct conf_route *r)
{
	return r->table[0] ? r->table : "main";
}

/* The other host of an interface subnet. */
static uint32_t far_address(const struct conf_tunnel *t)
{
	uint32_t net = t->addr & (t->addr_len == 31 ? 0xfffffffe : 0xfffffffc);

	if (t->addr_len == 31)
		return t->addr ^ 1;
	return t->addr == net + 1 ? net + 2 : net + 1;
}

/* All candidates of one prefix. Returns how many; *visible: one of them at least is (rule 2). */
static unsigned int collect(const struct conf *c, const char *table, struct prefix p,
			    struct ps_candidate *list, bool *visible)
{
	unsigned int n = 0, i;

	*visible = false;
	for (i = 0; i < c->routes; i++) {
		const struct conf_route *r = &c->route[i];

		if (strcmp(table_of(r), table) || r->p.addr != p.addr || r->p.len != p.len)
			continue;
		list[n++] = (struct ps_candidate){ .priority = r->priority ? r->priority : 100,
						   .tunnel = (uint16_t)hop_find(c, r->tunnel),
						   .weight = r->weight ? r->weight : 1,
						   .regions = r->regions,
						   .prepends = r->prepends,
						   .origin = r->origin };
		*visible |= !r->regions || (r->regions & c->region);
	}
	for (i = 0; i < c->tunnels && !strcmp(table, "main") && p.len == 32; i++) {
		const struct conf_tunnel *t = &c->tunnel[i];

		if (!t->addr_len || far_address(t) != p.addr)
			continue;
		list[n++] = (struct ps_candidate){ .tunnel = (uint16_t)(MODEL_FIRST + i),
						   .weight = 1,
						   .origin = PS_ORIGIN_INTERFACE };
		*visible = true;
	}
	return n;
}

static void add_prefix(struct model *m, const char *table, struct prefix p)
{
	const struct conf *c = m->conf;
	const struct group_node node = { c->region, c->hash_mode };
	struct group_tunnel t[MODEL_FIRST + 64] = { { "drop", MODEL_DROP, 0 },
						    { "underlay", MODEL_UNDERLAY, 0 } };
	struct ps_candidate list[PS_CANDIDATES_MAX + 64];
	struct model_prefix *to = &m->prefix[m->prefixes];
	unsigned int i, n;
	bool visible;

	for (i = 0; i < m->prefixes; i++)
		if (!strcmp(m->prefix[i].table, table) && m->prefix[i].p.addr == p.addr &&
		    m->prefix[i].p.len == p.len)
			return;
	n = collect(c, table, p, list, &visible);
	if (!visible)
		return;
	for (i = 0; i < c->tunnels; i++)
		t[MODEL_FIRST + i] =
			(struct group_tunnel){ c->tunnel[i].name, (uint16_t)(MODEL_FIRST + i),
					       c->tunnel[i].health };
	group_canonical(list, n);
	to->table = table;
	to->p = p;
	to->log2 = group_row_log2(list, n, t);
	to->row = malloc((PS_BLOCK_SLOTS << to->log2) * sizeof(*to->row));
	group_row(list, n, t, &node, to->log2, to->row);
	m->prefixes++;
}

void model_init(struct model *m, const struct conf *c)
{
	unsigned int i;

	m->conf = c;
	m->prefixes = 0;
	m->prefix = calloc(c->routes + c->tunnels + 1, sizeof(*m->prefix));
	for (i = 0; i < c->routes; i++)
		add_prefix(m, table_of(&c->route[i]), c->route[i].p);
	for (i = 0; i < c->tunnels; i++)
		if (c->tunnel[i].addr_len)
			add_prefix(m, "main", (struct prefix){ far_address(&c->tunnel[i]), 32 });
}

void model_free(struct model *m)
{
	unsigned int i;

	for (i = 0; i < m->prefixes; i++)
		free(m->prefix[i].row);
	free(m->prefix);
}
