/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * apply, confirm, rollback and history: words in, sentences out. What happens is in user/config.
 *
 * The process that waits for `confirm` is made before the file is read and the instance opened:
 * what it inherits it keeps for the length of the wait.
 */
#include "config/apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "config/confirm.h"
#include "config/state.h"
#include "config/waiter.h"
#include "config/yaml.h"
#include "core/config_check.h"
#include "core/word.h"

struct apply_args {
	uint32_t confirm;
};

enum {
	A_DRY_RUN,
	A_CONFIRM
};

#define WORD_DRY_RUN                            \
	{                                       \
		.word = "dry-run", .flag = true \
	}

const struct keyword rollback_words[] = { [A_DRY_RUN] = WORD_DRY_RUN, { 0 } };

const struct keyword apply_words[] = {
	[A_DRY_RUN] = WORD_DRY_RUN,
	[A_CONFIRM] = { .word = "confirm",
			.parse = parse_number,
			.min = 1,
			.max = CONFIRM_SECONDS_MAX,
			.offset = offsetof(struct apply_args, confirm),
			.expected = "seconds, 1 to 86400" },
	{ 0 },
};

static void warn_tunnel(void *arg, const struct ps_tunnel *t)
{
	warn_nexthop(arg, t);
}

/* `what` is said of a dry run. */
static void print_result(struct cli *c, const struct apply *a, const char *what)
{
	bool any = a->added || a->changed || a->removed;

	if (c->dry_run) {
		cli_would(c, "%s: %zu added, %zu changed, %zu removed", what, a->added, a->changed,
			  a->removed);
		cli_print_would(c);
		return;
	}
	if (c->json) {
		print_json(c, json_pack("{s:I, s:I, s:I, s:o, s:o}", "added", (json_int_t)a->added,
					"changed", (json_int_t)a->changed, "removed",
					(json_int_t)a->removed, "state_before",
					a->state ? json_integer((json_int_t)a->state) : json_null(),
					"confirm_seconds",
					any && a->confirm_s ? json_integer(a->confirm_s) :
							      json_null()));
		return;
	}
	if (!any) {
		puts("nothing to do");
		return;
	}
	printf("%zu added, %zu changed, %zu removed\n", a->added, a->changed, a->removed);
	if (a->confirm_s)
		printf("state %lu comes back in %u s unless `penstock confirm` is run\n", a->state,
		       a->confirm_s);
}

/* --- apply ----------------------------------------------------------------------------------- */

static int apply_file(struct cli *c, struct apply *a, const char *file)
{
	struct config want = { 0 };
	char what[120];
	int r = config_parse_file(&want, file, &c->err);

	if (!r)
		r = config_check(&want, file, &c->err);
	if (!r)
		r = cli_open(c);
	a->want = &want;
	if (!r)
		r = config_apply(c->st, a, &c->err);
	config_free(&want);
	if (r)
		return r;
	snprintf(what, sizeof(what), "apply %.100s", file);
	print_result(c, a, what);
	return 0;
}

int do_apply(struct cli *c)
{
	const char *file = arg_need(c, "a file, or - for stdin");
	struct apply a = { .kind = APPLY_FILE, .tunnel = warn_tunnel, .arg = c, .waiter = -1 };
	struct apply_args args = { 0 };
	struct given g;
	int r;

	if (!file || keywords_parse(c, apply_words, &args, &g))
		return -EINVAL;
	c->dry_run |= GIVEN(g, A_DRY_RUN);
	a.dry_run = c->dry_run;
	a.confirm_s = args.confirm;
	if (a.confirm_s && !a.dry_run) {
		a.waiter = waiter_start(&c->err);
		if (a.waiter < 0)
			return a.waiter;
	}
	r = apply_file(c, &a, file);
	if (a.waiter >= 0)
		close(a.waiter);
	return r;
}

/* --- confirm --------------------------------------------------------------------------------- */

