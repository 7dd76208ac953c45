/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The writing side of the stride table (see stride.h).
 *
 * An address takes one entry per level: 16 bits choose it in the root, 8 in a chunk of level 1,
 * 8 in one of level 2. So an entry of level L stands for a block of 16, 24 or 32 bits.
 *
 * Invariants, between two operations:
 *  - a leaf was painted by the longest prefix with its addresses: its rank is that prefix's;
 *  - a chunk holds at least one leaf longer than the block its parent entry stands for, or another
 *    chunk; else it would have been folded. Leaves that are not longer are all the same one.
 * It follows that an insert never has anything to fold, and that a delete can fold only the chunks
 * on the way to its prefix, the deepest first.
 *
 * While it lasts, an operation keeps every answer at the old or the new one: it stores one entry at
 * a time, each the new answer for its own block; new chunks are built in private; chunks that are
 * to go are replaced by their one answer in a single store, not painted first.
 *
 * The allocator. chunk_used counts what can't be taken: roots, chunks in tables and in limbo. It
 * is raised before a chunk is taken and lowered after one is back, and a chunk is off one list
 * before it is on the next. So whoever is killed between two stores leaves lists that are sound and
 * a count that is too high at most.
 */
#include "core/stride.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* Entries first .. first + count - 1 of a chunk, or of a root, of one level (0..2). */
struct span {
	uint32_t chunk;
	uint32_t first;
	uint32_t count;
	unsigned int level;
};

/* Address bits that an entry of the level stands for. */
static uint8_t level_bits(unsigned int level)
{
	return (uint8_t)(16 + 8 * level);
}

static uint32_t level_index(unsigned int level, uint32_t addr)
{
	return level ? addr >> (32 - level_bits(level)) & (PS_CHUNK_SLOTS - 1) : addr >> 16;
}

/* A root's entries run on over its chunks. */
static uint32_t *entry_at(const struct stride *s, uint32_t chunk, uint32_t i)
{
	return &s->chunk[chunk + i / PS_CHUNK_SLOTS].e[i % PS_CHUNK_SLOTS];
}

static uint32_t entry_load(const struct stride *s, uint32_t chunk, uint32_t i)
{
	return __atomic_load_n(entry_at(s, chunk, i), __ATOMIC_ACQUIRE);
}

/* The only store to an entry that readers can reach. */
static void entry_store(struct stride *s, uint32_t chunk, uint32_t i, uint32_t value)
{
	if (s->on_store)
		s->on_store(s->on_store_arg);
	s->stores++;
	__atomic_store_n(entry_at(s, chunk, i), value, __ATOMIC_RELEASE);
}

static uint32_t entry_rank(uint32_t leaf)
{
	return (leaf >> PS_FIB_RANK_SHIFT) & PS_FIB_RANK_MASK;
}

