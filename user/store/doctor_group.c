/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The doctor on groups: who uses each, is its header what its list makes it, does its row lie
 * where no other does, and does it say what the rules say.
 *
 * A row that lies wrong (of another size than its list asks for, out of bounds, on blocks of
 * another group) gets a new place; the leaves that lead to it are mended with the FIB.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/doctor.h"

struct rows {
	struct doctor *d;
	uint64_t *used; /* bits of row blocks */
	uint32_t *refs; /* by group id */
};

static bool blocks_free(const struct rows *x, uint32_t first, uint32_t n)
{
	uint32_t i;

	for (i = first; i < first + n; i++)
		if (x->used[i / 64] >> (i % 64) & 1)
			return false;
	return true;
}

static void blocks_take(struct rows *x, uint32_t first, uint32_t n)
{
	uint32_t i;

	for (i = first; i < first + n; i++)
		x->used[i / 64] |= 1ull << (i % 64);
}

/* Does the row have its size, and ground of its own? Takes the ground. */
static bool place_sound(struct rows *x, uint32_t row, unsigned int log2)
{
	uint32_t first = row & PS_ROW_BLOCK_MASK, n = 1u << log2;

	if (row >> PS_ROW_LOG2_SHIFT != log2 || first % n ||
	    first + n > x->d->st->meta->max_blocks || !blocks_free(x, first, n))
		return false;
	blocks_take(x, first, n);
	return true;
}

static int place_find(struct rows *x, unsigned int log2, uint32_t *row)
{
	uint32_t n = 1u << log2, first;

	for (first = 0; first + n <= x->d->st->meta->max_blocks; first += n) {
		if (!blocks_free(x, first, n))
			continue;
		blocks_take(x, first, n);
		*row = log2 << PS_ROW_LOG2_SHIFT | first;
		return 0;
	}
	return error_usage(x->d->err, ENOSPC,
			   "all %u bucket blocks are in use: a row can't be mended",
			   x->d->st->meta->max_blocks);
}

static unsigned int row_log2(const struct rows *x, uint32_t g)
{
	return group_row_log2(x->d->st->cand[g].c, x->d->st->group[g].n, x->d->view);
}

/* Rows that lie right keep their places; only then are places found for the others. */
static int check_places(struct rows *x)
{
	struct store *st = x->d->st;
	uint32_t g, max = st->meta->max_groups;
	uint64_t *wrong = calloc(max / 64 + 1, sizeof(*wrong));
	int r = 0;

	if (!wrong)
		return error_system(x->d->err, ENOMEM, "out of memory");
	for (g = 0; g < max; g++)
		if (x->refs[g] && !place_sound(x, st->group[g].row, row_log2(x, g)))
			wrong[g / 64] |= 1ull << (g % 64);
	for (g = 0; !r && g < max; g++) {
		if (!(wrong[g / 64] >> (g % 64) & 1))
			continue;
		finding(x->d, "ps_group", true,
			"group %u: its row has a wrong size or lies on another's", g);
		if (x->d->repair)
			r = place_find(x, row_log2(x, g), &st->group[g].row);
	}
	free(wrong);
	return r;
}

static void check_header(struct rows *x, uint32_t g)
{
	const struct ps_node *n = x->d->st->node;
	const struct group_node node = { n->region, n->hash_mode };
	struct ps_group *have = &x->d->st->group[g], want = *have;
	struct ps_candidate *c = x->d->st->cand[g].c;

	want.refs = x->refs[g];
	if (want.refs) {
		want.state = PS_STATE_USED;
		want.hash = group_hash(c, want.n);
		want.visible = group_active(c, want.n, x->d->view, &node) != 0;
	} else {
		if (want.state == PS_STATE_USED)
			want.state = PS_STATE_LIMBO;
	}
	if (!memcmp(&want, have, sizeof(want)))
		return;
	finding(x->d, "ps_group", true, "group %u: used by %u prefixes%s", g, want.refs,
		want.refs != have->refs	  ? ", and counts otherwise" :
		want.state != have->state ? ", and is not marked so" :
		want.hash != have->hash	  ? "; its hash is not that of its list" :
					    "; its visibility is not that of its routes");
	if (x->d->repair)
		*have = want;
}

static void check_row(struct rows *x, uint32_t g)
{
	struct store *st = x->d->st;
	const struct group_node node = { st->node->region, st->node->hash_mode };
	uint32_t row = st->group[g].row, log2 = row >> PS_ROW_LOG2_SHIFT, i, differ = 0;
	uint16_t want[ROW_MAX], *have = st->row[row & PS_ROW_BLOCK_MASK].slot;

	group_row(st->cand[g].c, st->group[g].n, x->d->view, &node, log2, want);
	for (i = 0; i < PS_BLOCK_SLOTS << log2; i++) {
		if (have[i] == want[i])
			continue;
		differ++;
		if (x->d->repair)
			__atomic_store_n(&have[i], want[i], __ATOMIC_RELEASE);
	}
	if (differ)
		finding(x->d, "ps_row", true, "group %u: %u of %u buckets lead to another tunnel",
			g, differ, PS_BLOCK_SLOTS << log2);
}

int doctor_groups(struct doctor *d)
{
	const struct ps_meta *m = d->st->meta;
	struct rows x = { .d = d };
	uint32_t g;
	size_t i;
	int r;

	x.used = calloc(m->max_blocks / 64 + 1, sizeof(*x.used));
	x.refs = calloc(m->max_groups, sizeof(*x.refs));
	if (x.used && x.refs) {
		for (i = 0; i < d->entries[PLAN_ROUTE]; i++)
			x.refs[d->entry[PLAN_ROUTE][i].value]++;
		for (g = 0; g < m->max_groups; g++)
			check_header(&x, g);
		r = check_places(&x);
		/* Of a row that lies wrong nothing can be said before it has its place. */
		for (g = 0; !r && g < m->max_groups; g++)
			if (x.refs[g] &&
			    d->st->group[g].row >> PS_ROW_LOG2_SHIFT == row_log2(&x, g))
				check_row(&x, g);
	} else {
		r = error_system(d->err, ENOMEM, "out of memory");
	}
	free(x.used);
	free(x.refs);
	return r;
}
