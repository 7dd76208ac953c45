/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * doctor: does everything that follows from the configuration follow from it? Findings are rows;
 * what stays wrong is exit code 1, so that a monitor can run it.
 */
#include <errno.h>

#include "cli/cli.h"

struct doctor_args {
	uint32_t repair;
};

enum {
	D_REPAIR
};

const struct keyword doctor_words[] = {
	[D_REPAIR] = { .word = "repair", .flag = true },
	{ 0 },
};

struct findings {
	struct rows rows;
	size_t left; /* not mended */
};

static void finding_row(void *arg, const char *where, const char *what, bool mended)
{
	struct findings *f = arg;

	f->left += !mended;
	rows_add(&f->rows,
		 json_pack("{s:s, s:s, s:b}", "where", where, "finding", what, "mended", mended));
}

int do_doctor(struct cli *c)
{
	static const struct column col[] = {
		{ "WHERE", "where", 0 },
		{ "MENDED", "mended", 0 },
		{ "FINDING", "finding", 0 },
		{ 0 },
	};
	struct doctor_args a = { 0 };
	struct findings f = { 0 };
	struct given g;
	int r;

	if (keywords_parse(c, doctor_words, &a, &g))
		return -EINVAL;
	if (rows_begin(&f.rows, c, col, false))
		return cli_oom(c);
	r = store_doctor(c->instance, GIVEN(g, D_REPAIR) && !c->dry_run, finding_row, &f, &c->err);
	rows_end(&f.rows);
	if (r || !f.left)
		return r;
	if (c->json) /* the list says it */
		return -EUCLEAN;
	return error_system(&c->err, EUCLEAN, "%zu finding%s%s", f.left, f.left == 1 ? "" : "s",
			    GIVEN(g, D_REPAIR) ? " that can't be mended here" :
						 "; `penstock doctor --repair` mends what can be");
}
