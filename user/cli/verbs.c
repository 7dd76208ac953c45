/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of commands. Dispatch, help, the completion and the check that the manual knows every
 * command are made from it, so a new command is one row here, its function and its manual entry.
 */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"

#define TUNNEL_ARGS(none)                                          \
	"[key N" none "] [ttl N] [mtu N] [address CIDR" none "]\n" \
	"               [account A] [mss-clamp on|off]"

#define ROUTE_ARGS                                                                          \
	"PREFIX via TUNNEL priority N [weight W] [region R[,R]] [table T]\n"                \
	"               ... or, for N and W: origin bgp [peer-asn N] [as-path \"N ...\"]\n" \
	"               [community \"N:N ...\"]"

static const struct verb verbs[] = {
	{ "load", NULL,
	  "[max-prefixes N] [max-tunnels N] [max-groups N]\n"
	  "               [max-tables N] [max-chunks N]",
	  "make the instance, or replace the programs of a loaded one", do_load, 0, load_words },
	{ "unload", NULL, "", "remove the instance and everything in it", do_unload, 0, NULL },
	{ "status", NULL, "", "what is loaded, where, how full, and what is wrong", do_status,
	  VERB_SHOW, NULL },
	{ "doctor", NULL, "[--repair]", "compare the maps with what they should hold", do_doctor, 0,
	  doctor_words },
	{ "attach", NULL, "DEV role wan|lan [mode auto|native|generic]", "make a device a port",
	  do_attach, 0, attach_words },
	{ "detach", NULL, "DEV", "take the program off a port", do_detach, 0, NULL },
	{ "node", "set",
	  "[mode transit|edge] [region R] [asn N]\n"
	  "               [hash-mode rendezvous|modulo] [prepend-count additional|all]",
	  "change the node's settings", do_node_set, VERB_WRITE, node_words },
	{ "node", "show", "", "the node's settings", do_node_show, VERB_SHOW, NULL },
	{ "prefix", "add", "PREFIX [account A]", "authorise a prefix", do_prefix_add, VERB_WRITE,
	  prefix_words },
	{ "prefix", "del", "PREFIX", "withdraw an authorised prefix", do_prefix_del, VERB_WRITE,
	  NULL },
	{ "prefix", "show", "", "authorised prefixes", do_prefix_show, VERB_SHOW, NULL },
	{ "tunnel", "add", "NAME gre local IP remote IP " TUNNEL_ARGS(""), "make a tunnel",
	  do_tunnel_add, VERB_WRITE, tunnel_add_words },
	{ "tunnel", "set", "NAME [local IP] [remote IP] " TUNNEL_ARGS("|none"), "change a tunnel",
	  do_tunnel_set, VERB_WRITE, tunnel_set_words },
	{ "tunnel", "del", "NAME", "remove a tunnel that no route uses", do_tunnel_del, VERB_WRITE,
	  NULL },
	{ "tunnel", "show", "[NAME]", "tunnels, their health and next hops", do_tunnel_show,
	  VERB_SHOW, NULL },
	{ "tunnel", "health", "NAME healthy|degraded|down", "set a tunnel's health by hand",
	  do_tunnel_health, VERB_WRITE, NULL },
	{ "tunnel", "refresh", "[NAME]", "resolve next hops again", do_tunnel_refresh, VERB_WRITE,
	  NULL },
	{ "route", "add", ROUTE_ARGS, "add a route", do_route_add, VERB_WRITE, route_words },
	{ "route", "replace", ROUTE_ARGS, "add or change a route", do_route_replace, VERB_WRITE,
	  route_words },
	{ "route", "del",
	  "PREFIX [via TUNNEL] [region R[,R]|none] [origin O]\n"
	  "               [table T]",
	  "remove one or all routes of a prefix", do_route_del, VERB_WRITE, route_del_words },
	{ "route", "show", "[PREFIX] [table T]", "routes, their priorities and shares",
	  do_route_show, VERB_SHOW, route_show_words },
	{ "route", "get",
	  "SRC DST [proto P] [sport N] [dport N] [length N] [region R|none]\n"
	  "               [in wan|lan|penstock0] [verify]",
	  "what would happen to a packet, and why", do_route_get, VERB_SHOW, route_get_words },
	{ "policy", "add", "from PREFIX table T", "send a source's traffic to a table",
	  do_policy_add, VERB_WRITE, policy_words },
	{ "policy", "del", "from PREFIX", "remove a source policy", do_policy_del, VERB_WRITE,
	  policy_words + 1 },
	{ "policy", "show", "", "source policies", do_policy_show, VERB_SHOW, NULL },
	{ "check", NULL, "FILE", "check a configuration file, without an instance", do_check, 0,
	  NULL },
	{ "stats", NULL, "", "all counters", do_stats, VERB_SHOW, NULL },
	{ "stats", "tunnels", "", "packets and bytes of each tunnel", do_stats_tunnels, VERB_SHOW,
	  NULL },
	{ "stats", "drops", "", "packets that ended here or went to the kernel, and why",
	  do_stats_drops, VERB_SHOW, NULL },
	{ "stats", "maps", "", "how full the maps are", do_stats_maps, VERB_SHOW, NULL },
	{ "export", NULL, "", "print the running configuration as penstock.yaml", do_export,
	  VERB_SHOW, NULL },
	{ "diff", NULL, "FILE", "what `apply` would change", do_diff, VERB_SHOW, NULL },
	{ "apply", NULL, "FILE [confirm SECONDS] [dry-run]",
	  "make the configuration that of a file, all or nothing", do_apply, 0, apply_words },
	{ "confirm", NULL, "", "keep what `apply ... confirm` has made", do_confirm, 0, NULL },
	{ "rollback", NULL, "[N] [dry-run]",
	  "return to the state before the last change, or the Nth last", do_rollback, 0,
	  rollback_words },
	{ "history", NULL, "", "the states that `rollback` can return to", do_history, VERB_SHOW,
	  NULL },
	{ "help", NULL, "", "this list", do_help, 0, NULL },
};