int do_confirm(struct cli *c)
{
	struct pending p;
	struct txn *txn;
	bool alive;
	int r = -EINVAL;

	if (arg_end(c) || cli_open(c))
		return r;
	/* The lock decides between us and a waiter whose time has come. */
	r = txn_begin(c->st, &txn, &c->err);
	if (r)
		return r;
	if (!pending_read(c->st, &p, &alive))
		r = cli_usage(c, "nothing waits to be confirmed in instance \"%s\"", c->instance);
	else if (!c->dry_run)
		pending_remove(c->instance);
	txn_abort(txn);
	if (!r && c->dry_run) {
		cli_would(c, "confirm, and keep what was applied");
		cli_print_would(c);
	}
	return r;
}

/* --- rollback -------------------------------------------------------------------------------- */

/* The number of the Nth newest state. */
static int nth_state(struct cli *c, uint32_t n, unsigned long *number)
{
	struct state *list;
	size_t count;
	int r = state_list(c->instance, &list, &count, &c->err);

	if (r)
		return r;
	if (n > count)
		r = count ? cli_usage(c,
				      "rollback \"%u\": expected 1 to %zu, as `penstock history` "
				      "lists them",
				      n, count) :
			    cli_usage(c, "rollback: no state is kept for instance \"%s\" yet",
				      c->instance);
	else
		*number = list[n - 1].number;
	free(list);
	return r;
}

static int rollback_to(struct cli *c, unsigned long number)
{
	struct apply a = {
		.kind = APPLY_BACK, .tunnel = warn_tunnel, .arg = c, .dry_run = c->dry_run
	};
	struct config want = { 0 };
	char what[64];
	int r = state_load(c->instance, number, &want, &c->err);

	a.want = &want;
	if (!r)
		r = config_apply(c->st, &a, &c->err);
	config_free(&want);
	if (r)
		return r;
	snprintf(what, sizeof(what), "return to state %lu", number);
	print_result(c, &a, what);
	return 0;
}

int do_rollback(struct cli *c)
{
	const char *word = arg_peek(&c->args);
	unsigned long number = 0;
	struct given g;
	uint32_t n = 1;
	char none;
	int r;

	if (word && *word >= '0' && *word <= '9') {
		c->args.at++;
		if (number_parse("rollback", word, 1, STATE_KEPT, false, &n, c->err.text,
				 sizeof(c->err.text))) {
			c->err.usage = true;
			return -EINVAL;
		}
	}
	if (keywords_parse(c, rollback_words, &none, &g))
		return -EINVAL;
	c->dry_run |= GIVEN(g, A_DRY_RUN);
	r = cli_open(c);
	if (!r)
		r = nth_state(c, n, &number);
	return r ? r : rollback_to(c, number);
}

/* --- history --------------------------------------------------------------------------------- */

int do_history(struct cli *c)
{
	static const struct column col[] = {
		{ "N", "n", COL_RIGHT },
		{ "BEFORE", "time", 0 },
		{ "BYTES", "bytes", COL_RIGHT },
		{ "STATE", "state", COL_RIGHT },
		{ 0 },
	};
	struct state *list;
	struct rows rows;
	size_t n, i;
	struct tm tm;
	char at[32];
	int r;

	if (arg_end(c))
		return -EINVAL;
	r = state_list(c->instance, &list, &n, &c->err);
	if (r)
		return r;
	if (rows_begin(&rows, c, col, false)) {
		free(list);
		return cli_oom(c);
	}
	for (i = 0; i < n; i++) {
		strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&list[i].at, &tm));
		rows_add(&rows, json_pack("{s:I, s:s, s:I, s:I}", "n", (json_int_t)i + 1, "time",
					  at, "bytes", (json_int_t)list[i].bytes, "state",
					  (json_int_t)list[i].number));
	}
	rows_end(&rows);
	free(list);
	return 0;
}
