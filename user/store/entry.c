/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The exact-prefix hash maps: primary state of owned prefixes, policies and routes. One key type
 * serves all three; what differs is the value and the FIB table the entry is painted into.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "penstock/wire.h"
#include "store/internal.h"

#define BATCH 4096u

int entry_get(const struct store *st, enum store_map map, uint16_t table, struct prefix p,
	      uint32_t *value)
{
	struct ps_prefix_key k = entry_key(table, p);

	return bpf_map_lookup_elem(st->fd[map], &k, value) ? -errno : 0;
}

int entry_set(struct store *st, enum store_map map, uint16_t table, struct prefix p, uint32_t value)
{
	struct ps_prefix_key k = entry_key(table, p);

	return bpf_map_update_elem(st->fd[map], &k, &value, BPF_ANY) ? -errno : 0;
}

int entry_del(struct store *st, enum store_map map, uint16_t table, struct prefix p)
{
	struct ps_prefix_key k = entry_key(table, p);

	return bpf_map_delete_elem(st->fd[map], &k) && errno != ENOENT ? -errno : 0;
}

uint16_t entry_table(enum store_map map, uint16_t table)
{
	switch (map) {
	case MAP_PREFIX:
		return PS_T_OWNED;
	case MAP_POLICY:
		return PS_T_POLICY;
	default:
		return table;
	}
}

uint32_t entry_payload(const struct store *st, enum store_map map, uint32_t value)
{
	return map == MAP_ROUTE ? st->group[value].row : value;
}

bool entry_shows(const struct store *st, enum store_map map, uint32_t value)
{
	return map != MAP_ROUTE || st->group[value].visible;
}

bool entry_cover(const struct store *st, enum store_map map, uint16_t table, struct prefix p,
		 struct prefix *cover, uint32_t *value)
{
	while (p.len > 0) {
		p.len--;
		p.addr &= prefix_mask(p.len);
		if (!entry_get(st, map, table, p, value) && entry_shows(st, map, *value)) {
			*cover = p;
			return true;
		}
	}
	return false;
}

static int entry_cmp(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	return prefix_cmp(x->p, y->p);
}

/* Appends one batch of keys and values. */
static int entry_append(struct entry **list, size_t *n, size_t *cap, const struct ps_prefix_key *k,
			const uint32_t *v, uint32_t count)
{
	struct entry *more;
	uint32_t i;

	if (*n + count > *cap) {
		*cap = (*n + count) * 2;
		more = realloc(*list, *cap * sizeof(**list));
		if (!more)
			return -ENOMEM;
		*list = more;
	}
	for (i = 0; i < count; i++)
		(*list)[(*n)++] =
			(struct entry){ .table = k[i].table,
					.p = { .addr = PS_BE32(k[i].addr_be), .len = k[i].len },
					.value = v[i] };
	return 0;
}

int entry_load(const struct store *st, enum store_map map, struct entry **list, size_t *n)
{
	struct ps_prefix_key *k = malloc(BATCH * sizeof(*k));
	uint32_t *v = malloc(BATCH * sizeof(*v)), count, at = 0;
	size_t cap = 0;
	void *in = NULL;
	int r = 0, end = 0;

	*list = NULL;
	*n = 0;
	if (!k || !v)
		r = -ENOMEM;
	while (!r && !end) {
		count = BATCH;
		if (bpf_map_lookup_batch(st->fd[map], in, &at, k, v, &count, NULL)) {
			if (errno != ENOENT)
				r = -errno;
			end = 1;
		}
		in = &at;
		if (!r)
			r = entry_append(list, n, &cap, k, v, count);
	}
	free(k);
	free(v);
	if (r) {
		free(*list);
		*list = NULL;
		*n = 0;
		return r;
	}
	if (*n)
		qsort(*list, *n, sizeof(**list), entry_cmp);
	return 0;
}
