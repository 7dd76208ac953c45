/* SPDX-License-Identifier: GPL-2.0-only */
/* See snapshot.h. */
#include "snapshot.h"

#include <stdlib.h>
#include <string.h>

static const char *const name[MAP_COUNT] = {
	[MAP_META] = "ps_meta",
	[MAP_NODE] = "ps_node",
	[MAP_FIB] = "ps_fib",
	[MAP_LINK] = "ps_link",
	[MAP_ROW] = "ps_row",
	[MAP_SLOT] = "ps_slot",
	[MAP_TUNNEL] = "ps_tunnel",
	[MAP_TABLE] = "ps_table",
	[MAP_ACCOUNT] = "ps_account",
	[MAP_GROUP] = "ps_group",
	[MAP_CANDIDATE] = "ps_candidate",
	[MAP_PREFIX] = "ps_prefix",
	[MAP_POLICY] = "ps_policy",
	[MAP_ROUTE] = "ps_route",
	[MAP_PORT] = "ps_port",
};

/* Memory of a mapped map; NULL for the others. */
static const void *memory(const struct store *st, int map)
{
	switch (map) {
	case MAP_META:
		return st->meta;
	case MAP_NODE:
		return st->node;
	case MAP_FIB:
		return st->fib;
	case MAP_LINK:
		return st->link;
	case MAP_ROW:
		return st->row;
	case MAP_SLOT:
		return st->slot;
	case MAP_TUNNEL:
		return st->tunnel;
	case MAP_TABLE:
		return st->table;
	case MAP_ACCOUNT:
		return st->account;
	case MAP_GROUP:
		return st->group;
	case MAP_CANDIDATE:
		return st->cand;
	default:
		return NULL;
	}
}

struct bytes {
	char *p;
	size_t len, cap;
};

static void append(struct bytes *b, const void *p, size_t len)
{
	if (b->len + len > b->cap) {
		b->cap = 2 * (b->len + len) + 4096;
		b->p = realloc(b->p, b->cap);
		assert_non_null(b->p);
	}
	memcpy(b->p + b->len, p, len);
	b->len += len;
}

static int add_entry(void *arg, uint16_t table, struct prefix p, uint32_t value)
{
	const uint32_t words[] = { table, p.addr, p.len, value };

	append(arg, words, sizeof(words));
	return 0;
}

static int add_port(void *arg, uint32_t ifindex, const struct ps_port *p, bool attached)
{
	append(arg, &ifindex, sizeof(ifindex));
	append(arg, p, sizeof(*p));
	append(arg, &attached, sizeof(attached));
	return 0;
}

/* Entries of a hash map, sorted. */
static void entries(const struct store *st, int map, struct bytes *b)
{
	switch (map) {
	case MAP_PREFIX:
		assert_int_equal(store_prefix_each(st, add_entry, b), 0);
		break;
	case MAP_POLICY:
		assert_int_equal(store_policy_each(st, add_entry, b), 0);
		break;
	case MAP_ROUTE:
		assert_int_equal(store_route_each(st, add_entry, b), 0);
		break;
	case MAP_PORT:
		assert_int_equal(store_port_each(st, add_port, b), 0);
		break;
	default:
		break;
	}
}

void snapshot_take(struct snapshot *s)
{
	const struct store *st = hs.st;
	int i;

	for (i = 0; i < MAP_COUNT; i++) {
		struct bytes b = { NULL, 0, 0 };

		if (memory(st, i))
			append(&b, memory(st, i), st->map_len[i]);
		else
			entries(st, i, &b);
		s->map[i] = b.p;
		s->len[i] = b.len;
	}
}

void snapshot_free(struct snapshot *s)
{
	int i;

	for (i = 0; i < MAP_COUNT; i++)
		free(s->map[i]);
}

void snapshot_unchanged(const struct snapshot *s, const char *since)
{
	struct snapshot now;
	size_t at;
	int i;

	snapshot_take(&now);
	for (i = 0; i < MAP_COUNT; i++) {
		const char *a = s->map[i], *b = now.map[i];

		if (s->len[i] == now.len[i] && (!s->len[i] || !memcmp(a, b, s->len[i])))
			continue;
		for (at = 0; at < s->len[i] && at < now.len[i] && a[at] == b[at]; at++)
			;
		fail_msg("%s: %s has changed: %zu bytes, now %zu, first at %zu", since, name[i],
			 s->len[i], now.len[i], at);
	}
	snapshot_free(&now);
}
