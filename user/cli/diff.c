/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * export and diff: configurations as text.
 *
 * An object is a list of words, a key and its value, in the order of the command line and with the
 * keys of penstock.yaml; what is the default is marked so and left out. Text and JSON come from the
 * same list. Since JSON is YAML, what `-j export` prints can be applied, too.
 */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "config/diff.h"
#include "config/running.h"
#include "config/yaml.h"
#include "core/config_check.h"
#include "core/region.h"
#include "core/tunnel.h"
#include "core/word.h"

#define WORDS_MAX 12
#define TEXT_MAX 56

enum word_kind {
	WORD_TEXT,
	WORD_NUMBER,
	WORD_REGIONS,
};

struct word {
	const char *key;
	enum word_kind kind;
	bool silent;	/* the key is not printed in text: the object's own name */
	bool fallback;	/* the default, left out */
	uint32_t value; /* of a number, or of a set of regions */
	char text[TEXT_MAX];
};

struct object {
	const char *name;
	struct word word[WORDS_MAX];
	int n;
};

/* --- objects as words ------------------------------------------------------------------------ */

static struct word *add(struct object *o, const char *key, enum word_kind kind, bool fallback)
{
	struct word *w = &o->word[o->n++];

	*w = (struct word){ .key = key, .kind = kind, .fallback = fallback };
	return w;
}

static struct word *add_text(struct object *o, const char *key, const char *text, bool fallback)
{
	struct word *w = add(o, key, WORD_TEXT, fallback);

	snprintf(w->text, sizeof(w->text), "%s", text);
	return w;
}

static void add_number(struct object *o, const char *key, uint32_t value, bool fallback)
{
	struct word *w = add(o, key, WORD_NUMBER, fallback);

	w->value = value;
	snprintf(w->text, sizeof(w->text), "%u", value);
}

static void add_regions(struct object *o, uint16_t set)
{
	struct word *w = add(o, "region", WORD_REGIONS, !set);

	w->value = set;
	if (set)
		region_set_str(set, w->text);
	else
		strcpy(w->text, "none");
}

static void node_words_of(struct object *o, const struct config_node *n, uint8_t keys)
{
	char region[REGION_SET_STRLEN];

	o->name = "node";
	if (keys & CONFIG_NODE_MODE)
		add_text(o, "mode", node_mode_names[n->mode & 1], false);
	if (keys & CONFIG_NODE_REGION)
		add_text(o, "region", n->region ? region_set_str(n->region, region) : "none",
			 false);
	if (keys & CONFIG_NODE_ASN)
		add_number(o, "asn", n->asn, false);
	if (keys & CONFIG_NODE_HASH_MODE)
		add_text(o, "hash-mode", hash_mode_names[n->hash_mode & 1], false);
	if (keys & CONFIG_NODE_PREPEND_COUNT)
		add_text(o, "prepend-count", prepend_count_names[n->prepend_count & 1], false);
}

static void add_account(struct object *o, const char *account)
{
	add_text(o, "account", account, !strcmp(account, "default"));
}

static void prefix_words_of(struct object *o, const struct config *c, const struct config_prefix *p)
{
	char text[PREFIX_STRLEN];

	o->name = "prefix";
	add_text(o, "prefix", prefix_str(p->p, text), false)->silent = true;
	add_account(o, config_name(c, p->account));
}

static void tunnel_words_of(struct object *o, const struct config *c, const struct config_tunnel *t)
{
	bool key = t->flags & PS_TUNNEL_F_KEY, address = t->flags & PS_TUNNEL_F_ADDRESS;
	bool off = t->flags & PS_TUNNEL_F_NO_MSS_CLAMP;
	char text[TEXT_MAX];

	o->name = "tunnel";
	add_text(o, "name", config_name(c, t->name), false)->silent = true;
	add_text(o, "local", addr_str(t->local, text), false);
	add_text(o, "remote", addr_str(t->remote, text), false);
	add_number(o, "key", t->key, !key);
	if (!key)
		strcpy(o->word[o->n - 1].text, "none");
	add_number(o, "ttl", t->ttl, t->ttl == TUNNEL_TTL);
	add_number(o, "mtu", t->mtu, t->mtu == tunnel_mtu_default(key));
	addr_str(t->addr, text);
	snprintf(text + strlen(text), 4, "/%u", t->addr_len & 63u);
	add_text(o, "address", address ? text : "none", !address);
	add_account(o, config_name(c, t->account));
	add_text(o, "mss-clamp", off ? "off" : "on", !off);
}

