/* SPDX-License-Identifier: GPL-2.0-only */
/* node, prefix and policy: the small objects. */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "core/bgp.h"
#include "core/region.h"

struct node_args {
	uint32_t mode, region, asn, hash_mode, prepend_count;
};

enum {
	N_MODE,
	N_REGION,
	N_ASN,
	N_HASH,
	N_PREPENDS
};

const struct keyword node_words[] = {
	[N_MODE] = { .word = "mode",
		     .parse = parse_choice,
		     .choice = node_mode_names,
		     .offset = offsetof(struct node_args, mode),
		     .expected = "transit or edge" },
	[N_REGION] = { .word = "region",
		       .parse = parse_region,
		       .none = true,
		       .offset = offsetof(struct node_args, region),
		       .expected = "a region code or none" },
	[N_ASN] = { .word = "asn",
		    .parse = parse_number,
		    .min = 1,
		    .max = UINT32_MAX,
		    .offset = offsetof(struct node_args, asn),
		    .expected = "an AS number" },
	[N_HASH] = { .word = "hash-mode",
		     .parse = parse_choice,
		     .choice = hash_mode_names,
		     .offset = offsetof(struct node_args, hash_mode),
		     .expected = "rendezvous or modulo" },
	[N_PREPENDS] = { .word = "prepend-count",
			 .parse = parse_choice,
			 .choice = prepend_count_names,
			 .offset = offsetof(struct node_args, prepend_count),
			 .expected = "additional or all" },
	{ 0 },
};

/* Rules 3 and 4 are applied when a BGP route comes; its attributes are not kept. */
static void warn_bgp(struct cli *c, const struct ps_node *was, const struct ps_node *now)
{
	size_t n;

	if (was->asn != now->asn && now->asn > UINT16_MAX)
		cli_warn(c,
			 "asn %u: no community can carry it, its ASN has 16 bits: every BGP route "
			 "will have the base priority %u (rule 3)",
			 now->asn, BGP_PRIORITY);
	if (was->asn == now->asn && was->prepend_count == now->prepend_count)
		return;
	n = txn_bgp_routes(c->txn);
	if (n)
		cli_warn(c,
			 "%zu BGP route%s the priorit%s and prepends that came of the attributes "
			 "before: add them again",
			 n, n > 1 ? "s keep" : " keeps", n > 1 ? "ies" : "y");
}

int do_node_set(struct cli *c)
{
	struct node_args a = { 0 };
	struct ps_node *node, was;
	struct given g;

	if (!arg_peek(&c->args))
		return arg_need(c, "one of mode, region, asn, hash-mode, prepend-count") ? 0 :
											   -EINVAL;
	if (keywords_parse(c, node_words, &a, &g))
		return -EINVAL;
	if (!cli_txn(c))
		return -EIO;
	node = txn_node(c->txn);
	was = *node;
	if (GIVEN(g, N_MODE))
		node->mode = a.mode;
	if (GIVEN(g, N_REGION))
		node->region = (uint16_t)a.region; /* 0 for none */
	if (GIVEN(g, N_ASN))
		node->asn = a.asn;
	if (GIVEN(g, N_HASH))
		node->hash_mode = (uint8_t)a.hash_mode;
	if (GIVEN(g, N_PREPENDS))
		node->prepend_count = (uint8_t)a.prepend_count;
	warn_bgp(c, &was, node);
	cli_would(c, "change the node's settings");
	return 0;
}

int do_node_show(struct cli *c)
{
	static const struct column col[] = {
		{ "MODE", "mode", 0 },
		{ "REGION", "region", 0 },
		{ "ASN", "asn", COL_RIGHT },
		{ "HASH-MODE", "hash_mode", 0 },
		{ "PREPEND-COUNT", "prepend_count", 0 },
		{ 0 },
	};
	char region[REGION_SET_STRLEN];
	const struct store *st;
	struct rows r;

	if (arg_end(c))
		return -EINVAL;
	st = cli_store(c);
	if (!st || rows_begin(&r, c, col, false))
		return st ? cli_oom(c) : -EIO;
	rows_add(&r,
		 json_pack("{s:s, s:o, s:I, s:s, s:s}", "mode", node_mode_names[st->node->mode & 1],
			   "region",
			   json_text(st->node->region ? region_set_str(st->node->region, region) :
							NULL),
			   "asn", (json_int_t)st->node->asn, "hash_mode",
			   hash_mode_names[st->node->hash_mode & 1], "prepend_count",
			   prepend_count_names[st->node->prepend_count & 1]));
	rows_end(&r);
	return 0;
}

/* --- prefix --------------------------------------------------------------------------------------
 */

struct prefix_args {
	const char *account;
};

