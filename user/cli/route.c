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
#include "core/bgp.h"
#include "core/config_check.h"
#include "core/group.h"
#include "core/region.h"

struct route_args {
	const char *via, *table;
	uint32_t regions, origin, priority, weight;
	struct bgp_attributes bgp;
};

enum {
	R_VIA,
	R_TABLE,
	R_REGION,
	R_ORIGIN, /* those up to here also choose what to delete */
	R_PRIORITY,
	R_WEIGHT,
	R_PEER_ASN,
	R_AS_PATH,
	R_COMMUNITY
};

static int parse_asn(struct cli *c, const struct keyword *k, const char *value, void *at)
{
	char why[160];

	return bgp_asn_parse(value, at, why, sizeof(why)) ? cli_usage(c, "%s %s", k->word, why) : 0;
}

static int parse_as_path(struct cli *c, const struct keyword *k, const char *value, void *at)
{
	char why[160];

	return bgp_path_parse(value, at, why, sizeof(why)) ? cli_usage(c, "%s %s", k->word, why) :
							     0;
}

static int parse_communities(struct cli *c, const struct keyword *k, const char *value, void *at)
{
	struct bgp_attributes *a = at;
	char why[160];

	return bgp_communities_parse(value, a->community, &a->communities, why, sizeof(why)) ?
		       cli_usage(c, "%s %s", k->word, why) :
		       0;
}

/* By enum ps_origin; routes of interface subnets are their tunnels' business. */
static const char *const origin_names[] = { "static", "bgp", NULL };

#define AT(field) .offset = offsetof(struct route_args, field)
#define WORD_VIA(need)                   \
	[R_VIA] = { .word = "via",       \
		    .parse = parse_word, \
		    .required = need,    \
		    AT(via),             \
		    .expected = "a tunnel, drop or underlay" }
#define WORD_TABLE(how)                                                              \
	{                                                                            \
		.word = "table", .parse = how, .min = NAME_TABLE_OR_MAIN, AT(table), \
		.expected = "a table's name"                                         \
	}
#define WORD_REGION                            \
	[R_REGION] = { .word = "region",       \
		       .parse = parse_regions, \
		       .none = true,           \
		       AT(regions),            \
		       .expected = "region codes, separated by commas, or none" }
#define WORD_ORIGIN                            \
	[R_ORIGIN] = { .word = "origin",       \
		       .parse = parse_choice,  \
		       .choice = origin_names, \
		       AT(origin),             \
		       .expected = "static or bgp" }

const struct keyword route_words[] = {
	WORD_VIA(true),
	[R_TABLE] = WORD_TABLE(parse_name),
	WORD_REGION,
	WORD_ORIGIN,
	[R_PRIORITY] = { .word = "priority",
			 .parse = parse_number,
			 .max = UINT32_MAX,
			 AT(priority),
			 .expected = "a number; the lowest wins" },
	[R_WEIGHT] = { .word = "weight",
		       .parse = parse_number,
		       .min = 1,
		       .max = WEIGHT_MAX,
		       AT(weight),
		       .expected = "a number from 1 to 256" },
	[R_PEER_ASN] = { .word = "peer-asn",
			 .parse = parse_asn,
			 AT(bgp.peer_asn),
			 .expected = "the peer's AS number" },
	[R_AS_PATH] = { .word = "as-path",
			.parse = parse_as_path,
			AT(bgp.path),
			.expected = "AS numbers, in one word: \"65000 65000 {65200,65300}\"" },
	[R_COMMUNITY] = { .word = "community",
			  .parse = parse_communities,
			  AT(bgp),
			  .expected = "communities, in one word: 13335:60150" },
	{ 0 },
};

const struct keyword route_del_words[] = {
	WORD_VIA(false), [R_TABLE] = WORD_TABLE(parse_word), WORD_REGION, WORD_ORIGIN, { 0 },
};

const struct keyword route_show_words[] = { WORD_TABLE(parse_word), { 0 } };

/* --- changing
 * ------------------------------------------------------------------------------------- */