static void route_words_of(struct object *o, const struct config *c, const struct config_route *r)
{
	const char *table = config_name(c, r->table);
	char text[PREFIX_STRLEN];

	o->name = "route";
	add_text(o, "prefix", prefix_str(r->p, text), false)->silent = true;
	add_text(o, "via", config_name(c, r->via), false);
	add_number(o, "priority", r->priority, false);
	add_number(o, "weight", r->weight, r->weight == 1);
	add_regions(o, r->regions);
	add_text(o, "table", table, !strcmp(table, "main"));
}

static void policy_words_of(struct object *o, const struct config *c, const struct config_policy *p)
{
	char text[PREFIX_STRLEN];

	o->name = "policy";
	add_text(o, "from", prefix_str(p->from, text), false);
	add_text(o, "table", config_name(c, p->table), false);
}

static void object_words(struct object *o, enum config_object kind, const struct config *c,
			 const void *item, uint8_t keys)
{
	o->n = 0;
	switch (kind) {
	case CONFIG_NODE:
		node_words_of(o, item, keys);
		break;
	case CONFIG_PREFIX:
		prefix_words_of(o, c, item);
		break;
	case CONFIG_TUNNEL:
		tunnel_words_of(o, c, item);
		break;
	case CONFIG_ROUTE:
		route_words_of(o, c, item);
		break;
	default:
		policy_words_of(o, c, item);
	}
}

static json_t *regions_json(uint16_t set)
{
	json_t *list = json_array();
	char text[REGION_SET_STRLEN], *p, *save;

	for (p = strtok_r(region_set_str(set, text), ",", &save); p; p = strtok_r(NULL, ",", &save))
		json_array_append_new(list, json_string(p));
	return list;
}

static json_t *object_json(const struct object *o)
{
	json_t *j = json_object();
	int i;

	for (i = 0; i < o->n; i++) {
		const struct word *w = &o->word[i];

		if (w->fallback)
			continue;
		json_object_set_new(j, w->key,
				    w->kind == WORD_NUMBER  ? json_integer(w->value) :
				    w->kind == WORD_REGIONS ? regions_json((uint16_t)w->value) :
							      json_string(w->text));
	}
	return j;
}

/* --- export ---------------------------------------------------------------------------------- */

static int write_stdout(void *arg, const char *buf, size_t len)
{
	(void)arg;
	return fwrite(buf, 1, len, stdout) == len ? 0 : -EPIPE;
}

static int export_list(struct cli *c, const struct config *conf, enum config_object kind,
		       const void *list, size_t n, size_t size)
{
	const char *item = list;
	struct object o;
	struct rows r;
	size_t i;
	int e = 0;

	if (rows_begin(&r, c, NULL, false))
		return cli_oom(c);
	for (i = 0; !e && i < n; i++) {
		object_words(&o, kind, conf, item + i * size, 0);
		e = rows_add(&r, object_json(&o));
	}
	rows_end(&r);
	return e == -ENOMEM ? cli_oom(c) : 0;
}

static int export_json(struct cli *c, const struct config *conf)
{
	struct object o;
	int r;

	object_words(&o, CONFIG_NODE, conf, &conf->node, conf->node.given);
	fputs("{\"node\":", stdout);
	print_json(c, object_json(&o));
	fputs(",\"prefixes\":", stdout);
	r = export_list(c, conf, CONFIG_PREFIX, conf->prefix, conf->prefixes,
			sizeof(*conf->prefix));
	fputs(",\"tunnels\":", stdout);
	if (!r)
		r = export_list(c, conf, CONFIG_TUNNEL, conf->tunnel, conf->tunnels,
				sizeof(*conf->tunnel));
	fputs(",\"routes\":", stdout);
	if (!r)
		r = export_list(c, conf, CONFIG_ROUTE, conf->route, conf->routes,
				sizeof(*conf->route));
	fputs(",\"policies\":", stdout);
	if (!r)
		r = export_list(c, conf, CONFIG_POLICY, conf->policy, conf->policies,
				sizeof(*conf->policy));
	fputs("}\n", stdout);
	return r;
}