/* Release order keeps the allocator's stores in the order written, should the process be killed. */
static void word_set(const struct stride *s, uint32_t *word, uint32_t value)
{
	if (s->on_word)
		s->on_word(s->on_store_arg);
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* The caller has asked stride_available(). */
static uint32_t chunk_take(struct stride *s)
{
	struct ps_meta *m = s->meta;
	uint32_t c = m->chunk_free;

	word_set(s, &m->chunk_used, m->chunk_used + 1);
	if (c) {
		word_set(s, &m->chunk_free, s->link[c]);
		return c;
	}
	c = m->chunk_next;
	assert(c < m->max_chunks);
	word_set(s, &m->chunk_next, c + 1);
	return c;
}

/* Of a chunk that no entry leads to any more. */
static void chunk_retire(struct stride *s, uint32_t c)
{
	word_set(s, &s->link[c], s->meta->chunk_limbo);
	word_set(s, &s->meta->chunk_limbo, c);
}

uint32_t stride_available(const struct stride *s)
{
	return s->meta->max_chunks - s->meta->chunk_used;
}

void stride_reclaim(struct stride *s)
{
	struct ps_meta *m = s->meta;
	uint32_t c;

	/* One by one: handing over the list whole would have it on both for an instant, or none. */
	while ((c = m->chunk_limbo)) {
		word_set(s, &m->chunk_limbo, s->link[c]);
		word_set(s, &s->link[c], m->chunk_free);
		word_set(s, &m->chunk_free, c);
		word_set(s, &m->chunk_used, m->chunk_used - 1);
	}
}

void stride_init(struct stride *s, uint32_t tables)
{
	uint32_t roots = stride_root(tables), i;

	assert(roots <= s->meta->max_chunks);
	for (i = 0; i < roots; i++)
		memset(&s->chunk[i], 0, sizeof(s->chunk[i]));
	s->meta->chunk_free = 0;
	s->meta->chunk_limbo = 0;
	s->meta->chunk_next = roots;
	s->meta->chunk_used = roots;
	s->stores = 0;
}

uint32_t stride_lookup(const struct stride *s, uint32_t table, uint32_t addr)
{
	uint32_t e = entry_load(s, stride_root(table), level_index(0, addr));
	unsigned int level;

	for (level = 1; e & PS_FIB_CHUNK; level++)
		e = entry_load(s, e & ~PS_FIB_CHUNK, level_index(level, addr));
	return e;
}

/* The entries of a chunk of the level that the prefix has, or the one that it is in. */
static struct span span_in(uint32_t chunk, unsigned int level, struct prefix p)
{
	uint8_t bits = level_bits(level);

	return (struct span){
		.chunk = chunk,
		.first = level_index(level, p.addr),
		.count = p.len < bits ? 1u << (bits - p.len) : 1,
		.level = level,
	};
}

/*
 * The deepest entries that stand for the prefix, wholly or, where it is longer than its chunks go,
 * the leaf that it is in. `path`, if given, gets the span of each level above.
 */
static struct span span_of(const struct stride *s, uint32_t table, struct prefix p,
			   struct span *path)
{
	struct span at = span_in(stride_root(table), 0, p);
	uint32_t e;

	while (p.len > level_bits(at.level)) {
		e = entry_load(s, at.chunk, at.first);
		if (!(e & PS_FIB_CHUNK))
			break;
		if (path)
			path[at.level] = at;
		at = span_in(e & ~PS_FIB_CHUNK, at.level + 1, p);
	}
	return at;
}

static struct span span_below(uint32_t entry, unsigned int level)
{
	return (struct span){
		.chunk = entry & ~PS_FIB_CHUNK,
		.first = 0,
		.count = PS_CHUNK_SLOTS,
		.level = level + 1,
	};
}

/* Stores the leaf wherever a rank of lo..hi shows, chunks below included. */
static void paint(struct stride *s, struct span at, uint32_t lo, uint32_t hi, uint32_t leaf)
{
	uint32_t i, e;

	for (i = at.first; i < at.first + at.count; i++) {
		e = entry_load(s, at.chunk, i);
		if (e & PS_FIB_CHUNK)
			paint(s, span_below(e, at.level), lo, hi, leaf);
		else if (e != leaf && entry_rank(e) >= lo && entry_rank(e) <= hi)
			entry_store(s, at.chunk, i, leaf);
	}
}

/* Builds what replaces the leaf `old` once p, which is longer than its block, is in it. */
static uint32_t build(struct stride *s, unsigned int level, uint32_t old, struct prefix p,
		      uint32_t leaf)
{
	uint32_t c = chunk_take(s), i;
	struct span at = span_in(c, level, p);

	for (i = 0; i < PS_CHUNK_SLOTS; i++)
		s->chunk[c].e[i] = old;
	if (p.len > level_bits(level))
		leaf = build(s, level + 1, old, p, leaf);
	for (i = at.first; i < at.first + at.count; i++)
		s->chunk[c].e[i] = leaf;
	return PS_FIB_CHUNK | c;
}

int stride_insert(struct stride *s, uint32_t table, struct prefix p, uint32_t payload)
{
	uint32_t leaf = stride_leaf(p.len, payload), e;
	struct span at = span_of(s, table, p, NULL);

	assert(p.len <= 32 && !(p.addr & ~prefix_mask(p.len)) && payload <= PS_FIB_PAYLOAD_MASK);
	if (p.len <= level_bits(at.level)) {
		paint(s, at, 0, entry_rank(leaf), leaf);
		return 0;
	}
	if (stride_available(s) < (p.len > 24 ? 2 : 1) - at.level)
		return -ENOSPC;
	e = entry_load(s, at.chunk, at.first);
	entry_store(s, at.chunk, at.first, build(s, at.level + 1, e, p, leaf));
	return 0;
}

/*
 * Would the chunk be nothing but `cover` without p's leaves in the span and without the chunk that
 * `doomed` leads to (`cover` itself: none)? If cover is longer than the chunk's block, several
 * prefixes look alike, as two halves with one payload do, and the chunk stays.
 */
static bool chunk_dissolves(const struct stride *s, struct span at, uint32_t rank, uint32_t cover,
			    uint32_t doomed)
{
	uint32_t i, e;

	if (stride_len(cover) > (int)level_bits(at.level - 1))
		return false;
	for (i = 0; i < PS_CHUNK_SLOTS; i++) {
		e = entry_load(s, at.chunk, i);
		if (e == cover || e == doomed)
			continue;
		if (i < at.first || i >= at.first + at.count || (e & PS_FIB_CHUNK) ||
		    entry_rank(e) != rank)
			return false;
	}
	return true;
}

void stride_delete(struct stride *s, uint32_t table, struct prefix p, uint32_t cover)
{
	uint32_t rank = entry_rank(stride_leaf(p.len, 0)), doomed = cover, gone[2];
	struct span path[2], at;
	unsigned int n = 0, i;

	assert(p.len <= 32 && stride_len(cover) < (int)p.len);
	at = span_of(s, table, p, path); /* if p is not there, nothing in it has its rank */
	while (at.level && chunk_dissolves(s, at, rank, cover, doomed)) {
		gone[n++] = at.chunk;
		doomed = PS_FIB_CHUNK | at.chunk;
		at = path[at.level - 1];
	}
	if (!n) {
		paint(s, at, rank, rank, cover);
		return;
	}
	entry_store(s, at.chunk, at.first, cover);
	for (i = 0; i < n; i++)
		chunk_retire(s, gone[i]);
}

/* Is there an entry in the span, or below, that is empty (or not, as asked)? */
static bool span_has(const struct stride *s, struct span at, bool empty)
{
	uint32_t i, e;

	for (i = at.first; i < at.first + at.count; i++) {
		e = entry_load(s, at.chunk, i);
		if (e & PS_FIB_CHUNK ? span_has(s, span_below(e, at.level), empty) : !e == empty)
			return true;
	}
	return false;
}

bool stride_filled(const struct stride *s, uint32_t table, struct prefix p)
{
	return !span_has(s, span_of(s, table, p, NULL), true);
}

bool stride_any(const struct stride *s, uint32_t table, struct prefix p)
{
	return span_has(s, span_of(s, table, p, NULL), false);
}

/* `addr` is the first address of the span. */
static int span_walk(const struct stride *s, struct span at, uint32_t addr,
		     int (*fn)(void *arg, struct prefix at, uint32_t leaf), void *arg)
{
	uint8_t bits = level_bits(at.level);
	uint32_t i, e, block;
	int ret = 0;

	for (i = 0; i < at.count && !ret; i++) {
		e = entry_load(s, at.chunk, at.first + i);
		block = addr + (uint32_t)((uint64_t)i << (32 - bits));
		if (e & PS_FIB_CHUNK)
			ret = span_walk(s, span_below(e, at.level), block, fn, arg);
		else if (e)
			ret = fn(arg, (struct prefix){ .addr = block, .len = bits }, e);
	}
	return ret;
}

int stride_walk(const struct stride *s, uint32_t table,
		int (*fn)(void *arg, struct prefix at, uint32_t leaf), void *arg)
{
	struct prefix all = { .addr = 0, .len = 0 };

	return span_walk(s, span_in(stride_root(table), 0, all), 0, fn, arg);
}

/* --- looking at all of it ------------------------------------------------------------ */

struct look {
	uint32_t roots;
	uint64_t *seen; /* chunks met */
	uint32_t met, wrong;
};

static bool look_seen(const struct look *l, uint32_t c)
{
	return l->seen[c / 64] >> (c % 64) & 1;
}

/* Marks a chunk; false if it is none, or was met before. */
static bool look_meet(const struct stride *s, struct look *l, uint32_t c)
{
	if (c < l->roots || c >= s->meta->max_chunks || look_seen(l, c))
		return false;
	l->seen[c / 64] |= 1ull << (c % 64);
	l->met++;
	return true;
}

static void look_span(const struct stride *s, struct span at, struct look *l)
{
	uint32_t i, e;

	for (i = at.first; i < at.first + at.count; i++) {
		e = entry_load(s, at.chunk, i);
		if (!(e & PS_FIB_CHUNK))
			continue;
		if (at.level < 2 && look_meet(s, l, e & ~PS_FIB_CHUNK))
			look_span(s, span_below(e, at.level), l);
		else
			l->wrong++;
	}
}

static void look_tables(const struct stride *s, uint32_t tables, struct look *l)
{
	const struct prefix all = { .addr = 0, .len = 0 };
	uint32_t i;

	memset(l->seen, 0, (s->meta->max_chunks / 64 + 1) * sizeof(*l->seen));
	for (i = 0; i < tables; i++)
		look_span(s, span_in(stride_root(i), 0, all), l);
}

static void look_list(const struct stride *s, uint32_t c, struct look *l)
{
	while (c) {
		if (c >= s->meta->chunk_next || !look_meet(s, l, c)) {
			l->wrong++;
			return;
		}
		c = s->link[c];
	}
}

struct stride_audit stride_audit(const struct stride *s, uint32_t tables, uint64_t *seen)
{
	struct look l = { .roots = stride_root(tables), .seen = seen };
	const struct ps_meta *m = s->meta;
	struct stride_audit a = { 0, 0 };
	uint32_t i, used;

	if (m->chunk_next < l.roots || m->chunk_next > m->max_chunks)
		return (struct stride_audit){ .wrong = 1 };
	look_tables(s, tables, &l);
	look_list(s, m->chunk_limbo, &l);
	used = l.roots + l.met;
	look_list(s, m->chunk_free, &l);
	for (i = l.roots; i < m->chunk_next; i++)
		a.lost += !look_seen(&l, i);
	for (; i < m->max_chunks; i++) /* would be given out a second time */
		l.wrong += look_seen(&l, i);
	if (!a.lost && used != m->chunk_used)
		a.lost++;
	a.wrong = l.wrong;
	return a;
}

void stride_sweep(struct stride *s, uint32_t tables, uint64_t *seen)
{
	struct look l = { .roots = stride_root(tables), .seen = seen };
	struct ps_meta *m = s->meta;
	uint32_t i, next = l.roots;

	look_tables(s, tables, &l);
	for (i = l.roots; i < m->max_chunks; i++)
		if (look_seen(&l, i))
			next = i + 1;
	m->chunk_next = next;
	m->chunk_limbo = 0;
	m->chunk_free = 0;
	m->chunk_used = l.roots + l.met;
	for (i = next; i-- > l.roots;) {
		if (look_seen(&l, i))
			continue;
		s->link[i] = m->chunk_free;
		m->chunk_free = i;
	}
}

/* Copies what is below an entry of another image; the number of the copy, 0: no chunk is left. */
static uint32_t graft(struct stride *s, const struct stride *want, uint32_t entry)
{
	const struct ps_chunk *from = &want->chunk[entry & ~PS_FIB_CHUNK];
	uint32_t c, i, e;

	if (!stride_available(s))
		return 0;
	c = chunk_take(s);
	for (i = 0; i < PS_CHUNK_SLOTS; i++) {
		e = from->e[i];
		if (e & PS_FIB_CHUNK) {
			e = graft(s, want, e);
			if (!e)
				return 0;
			e |= PS_FIB_CHUNK;
		}
		s->chunk[c].e[i] = e;
	}
	return c;
}

static int64_t compare_span(struct stride *s, struct span at, const struct stride *want,
			    struct span from, bool mend, struct look *l)
{
	int64_t differ = 0, below;
	uint32_t i, have, e;

	for (i = 0; i < at.count; i++) {
		have = entry_load(s, at.chunk, at.first + i);
		e = entry_load(want, from.chunk, from.first + i);
		if ((e & have & PS_FIB_CHUNK) && look_meet(s, l, have & ~PS_FIB_CHUNK)) {
			below = compare_span(s, span_below(have, at.level), want,
					     span_below(e, at.level), mend, l);
			if (below < 0)
				return below;
			differ += below;
			continue;
		}
		if (have == e && !(e & PS_FIB_CHUNK))
			continue;
		differ++;
		if (!mend)
			continue;
		if (e & PS_FIB_CHUNK) {
			e = graft(s, want, e);
			if (!e)
				return -ENOSPC;
			e |= PS_FIB_CHUNK;
		}
		entry_store(s, at.chunk, at.first + i, e);
	}
	return differ;
}

int64_t stride_compare(struct stride *s, const struct stride *want, uint32_t table, uint32_t tables,
		       bool mend, uint64_t *seen)
{
	const struct prefix all = { .addr = 0, .len = 0 };
	struct span at = span_in(stride_root(table), 0, all);
	struct look l = { .roots = stride_root(tables), .seen = seen };

	return compare_span(s, at, want, at, mend, &l);
}
