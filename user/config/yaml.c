/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * penstock.yaml to struct config: a walk over libyaml's events by the tables of schema.c. Nothing
 * of the text is kept but the objects and their places; millions of routes stream through.
 *
 * YAML is larger than what we want of it. Anchors, aliases and tags are refused (a file of a few
 * lines could stand for a billion), a scalar is a word whatever YAML 1.1 takes `on` or `1e3` for,
 * and what the schema does not expect ends the walk, so depth needs no other limit. Between two
 * events the reader takes QUIET_MAX bytes at most: libyaml would keep a scalar of any size.
 *
 * Rejected: libcyaml, which loads into trees of its own (memory per node), can't suggest the word
 * that was meant, and forgets places, which the checks after the walk (core/config_check.c) need.
 */
#include "config/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "config/walk.h"
#include "core/word.h"

#define WORD_MAX 255u
#define QUIET_MAX (64u << 20)

struct walk {
	struct filling f;
	const char *name;
	struct error *err;
	yaml_parser_t parser;
	yaml_event_t event;
	bool have_event;

	config_read_fn read;
	void *arg;
	int failed;   /* of the reader */
	size_t quiet; /* bytes since the last event */
	size_t chunk; /* bytes of the last read, from this offset: */
	size_t chunk_at;
	uint32_t line;	     /* newlines before the end of it ... */
	size_t line_at;	     /* ... and where the last line begins */
	uint32_t chunk_line; /* the same at its beginning */
	size_t chunk_line_at;
};

/* --- errors --------------------------------------------------------------------------------------
 */

static struct config_pos place_of(yaml_mark_t m)
{
	return (struct config_pos){ (uint32_t)m.line + 1, (uint32_t)m.column + 1 };
}

static int bad(struct walk *w, struct config_pos pos, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int bad(struct walk *w, struct config_pos pos, const char *fmt, ...)
{
	char text[384];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return error_usage(w->err, EINVAL, "%.200s:%u:%u: %s", w->name, pos.line, pos.column, text);
}

static int out_of_memory(struct walk *w)
{
	return error_system(w->err, ENOMEM, "out of memory");
}

/* Where the byte lies that can't be decoded: in the last read, or a few bytes before it. */
static struct config_pos reader_place(const struct walk *w)
{
	const unsigned char *last = w->parser.raw_buffer.last;
	size_t offset = w->parser.problem_offset, at = w->chunk_at, begin = w->chunk_line_at;
	const unsigned char *p = last ? last - w->chunk : NULL;
	uint32_t line = w->chunk_line;

	for (; p && p < last && at < offset; p++, at++)
		if (*p == '\n') {
			line++;
			begin = at + 1;
		}
	return (struct config_pos){ line + 1, (uint32_t)(offset - begin) + 1 };
}

static int not_yaml(struct walk *w)
{
	const yaml_parser_t *p = &w->parser;

	if (w->failed == -EFBIG)
		return bad(w, place_of(p->mark), "expected a word within %u MiB", QUIET_MAX >> 20);
	if (w->failed)
		return error_system(w->err, -w->failed, "cannot read \"%.200s\": %s", w->name,
				    strerror(-w->failed));
	if (p->error == YAML_MEMORY_ERROR)
		return out_of_memory(w);
	if (p->error == YAML_READER_ERROR)
		return bad(w, reader_place(w), "no text: expected UTF-8; %s",
			   p->problem ? p->problem : "it can't be read");
	if (p->context)
		return bad(w, place_of(p->problem_mark), "no YAML: %s (%s that begins at line %zu)",
			   p->problem, p->context, p->context_mark.line + 1);
	return bad(w, place_of(p->problem_mark), "no YAML: %s",
		   p->problem ? p->problem : "it can't be parsed");
}

/* --- events --------------------------------------------------------------------------------------
 */

static int read_handler(void *arg, unsigned char *buf, size_t size, size_t *got)
{
	struct walk *w = arg;
	ssize_t n = w->read(w->arg, buf, size);
	const unsigned char *p = buf;

	*got = 0;
	w->quiet += n > 0 ? (size_t)n : 0;
	if (n < 0 || w->quiet > QUIET_MAX) {
		w->failed = n < 0 ? (int)n : -EFBIG;
		return 0;
	}
	w->chunk_at += w->chunk;
	w->chunk = (size_t)n;
	w->chunk_line = w->line;
	w->chunk_line_at = w->line_at;
	while ((p = memchr(p, '\n', (size_t)(buf + n - p)))) {
		p++;
		w->line++;
		w->line_at = w->chunk_at + (size_t)(p - buf);
	}
	*got = (size_t)n;
	return 1;
}

/* The next event is in w->event. */
static int next(struct walk *w)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;
	struct config_pos pos;

	if (w->have_event)
		yaml_event_delete(&w->event);
	w->have_event = yaml_parser_parse(&w->parser, &w->event);
	if (!w->have_event)
		return not_yaml(w);
	w->quiet = 0;
	pos = place_of(w->event.start_mark);
	switch (w->event.type) {
	case YAML_ALIAS_EVENT:
		return bad(w, pos, "\"*%.64s\": expected no aliases",
			   (const char *)w->event.data.alias.anchor);
	case YAML_SCALAR_EVENT:
		anchor = w->event.data.scalar.anchor;
		tag = w->event.data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = w->event.data.sequence_start.anchor;
		tag = w->event.data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = w->event.data.mapping_start.anchor;
		tag = w->event.data.mapping_start.tag;
		break;
	default:
		break;
	}
	if (anchor)
		return bad(w, pos, "\"&%.64s\": expected no anchors", (const char *)anchor);
	return tag ? bad(w, pos, "\"%.64s\": expected no tags", (const char *)tag) : 0;
}