/* A route has an origin's words, and all that it needs of them. */
static int origin_check(struct cli *c, const struct route_args *a, struct given g)
{
	static const uint8_t of_bgp[] = { R_PEER_ASN, R_AS_PATH, R_COMMUNITY };
	unsigned int i;

	if (a->origin == PS_ORIGIN_BGP) {
		if (GIVEN(g, R_PRIORITY))
			return cli_usage(c, "\"priority\" with origin bgp: expected none, it comes "
					    "from community and as-path (rules 3 and 4)");
		if (GIVEN(g, R_WEIGHT))
			return cli_usage(c, "\"weight\" with origin bgp: expected none, BGP routes "
					    "share equally (rule 8)");
		if (GIVEN(g, R_AS_PATH) && !GIVEN(g, R_PEER_ASN))
			return cli_usage(c,
					 "\"peer-asn\" is missing: expected %s, whose mentions in "
					 "as-path count (rule 4)",
					 route_words[R_PEER_ASN].expected);
		return 0;
	}
	for (i = 0; i < sizeof(of_bgp); i++)
		if (GIVEN(g, of_bgp[i]))
			return cli_usage(c,
					 "\"%s\" without origin bgp: expected none, a static "
					 "route has no BGP attributes",
					 route_words[of_bgp[i]].word);
	if (!GIVEN(g, R_PRIORITY))
		return cli_usage(c, "\"priority\" is missing: expected %s",
				 route_words[R_PRIORITY].expected);
	return 0;
}

/* Rules 3 to 5: what is allowed and yet may not be what was meant. */
static void warn_priority(struct cli *c, const struct route_args *a, struct prefix p, bool several)
{
	char text[PREFIX_STRLEN], why[256];

	if (several)
		cli_warn(c,
			 "route %s via \"%s\": several communities set a base priority, the "
			 "lowest number is taken (rule 3)",
			 prefix_str(p, text), a->via);
	if (a->origin == PS_ORIGIN_STATIC && priority_lint(p, a->priority, why, sizeof(why)))
		cli_warn(c, "%s", why);
}

/* The source check of a transit node goes by accounts. */
static void warn_account(struct cli *c, const char *via, int id, uint16_t table, struct prefix p)
{
	char text[PREFIX_STRLEN];
	const char *owner;

	if (table != PS_T_MAIN || id < (int)PS_TUNNEL_FIRST ||
	    txn_node_get(c->txn)->mode != PS_MODE_TRANSIT)
		return;
	owner = txn_other_owner(c->txn, p, txn_tunnel(c->txn, id)->account);
	if (owner)
		cli_warn(c,
			 "route %s via \"%s\": the prefix is of account \"%s\", the tunnel is not: "
			 "answers that come back through it are dropped as spoofed_source",
			 prefix_str(p, text), via, owner);
}

typedef int (*route_put_fn)(struct txn *txn, uint16_t table, struct prefix p,
			    const struct ps_candidate *cand, struct error *err);

static int route_stage(struct cli *c, const struct route_args *a, struct prefix p, route_put_fn put)
{
	const struct ps_node *node = txn_node_get(c->txn);
	struct ps_candidate cand = { .origin = PS_ORIGIN_STATIC,
				     .priority = a->priority,
				     .weight = (uint16_t)a->weight };
	int id = cli_tunnel(c, a->via), r;
	bool several = false;
	uint16_t table;

	if (id < 0 || txn_table(c->txn, a->table, true, &table, &c->err))
		return -EINVAL;
	if (a->origin == PS_ORIGIN_BGP)
		bgp_candidate(&a->bgp, node->asn, node->prepend_count, &cand, &several);
	cand.tunnel = (uint16_t)id;
	cand.regions = (uint16_t)a->regions; /* 0 for none */
	r = put(c->txn, table, p, &cand, &c->err);
	if (r)
		return r;
	warn_priority(c, a, p, several);
	warn_account(c, a->via, id, table, p);
	if (several)
		txn_bgp_misconfigured(c->txn);
	return 0;
}

