/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the command share.
 *
 * A command is a row of the table in verbs.c. Its function takes its words from the cursor and
 * checks them all, and only then asks for the store (cli_store, cli_txn): a typing error costs no
 * lock. Writing functions stage; main.c or batch.c commits. Functions return 0 or a negative errno
 * with the sentence in c->err.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/error.h"
#include "core/prefix.h"
#include "core/word.h"
#include "net/netlink.h"
#include "store/store.h"

#ifndef PENSTOCK_VERSION
#define PENSTOCK_VERSION "0"
#endif

/* Words of one command, and where we are in them. */
struct args {
	char **word;
	int n, at;
};

#define NAME_CACHE 1024u

struct verb;

struct cli {
	const char *instance;
	bool json, pretty, stats, dry_run;
	bool colour; /* of stdout */
	struct args args;
	const struct verb *verb;
	const char *object; /* of an `OBJECT help` */
	struct store *st;
	struct txn *txn;
	struct nl *nl;
	struct error err;
	char would[160];   /* what a dry run did not do */
	uint64_t *touched; /* bitmap of tunnel ids whose next hop is looked at before the end */
	bool resolve;	   /* look by asking the kernel again, not only for a warning */
	uint16_t name[NAME_CACHE]; /* tunnel ids by hash of their names, a hint */
	const char *file;	   /* of a batch; NULL: none */
	unsigned long line;
	unsigned long warnings; /* of a batch, so far */
};

/* --- main.c: the state of the run ---------------------------------------------------------------
 */