int do_export(struct cli *c)
{
	struct config conf = { 0 };
	int r;

	if (arg_end(c) || !cli_store(c))
		return -EINVAL;
	r = config_running(c->st, &conf, &c->err);
	if (!r && c->json)
		r = export_json(c, &conf);
	else if (!r)
		config_print(&conf, write_stdout, NULL); /* main() sees what became of stdout */
	config_free(&conf);
	return r;
}

/* --- diff ------------------------------------------------------------------------------------ */

static bool same_word(const struct word *a, const struct word *b)
{
	return !strcmp(a->key, b->key) && !strcmp(a->text, b->text);
}

/* Both have the same keys in the same order; what they share is only what names the object. */
static void print_changed(enum config_object kind, const struct object *old,
			  const struct object *new)
{
	/* The words that are the object's key come first; a route's regions and table come later.
	 */
	static const char *const keys[] = { "prefix", "via", "region", "table", "name", "from" };
	int i;
	size_t k;

	printf("~ %s", new->name);
	for (i = 0; i < new->n; i++) {
		const struct word *a = &old->word[i], *b = &new->word[i];
		bool names = false;

		for (k = 0; kind != CONFIG_NODE && k < sizeof(keys) / sizeof(*keys); k++)
			names |= !strcmp(b->key, keys[k]);
		if (!same_word(a, b))
			printf(" %s %s (was %s)", b->key, b->text, a->text);
		else if (names && !b->fallback)
			printf(" %s%s%s", b->silent ? "" : b->key, b->silent ? "" : " ", b->text);
	}
	putchar('\n');
}

static void print_one(char sign, const struct object *o)
{
	int i;

	printf("%c %s", sign, o->name);
	for (i = 0; i < o->n; i++)
		if (!o->word[i].fallback)
			printf(" %s%s%s", o->word[i].silent ? "" : o->word[i].key,
			       o->word[i].silent ? "" : " ", o->word[i].text);
	putchar('\n');
}

static int print_difference(void *arg, const struct config_change *d)
{
	struct object old, new;
	struct rows *r = arg;
	uint8_t keys = config_node_diff(&d->old_config->node, &d->new_config->node);

	if (d->old)
		object_words(&old, d->object, d->old_config, d->old, keys);
	if (d->new)
		object_words(&new, d->object, d->new_config, d->new, keys);
	if (r->c->json)
		return rows_add(r, json_pack("{s:s, s:s, s:o, s:o}", "change",
					     !d->old ? "added" :
					     !d->new ? "removed" :
						       "changed",
					     "object", d->new ? new.name : old.name, "old",
					     d->old ? object_json(&old) : json_null(), "new",
					     d->new ? object_json(&new) : json_null()));
	if (d->old && d->new)
		print_changed(d->object, &old, &new);
	else
		print_one(d->new ? '+' : '-', d->new ? &new : &old);
	return ferror(stdout) ? -EPIPE : 0;
}

int do_diff(struct cli *c)
{
	const char *file = arg_need(c, "a file, or - for stdin");
	struct config running = { 0 }, want = { 0 };
	struct rows rows;
	int r = -EINVAL;

	if (!file || arg_end(c))
		return r;
	r = config_parse_file(&want, file, &c->err);
	if (!r)
		r = config_check(&want, file, &c->err);
	if (!r)
		r = cli_store(c) ? config_running(c->st, &running, &c->err) : -EIO;
	if (!r && rows_begin(&rows, c, NULL, false))
		r = cli_oom(c);
	if (!r) {
		config_diff(&running, &want, print_difference, &rows);
		if (c->json)
			rows_end(&rows);
		else
			json_decref(rows.list);
	}
	config_free(&running);
	config_free(&want);
	return r;
}