static int route_put(struct cli *c, const char *verb, route_put_fn put)
{
	struct route_args a = { .table = "main", .weight = 1 };
	char text[PREFIX_STRLEN];
	struct prefix p;
	struct given g;

	if (arg_prefix(c, &p) || keywords_parse(c, route_words, &a, &g) || origin_check(c, &a, g) ||
	    !cli_txn(c))
		return -EINVAL;
	cli_would(c, "%s route %s via %s", verb, prefix_str(p, text), a.via);
	return route_stage(c, &a, p, put);
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
	struct route_match m = ROUTE_MATCH_ALL;
	char text[PREFIX_STRLEN];
	struct prefix p;
	struct given g;
	uint16_t table;

	if (arg_prefix(c, &p) || keywords_parse(c, route_del_words, &a, &g) || !cli_txn(c) ||
	    txn_table(c->txn, a.table, false, &table, &c->err))
		return -EINVAL;
	if (a.via) {
		m.tunnel = cli_tunnel(c, a.via);
		if (m.tunnel < 0)
			return m.tunnel;
	}
	if (GIVEN(g, R_ORIGIN))
		m.origin = (int)a.origin;
	if (GIVEN(g, R_REGION))
		m.regions = (int)a.regions; /* 0 for none */
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
	double share[PS_CANDIDATES_MAX]; /* of the row */
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

/*
 * What of its tunnel's buckets is candidate j's. Where several routes of one tunnel are active they
 * have its buckets by weight, which is how the tunnel got them; a route that is not active gets
 * none unless no other explains them.
 */
static double route_share(const struct ps_candidate *c, unsigned int n, unsigned int j,
			  uint64_t active, uint32_t buckets)
{
	unsigned int i, weights = 0;

	for (i = 0; i < n; i++)
		if (c[i].tunnel == c[j].tunnel && (active >> i & 1))
			weights += c[i].weight;
	if (!weights)
		return buckets;
	return active >> j & 1 ? (double)buckets * c[j].weight / weights : 0;
}

/* The shares of one row, by candidate. */
static void count_row(struct routes *w, const struct ps_group *g, const struct ps_candidate *cand,
		      struct share *s)
{
	uint32_t size = PS_BLOCK_SLOTS << (g->row >> PS_ROW_LOG2_SHIFT), i;
	const uint16_t *row = w->st->row[g->row & PS_ROW_BLOCK_MASK].slot;
	unsigned int n = g->n, j;

	for (i = 0; i < size; i++)
		if (PS_SLOT_ID(row[i]) < w->st->meta->max_tunnels)
			w->count[PS_SLOT_ID(row[i])]++;
	for (j = 0; j < n; j++)
		s->share[j] = route_share(cand, n, j, s->active, w->count[cand[j].tunnel]) / size;
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

/* What a candidate is to packets here: carries them, waits for those that do, or is not there. */
static const char *candidate_state(const struct routes *w, const struct ps_candidate *c,
				   bool active)
{
	return active					  ? "active" :
	       region_visible(c->regions, w->node.region) ? "standby" :
							    "invisible";
}

static json_t *candidate_json(const struct routes *w, const char *table, const char *prefix,
			      const struct ps_candidate *c, bool active, double share)
{
	uint8_t health = w->st->tunnel[c->tunnel].health;
	char regions[REGION_SET_STRLEN];
	uint32_t penalty = health == PS_HEALTH_DOWN	? PRIORITY_DOWN :
			   health == PS_HEALTH_DEGRADED ? PRIORITY_DEGRADED :
							  0;

	return json_pack(
		"{s:s, s:s, s:s, s:o, s:I, s:i, s:I, s:I, s:i, s:s, s:b, s:b, s:s, s:f}", "table",
		table, "prefix", prefix, "tunnel", w->st->tunnel[c->tunnel].name, "region",
		json_text(c->regions ? region_set_str(c->regions, regions) : NULL), "priority",
		(json_int_t)c->priority, "prepends", c->prepends, "penalty", (json_int_t)penalty,
		"effective_priority", (json_int_t)priority_effective(c, health), "weight",
		c->weight, "origin", origin_name(c->origin), "visible",
		region_visible(c->regions, w->node.region), "active", active, "state",
		candidate_state(w, c, active), "share_percent", share);
}

static int route_row(void *arg, uint16_t table, struct prefix p, uint32_t group)
{
	struct routes *w = arg;
	const struct ps_group *g = &w->st->group[group];
	const struct share *s;
	char prefix[PREFIX_STRLEN];
	unsigned int i;
	int r = 0;

	if ((w->table >= 0 && table != w->table) || (w->one && prefix_cmp(p, w->prefix)) ||
	    group >= w->st->meta->max_groups)
		return 0;
	prefix_str(p, prefix);
	s = group_share(w, group);
	for (i = 0; !r && i < g->n && i < PS_CANDIDATES_MAX; i++)
		r = rows_add(&w->rows, candidate_json(w, w->st->table[table].name, prefix,
						      &w->st->cand[group].c[i], s->active >> i & 1,
						      s->share[i] * 100));
	return r;
}

static const struct column columns[] = {
	{ "TABLE", "table", 0 },
	{ "PREFIX", "prefix", 0 },
	{ "TUNNEL", "tunnel", 0 },
	{ "REGION", "region", 0 },
	{ "PRIORITY", "priority", COL_RIGHT },
	{ "PREPENDS", "prepends", COL_RIGHT },
	{ "PENALTY", "penalty", COL_RIGHT },
	{ "EFFECTIVE", "effective_priority", COL_RIGHT },
	{ "WEIGHT", "weight", COL_RIGHT },
	{ "ORIGIN", "origin", 0 },
	{ "STATE", "state", 0 },
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
