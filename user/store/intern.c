/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Groups inside a transaction: interning candidate lists, counting references, giving out rows.
 *
 * The transaction works on a copy of the group headers; lists of groups that it makes are its own
 * until the commit writes them. The index of lists by hash is made on first use: a transaction
 * that touches no route pays nothing for it.
 *
 * Row blocks are given out by a bitmap made from the headers: the groups in use and in limbo are
 * the whole truth about which blocks are taken, so nothing else has to be kept in step.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

#define REMOVED UINT32_MAX

const struct group_tunnel *txn_view(struct txn *t)
{
	uint32_t n = t->st->meta->max_tunnels;

	if (!t->view)
		t->view = calloc(n, sizeof(*t->view));
	if (t->view)
		group_view(t->tunnel, n, t->view);
	return t->view;
}

const struct ps_candidate *txn_group_list(const struct txn *t, uint32_t id, unsigned int *n)
{
	*n = t->group[id].n;
	return t->cand[id] ? t->cand[id]->c : t->st->cand[id].c;
}

bool txn_group_uses(const struct txn *t, uint16_t tunnel)
{
	const struct ps_candidate *c;
	unsigned int n, i;
	uint32_t g;

	for (g = 0; g < t->st->meta->max_groups; g++) {
		if (t->group[g].state != PS_STATE_USED || !t->group[g].refs)
			continue;
		c = txn_group_list(t, g, &n);
		for (i = 0; i < n; i++)
			if (c[i].tunnel == tunnel)
				return true;
	}
	return false;
}

static void index_put(struct txn *t, uint32_t id)
{
	size_t i = t->group[id].hash & t->group_mask;

	while (t->group_index[i])
		i = (i + 1) & t->group_mask;
	t->group_index[i] = id + 1;
	t->group_filled++;
}

/* Also called to sweep out removed entries when they fill the table. */
static int index_make(struct txn *t)
{
	uint32_t i, n = t->st->meta->max_groups;
	size_t size = 64;

	while (size < 4 * (size_t)n)
		size *= 2;
	if (!t->group_index)
		t->group_index = calloc(size, sizeof(*t->group_index));
	else
		memset(t->group_index, 0, size * sizeof(*t->group_index));
	if (!t->group_index)
		return -ENOMEM;
	t->group_mask = size - 1;
	t->group_filled = 0;
	for (i = 0; i < n; i++)
		if (t->group[i].state == PS_STATE_USED)
			index_put(t, i);
	return 0;
}

static uint32_t index_find(const struct txn *t, const struct ps_candidate *c, unsigned int n,
			   uint64_t hash)
{
	size_t i = hash & t->group_mask;
	unsigned int m;

	for (; t->group_index[i]; i = (i + 1) & t->group_mask) {
		uint32_t id = t->group_index[i] - 1;

		if (t->group_index[i] == REMOVED || t->group[id].hash != hash)
			continue;
		if (!memcmp(txn_group_list(t, id, &m), c, n * sizeof(*c)) && m == n)
			return id;
	}
	return GROUP_NONE;
}

static void index_remove(struct txn *t, uint32_t id)
{
	size_t i = t->group[id].hash & t->group_mask;

	while (t->group_index[i] != id + 1)
		i = (i + 1) & t->group_mask;
	t->group_index[i] = REMOVED;
}

static void blocks_mark(struct txn *t, uint32_t row, bool used)
{
	uint32_t first = row & PS_ROW_BLOCK_MASK, n = 1u << (row >> PS_ROW_LOG2_SHIFT), i;

	for (i = first; i < first + n; i++) {
		if (used)
			t->block_used[i / 64] |= 1ull << (i % 64);
		else
			t->block_used[i / 64] &= ~(1ull << (i % 64));
	}
}

static int blocks_make(struct txn *t)
{
	uint32_t i;

	t->block_used = calloc(t->st->meta->max_blocks / 64 + 1, sizeof(*t->block_used));
	if (!t->block_used)
		return -ENOMEM;
	for (i = 0; i < t->st->meta->max_groups; i++)
		if (t->group[i].state != PS_STATE_FREE)
			blocks_mark(t, t->group[i].row, true);
	return 0;
}