static struct config_pos here(const struct walk *w)
{
	return place_of(w->event.start_mark);
}

/* The word of a scalar; NULL with an error if it is too long or no text. */
static const char *word_of(struct walk *w)
{
	const char *word = (const char *)w->event.data.scalar.value;
	size_t len = w->event.data.scalar.length;

	if (len <= WORD_MAX && strlen(word) == len)
		return word;
	bad(w, here(w), "\"%.64s\": expected %s", word,
	    len > WORD_MAX ? "a word of 255 bytes at most" : "no NUL in a word");
	return NULL;
}

/* Says that something else than `expected` is there. */
static int unexpected(struct walk *w, const char *what, const char *expected)
{
	const char *word;

	switch (w->event.type) {
	case YAML_SCALAR_EVENT:
		word = word_of(w);
		return word ? bad(w, here(w), "%s%s\"%s\": expected %s", what, *what ? " " : "",
				  word, expected) :
			      -EINVAL;
	case YAML_SEQUENCE_START_EVENT:
		return bad(w, here(w), "\"%s\" is a list: expected %s", what, expected);
	default:
		return bad(w, here(w), "\"%s\" is a mapping: expected %s", what, expected);
	}
}

/* --- objects -------------------------------------------------------------------------------------
 */

/* The words of a table in a list that ends with NULL. */
static int unknown_key(struct walk *w, const char *word, const char *const *known)
{
	const char *meant = word_near(known, word);
	char all[160] = "";
	size_t at = 0;
	int i;

	for (i = 0; known[i] && at < sizeof(all); i++)
		at += (size_t)snprintf(all + at, sizeof(all) - at, "%s%s", i ? ", " : "", known[i]);
	if (meant)
		return bad(w, here(w), "\"%.64s\": did you mean \"%s\"? Expected one of %s", word,
			   meant, all);
	return bad(w, here(w), "\"%.64s\": expected one of %s", word, all);
}

/* Keys come in the same order again and again: the search begins where the last one ended. */
static int find_key(struct walk *w, const struct schema *s, unsigned int hint)
{
	const char *known[SCHEMA_KEYS_MAX + 1] = { NULL }, *word;
	unsigned int i, n;

	if (w->event.type != YAML_SCALAR_EVENT)
		return unexpected(w, s->word, "a key");
	word = word_of(w);
	if (!word)
		return -EINVAL;
	for (n = 0; n < s->keys; n++) {
		i = (hint + n) % s->keys;
		if (!strcmp(s->key[i].word, word))
			return (int)i;
	}
	for (i = 0; i < s->keys; i++)
		known[i] = s->key[i].word;
	return unknown_key(w, word, known);
}

static int set_value(struct walk *w, const struct schema_key *k)
{
	const char *word = word_of(w);
	char why[320];
	int r;

	if (!word)
		return -EINVAL;
	if (k->none && !strcmp(word, "none"))
		return 0;
	r = k->value(&w->f, k, word, (char *)&w->f.item + k->offset, why, sizeof(why));
	if (r == -EINVAL)
		return bad(w, here(w), "%s", why);
	return r ? out_of_memory(w) : 0;
}

/* A list of words for one key. */
static int set_values(struct walk *w, const struct schema_key *k)
{
	struct config_pos pos = here(w);
	int r = next(w);
	bool any = false;

	for (; !r && w->event.type != YAML_SEQUENCE_END_EVENT; any = true) {
		r = w->event.type == YAML_SCALAR_EVENT ? set_value(w, k) :
							 unexpected(w, k->word, k->expected);
		if (!r)
			r = next(w);
	}
	if (!r && !any)
		return bad(w, pos, "\"%s\" is empty: expected %s", k->word, k->expected);
	return r;
}

static int key_and_value(struct walk *w, const struct schema *s, unsigned int *hint,
			 struct config_pos *where)
{
	struct item *item = &w->f.item;
	const struct schema_key *k;
	int i = find_key(w, s, *hint), r;

	if (i < 0)
		return i;
	*hint = (unsigned int)i + 1;
	k = &s->key[i];
	if (GIVEN(item, i))
		return bad(w, here(w), "\"%s\" is given twice; see line %u, column %u", k->word,
			   where[i].line, where[i].column);
	where[i] = here(w);
	item->given |= 1u << i;
	r = next(w);
	if (r)
		return r;
	if (w->event.type == YAML_SCALAR_EVENT)
		return set_value(w, k);
	return k->many && w->event.type == YAML_SEQUENCE_START_EVENT ?
		       set_values(w, k) :
		       unexpected(w, k->word, k->expected);
}

