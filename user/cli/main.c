/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * penstock: the operator's command. One process, one command (or one batch), one transaction.
 *
 * Options first, then the namespace is entered by setns(): only the network changes, so the pins
 * under /sys/fs/bpf stay visible (`ip netns exec` would hide them behind a fresh /sys). Then the
 * verb table (verbs.c) finds the function; it stages in a transaction that is committed here.
 *
 * SIGPIPE is ignored: a reader that goes away must not kill a writer in the midst of a commit.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

int cli_usage(struct cli *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->err.text, sizeof(c->err.text), fmt, ap);
	va_end(ap);
	c->err.usage = true;
	return -EINVAL;
}

int cli_oom(struct cli *c)
{
	return error_system(&c->err, ENOMEM, "out of memory");
}

const struct store *cli_store(struct cli *c)
{
	if (!c->st && store_open(&c->st, c->instance, false, &c->err))
		c->st = NULL;
	return c->st;
}

int cli_open(struct cli *c)
{
	int r = c->st ? 0 : store_open(&c->st, c->instance, true, &c->err);

	if (r)
		c->st = NULL;
	return r;
}

struct txn *cli_txn(struct cli *c)
{
	if (cli_open(c))
		return NULL;
	if (!c->txn && txn_begin(c->st, &c->txn, &c->err)) {
		c->txn = NULL;
		return NULL;
	}
	return c->txn;
}

struct nl *cli_nl(struct cli *c)
{
	int r;

	if (c->nl)
		return c->nl;
	r = nl_open(&c->nl);
	if (r) {
		c->nl = NULL;
		error_system(&c->err, -r, "cannot open a netlink socket: %s", strerror(-r));
	}
	return c->nl;
}

/* What came from the outside must not steer the terminal. */
static char *printable(char *s)
{
	char *p;

	for (p = s; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return s;
}

static bool colour_on(int fd)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fd) && !(no && *no) && !(term && !strcmp(term, "dumb"));
}

static void print_message(const char *colour, const char *kind, const char *text)
{
	bool on = colour_on(STDERR_FILENO);

	fprintf(stderr, "%s%s:%s %s\n", on ? colour : "", kind, on ? "\033[0m" : "", text);
}

void cli_warn(struct cli *c, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int at = 0;

	if (c->file && c->warnings++ >= WARNINGS_SHOWN)
		return;
	if (c->file && c->line)
		at = snprintf(text, sizeof(text), "%.200s:%lu: ", c->file, c->line);
	va_start(ap, fmt);
	vsnprintf(text + at, sizeof(text) - (size_t)at, fmt, ap);
	va_end(ap);
	print_message("\033[33m", "Warning", printable(text));
}

void cli_would(struct cli *c, const char *fmt, ...)
{
	va_list ap;

	if (!c->dry_run || c->file)
		return;
	va_start(ap, fmt);
	vsnprintf(c->would, sizeof(c->would), fmt, ap);
	va_end(ap);
}

void cli_print_would(const struct cli *c)
{
	if (c->json)
		print_json(c, json_pack("{s:s, s:b}", "would", c->would, "written", 0));
	else
		printf("would %s: nothing written\n", c->would);
}

int cli_finish(struct cli *c)
{
	struct txn *txn;
	int r = 0;

	if (!c->txn)
		return 0;
	if (c->touched)
		r = tunnels_resolve(c);
	txn = c->txn;
	if (!r && !c->dry_run) {
		c->txn = NULL;
		return txn_commit(txn, &c->err);
	}
	c->txn = NULL;
	txn_abort(txn);
	if (!r)
		cli_print_would(c);
	return r;
}

static int run(struct cli *c)
{
	const struct verb *v = verb_find(c);
	int r;

	if (!v)
		return -EINVAL;
	c->verb = v;
	r = v->run(c);
	return r ? r : cli_finish(c);
}

/* Says what went wrong, and gives the exit code for it. */
static int report(struct cli *c, int r)
{
	json_t *text;
	char *p;

	if (!r)
		return 0;
	if (*c->err.text)
		print_message("\033[31m", "Error", printable(c->err.text));
	if (c->json && *c->err.text) {
		text = json_string(c->err.text);
		for (p = c->err.text; !text && *p; p++)
			if (*p & 0x80) /* a bad word that is no UTF-8 */
				*p = '?';
		if (!text)
			text = json_string(c->err.text);
		print_json(c, json_pack("{s:o}", "error", text));
	}
	return c->err.usage ? 2 : 1;
}