#define VERBS ((int)(sizeof(verbs) / sizeof(*verbs)))

static void print_row(FILE *out, const struct verb *v)
{
	fprintf(out, "  %s%s%s%s%s\n", v->object, v->verb ? " " : "", v->verb ? v->verb : "",
		*v->usage ? " " : "", v->usage);
	fprintf(out, "          %s\n", v->help);
}

void print_usage(FILE *out)
{
	int i;

	fputs("Usage: penstock [OPTIONS] OBJECT VERB ...\n"
	      "       penstock [OPTIONS] -batch FILE\n\n"
	      "Options:\n"
	      "  -I, -instance NAME  instance, `default` unless given\n"
	      "  -n, -netns NAME     work in a network namespace: a name or a path\n"
	      "  -j, -json           print JSON\n"
	      "  -p, -pretty         indent the JSON\n"
	      "  -s, -statistics     print more: counters, empty rows\n"
	      "      -dry-run        check everything, write nothing\n"
	      "  -b, -batch FILE     run the commands of a file (- is stdin), all or nothing\n"
	      "  -V, -Version        print the version\n"
	      "  -h, -help           print this\n\n"
	      "Commands:\n",
	      out);
	for (i = 0; i < VERBS; i++)
		print_row(out, &verbs[i]);
	fputs("\n`penstock OBJECT help` lists the commands of one object. The manual is "
	      "penstock(8).\n",
	      out);
}

static int do_object_help(struct cli *c)
{
	int i;

	printf("Usage: penstock [OPTIONS] ...\n");
	for (i = 0; i < VERBS; i++)
		if (!strcmp(verbs[i].object, c->object))
			print_row(stdout, &verbs[i]);
	return 0;
}

static const struct verb object_help = { .object = "help", .usage = "", .run = do_object_help };

/* For the completion and the tests: "object verb keyword ...", one command a line. */
static void print_words(void)
{
	const struct keyword *k;
	int i;

	for (i = 0; i < VERBS; i++) {
		printf("%s", verbs[i].object);
		if (verbs[i].verb)
			printf(" %s", verbs[i].verb);
		for (k = verbs[i].keywords; k && k->word; k++)
			printf(" %s", k->word);
		putchar('\n');
	}
}

int do_help(struct cli *c)
{
	const char *word = arg_peek(&c->args);

	if (word && !strcmp(word, "words")) {
		print_words();
		return 0;
	}
	if (arg_end(c))
		return -EINVAL;
	print_usage(stdout);
	return 0;
}

static int find_object(struct cli *c, const char *word)
{
	const char *objects[VERBS];
	int i, n = 0, first[VERBS];

	for (i = 0; i < VERBS; i++) {
		if (n && !strcmp(objects[n - 1], verbs[i].object))
			continue;
		objects[n] = verbs[i].object;
		first[n++] = i;
	}
	i = word_match(c, "object", word, objects, n);
	return i < 0 ? i : first[i];
}

/* Rows of one object are neighbours; `first` is where they begin. */
static const struct verb *find_verb(struct cli *c, int first)
{
	const char *names[VERBS + 1], *word = arg_peek(&c->args), *object = verbs[first].object;
	int i, n = 0, row[VERBS], alone = -1, show = -1;

	for (i = first; i < VERBS && !strcmp(verbs[i].object, object); i++) {
		if (!verbs[i].verb) {
			alone = i;
			continue;
		}
		if (!strcmp(verbs[i].verb, "show"))
			show = i;
		names[n] = verbs[i].verb;
		row[n++] = i;
	}
	c->object = object;
	if (word && !strcmp(word, "help") && verbs[first].run != do_help)
		return &object_help;
	if (!n)
		return &verbs[alone];
	if (!word)
		return &verbs[alone >= 0 ? alone : show];
	names[n] = "help";
	i = word_match(c, object, word, names, n + 1);
	if (i < 0)
		return NULL;
	c->args.at++;
	return i == n ? &object_help : &verbs[row[i]];
}

const struct verb *verb_find(struct cli *c)
{
	const struct verb *last = c->verb;
	struct args *a = &c->args;
	const char *word = arg_need(c, "an object");
	int first;

	if (!word)
		return NULL;
	/* Lines of a batch are much alike. */
	if (last && last->verb && a->at < a->n && !strcmp(word, last->object) &&
	    !strcmp(a->word[a->at], last->verb)) {
		a->at++;
		return last;
	}
	first = find_object(c, word);
	return first < 0 ? NULL : find_verb(c, first);
}
