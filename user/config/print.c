/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * struct config to penstock.yaml, in one canonical form: what is the default is left out, each
 * object of a list is one line, so that text tools and diffs see objects. libyaml's emitter and
 * printf() were each several times slower, for millions of lines of a form we know beforehand.
 *
 * Our parser takes every scalar for a word. Names that other readers of YAML would take for
 * something else (`on`, `1e3`) are put in quotes.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "config/yaml.h"
#include "core/region.h"
#include "core/tunnel.h"
#include "core/word.h"

#define BUFFER (64u << 10)
#define LINE_MAX_BYTES 512u /* no object is longer */

struct out {
	config_write_fn write;
	void *arg;
	int failed;
	size_t n;
	char buf[BUFFER];
};

static void flush(struct out *o)
{
	if (o->n && !o->failed)
		o->failed = o->write(o->arg, o->buf, o->n);
	o->n = 0;
}

/* Once for each object: then what follows needs not look at the room. */
static void make_room(struct out *o)
{
	if (o->n + LINE_MAX_BYTES > BUFFER)
		flush(o);
}

static void put(struct out *o, const char *s)
{
	size_t len = strlen(s);

	memcpy(o->buf + o->n, s, len);
	o->n += len;
}

static void put_number(struct out *o, uint32_t v)
{
	char digits[10];
	int i = 0;

	do
		digits[i++] = (char)('0' + v % 10);
	while (v /= 10);
	while (i)
		o->buf[o->n++] = digits[--i];
}

static void put_addr(struct out *o, uint32_t addr)
{
	int shift;

	for (shift = 24; shift >= 0; shift -= 8) {
		put_number(o, addr >> shift & 0xff);
		if (shift)
			o->buf[o->n++] = '.';
	}
}

static void put_prefix(struct out *o, struct prefix p)
{
	put_addr(o, p.addr);
	o->buf[o->n++] = '/';
	put_number(o, p.len);
}

/* Would another reader take the name for a number, a truth or nothing? */
static bool needs_quotes(const char *name)
{
	static const char *const words[] = { "y",   "n",    "yes",  "no",   "on",
					     "off", "true", "null", "false" };
	size_t i;

	if ((*name >= '0' && *name <= '9') || *name == '.')
		return true;
	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcasecmp(name, words[i]))
			return true;
	return false;
}

static void put_name(struct out *o, const struct config *c, uint16_t number)
{
	const char *name = config_name(c, number);
	const char *quote = needs_quotes(name) ? "\"" : "";

	put(o, quote);
	put(o, name);
	put(o, quote);
}

static bool is(const struct config *c, uint16_t number, const char *name)
{
	return !strcmp(config_name(c, number), name);
}

static void put_account(struct out *o, const struct config *c, uint16_t account)
{
	if (is(c, account, "default"))
		return;
	put(o, ", account: ");
	put_name(o, c, account);
}

static void put_regions(struct out *o, uint16_t set)
{
	char codes[REGION_SET_STRLEN], *p;
	bool one = !(set & (set - 1));

	put(o, one ? ", region: " : ", region: [");
	for (p = region_set_str(set, codes); *p; p++) {
		o->buf[o->n++] = *p;
		if (*p == ',')
			o->buf[o->n++] = ' ';
	}
	put(o, one ? "" : "]");
}

static void print_node(struct out *o, const struct config_node *node)
{
	char region[REGION_SET_STRLEN];

	put(o, "node:\n");
	if (node->given & CONFIG_NODE_MODE) {
		put(o, "  mode: ");
		put(o, node_mode_names[node->mode & 1]);
		put(o, "\n");
	}
	if (node->given & CONFIG_NODE_REGION) {
		put(o, "  region: ");
		put(o, node->region ? region_set_str(node->region, region) : "none");
		put(o, "\n");
	}
	if (node->given & CONFIG_NODE_ASN) {
		put(o, "  asn: ");
		put_number(o, node->asn);
		put(o, "\n");
	}
	if (node->given & CONFIG_NODE_HASH_MODE) {
		put(o, "  hash-mode: ");
		put(o, hash_mode_names[node->hash_mode & 1]);
		put(o, "\n");
	}
	if (node->given & CONFIG_NODE_PREPEND_COUNT) {
		put(o, "  prepend-count: ");
		put(o, prepend_count_names[node->prepend_count & 1]);
		put(o, "\n");
	}
}

