/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * route add, replace, del and show.
 *
 * Showing computes priorities and the active set from the configuration by the rules of core/, and
 * reads the shares from the bucket row that packets use: where the two disagree it shows. Groups
 * are few and prefixes many, so what a group says is remembered for the next prefix that has it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "core/group.h"

struct route_args {
	const char *via, *table;
	uint32_t priority, weight;
};

enum {
	R_VIA,
	R_TABLE,
	R_PRIORITY,
	R_WEIGHT
};

#define WORD_VIA(need)                                          \
	[R_VIA] = { .word = "via",                              \
		    .parse = parse_word,                        \
		    .required = need,                           \
		    .offset = offsetof(struct route_args, via), \
		    .expected = "a tunnel, drop or underlay" }
#define WORD_TABLE(how)                                                                    \
	{                                                                                  \
		.word = "table", .parse = how, .min = NAME_TABLE_OR_MAIN,                  \
		.offset = offsetof(struct route_args, table), .expected = "a table's name" \
	}

const struct keyword route_words[] = {
	WORD_VIA(true),
	[R_TABLE] = WORD_TABLE(parse_name),
	[R_PRIORITY] = { .word = "priority",
			 .parse = parse_number,
			 .max = UINT32_MAX,
			 .required = true,
			 .offset = offsetof(struct route_args, priority),
			 .expected = "a number; the lowest wins" },
	[R_WEIGHT] = { .word = "weight",
		       .parse = parse_number,
		       .min = 1,
		       .max = 256,
		       .offset = offsetof(struct route_args, weight),
		       .expected = "a number from 1 to 256" },
	{ 0 },
};

const struct keyword route_del_words[] = {
	WORD_VIA(false),
	[R_TABLE] = WORD_TABLE(parse_word),
	{ 0 },
};

const struct keyword route_show_words[] = { WORD_TABLE(parse_word), { 0 } };

/* --- changing
 * ------------------------------------------------------------------------------------- */

static int route_put(struct cli *c, const char *verb,
		     int (*put)(struct txn *txn, uint16_t table, struct prefix p,
				const struct ps_candidate *cand, struct error *err))
{
	struct route_args a = { .table = "main", .weight = 1 };
	struct ps_candidate cand = { .origin = PS_ORIGIN_STATIC };
	char text[PREFIX_STRLEN];
	struct prefix p;
	struct given g;
	uint16_t table;
	int id;

	if (arg_prefix(c, &p) || keywords_parse(c, route_words, &a, &g) || !cli_txn(c))
		return -EINVAL;
	id = cli_tunnel(c, a.via);
	if (id < 0 || txn_table(c->txn, a.table, true, &table, &c->err))
		return -EINVAL;
	cand.tunnel = (uint16_t)id;
	cand.priority = a.priority;
	cand.weight = (uint16_t)a.weight;
	cli_would(c, "%s route %s via %s", verb, prefix_str(p, text), a.via);
	if (a.priority >= PRIORITY_DEGRADED)
		cli_warn(c,
			 "route %s: priority %u meets the health penalties (%u and %u, rule 3): a "
			 "degraded tunnel of a lower priority may still win over it",
			 prefix_str(p, text), a.priority, PRIORITY_DEGRADED, PRIORITY_DOWN);
	return put(c->txn, table, p, &cand, &c->err);
}

int do_route_add(struct cli *c)
{
	return route_put(c, "add", txn_route_add);
}

int do_route_replace(struct cli *c)
{
	return route_put(c, "replace", txn_route_replace);
}

int do_route_del(struct cli *c)
{
	struct route_args a = { .table = "main" };
	char text[PREFIX_STRLEN];
	struct prefix p;
	struct given g;
	struct route_match m = ROUTE_MATCH_ALL;
	uint16_t table;

	if (arg_prefix(c, &p) || keywords_parse(c, route_del_words, &a, &g) || !cli_txn(c) ||
	    txn_table(c->txn, a.table, false, &table, &c->err))
		return -EINVAL;
	if (a.via) {
		m.tunnel = cli_tunnel(c, a.via);
		if (m.tunnel < 0)
			return m.tunnel;
	}
	cli_would(c, "delete route %s%s%s", prefix_str(p, text), a.via ? " via " : "",
		  a.via ? a.via : "");
	return txn_route_del(c->txn, table, p, &m, &c->err);
}

/* --- showing
 * -------------------------------------------------------------------------------------- */

#define SHARES 1024u

/* What a group's row says, in a table of a fixed size: a hint that may be overwritten. */
struct share {
	uint32_t group; /* 1 + id, 0: empty */
	uint64_t active;
	uint16_t buckets[PS_CANDIDATES_MAX];
};

struct routes {
	struct rows rows;
	const struct store *st;
	struct group_tunnel *tunnel;
	struct group_node node;
	struct share share[SHARES];
	uint32_t *count; /* buckets by tunnel id; zero between uses */
	int table;	 /* -1: all */
	bool one;
	struct prefix prefix;
};

/* The buckets of one row, by candidate. */
static void count_row(struct routes *w, const struct ps_group *g, const struct ps_candidate *cand,
		      struct share *s)
{
	uint32_t size = PS_BLOCK_SLOTS << (g->row >> PS_ROW_LOG2_SHIFT), i;
	const uint16_t *row = w->st->row[g->row & PS_ROW_BLOCK_MASK].slot;
	uint64_t shown = s->active;
	unsigned int n = g->n, j;