/* One object; the event is the start of its mapping, and at the end its end. */
static int object(struct walk *w, const struct schema *s)
{
	struct config_pos where[SCHEMA_KEYS_MAX];
	struct item *item = &w->f.item;
	unsigned int hint = 0, i;
	int r;

	memset(item, 0, sizeof(*item));
	item->pos = here(w);
	r = next(w);
	while (!r && w->event.type != YAML_MAPPING_END_EVENT) {
		r = key_and_value(w, s, &hint, where);
		if (!r)
			r = next(w);
	}
	for (i = 0; !r && i < s->keys; i++)
		if (s->key[i].required && !GIVEN(item, i))
			r = bad(w, item->pos, "\"%s\" is missing: expected %s", s->key[i].word,
				s->key[i].expected);
	if (!r && s->end(&w->f))
		r = out_of_memory(w);
	return r;
}

static int section(struct walk *w, const struct schema *s)
{
	int r;

	if (!s->list)
		return w->event.type == YAML_MAPPING_START_EVENT ?
			       object(w, s) :
			       unexpected(w, s->word, "a mapping");
	if (w->event.type != YAML_SEQUENCE_START_EVENT)
		return unexpected(w, s->word, "a list, or [] for an empty one");
	r = next(w);
	while (!r && w->event.type != YAML_SEQUENCE_END_EVENT) {
		r = w->event.type == YAML_MAPPING_START_EVENT ?
			    object(w, s) :
			    unexpected(w, s->word, "a mapping, such as {key: value}");
		if (!r)
			r = next(w);
	}
	return r;
}

/* --- the document --------------------------------------------------------------------------------
 */

static int find_section(struct walk *w)
{
	const char *known[SCHEMA_SECTIONS + 1] = { NULL }, *word;
	unsigned int i;

	if (w->event.type != YAML_SCALAR_EVENT)
		return bad(w, here(w),
			   "expected a section: node, prefixes, tunnels, routes or "
			   "policies");
	word = word_of(w);
	if (!word)
		return -EINVAL;
	for (i = 0; i < SCHEMA_SECTIONS; i++) {
		known[i] = config_schema[i].word;
		if (!strcmp(known[i], word))
			return (int)i;
	}
	return unknown_key(w, word, known);
}

static int sections(struct walk *w)
{
	struct config_pos where[SCHEMA_SECTIONS];
	unsigned int given = 0;
	int r = next(w), i;

	while (!r && w->event.type != YAML_MAPPING_END_EVENT) {
		i = find_section(w);
		if (i < 0)
			return i;
		if (given >> i & 1)
			return bad(w, here(w), "\"%s\" is given twice; see line %u, column %u",
				   config_schema[i].word, where[i].line, where[i].column);
		given |= 1u << i;
		where[i] = here(w);
		r = next(w);
		if (!r)
			r = section(w, &config_schema[i]);
		if (!r)
			r = next(w);
	}
	return r;
}

static int document(struct walk *w)
{
	static const char wanted[] = "a mapping with node, prefixes, tunnels, routes and policies";
	int r = next(w); /* start of the stream */

	if (!r)
		r = next(w);
	if (r)
		return r;
	if (w->event.type == YAML_STREAM_END_EVENT)
		return bad(w, here(w), "nothing there: expected %s", wanted);
	r = next(w);
	if (r)
		return r;
	if (w->event.type == YAML_SEQUENCE_START_EVENT)
		return bad(w, here(w), "a list: expected %s", wanted);
	if (w->event.type != YAML_MAPPING_START_EVENT)
		return unexpected(w, "", wanted);
	r = sections(w);
	if (!r)
		r = next(w); /* end of the document */
	if (!r)
		r = next(w);
	if (!r && w->event.type != YAML_STREAM_END_EVENT)
		return bad(w, here(w), "a second document: expected one");
	return r;
}

int config_parse(struct config *c, const char *name, config_read_fn read, void *arg,
		 struct error *err)
{
	struct walk w = {
		.f = { .c = c, .main_name = -1, .default_name = -1 },
		.name = name,
		.err = err,
		.read = read,
		.arg = arg,
	};
	int r;

	if (!yaml_parser_initialize(&w.parser))
		return out_of_memory(&w);
	yaml_parser_set_input(&w.parser, read_handler, &w);
	r = document(&w);
	if (w.have_event)
		yaml_event_delete(&w.event);
	yaml_parser_delete(&w.parser);
	return r;
}

static ssize_t read_fd(void *arg, void *buf, size_t len)
{
	ssize_t n;

	do
		n = read(*(int *)arg, buf, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int config_parse_file(struct config *c, const char *file, struct error *err)
{
	bool in = !strcmp(file, "-");
	int fd = in ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return error_usage(err, errno, "cannot open \"%.200s\": %s", file, strerror(errno));
	r = config_parse(c, in ? "stdin" : file, read_fd, &fd, err);
	/* A directory opens, but is no more of a file for that. */
	if (r == -EISDIR)
		err->usage = true;
	if (!in)
		close(fd);
	return r;
}