/* First run of 2^log2 free blocks at a multiple of its size. */
static int blocks_find(struct txn *t, unsigned int log2, uint32_t *row)
{
	uint32_t n = 1u << log2, max = t->st->meta->max_blocks, tries, b;
	uint64_t mask = n == 64 ? ~0ull : (1ull << n) - 1;

	b = t->block_hint & ~(n - 1);
	for (tries = 0; tries <= max / n; tries++, b += n) {
		if (b + n > max)
			b = 0;
		if (n <= max && !(t->block_used[b / 64] & (mask << (b % 64)))) {
			*row = (log2 << PS_ROW_LOG2_SHIFT) | b;
			t->block_hint = b + n < max ? b + n : 0;
			return 0;
		}
	}
	return -ENOSPC;
}

static uint32_t slot_find(struct txn *t)
{
	uint32_t n = t->st->meta->max_groups, i, g;

	for (i = 0; i < n; i++) {
		g = (t->group_hint + i) % n;
		if (t->group[g].state == PS_STATE_FREE) {
			t->group_hint = (g + 1) % n;
			return g;
		}
	}
	return GROUP_NONE;
}

/* Frees what earlier transactions left in limbo, here and in the maps. */
static bool limbo_free(struct txn *t)
{
	bool any = false;
	uint32_t i;

	txn_reclaim(t);
	for (i = 0; i < t->st->meta->max_groups; i++) {
		if (t->group[i].state != PS_STATE_LIMBO)
			continue;
		t->group[i].state = PS_STATE_FREE;
		if (t->block_used)
			blocks_mark(t, t->group[i].row, false);
		any = true;
	}
	return any;
}

int txn_row_take(struct txn *t, unsigned int log2, uint32_t *row, struct error *err)
{
	if (!t->block_used && blocks_make(t))
		return error_system(err, ENOMEM, "out of memory");
	if (blocks_find(t, log2, row) && (!limbo_free(t) || blocks_find(t, log2, row)))
		return error_usage(err, ENOSPC,
				   "all %u bucket blocks are in use: unload and load with a larger "
				   "max-groups",
				   t->st->meta->max_blocks);
	blocks_mark(t, *row, true);
	return 0;
}

static int group_new(struct txn *t, const struct ps_candidate *c, unsigned int n, uint64_t hash,
		     uint32_t *id, struct error *err)
{
	const struct group_tunnel *view = txn_view(t);
	struct ps_candidates *copy;
	uint32_t g, row;
	int r;

	if (!view)
		return error_system(err, ENOMEM, "out of memory");
	g = slot_find(t);
	if (g == GROUP_NONE && limbo_free(t))
		g = slot_find(t);
	if (g == GROUP_NONE)
		return error_usage(err, ENOSPC,
				   "all %u groups are in use: too many different sets of routes; "
				   "unload and load with a larger max-groups",
				   t->st->meta->max_groups);
	r = txn_row_take(t, group_row_log2(c, n, view), &row, err);
	if (r)
		return r;
	copy = calloc(1, sizeof(*copy));
	if (!copy) {
		blocks_mark(t, row, false);
		return error_system(err, ENOMEM, "out of memory");
	}
	memcpy(copy->c, c, n * sizeof(*c));
	free(t->cand[g]);
	t->cand[g] = copy;
	t->group[g] = (struct ps_group){
		.hash = hash, .row = row, .state = PS_STATE_USED, .n = (uint8_t)n
	};
	if (t->group_filled > t->group_mask / 2)
		return index_make(t) ? -ENOMEM : (*id = g, 0);
	index_put(t, g);
	*id = g;
	return 0;
}

int txn_group_get(struct txn *t, const struct ps_candidate *c, unsigned int n, uint32_t *id,
		  struct error *err)
{
	uint64_t hash = group_hash(c, n);
	int r;

	if (!t->group_index && index_make(t))
		return error_system(err, ENOMEM, "out of memory");
	*id = index_find(t, c, n, hash);
	if (*id == GROUP_NONE) {
		r = group_new(t, c, n, hash, id, err);
		if (r)
			return r;
	}
	t->group[*id].refs++;
	return 0;
}

/*
 * A group made by this transaction goes at once with its last reference; one that packets may be
 * using stays in the index, where it can be taken up again, until the commit sends it to limbo.
 */
void txn_group_put(struct txn *t, uint32_t id)
{
	if (--t->group[id].refs || !t->cand[id])
		return;
	if (t->group_index)
		index_remove(t, id);
	blocks_mark(t, t->group[id].row, false);
	t->group[id] = (struct ps_group){ .state = PS_STATE_FREE };
	free(t->cand[id]);
	t->cand[id] = NULL;
}