static int enter_netns(struct cli *c, const char *name)
{
	char path[512];
	int fd, r = 0;

	if (!*name || (!strchr(name, '/') && (!strcmp(name, ".") || !strcmp(name, ".."))))
		return cli_usage(c, "-netns \"%s\": expected the name of a network namespace",
				 name);
	snprintf(path, sizeof(path), "%s%s", strchr(name, '/') ? "" : "/run/netns/", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ?
			       cli_usage(c, "-netns \"%.64s\": no such network namespace", name) :
			       error_system(&c->err, errno, "cannot open %s: %s", path,
					    strerror(errno));
	if (setns(fd, CLONE_NEWNET))
		r = errno == EINVAL ?
			    cli_usage(c, "-netns \"%.64s\": not a network namespace", name) :
			    error_system(&c->err, errno,
					 "cannot enter network namespace \"%s\": %s", name,
					 strerror(errno));
	close(fd);
	return r;
}

enum option {
	OPT_INSTANCE,
	OPT_NETNS,
	OPT_BATCH,
	OPT_JSON,
	OPT_PRETTY,
	OPT_STATS,
	OPT_DRY_RUN,
	OPT_VERSION,
	OPT_HELP,
	OPT_COUNT
};

static const char *const option_word[OPT_COUNT] = { "instance", "netns",   "batch",
						    "json",	"pretty",  "statistics",
						    "dry-run",	"Version", "help" };
static const char option_letter[OPT_COUNT + 1] = "InbjpsdVh";

static int option_find(struct cli *c, const char *word)
{
	const char *p = word + 1;

	if (*p == '-')
		p++;
	if (p[0] && !p[1] && strchr(option_letter, *p))
		return (int)(strchr(option_letter, *p) - option_letter);
	if (!*p)
		return cli_usage(c, "option \"%s\": expected an object or an option", word);
	return word_match(c, "option", p, option_word, OPT_COUNT);
}

struct run {
	const char *netns, *batch;
	bool version, help;
};

static int option_value(struct cli *c, struct run *o, enum option i, const char *value)
{
	size_t n;

	switch (i) {
	case OPT_NETNS:
		o->netns = value;
		return 0;
	case OPT_BATCH:
		o->batch = value;
		return 0;
	default:
		n = strspn(value,
			   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
		if (!n || n >= PS_NAME_LEN || value[n])
			return cli_usage(c,
					 "instance \"%.64s\": expected 1 to 15 letters, digits, "
					 "- or _",
					 value);
		c->instance = value;
		return 0;
	}
}

static int options_parse(struct cli *c, struct run *o)
{
	bool *flag[OPT_COUNT] = {
		[OPT_JSON] = &c->json,	     [OPT_PRETTY] = &c->pretty,	  [OPT_STATS] = &c->stats,
		[OPT_DRY_RUN] = &c->dry_run, [OPT_VERSION] = &o->version, [OPT_HELP] = &o->help
	};
	const char *word, *value;
	int i, r;

	while ((word = arg_peek(&c->args)) && word[0] == '-') {
		c->args.at++;
		i = option_find(c, word);
		if (i < 0)
			return i;
		if (flag[i]) {
			*flag[i] = true;
			continue;
		}
		value = arg_need(c, i == OPT_BATCH ? "a file, or - for stdin" : "a name");
		r = value ? option_value(c, o, (enum option)i, value) : -EINVAL;
		if (r)
			return r;
	}
	if (!arg_peek(&c->args) && !o->batch && !o->version && !o->help)
		return cli_usage(c, "expected an object; `penstock help` lists them");
	return 0;
}

static int run_options(struct cli *c)
{
	struct run o = { 0 };
	int r = options_parse(c, &o);

	if (r)
		return r;
	if (o.help) {
		print_usage(stdout);
		return 0;
	}
	if (o.version) {
		printf("penstock %s, map layout %u\n", PENSTOCK_VERSION, PS_ABI_VERSION);
		return 0;
	}
	if (o.netns)
		r = enter_netns(c, o.netns);
	if (r)
		return r;
	if (!o.batch)
		return run(c);
	r = arg_end(c);
	return r ? r : batch_run(c, o.batch);
}

/* A map must never get the number of a closed stdout. */
static void standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	struct cli c = { .instance = STORE_INSTANCE, .args = { argv, argc, 1 } };
	int code;

	standard_files();
	signal(SIGPIPE, SIG_IGN);
	c.colour = colour_on(STDOUT_FILENO);
	code = report(&c, run_options(&c));
	if (c.txn)
		txn_abort(c.txn);
	if (c.st)
		store_close(c.st);
	if (c.nl)
		nl_close(c.nl);
	free(c.touched);
	errno = 0;
	if ((fflush(stdout) || ferror(stdout)) && !code) {
		code = 1;
		if (errno != EPIPE)
			print_message("\033[31m", "Error", "cannot write the output");
	}
	return code;
}
