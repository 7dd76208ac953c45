/* SPDX-License-Identifier: GPL-2.0-only */
/* See dump.h. */
#include "dump.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text {
	FILE *f;
	const struct store *st;
};

static int line_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The lines in order, so that walks by id do not count. */
static char *sorted(char *text)
{
	size_t n = 0, i, len = strlen(text) + 1;
	char **line = malloc(len * sizeof(*line)), *out = malloc(len + 1), *p, *save = NULL;

	for (p = strtok_r(text, "\n", &save); p; p = strtok_r(NULL, "\n", &save))
		line[n++] = p;
	if (n)
		qsort(line, n, sizeof(*line), line_cmp);
	for (i = 0, p = out; i < n; i++)
		p += sprintf(p, "%s\n", line[i]);
	*p = '\0';
	free(line);
	free(text);
	return out;
}

static int add_prefix(void *arg, uint16_t table, struct prefix p, uint32_t value)
{
	struct text *t = arg;
	char word[PREFIX_STRLEN];

	(void)table;
	fprintf(t->f, "prefix %s %s\n", prefix_str(p, word), t->st->account[value].name);
	return 0;
}

static int add_policy(void *arg, uint16_t table, struct prefix p, uint32_t value)
{
	struct text *t = arg;
	char word[PREFIX_STRLEN];

	(void)table;
	fprintf(t->f, "policy %s %s\n", prefix_str(p, word), t->st->table[value].name);
	return 0;
}

static int add_route(void *arg, uint16_t table, struct prefix p, uint32_t value)
{
	struct text *t = arg;
	char word[PREFIX_STRLEN];
	unsigned int i;

	for (i = 0; i < t->st->group[value].n; i++) {
		const struct ps_candidate *c = &t->st->cand[value].c[i];

		fprintf(t->f, "route %s %s %s %u %u %x %u %u\n", t->st->table[table].name,
			prefix_str(p, word), t->st->tunnel[c->tunnel].name, c->priority, c->weight,
			c->regions, c->prepends, c->origin);
	}
	return 0;
}

static void add_tunnels(struct text *t)
{
	uint32_t i;

	for (i = PS_TUNNEL_FIRST; i < t->st->meta->max_tunnels; i++) {
		const struct ps_tunnel *u = &t->st->tunnel[i];

		if (u->state == PS_STATE_USED)
			fprintf(t->f, "tunnel %s %x %x %u %u %u %u %x %u %u %s %u\n", u->name,
				u->local_be, u->remote_be, u->key, u->flags, u->ttl, u->mtu,
				u->addr_be, u->addr_len, u->health, t->st->account[u->account].name,
				u->nh_state);
	}
}

char *dump_text(const struct store *st)
{
	char *text = NULL;
	size_t len = 0;
	struct text t = { open_memstream(&text, &len), st };
	uint32_t i;

	fprintf(t.f, "node %u %u %u %u %u\n", st->node->mode, st->node->region, st->node->asn,
		st->node->hash_mode, st->node->prepend_count);
	fprintf(t.f, "counts %u\n", st->meta->route_count);
	for (i = 0; i < STORE_ACCOUNTS; i++)
		if (st->account[i].name[0])
			fprintf(t.f, "account %s %u\n", st->account[i].name, st->account[i].refs);
	for (i = PS_T_EGRESS; i < st->meta->max_tables; i++)
		if (st->table[i].name[0])
			fprintf(t.f, "table %s %u\n", st->table[i].name, st->table[i].refs);
	add_tunnels(&t);
	assert_int_equal(store_prefix_each(st, add_prefix, &t), 0);
	assert_int_equal(store_policy_each(st, add_policy, &t), 0);
	assert_int_equal(store_route_each(st, add_route, &t), 0);
	fclose(t.f);
	return sorted(text);
}