	for (i = 0; i < size; i++)
		if (PS_SLOT_ID(row[i]) < w->st->meta->max_tunnels)
			w->count[PS_SLOT_ID(row[i])]++;
	/* A tunnel that two routes name counts for the active one. */
	for (j = 0; j < n; j++) {
		uint32_t id = cand[j].tunnel;
		bool other = false;

		for (i = 0; i < n; i++)
			other |= i != j && cand[i].tunnel == id && (shown >> i & 1);
		s->buckets[j] = (uint16_t)((shown >> j & 1) || !other ? w->count[id] : 0);
	}
	for (i = 0; i < size; i++)
		if (PS_SLOT_ID(row[i]) < w->st->meta->max_tunnels)
			w->count[PS_SLOT_ID(row[i])] = 0;
}

static const struct share *group_share(struct routes *w, uint32_t id)
{
	const struct ps_group *g = &w->st->group[id];
	const struct ps_candidate *cand = w->st->cand[id].c;
	struct share *s = &w->share[id % SHARES];

	if (s->group != id + 1) {
		s->group = id + 1;
		s->active = group_active(cand, g->n, w->tunnel, &w->node);
		count_row(w, g, cand, s);
	}
	return s;
}

static const char *origin_name(uint8_t origin)
{
	static const char *const names[] = { "static", "bgp", "interface" };

	return origin < sizeof(names) / sizeof(*names) ? names[origin] : "?";
}

static json_t *candidate_json(const struct routes *w, const char *table, const char *prefix,
			      const struct ps_candidate *c, bool active, double share)
{
	uint8_t health = w->st->tunnel[c->tunnel].health;
	uint32_t penalty = health == PS_HEALTH_DOWN	? PRIORITY_DOWN :
			   health == PS_HEALTH_DEGRADED ? PRIORITY_DEGRADED :
							  0;

	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:i, s:s, s:b, s:f}", "table", table,
			 "prefix", prefix, "tunnel", w->st->tunnel[c->tunnel].name, "priority",
			 (json_int_t)c->priority, "penalty", (json_int_t)penalty,
			 "effective_priority", (json_int_t)priority_effective(c, health), "weight",
			 c->weight, "origin", origin_name(c->origin), "active", active,
			 "share_percent", share);
}

static int route_row(void *arg, uint16_t table, struct prefix p, uint32_t group)
{
	struct routes *w = arg;
	const struct ps_group *g = &w->st->group[group];
	const struct share *s;
	char prefix[PREFIX_STRLEN];
	unsigned int i;
	double size;
	int r = 0;

	if ((w->table >= 0 && table != w->table) || (w->one && prefix_cmp(p, w->prefix)) ||
	    group >= w->st->meta->max_groups)
		return 0;
	prefix_str(p, prefix);
	s = group_share(w, group);
	size = PS_BLOCK_SLOTS << (g->row >> PS_ROW_LOG2_SHIFT);
	for (i = 0; !r && i < g->n && i < PS_CANDIDATES_MAX; i++)
		r = rows_add(&w->rows, candidate_json(w, w->st->table[table].name, prefix,
						      &w->st->cand[group].c[i], s->active >> i & 1,
						      s->buckets[i] * 100.0 / size));
	return r;
}

static const struct column columns[] = {
	{ "TABLE", "table", 0 },
	{ "PREFIX", "prefix", 0 },
	{ "TUNNEL", "tunnel", 0 },
	{ "PRIORITY", "priority", COL_RIGHT },
	{ "PENALTY", "penalty", COL_RIGHT },
	{ "EFFECTIVE", "effective_priority", COL_RIGHT },
	{ "WEIGHT", "weight", COL_RIGHT },
	{ "ORIGIN", "origin", 0 },
	{ "ACTIVE", "active", COL_MARK },
	{ "SHARE-%", "share_percent", COL_RIGHT },
	{ 0 },
};

static int show(struct cli *c, struct routes *w)
{
	uint32_t i, max = w->st->meta->max_tunnels;
	int r;

	w->tunnel = calloc(max, sizeof(*w->tunnel));
	w->count = calloc(max, sizeof(*w->count));
	if (!w->tunnel || !w->count || rows_begin(&w->rows, c, columns, false))
		return cli_oom(c);
	for (i = 0; i < max; i++)
		w->tunnel[i] = (struct group_tunnel){
			.name = w->st->tunnel[i].state == PS_STATE_USED ? w->st->tunnel[i].name :
									  NULL,
			.slot = w->st->tunnel[i].slot,
			.health = w->st->tunnel[i].health,
		};
	w->node = (struct group_node){ w->st->node->region, w->st->node->hash_mode };
	r = store_route_each(w->st, route_row, w);
	rows_end(&w->rows);
	return r && r != -EPIPE ?
		       error_system(&c->err, -r, "cannot read the routes: %s", strerror(-r)) :
		       0;
}

int do_route_show(struct cli *c)
{
	struct route_args a = { 0 };
	struct routes *w = calloc(1, sizeof(*w));
	const char *word = arg_peek(&c->args);
	struct given g;
	int r = -EINVAL;

	if (!w)
		return cli_oom(c);
	w->table = -1;
	w->one = word && word[0] >= '0' && word[0] <= '9';
	if ((w->one && arg_prefix(c, &w->prefix)) ||
	    keywords_parse(c, route_show_words, (char *)&a, &g))
		goto out;
	w->st = cli_store(c);
	if (!w->st)
		goto out;
	w->table = a.table ? store_table_find(w->st, a.table) : -1;
	if (a.table && w->table < 0)
		cli_usage(c, "table \"%.64s\" does not exist", a.table);
	else
		r = show(c, w);
out:
	free(w->tunnel);
	free(w->count);
	free(w);
	return r;
}
