/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Commands on configuration files. Checking needs no instance and no root: what a file means is
 * known without the maps.
 */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "config/yaml.h"
#include "core/config_check.h"

struct lint {
	struct cli *c;
	json_t *list; /* NULL without -j */
};

static void lint(void *arg, const struct config_pos *pos, const char *text)
{
	struct lint *l = arg;

	/* A million of them would be too many to read, but not for a program. */
	cli_warn(l->c, "%.200s:%u:%u: %s", l->c->file, pos->line, pos->column, text);
	if (l->list)
		json_array_append_new(l->list,
				      json_pack("{s:I, s:I, s:s}", "line", (json_int_t)pos->line,
						"column", (json_int_t)pos->column, "text", text));
}

int do_check(struct cli *c)
{
	const char *file = arg_need(c, "a file, or - for stdin");
	struct config config = { 0 };
	struct lint l = { .c = c };
	int r;

	if (!file || arg_end(c))
		return -EINVAL;
	c->file = strcmp(file, "-") ? file : "stdin";
	r = config_parse_file(&config, file, &c->err);
	if (!r)
		r = config_check(&config, c->file, &c->err);
	if (!r) {
		l.list = c->json ? json_array() : NULL;
		config_lint(&config, lint, &l);
		if (c->warnings > WARNINGS_SHOWN)
			fprintf(stderr, "Warning: %lu more warnings\n",
				c->warnings - WARNINGS_SHOWN);
		if (l.list)
			print_json(c, json_pack("{s:b, s:o}", "ok", 1, "warnings", l.list));
	}
	config_free(&config);
	return r;
}
