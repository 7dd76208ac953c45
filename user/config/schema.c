/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What may stand in penstock.yaml: a table of keys for each section, and what becomes of an object
 * that is whole. Words, limits and defaults are those of the command line; both have them from
 * core/word.h and core/tunnel.h. A new key is a row here, a line in print.c and one in the manual.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/walk.h"
#include "core/group.h"
#include "core/region.h"
#include "core/tunnel.h"
#include "core/word.h"

static const char *const on_off[] = { "on", "off", NULL };
static const char *const kinds[] = { "gre", NULL };

/* --- values --------------------------------------------------------------------------------------
 */

static int value_number(struct filling *f, const struct schema_key *k, const char *word, void *at,
			char *why, size_t len)
{
	(void)f;
	return number_parse(k->word, word, k->min, k->max, k->none, at, why, len);
}

static int value_choice(struct filling *f, const struct schema_key *k, const char *word, void *at,
			char *why, size_t len)
{
	int i = word_find(k->choice, word);

	(void)f;
	if (i < 0) {
		snprintf(why, len, "%s \"%.64s\": expected %s", k->word, word, k->expected);
		return -EINVAL;
	}
	*(uint32_t *)at = (uint32_t)i;
	return 0;
}

static int intern(struct filling *f, const char *word, uint16_t *name, char *why, size_t len)
{
	int i = names_intern(&f->c->names, word);

	if (i == -ENOSPC) {
		snprintf(why, len, "\"%.64s\": expected no more than %u different names", word,
			 NAMES_MAX);
		return -EINVAL;
	}
	if (i < 0)
		return i;
	*name = (uint16_t)i;
	return 0;
}

static int value_name(struct filling *f, const struct schema_key *k, const char *word, void *at,
		      char *why, size_t len)
{
	int r = name_check(k->word, word, (enum name_kind)k->min, why, len);

	return r ? r : intern(f, word, at, why, len);
}

static int value_via(struct filling *f, const struct schema_key *k, const char *word, void *at,
		     char *why, size_t len)
{
	if (!strcmp(word, "drop") || !strcmp(word, "underlay"))
		return intern(f, word, at, why, len);
	return value_name(f, k, word, at, why, len);
}

static int value_prefix(struct filling *f, const struct schema_key *k, const char *word, void *at,
			char *why, size_t len)
{
	(void)f;
	(void)k;
	return prefix_parse(word, at, why, len);
}

static int value_addr(struct filling *f, const struct schema_key *k, const char *word, void *at,
		      char *why, size_t len)
{
	(void)f;
	return unicast_parse(k->word, word, at, why, len);
}

static int value_ifaddr(struct filling *f, const struct schema_key *k, const char *word, void *at,
			char *why, size_t len)
{
	char text[256];
	uint32_t peer;
	int r = ifaddr_parse(word, at, &f->item.addr_len, &peer, text, sizeof(text));

	if (r)
		snprintf(why, len, "%s %s", k->word, text);
	return r;
}

static int value_region(struct filling *f, const struct schema_key *k, const char *word, void *at,
			char *why, size_t len)
{
	char all[REGION_SET_STRLEN];
	uint32_t bit = region_parse(word), *set = at;

	(void)f;
	if (bit && !(*set & bit)) {
		*set |= bit;
		return 0;
	}
	if (bit)
		snprintf(why, len, "%s \"%s\": expected each region once", k->word, word);
	else
		snprintf(why, len, "%s \"%.64s\": expected one of %s%s", k->word, word,
			 region_set_str((1u << REGION_COUNT) - 1, all), k->none ? ", or none" : "");
	return -EINVAL;
}

/* --- what is whole -------------------------------------------------------------------------------
 */

/* The new last element. Grown by a quarter: of millions of routes half would stand empty else. */
static void *append(void *list, size_t *n, size_t *cap, size_t size)
{
	char **at = list, *more;
	size_t want;

	if (*n == *cap) {
		want = *cap + *cap / 4 + 64;
		more = realloc(*at, want * size);
		if (!more)
			return NULL;
		*at = more;
		*cap = want;
	}
	return *at + size * (*n)++;
}

/* The number of a word that stands where nothing was given. */
static int usual(struct filling *f, int *number, const char *word, uint16_t *name)
{
	if (*number < 0)
		*number = names_intern(&f->c->names, word);
	if (*number < 0)
		return -ENOMEM;
	*name = (uint16_t)*number;
	return 0;
}

