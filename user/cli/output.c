/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Output. Every show makes JSON objects, once; -j prints them, otherwise a list of columns says
 * which members become a table, drawn by libsmartcols. So text and JSON can't disagree.
 *
 * Lists stream: objects are printed as they come in -j, and in tables of CHUNK rows otherwise, each
 * keeping the widths of the one before. A million rows take no more memory than a chunk of them.
 */
#include <errno.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define CHUNK 4096u

json_t *json_text(const char *s)
{
	return s ? json_string(s) : json_null();
}

/* --- JSON ----------------------------------------------------------------------------------------
 */

static size_t json_flags(const struct cli *c)
{
	return JSON_ENCODE_ANY | JSON_REAL_PRECISION(12) |
	       (c->pretty ? JSON_INDENT(4) : JSON_COMPACT);
}

void print_json(const struct cli *c, json_t *value)
{
	if (value)
		json_dumpf(value, stdout, json_flags(c));
	putchar('\n');
	json_decref(value);
}

/* Indents what is inside the list's brackets. */
static int dump_indented(const char *buf, size_t len, void *arg)
{
	const char *nl;

	(void)arg;
	while ((nl = memchr(buf, '\n', len))) {
		fwrite(buf, 1, (size_t)(nl - buf) + 1, stdout);
		fputs("    ", stdout);
		len -= (size_t)(nl - buf) + 1;
		buf = nl + 1;
	}
	return fwrite(buf, 1, len, stdout) == len ? 0 : -1;
}

static void stream_json(struct rows *r, json_t *object)
{
	fputs(r->count ? "," : "[", stdout);
	if (!r->c->pretty) {
		json_dumpf(object, stdout, json_flags(r->c));
		return;
	}
	fputs("\n    ", stdout);
	json_dump_callback(object, dump_indented, NULL, json_flags(r->c));
}

/* --- text ----------------------------------------------------------------------------------------
 */

static json_t *member(json_t *object, const char *key)
{
	const char *dot = strchr(key, '.');
	char head[32];

	if (!dot)
		return json_object_get(object, key);
	snprintf(head, sizeof(head), "%.*s", (int)(dot - key), key);
	return json_object_get(json_object_get(object, head), dot + 1);
}

static const char *cell_text(json_t *v, unsigned int flags, char *buf, size_t len)
{
	switch (v ? json_typeof(v) : JSON_NULL) {
	case JSON_STRING:
		return *json_string_value(v) ? json_string_value(v) : "-";
	case JSON_INTEGER:
		snprintf(buf, len, "%llu", (unsigned long long)json_integer_value(v));
		return buf;
	case JSON_REAL:
		snprintf(buf, len, "%.1f", json_real_value(v));
		return buf;
	case JSON_TRUE:
		return flags & COL_MARK ? "*" : "yes";
	case JSON_FALSE:
		return flags & COL_MARK ? "" : "no";
	default:
		return "-";
	}
}

static const char *state_colour(const char *text)
{
	static const struct {
		const char *text, *colour;
	} map[] = {
		{ "healthy", "green" }, { "degraded", "brown" }, { "down", "red" },
		{ "gone", "red" },	{ "drop", "red" },
	};
	size_t i;

	for (i = 0; i < sizeof(map) / sizeof(*map); i++)
		if (!strcmp(text, map[i].text))
			return map[i].colour;
	return NULL;
}

static void add_line(const struct cli *c, struct libscols_table *t, const struct column *col,
		     json_t *object)
{
	struct libscols_line *line = scols_table_new_line(t, NULL);
	size_t n = 0;
	char buf[32];

	for (; line && col->heading; col++) {
		const char *text, *colour;

		if ((col->flags & COL_STATS) && !c->stats)
			continue;
		text = cell_text(member(object, col->key), col->flags, buf, sizeof(buf));
		scols_line_set_data(line, n, text);
		colour = col->flags & COL_STATE ? state_colour(text) : NULL;
		if (colour)
			scols_cell_set_color(scols_line_get_cell(line, n), colour);
		n++;
	}
}

/* width: of the columns so far, 0 at first; brought up to date. */
static void draw(const struct cli *c, const struct column *col, json_t *list, double *width)
{
	bool first = !width || !width[0];
	struct libscols_table *t = scols_new_table();
	size_t i, n = 0;
	json_t *object;

	if (!t)
		return;
	scols_table_enable_colors(t, c->colour);
	scols_table_enable_noheadings(t, !first);
	for (i = 0; col[i].heading; i++) {
		if ((col[i].flags & COL_STATS) && !c->stats)
			continue;
		/* The library prefers a heading's width to ours, even of one not shown. */
		scols_table_new_column(t, first ? col[i].heading : "", first ? 0 : width[n],
				       col[i].flags & COL_RIGHT ? SCOLS_FL_RIGHT : 0);
		n++;
	}
	json_array_foreach (list, i, object)
		add_line(c, t, col, object);
	scols_print_table(t);
	for (i = 0; width && i < n; i++)
		width[i] = (double)scols_column_get_width(scols_table_get_column(t, i));
	scols_unref_table(t);
}

void print_table(const struct cli *c, const struct column *col, json_t *list)
{
	if (json_array_size(list))
		draw(c, col, list, NULL);
}

void print_object(const struct cli *c, const struct column *col, json_t *object)
{
	struct libscols_table *t = scols_new_table();
	struct libscols_line *line;
	char buf[32];

	if (!t)
		return;
	(void)c;
	scols_table_enable_noheadings(t, 1);
	scols_table_new_column(t, "key", 0, 0);
	scols_table_new_column(t, "value", 0, 0);
	for (; col->heading; col++) {
		line = scols_table_new_line(t, NULL);
		if (!line)
			break;
		scols_line_set_data(line, 0, col->heading);
		scols_line_set_data(
			line, 1, cell_text(member(object, col->key), col->flags, buf, sizeof(buf)));
	}
	scols_print_table(t);
	scols_unref_table(t);
}

/* --- lists ---------------------------------------------------------------------------------------
 */

int rows_begin(struct rows *r, const struct cli *c, const struct column *col, bool keep)
{
	*r = (struct rows){ .c = c, .col = col, .keep = keep, .list = json_array() };
	return r->list ? 0 : -ENOMEM;
}

static int rows_flush(struct rows *r)
{
	if (json_array_size(r->list)) {
		draw(r->c, r->col, r->list, r->width);
		/* The next chunk goes on in the line after. */
		json_array_clear(r->list);
	}
	return ferror(stdout) ? -EPIPE : 0;
}

int rows_add(struct rows *r, json_t *object)
{
	if (!object)
		return -ENOMEM;
	if (r->c->json && !r->keep) {
		stream_json(r, object);
		r->count++;
		json_decref(object);
		return ferror(stdout) ? -EPIPE : 0;
	}
	if (json_array_append_new(r->list, object))
		return -ENOMEM;
	r->count++;
	return !r->keep && json_array_size(r->list) >= CHUNK ? rows_flush(r) : 0;
}

void rows_end(struct rows *r)
{
	if (r->keep)
		return;
	if (r->c->json)
		fputs(!r->count ? "[]\n" : r->c->pretty ? "\n]\n" : "]\n", stdout);
	else
		rows_flush(r);
	json_decref(r->list);
	r->list = NULL;
}