static void print_prefix(struct out *o, const struct config *c, const struct config_prefix *p)
{
	put(o, "  - {prefix: ");
	put_prefix(o, p->p);
	put_account(o, c, p->account);
	put(o, "}\n");
}

static void print_tunnel(struct out *o, const struct config *c, const struct config_tunnel *t)
{
	put(o, "  - {name: ");
	put_name(o, c, t->name);
	put(o, ", local: ");
	put_addr(o, t->local);
	put(o, ", remote: ");
	put_addr(o, t->remote);
	if (t->flags & PS_TUNNEL_F_KEY) {
		put(o, ", key: ");
		put_number(o, t->key);
	}
	if (t->ttl != TUNNEL_TTL) {
		put(o, ", ttl: ");
		put_number(o, t->ttl);
	}
	if (t->mtu != tunnel_mtu_default(t->flags & PS_TUNNEL_F_KEY)) {
		put(o, ", mtu: ");
		put_number(o, t->mtu);
	}
	if (t->flags & PS_TUNNEL_F_ADDRESS) {
		put(o, ", address: ");
		put_addr(o, t->addr);
		put(o, "/");
		put_number(o, t->addr_len);
	}
	put_account(o, c, t->account);
	put(o, t->flags & PS_TUNNEL_F_NO_MSS_CLAMP ? ", mss-clamp: off}\n" : "}\n");
}

static void print_route(struct out *o, const struct config *c, const struct config_route *t)
{
	put(o, "  - {prefix: ");
	put_prefix(o, t->p);
	put(o, ", via: ");
	put_name(o, c, t->via);
	put(o, ", priority: ");
	put_number(o, t->priority);
	if (t->weight != 1) {
		put(o, ", weight: ");
		put_number(o, t->weight);
	}
	if (t->regions)
		put_regions(o, t->regions);
	if (!is(c, t->table, "main")) {
		put(o, ", table: ");
		put_name(o, c, t->table);
	}
	put(o, "}\n");
}

static void print_policy(struct out *o, const struct config *c, const struct config_policy *p)
{
	put(o, "  - {from: ");
	put_prefix(o, p->from);
	put(o, ", table: ");
	put_name(o, c, p->table);
	put(o, "}\n");
}

int config_print(const struct config *c, config_write_fn write, void *arg)
{
	struct out o = { .write = write, .arg = arg };
	size_t i;

	if (c->node.given)
		print_node(&o, &c->node);
	else if (!c->prefixes && !c->tunnels && !c->routes && !c->policies)
		put(&o, "{}\n"); /* nothing at all would be no document */
	put(&o, c->prefixes ? "prefixes:\n" : "");
	for (i = 0; i < c->prefixes && !o.failed; i++, make_room(&o))
		print_prefix(&o, c, &c->prefix[i]);
	put(&o, c->tunnels ? "tunnels:\n" : "");
	for (i = 0; i < c->tunnels && !o.failed; i++, make_room(&o))
		print_tunnel(&o, c, &c->tunnel[i]);
	put(&o, c->routes ? "routes:\n" : "");
	for (i = 0; i < c->routes && !o.failed; i++, make_room(&o))
		print_route(&o, c, &c->route[i]);
	put(&o, c->policies ? "policies:\n" : "");
	for (i = 0; i < c->policies && !o.failed; i++, make_room(&o))
		print_policy(&o, c, &c->policy[i]);
	flush(&o);
	return o.failed;
}
