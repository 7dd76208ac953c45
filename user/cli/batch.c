/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file of commands as one transaction: all or nothing.
 *
 * The file is read whole before the lock is taken, so that a slow pipe holds up nobody, and is cut
 * into words where it lies: nothing is allocated per line. A line is one command as on the command
 * line, less the options; # begins a comment where a word could begin; '...' and "..." make one
 * word of what they enclose. What can't be part of a transaction is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

#define BATCH_WORDS 64

/* All of fd with a NUL after it; caller frees. */
static char *read_all(int fd, size_t *len)
{
	size_t cap = 1 << 16;
	char *buf = malloc(cap), *more;
	ssize_t n;

	*len = 0;
	while (buf) {
		n = read(fd, buf + *len, cap - *len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			buf[*len] = '\0';
			if (n == 0)
				return buf;
			free(buf);
			return NULL;
		}
		*len += (size_t)n;
		if (cap - *len > 1)
			continue;
		cap *= 2;
		more = realloc(buf, cap);
		if (!more)
			free(buf);
		buf = more;
	}
	errno = ENOMEM;
	return NULL;
}

/* One word: undoes its quotes in place. Returns what follows it, NULL if a quote is open. */
static char *cut_word(char *p)
{
	char *to = p, quote = 0;

	for (; *p && (quote || (*p != ' ' && *p != '\t')); p++) {
		if (quote && *p == quote)
			quote = 0;
		else if (!quote && (*p == '"' || *p == '\''))
			quote = *p;
		else
			*to++ = *p;
	}
	if (quote)
		return NULL;
	if (*p)
		p++;
	*to = '\0';
	return p;
}

/* Cuts one line into words. */
static int cut_line(struct cli *c, char *p, char **word)
{
	c->args = (struct args){ .word = word };
	for (;;) {
		p += strspn(p, " \t");
		if (!*p || *p == '#')
			return 0;
		if (c->args.n == BATCH_WORDS)
			return cli_usage(c, "\"%.64s\": too many words", p);
		word[c->args.n++] = p;
		p = cut_word(p);
		if (!p)
			return cli_usage(c, "\"%.64s\": a quote is not closed",
					 word[c->args.n - 1]);
	}
}

static int run_line(struct cli *c, char *line)
{
	char *word[BATCH_WORDS];
	int r = cut_line(c, line, word);

	if (r || !c->args.n)
		return r;
	c->verb = verb_find(c);
	if (!c->verb)
		return -EINVAL;
	if (!(c->verb->flags & VERB_WRITE))
		return cli_usage(c,
				 "\"%s%s%s\" is not allowed in a batch: expected a command that "
				 "changes node, prefix, tunnel, route or policy",
				 c->verb->object, c->verb->verb ? " " : "",
				 c->verb->verb ? c->verb->verb : "");
	return c->verb->run(c);
}

/* Puts FILE:LINE: before the message. */
static void place_error(struct cli *c)
{
	char text[sizeof(c->err.text)];

	memcpy(text, c->err.text, sizeof(text));
	snprintf(c->err.text, sizeof(c->err.text), "%.200s:%lu: %.280s", c->file, c->line, text);
	c->err.usage = true;
}

static int run_lines(struct cli *c, char *buf, size_t len)
{
	char *p = buf, *end = buf + len, *nl;
	bool nul;
	int r;

	for (; p < end; p = nl + 1) {
		c->line++;
		nl = memchr(p, '\n', (size_t)(end - p));
		if (!nl)
			nl = end;
		nul = memchr(p, '\0', (size_t)(nl - p)) != NULL;
		*nl = '\0';
		if (nl > p && nl[-1] == '\r')
			nl[-1] = '\0';
		r = nul ? cli_usage(c, "a NUL byte follows \"%.64s\"", p) : run_line(c, p);
		if (r) {
			place_error(c);
			return r;
		}
	}
	return 0;
}

int batch_run(struct cli *c, const char *file)
{
	bool in = !strcmp(file, "-");
	int fd = in ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC), r;
	size_t len;
	char *buf;

	c->file = in ? "stdin" : file;
	buf = fd >= 0 ? read_all(fd, &len) : NULL;
	if (!buf)
		r = error_usage(&c->err, errno, "cannot read batch \"%.200s\": %s", c->file,
				strerror(errno));
	else
		r = cli_txn(c) ? run_lines(c, buf, len) : -EINVAL;
	if (!r) {
		snprintf(c->would, sizeof(c->would), "run the %lu lines of %.100s", c->line,
			 c->file);
		c->line = 0;
		r = cli_finish(c);
	}
	if (!r && c->warnings > WARNINGS_SHOWN)
		fprintf(stderr, "Warning: %lu more warnings\n", c->warnings - WARNINGS_SHOWN);
	free(buf);
	if (fd > STDERR_FILENO)
		close(fd);
	return r;
}