enum {
	P_PREFIX,
	P_ACCOUNT
};

static int prefix_end(struct filling *f)
{
	struct item *i = &f->item;
	struct config *c = f->c;
	struct config_prefix *p;

	if (!GIVEN(i, P_ACCOUNT) && usual(f, &f->default_name, "default", &i->account))
		return -ENOMEM;
	p = append(&c->prefix, &c->prefixes, &f->prefix_cap, sizeof(*p));
	if (!p)
		return -ENOMEM;
	*p = (struct config_prefix){ .p = i->prefix, .account = i->account, .pos = i->pos };
	return 0;
}

enum {
	T_NAME,
	T_KIND,
	T_LOCAL,
	T_REMOTE,
	T_KEY,
	T_TTL,
	T_MTU,
	T_ADDRESS,
	T_ACCOUNT,
	T_MSS
};

static int tunnel_end(struct filling *f)
{
	struct item *i = &f->item;
	struct config *c = f->c;
	struct config_tunnel *t;

	if (!GIVEN(i, T_ACCOUNT) && usual(f, &f->default_name, "default", &i->account))
		return -ENOMEM;
	t = append(&c->tunnel, &c->tunnels, &f->tunnel_cap, sizeof(*t));
	if (!t)
		return -ENOMEM;
	*t = (struct config_tunnel){
		.name = i->name,
		.account = i->account,
		.local = i->local,
		.remote = i->remote,
		.key = i->key,
		.addr = i->addr,
		.addr_len = i->addr_len,
		.ttl = (uint8_t)(GIVEN(i, T_TTL) ? i->ttl : TUNNEL_TTL),
		.mtu = GIVEN(i, T_MTU) ? (uint16_t)i->mtu : tunnel_mtu_default(GIVEN(i, T_KEY)),
		.flags = (uint8_t)((GIVEN(i, T_KEY) ? PS_TUNNEL_F_KEY : 0) |
				   (GIVEN(i, T_ADDRESS) ? PS_TUNNEL_F_ADDRESS : 0) |
				   (i->mss_clamp ? PS_TUNNEL_F_NO_MSS_CLAMP : 0)),
		.pos = i->pos,
	};
	return 0;
}

enum {
	R_PREFIX,
	R_VIA,
	R_PRIORITY,
	R_WEIGHT,
	R_REGION,
	R_TABLE
};

static int route_end(struct filling *f)
{
	struct item *i = &f->item;
	struct config *c = f->c;
	struct config_route *t;

	if (!GIVEN(i, R_TABLE) && usual(f, &f->main_name, "main", &i->table))
		return -ENOMEM;
	t = append(&c->route, &c->routes, &f->route_cap, sizeof(*t));
	if (!t)
		return -ENOMEM;
	*t = (struct config_route){
		.p = i->prefix,
		.priority = i->priority,
		.table = i->table,
		.via = i->via,
		.weight = (uint16_t)(GIVEN(i, R_WEIGHT) ? i->weight : 1),
		.regions = (uint16_t)i->regions,
		.pos = i->pos,
	};
	return 0;
}

static int policy_end(struct filling *f)
{
	struct item *i = &f->item;
	struct config *c = f->c;
	struct config_policy *p;

	p = append(&c->policy, &c->policies, &f->policy_cap, sizeof(*p));
	if (!p)
		return -ENOMEM;
	*p = (struct config_policy){ .from = i->prefix, .table = i->table, .pos = i->pos };
	return 0;
}

/* In the order of CONFIG_NODE_*. */
enum {
	N_MODE,
	N_REGION,
	N_ASN,
	N_HASH,
	N_PREPEND
};

static int node_end(struct filling *f)
{
	const struct item *i = &f->item;

	f->c->node = (struct config_node){
		.given = (uint8_t)i->given,
		.mode = (uint8_t)i->mode,
		.region = (uint16_t)i->regions,
		.asn = i->asn,
		.hash_mode = (uint8_t)i->hash_mode,
		.prepend_count = (uint8_t)i->prepend_count,
	};
	return 0;
}

_Static_assert(CONFIG_NODE_MODE == 1u << N_MODE && CONFIG_NODE_REGION == 1u << N_REGION &&
		       CONFIG_NODE_ASN == 1u << N_ASN && CONFIG_NODE_HASH_MODE == 1u << N_HASH &&
		       CONFIG_NODE_PREPEND_COUNT == 1u << N_PREPEND,
	       "the keys of `node` stand in the order of the bits");