/* The instance, open for reading; NULL: see c->err. */
const struct store *cli_store(struct cli *c);
/* The instance, open for writing, in c->st. */
int cli_open(struct cli *c);
/* The transaction; begun on first use. */
struct txn *cli_txn(struct cli *c);
struct nl *cli_nl(struct cli *c);
/* Resolves what was touched, then commits, or aborts and says so if this is a dry run. */
int cli_finish(struct cli *c);
void cli_warn(struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Remembers for a dry run what would have been done. */
void cli_would(struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints "would ...: nothing written". */
void cli_print_would(const struct cli *c);
int cli_usage(struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int cli_oom(struct cli *c);

/* --- args.c: words -------------------------------------------------------------------------------
 */

/*
 * A keyword and its value. `parse` stores the value at `offset` of the command's own struct:
 * numbers, choices and addresses as uint32_t, words as const char *, prefixes as struct prefix,
 * interface addresses as struct iface_addr.
 */
struct keyword {
	const char *word;
	int (*parse)(struct cli *c, const struct keyword *k, const char *value, void *at);
	size_t offset;
	uint32_t min, max;	   /* of a number; a name's kind is in min */
	const char *const *choice; /* NULL-terminated */
	const char *expected;	   /* what to say if the value is missing */
	bool required;
	bool none; /* `none` may stand for no value */
	bool flag; /* stands alone, without a value; `parse` is not used */
};

struct iface_addr {
	uint32_t addr;
	uint8_t len;
};

/* Which keywords were there; bit i is the i-th row. */
struct given {
	uint32_t set, none;
};
#define GIVEN(g, i) (((g).set >> (i)) & 1u)
#define NONE(g, i) (((g).none >> (i)) & 1u)

int parse_number(struct cli *c, const struct keyword *k, const char *value, void *at);
int parse_choice(struct cli *c, const struct keyword *k, const char *value, void *at);
int parse_name(struct cli *c, const struct keyword *k, const char *value, void *at);
int parse_word(struct cli *c, const struct keyword *k, const char *value, void *at);
int parse_addr(struct cli *c, const struct keyword *k, const char *value, void *at);
int parse_ifaddr(struct cli *c, const struct keyword *k, const char *value, void *at);
int parse_prefix(struct cli *c, const struct keyword *k, const char *value, void *at);
int parse_region(struct cli *c, const struct keyword *k, const char *value, void *at);
int parse_regions(struct cli *c, const struct keyword *k, const char *value, void *at);

const char *arg_peek(const struct args *a);
/* The next word; NULL with an error that says what was expected. */
const char *arg_need(struct cli *c, const char *expected);
/* An error if there are words left. */
int arg_end(struct cli *c);
int arg_prefix(struct cli *c, struct prefix *p);
/*
 * Index of the word of the list that `word` is, or is the only one to begin with; negative with an
 * error that lists what was expected, or what is ambiguous. `what` may be NULL.
 */
int word_match(struct cli *c, const char *what, const char *word, const char *const *list, int n);
/*
 * Keywords and values up to the end of the command, in any order, each once. Two dashes before a
 * keyword are accepted: `doctor --repair` is `doctor repair`.
 */
int keywords_parse(struct cli *c, const struct keyword *table, void *out, struct given *given);

/* --- verbs.c: the table --------------------------------------------------------------------------
 */

#define VERB_WRITE 0x1u /* stages; may stand in a batch */
#define VERB_SHOW 0x2u

struct verb {
	const char *object;
	const char *verb; /* NULL: the object alone */
	const char *usage;
	const char *help;
	int (*run)(struct cli *c);
	unsigned int flags;
	const struct keyword *keywords;
};

/* Finds the row for the next words and moves past them; NULL: see c->err. */
const struct verb *verb_find(struct cli *c);
void print_usage(FILE *out);

/* --- batch.c
 * -------------------------------------------------------------------------------------- */

#define WARNINGS_SHOWN 20u

int batch_run(struct cli *c, const char *file);

/* --- output.c
 * ------------------------------------------------------------------------------------- */

#define COL_RIGHT 0x1u
#define COL_STATE 0x2u /* coloured by what it says: healthy, degraded, down ... */
#define COL_STATS 0x4u /* only with -s */
#define COL_MARK 0x8u  /* a true is a mark, a false is blank */
#define COL_MAX 24

struct column {
	const char *heading; /* NULL ends the list */
	const char *key;     /* of the object; "a.b" is b of a */
	unsigned int flags;
};

/* A list on its way out: one JSON object a row, printed as they come, or kept in `list`. */
struct rows {
	const struct cli *c;
	const struct column *col;
	json_t *list;
	bool keep; /* set before rows_begin: print nothing, leave the list to the caller */
	size_t count;
	double width[COL_MAX];
};

int rows_begin(struct rows *r, const struct cli *c, const struct column *col, bool keep);
/* Takes the object. Non-zero if there is no use in going on. */
int rows_add(struct rows *r, json_t *object);
/* Ends it; prints what is left. With `keep` the caller has r->list. */
void rows_end(struct rows *r);
/* Headings and rows of a list as text. Borrows. */
void print_table(const struct cli *c, const struct column *col, json_t *list);
/* Prints one JSON value as -j and -p say. Takes it. */
void print_json(const struct cli *c, json_t *value);
/* Lines of "key  value" from an object; a description's heading is the key shown. Borrows. */
void print_object(const struct cli *c, const struct column *col, json_t *object);
/* NULL makes a JSON null. */
json_t *json_text(const char *s);

/* --- the commands
 * --------------------------------------------------------------------------------- */

/* tunnel.c: id of a tunnel in the transaction; negative with an error. */
int cli_tunnel(struct cli *c, const char *name);
/* Next hops of the tunnels touched, and warnings for those that the fast path can't send to. */
int tunnels_resolve(struct cli *c);
/* tunnel_show.c */
const char *health_name(uint8_t health);
void warn_nexthop(struct cli *c, const struct ps_tunnel *t);
/* route_get_text.c: the object of route get in words. Borrows. */
void print_route_get(const struct cli *c, json_t *object);
/* status.c: are we in the instance's network namespace? */
bool netns_ok(const struct store *st);
/* stats.c */
size_t blocks_used(const struct store *st);
size_t tunnels_used(const struct store *st);
size_t groups_used(const struct store *st);
size_t tables_used(const struct store *st);

extern const struct keyword doctor_words[], load_words[], attach_words[], node_words[],
	prefix_words[], policy_words[], tunnel_add_words[], tunnel_set_words[], route_words[],
	route_del_words[], route_show_words[], apply_words[], rollback_words[], route_get_words[];

int do_load(struct cli *c);
int do_unload(struct cli *c);
int do_status(struct cli *c);
int do_doctor(struct cli *c);
int do_attach(struct cli *c);
int do_detach(struct cli *c);
int do_node_set(struct cli *c);
int do_node_show(struct cli *c);
int do_prefix_add(struct cli *c);
int do_prefix_del(struct cli *c);
int do_prefix_show(struct cli *c);
int do_policy_add(struct cli *c);
int do_policy_del(struct cli *c);
int do_policy_show(struct cli *c);
int do_tunnel_add(struct cli *c);
int do_tunnel_set(struct cli *c);
int do_tunnel_del(struct cli *c);
int do_tunnel_show(struct cli *c);
int do_tunnel_health(struct cli *c);
int do_tunnel_refresh(struct cli *c);
int do_route_add(struct cli *c);
int do_route_replace(struct cli *c);
int do_route_del(struct cli *c);
int do_route_show(struct cli *c);
int do_check(struct cli *c);
int do_route_get(struct cli *c);
int do_stats(struct cli *c);
int do_stats_tunnels(struct cli *c);
int do_stats_drops(struct cli *c);
int do_stats_maps(struct cli *c);
int do_help(struct cli *c);
int do_export(struct cli *c);
int do_diff(struct cli *c);
int do_apply(struct cli *c);
int do_confirm(struct cli *c);
int do_rollback(struct cli *c);
int do_history(struct cli *c);

#endif