const struct keyword prefix_words[] = {
	{ .word = "account",
	  .parse = parse_name,
	  .min = NAME_ACCOUNT,
	  .offset = offsetof(struct prefix_args, account),
	  .expected = "an account's name" },
	{ 0 },
};

int do_prefix_add(struct cli *c)
{
	struct prefix_args a = { "default" };
	char text[PREFIX_STRLEN];
	struct prefix p;
	struct given g;
	uint16_t id;

	if (arg_prefix(c, &p) || keywords_parse(c, prefix_words, &a, &g))
		return -EINVAL;
	cli_would(c, "add prefix %s", prefix_str(p, text));
	if (!cli_txn(c) || txn_account(c->txn, a.account, &id, &c->err))
		return -EIO;
	return txn_prefix_add(c->txn, p, id, &c->err);
}

int do_prefix_del(struct cli *c)
{
	char text[PREFIX_STRLEN];
	struct prefix p;

	if (arg_prefix(c, &p) || arg_end(c))
		return -EINVAL;
	cli_would(c, "delete prefix %s", prefix_str(p, text));
	return cli_txn(c) ? txn_prefix_del(c->txn, p, &c->err) : -EIO;
}

/* A list of exact prefixes, each with a name. */
struct walk {
	struct rows rows;
	const struct store *st;
};

static int prefix_row(void *arg, uint16_t table, struct prefix p, uint32_t value)
{
	struct walk *w = arg;
	char text[PREFIX_STRLEN];

	(void)table;
	return rows_add(&w->rows, json_pack("{s:s, s:s}", "prefix", prefix_str(p, text), "account",
					    store_account_name(w->st, (uint16_t)value)));
}

static int policy_row(void *arg, uint16_t table, struct prefix p, uint32_t value)
{
	struct walk *w = arg;
	char text[PREFIX_STRLEN];

	(void)table;
	return rows_add(
		&w->rows,
		json_pack("{s:s, s:s}", "from", prefix_str(p, text), "table",
			  value < w->st->meta->max_tables ? w->st->table[value].name : "?"));
}

static int show(struct cli *c, const struct column *col,
		int (*each)(const struct store *st, store_entry_fn fn, void *arg),
		store_entry_fn fn)
{
	struct walk w;
	int r;

	if (arg_end(c))
		return -EINVAL;
	w.st = cli_store(c);
	if (!w.st || rows_begin(&w.rows, c, col, false))
		return w.st ? cli_oom(c) : -EIO;
	r = each(w.st, fn, &w);
	rows_end(&w.rows);
	if (r && r != -EPIPE)
		return error_system(&c->err, -r, "cannot read the list: %s", strerror(-r));
	return 0;
}

int do_prefix_show(struct cli *c)
{
	static const struct column col[] = {
		{ "PREFIX", "prefix", 0 },
		{ "ACCOUNT", "account", 0 },
		{ 0 },
	};

	return show(c, col, store_prefix_each, prefix_row);
}

/* --- policy --------------------------------------------------------------------------------------
 */

struct policy_args {
	struct prefix from;
	const char *table;
};

const struct keyword policy_words[] = {
	{ .word = "table",
	  .parse = parse_name,
	  .min = NAME_TABLE,
	  .required = true,
	  .offset = offsetof(struct policy_args, table),
	  .expected = "a table's name" },
	{ .word = "from",
	  .parse = parse_prefix,
	  .required = true,
	  .offset = offsetof(struct policy_args, from),
	  .expected = "a source prefix" },
	{ 0 },
};

int do_policy_add(struct cli *c)
{
	char text[PREFIX_STRLEN];
	struct policy_args a;
	struct given g;
	uint16_t id;

	if (keywords_parse(c, policy_words, &a, &g))
		return -EINVAL;
	cli_would(c, "add policy from %s", prefix_str(a.from, text));
	if (!cli_txn(c) || txn_table(c->txn, a.table, true, &id, &c->err))
		return -EIO;
	return txn_policy_add(c->txn, a.from, id, &c->err);
}

int do_policy_del(struct cli *c)
{
	char text[PREFIX_STRLEN];
	struct policy_args a;
	struct given g;

	if (keywords_parse(c, policy_words + 1, &a, &g))
		return -EINVAL;
	cli_would(c, "delete policy from %s", prefix_str(a.from, text));
	return cli_txn(c) ? txn_policy_del(c->txn, a.from, &c->err) : -EIO;
}

int do_policy_show(struct cli *c)
{
	static const struct column col[] = {
		{ "FROM", "from", 0 },
		{ "TABLE", "table", 0 },
		{ 0 },
	};

	return show(c, col, store_policy_each, policy_row);
}