/* --- tables --------------------------------------------------------------------------------------
 */

#define KEY(w, how, field) .word = (w), .value = (how), .offset = offsetof(struct item, field)
#define NUMBER(w, field, low, high) KEY(w, value_number, field), .min = (low), .max = (high)
#define NAME(w, field, kind) KEY(w, value_name, field), .min = (kind)
#define CHOICE(w, field, list) KEY(w, value_choice, field), .choice = (list)

static const struct schema_key node_keys[] = {
	[N_MODE] = { CHOICE("mode", mode, node_mode_names), .expected = "transit or edge" },
	[N_REGION] = { KEY("region", value_region, regions), .none = true,
		       .expected = "a region code or none" },
	[N_ASN] = { NUMBER("asn", asn, 1, UINT32_MAX), .expected = "an AS number" },
	[N_HASH] = { CHOICE("hash-mode", hash_mode, hash_mode_names),
		     .expected = "rendezvous or modulo" },
	[N_PREPEND] = { CHOICE("prepend-count", prepend_count, prepend_count_names),
			.expected = "additional or all" },
};

static const struct schema_key prefix_keys[] = {
	[P_PREFIX] = { KEY("prefix", value_prefix, prefix), .required = true,
		       .expected = "a prefix, such as 192.0.2.0/24" },
	[P_ACCOUNT] = { NAME("account", account, NAME_ACCOUNT), .expected = "an account's name" },
};

static const struct schema_key tunnel_keys[] = {
	[T_NAME] = { NAME("name", name, NAME_TUNNEL), .required = true,
		     .expected = "a tunnel's name" },
	[T_KIND] = { CHOICE("kind", kind, kinds), .expected = "gre" },
	[T_LOCAL] = { KEY("local", value_addr, local), .required = true,
		      .expected = "an address of ours" },
	[T_REMOTE] = { KEY("remote", value_addr, remote), .required = true,
		       .expected = "the address of the far end" },
	[T_KEY] = { NUMBER("key", key, 0, UINT32_MAX), .expected = "a number" },
	[T_TTL] = { NUMBER("ttl", ttl, 1, 255), .expected = "a number from 1 to 255" },
	[T_MTU] = { NUMBER("mtu", mtu, TUNNEL_MTU_MIN, TUNNEL_MTU_MAX),
		    .expected = "a number of bytes" },
	[T_ADDRESS] = { KEY("address", value_ifaddr, addr),
			.expected = "an interface address, such as 10.0.0.1/31" },
	[T_ACCOUNT] = { NAME("account", account, NAME_ACCOUNT), .expected = "an account's name" },
	[T_MSS] = { CHOICE("mss-clamp", mss_clamp, on_off), .expected = "on or off" },
};

static const struct schema_key route_keys[] = {
	[R_PREFIX] = { KEY("prefix", value_prefix, prefix), .required = true,
		       .expected = "a prefix, such as 192.0.2.0/24" },
	[R_VIA] = { KEY("via", value_via, via), .min = NAME_TUNNEL, .required = true,
		    .expected = "a tunnel, drop or underlay" },
	[R_PRIORITY] = { NUMBER("priority", priority, 0, UINT32_MAX), .required = true,
			 .expected = "a number; the lowest wins" },
	[R_WEIGHT] = { NUMBER("weight", weight, 1, WEIGHT_MAX),
		       .expected = "a number from 1 to 256" },
	[R_REGION] = { KEY("region", value_region, regions), .many = true,
		       .expected = "a region code or a list of them" },
	[R_TABLE] = { NAME("table", table, NAME_TABLE_OR_MAIN), .expected = "a table's name" },
};

static const struct schema_key policy_keys[] = {
	{ KEY("from", value_prefix, prefix), .required = true, .expected = "a source prefix" },
	{ NAME("table", table, NAME_TABLE), .required = true, .expected = "a table's name" },
};

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

_Static_assert(COUNT(tunnel_keys) <= SCHEMA_KEYS_MAX, "an item has room for its keys");

const struct schema config_schema[SCHEMA_SECTIONS] = {
	{ "node", node_keys, COUNT(node_keys), false, node_end },
	{ "prefixes", prefix_keys, COUNT(prefix_keys), true, prefix_end },
	{ "tunnels", tunnel_keys, COUNT(tunnel_keys), true, tunnel_end },
	{ "routes", route_keys, COUNT(route_keys), true, route_end },
	{ "policies", policy_keys, COUNT(policy_keys), true, policy_end },
};
