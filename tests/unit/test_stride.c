/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The stride table against a list of prefixes that is searched from end to end, while prefixes that
 * nest come and go at random; what readers see between two stores; the chunk accounts; a reader in
 * another thread.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/stride.h"
#include "rng.h"

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))
#define P(a, b, c, d, l) ((struct prefix){ .addr = IP(a, b, c, d), .len = (l) })
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define TABLES 2
#define ROOTS (TABLES * PS_ROOT_CHUNKS)
#define LIST_MAX 48

/* --- the oracle ------------------------------------------------------------------------------ */

struct list {
	struct prefix p[LIST_MAX];
	uint32_t payload[LIST_MAX];
	unsigned int n;
};

static int list_find(const struct list *l, struct prefix p)
{
	unsigned int i;

	for (i = 0; i < l->n; i++)
		if (l->p[i].addr == p.addr && l->p[i].len == p.len)
			return (int)i;
	return -1;
}

/* The leaf of the longest prefix shorter than `len` that holds the address. */
static uint32_t list_lookup(const struct list *l, uint32_t addr, int len)
{
	int best = -1;
	unsigned int i;

	for (i = 0; i < l->n; i++)
		if (l->p[i].len < len && (uint64_t)addr >> (32 - l->p[i].len) ==
						 (uint64_t)l->p[i].addr >> (32 - l->p[i].len))
			if (best < 0 || l->p[i].len > l->p[best].len)
				best = (int)i;
	return best < 0 ? 0 : stride_leaf(l->p[best].len, l->payload[best]);
}

static void list_set(struct list *l, struct prefix p, uint32_t payload)
{
	int i = list_find(l, p);

	if (i < 0)
		i = (int)l->n++;
	l->p[i] = p;
	l->payload[i] = payload;
}

static void list_remove(struct list *l, struct prefix p)
{
	int i = list_find(l, p);

	if (i < 0)
		return;
	l->n--;
	l->p[i] = l->p[l->n];
	l->payload[i] = l->payload[l->n];
}

static uint32_t last_of(struct prefix p)
{
	return p.addr | ~prefix_mask(p.len);
}

/* Answers are constant between these addresses: first, last and neighbours of each prefix. */
static unsigned int list_probes(const struct list *l, uint32_t *addr)
{
	unsigned int i, n = 0;

	for (i = 0; i < l->n; i++) {
		addr[n++] = l->p[i].addr;
		addr[n++] = l->p[i].addr - 1;
		addr[n++] = last_of(l->p[i]);
		addr[n++] = last_of(l->p[i]) + 1;
	}
	addr[n++] = 0;
	addr[n++] = UINT32_MAX;
	return n;
}

/* --- the table ------------------------------------------------------------------------------- */

static void table_new(struct stride *s, uint32_t spare)
{
	memset(s, 0, sizeof(*s));
	s->meta = calloc(1, sizeof(*s->meta));
	s->meta->max_chunks = ROOTS + spare;
	s->chunk = malloc(s->meta->max_chunks * sizeof(*s->chunk));
	s->link = malloc(s->meta->max_chunks * sizeof(*s->link));
	memset(s->chunk, 0xa5, s->meta->max_chunks * sizeof(*s->chunk));
	memset(s->link, 0xa5, s->meta->max_chunks * sizeof(*s->link));
	stride_init(s, TABLES);
	assert_int_equal(stride_available(s), spare);
}

static void table_free(struct stride *s)
{
	free(s->meta);
	free(s->chunk);
	free(s->link);
}

/* Chunks below an entry; fails for one that should have been folded. */
static uint32_t count_chunks(const struct stride *s, uint32_t entry, int bits)
{
	const uint32_t *e = s->chunk[entry & ~PS_FIB_CHUNK].e;
	bool longer = false;
	uint32_t i, n = 1;

	assert_in_range(entry & ~PS_FIB_CHUNK, ROOTS, s->meta->chunk_next - 1);
	for (i = 0; i < PS_CHUNK_SLOTS; i++) {
		longer |= (e[i] & PS_FIB_CHUNK) || stride_len(e[i]) > bits;
		if (e[i] & PS_FIB_CHUNK)
			n += count_chunks(s, e[i], bits + 8);
	}
	if (!longer)
		fail_msg("chunk %u should have been folded", entry & ~PS_FIB_CHUNK);
	return n;
}

static uint32_t list_length(const struct stride *s, uint32_t head)
{
	uint32_t n = 0;

	for (; head; head = s->link[head])
		if (++n > s->meta->max_chunks)
			fail_msg("a list of chunks runs in a circle");
	return n;
}

/* Every chunk is in a table, in limbo, free or never used; nothing is there twice or lost. */
static void check_chunks(const struct stride *s)
{
	uint32_t i, j, linked = 0, limbo = list_length(s, s->meta->chunk_limbo);
	uint32_t spare = s->meta->max_chunks - s->meta->chunk_next;

	for (i = 0; i < ROOTS; i++)
		for (j = 0; j < PS_CHUNK_SLOTS; j++)
			if (s->chunk[i].e[j] & PS_FIB_CHUNK)
				linked += count_chunks(s, s->chunk[i].e[j], 16);
	assert_int_equal(ROOTS + linked + limbo, s->meta->chunk_used);
	assert_int_equal(list_length(s, s->meta->chunk_free) + spare, stride_available(s));
	assert_int_equal(s->meta->chunk_used + stride_available(s), s->meta->max_chunks);
}

/* --- random prefixes ------------------------------------------------------------------------- */

/* Few values per byte, so that prefixes meet; the edges of bytes and of the address space too. */
static uint32_t random_addr(void)
{
	static const uint8_t a[] = { 0, 10, 10, 10, 255 };
	static const uint8_t b[] = { 0, 1, 1, 255 };
	static const uint8_t c[] = { 0, 1, 127, 128, 255 };
	static const uint8_t d[] = { 0, 1, 2, 127, 128, 254, 255 };

	return IP(a[rng_below(sizeof(a))], b[rng_below(sizeof(b))], c[rng_below(sizeof(c))],
		  d[rng_below(sizeof(d))]);
}

static struct prefix random_prefix(const struct list *l)
{
	struct prefix p = { .addr = random_addr() };

	if (rng_below(2000) == 0)
		p.len = (uint8_t)rng_below(13); /* dear: up to 65,536 entries each */
	else
		p.len = (uint8_t)(13 + rng_below(20));
	/* Nested with one that is there, half of the time. */
	if (l->n && rng_below(2)) {
		struct prefix q = l->p[rng_below(l->n)];

		if (q.len >= 13) {
			p = q;
			p.len = (uint8_t)(q.len + rng_below(9) - 4);
			p.len = p.len > 32 ? 32 : p.len < 13 ? 13 : p.len;
			if (p.len > q.len)
				p.addr |= random_addr() & ~prefix_mask(q.len);
		}
	}
	p.addr &= prefix_mask(p.len);
	return p;
}

static uint32_t random_payload(void)
{
	/* Often the same: leaves of different prefixes must then be told apart by their place. */
	return rng_below(2) ? 7 : (uint32_t)rng_next() & PS_FIB_PAYLOAD_MASK;
}

/* --- comparing all of it --------------------------------------------------------------------- */

static void check_answers(const struct stride *s, uint32_t table, const struct list *l)
{
	uint32_t addr[4 * LIST_MAX + 2];
	unsigned int i, n = list_probes(l, addr);

	for (i = 0; i < n; i++)
		if (stride_lookup(s, table, addr[i]) != list_lookup(l, addr[i], 33))
			fail_msg("%08x: leaf %08x, should be %08x", addr[i],
				 stride_lookup(s, table, addr[i]), list_lookup(l, addr[i], 33));
}

struct walk {
	const struct list *l;
	uint64_t next;	    /* first address not walked yet */
	uint64_t addresses; /* with a leaf, so far */
};

static int check_block(void *arg, struct prefix at, uint32_t leaf)
{
	struct walk *w = arg;

	assert_true(at.len == 16 || at.len == 24 || at.len == 32);
	assert_true(at.addr >= w->next && leaf && !(leaf & PS_FIB_CHUNK));
	if (list_lookup(w->l, at.addr, 33) != leaf || list_lookup(w->l, last_of(at), 33) != leaf)
		fail_msg("walk: %08x/%u has leaf %08x", at.addr, at.len, leaf);
	w->next = (uint64_t)last_of(at) + 1;
	w->addresses += 1ull << (32 - at.len);
	return 0;
}

/* Addresses that are in some prefix. */
static uint64_t list_addresses(const struct list *l)
{
	uint64_t n = 0;
	unsigned int i, j;

	for (i = 0; i < l->n; i++) {
		bool outermost = true;

		for (j = 0; j < l->n; j++)
			outermost &= j == i || !prefix_covers(l->p[j], l->p[i]);
		if (outermost)
			n += 1ull << (32 - l->p[i].len);
	}
	return n;
}

static void check_walk(const struct stride *s, uint32_t table, const struct list *l)
{
	struct walk w = { .l = l };

	assert_int_equal(stride_walk(s, table, check_block, &w), 0);
	assert_int_equal(w.addresses, list_addresses(l));
}

/* stride_filled() and stride_any() from the answers at all addresses where they can change. */
static void check_filled(const struct stride *s, uint32_t table, const struct list *l,
			 struct prefix p)
{
	uint32_t addr[4 * LIST_MAX + 2];
	unsigned int i, n = list_probes(l, addr);
	bool filled, any, here;

	filled = any = list_lookup(l, p.addr, 33) != 0;
	for (i = 0; i < n; i++) {
		if (!prefix_has_addr(p, addr[i]))
			continue;
		here = list_lookup(l, addr[i], 33) != 0;
		filled &= here;
		any |= here;
	}
	if (stride_filled(s, table, p) != filled || stride_any(s, table, p) != any)
		fail_msg("%08x/%u: filled should be %d, any %d", p.addr, p.len, filled, any);
}

static void check_all(const struct stride *s, const struct list *l)
{
	uint32_t table;
	int i;

	for (table = 0; table < TABLES; table++) {
		check_answers(s, table, &l[table]);
		check_walk(s, table, &l[table]);
		for (i = 0; i < 4; i++)
			check_filled(s, table, &l[table], random_prefix(&l[table]));
	}
	check_chunks(s);
}

static void delete_one(struct stride *s, uint32_t table, struct list *l, struct prefix p)
{
	list_remove(l, p);
	stride_delete(s, table, p, list_lookup(l, p.addr, p.len));
}

static void delete_everything(struct stride *s, struct list *l, uint32_t spare)
{
	uint32_t table, i, j;

	for (table = 0; table < TABLES; table++)
		while (l[table].n)
			delete_one(s, table, &l[table], l[table].p[rng_below(l[table].n)]);
	stride_reclaim(s);
	check_chunks(s);
	assert_int_equal(stride_available(s), spare);
	assert_int_equal(s->meta->chunk_limbo, 0);
	for (i = 0; i < ROOTS; i++)
		for (j = 0; j < PS_CHUNK_SLOTS; j++)
			if (s->chunk[i].e[j])
				fail_msg("root entry %u is %08x at the end", i * 256 + j,
					 s->chunk[i].e[j]);
}

/* --- tests ----------------------------------------------------------------------------------- */

static void against_the_list(void **state)
{
	static struct list l[TABLES];
	uint32_t table, addr, payload, dice;
	struct prefix p;
	struct stride s;
	int i;

	(void)state;
	table_new(&s, 200);
	for (i = 0; i < 1200000; i++) {
		table = rng_below(TABLES);
		p = random_prefix(&l[table]);
		dice = rng_below(8);
		if (dice < 2 && (l[table].n < LIST_MAX || list_find(&l[table], p) >= 0)) {
			payload = random_payload();
			list_set(&l[table], p, payload);
			assert_int_equal(stride_insert(&s, table, p, payload), 0);
		} else if (dice < 4) {
			if (dice < 3 && l[table].n) /* otherwise it is most often not there */
				p = l[table].p[rng_below(l[table].n)];
			delete_one(&s, table, &l[table], p);
		} else {
			addr = rng_below(2) ? random_addr() : p.addr + rng_below(3) - 1;
			if (stride_lookup(&s, table, addr) != list_lookup(&l[table], addr, 33))
				fail_msg("operation %d: %08x has the wrong leaf", i, addr);
		}
		if (rng_below(64) == 0)
			stride_reclaim(&s);
		if (i % 1024 == 0)
			check_all(&s, l);
	}
	delete_everything(&s, l, 200);
	table_free(&s);
}

/* Few chunks, seldom reclaimed. A refused insert leaves every byte as it was. */
static void full_changes_nothing(void **state)
{
	static struct list l[TABLES];
	size_t chunks, links;
	unsigned int refused = 0;
	struct ps_meta meta;
	struct stride s;
	struct prefix p;
	uint32_t *link;
	void *chunk;
	int i, ret;

	(void)state;
	table_new(&s, 5);
	chunks = s.meta->max_chunks * sizeof(*s.chunk);
	links = s.meta->max_chunks * sizeof(*s.link);
	chunk = malloc(chunks);
	link = malloc(links);
	for (i = 0; i < 8000; i++) {
		p = random_prefix(&l[0]);
		memcpy(chunk, s.chunk, chunks);
		memcpy(link, s.link, links);
		meta = *s.meta;
		ret = l[0].n == LIST_MAX ? -ENOSPC : stride_insert(&s, 0, p, 7);
		if (ret) {
			assert_int_equal(ret, -ENOSPC);
			assert_memory_equal(chunk, s.chunk, chunks);
			assert_memory_equal(link, s.link, links);
			assert_memory_equal(&meta, s.meta, sizeof(meta));
			refused++;
		} else {
			list_set(&l[0], p, 7);
		}
		check_answers(&s, 0, &l[0]);
		if (l[0].n && rng_below(3))
			delete_one(&s, 0, &l[0], l[0].p[rng_below(l[0].n)]);
		if (rng_below(8) == 0)
			stride_reclaim(&s);
	}
	assert_true(refused > 100 && refused < 7900);
	delete_everything(&s, l, 5);
	free(chunk);
	free(link);
	table_free(&s);
}

/* What a reader may see while one operation runs. */
struct watch {
	struct stride *s;
	uint32_t addr[4 * LIST_MAX + 2 + 16];
	uint32_t old[4 * LIST_MAX + 2 + 16];
	uint32_t new[4 * LIST_MAX + 2 + 16];
	bool turned[4 * LIST_MAX + 2 + 16];
	unsigned int n;
	uint64_t looks;
};

/* Each address goes from the old answer to the new one, once. */
static void watch_look(void *arg)
{
	struct watch *w = arg;
	unsigned int i;
	uint32_t leaf;

	w->looks++;
	for (i = 0; i < w->n; i++) {
		leaf = stride_lookup(w->s, 0, w->addr[i]);
		if (leaf != w->new[i] && (leaf != w->old[i] || w->turned[i]))
			fail_msg("%08x shows %08x between %08x and %08x", w->addr[i], leaf,
				 w->old[i], w->new[i]);
		w->turned[i] = leaf == w->new[i] && w->new[i] != w->old[i];
	}
}

static void watch_start(struct watch *w, const struct list *before, const struct list *after,
			struct prefix p)
{
	unsigned int i;

	w->n = list_probes(after->n > before->n ? after : before, w->addr);
	for (i = 0; i < 16; i++)
		w->addr[w->n++] = (p.addr | ((uint32_t)rng_next() & ~prefix_mask(p.len))) ^
				  (rng_below(4) ? 0 : 1u << rng_below(32));
	for (i = 0; i < w->n; i++) {
		w->old[i] = list_lookup(before, w->addr[i], 33);
		w->new[i] = list_lookup(after, w->addr[i], 33);
		w->turned[i] = false;
	}
}

static void old_or_new_at_every_store(void **state)
{
	static struct list l[TABLES], after;
	static struct watch w;
	struct stride s;
	struct prefix p;
	int i;

	(void)state;
	table_new(&s, 100);
	w.s = &s;
	s.on_store_arg = &w;
	for (i = 0; i < 6000; i++) {
		bool insert = l[0].n < 12 && rng_below(3);

		p = random_prefix(&l[0]);
		if (p.len < 13)
			continue;
		if (!insert && l[0].n && rng_below(8))
			p = l[0].p[rng_below(l[0].n)];
		after = l[0];
		if (insert)
			list_set(&after, p, random_payload());
		else
			list_remove(&after, p);
		watch_start(&w, &l[0], &after, p);
		s.on_store = watch_look;
		if (insert)
			stride_insert(&s, 0, p, after.payload[list_find(&after, p)]);
		else
			stride_delete(&s, 0, p, list_lookup(&after, p.addr, p.len));
		s.on_store = NULL;
		assert_true(w.looks == s.stores);
		watch_look(&w);
		w.looks--;
		l[0] = after;
		check_answers(&s, 0, &l[0]);
		if (rng_below(8) == 0)
			stride_reclaim(&s);
	}
	delete_everything(&s, l, 100);
	table_free(&s);
}

static uint64_t stores_of(struct stride *s, struct prefix p, bool insert, uint32_t cover)
{
	uint64_t before = s->stores;

	if (insert)
		assert_int_equal(stride_insert(s, 0, p, 9), 0);
	else
		stride_delete(s, 0, p, cover);
	return s->stores - before;
}

/* The promise of stride.h about single stores. */
static void single_stores(void **state)
{
	static const struct prefix one[] = { P(10, 1, 0, 0, 16),    P(10, 2, 3, 0, 24),
					     P(10, 3, 3, 3, 32),    P(10, 4, 128, 0, 17),
					     P(10, 5, 5, 64, 26),   P(10, 6, 0, 0, 25),
					     P(10, 7, 255, 254, 31) };
	uint32_t slash8 = stride_leaf(8, 9);
	struct stride s;
	size_t i;

	(void)state;
	table_new(&s, 10);
	assert_int_equal(stores_of(&s, P(10, 0, 0, 0, 8), true, 0), 256);
	for (i = 0; i < ARRAY_SIZE(one); i++) {
		assert_int_equal(stores_of(&s, one[i], true, 0), 1);
		assert_int_equal(stores_of(&s, one[i], true, 0), 0); /* nothing new */
		assert_int_equal(stores_of(&s, one[i], false, slash8), 1);
		assert_int_equal(stores_of(&s, one[i], false, slash8), 0);
		assert_int_equal(stores_of(&s, one[i], false, 0),
				 0); /* nor here, whatever is said */
		stride_reclaim(&s);
		assert_int_equal(stride_available(&s), 10);
	}
	/* A neighbour keeps the chunk: slot by slot. */
	assert_int_equal(stores_of(&s, P(10, 4, 0, 1, 32), true, 0), 1);
	assert_int_equal(stores_of(&s, P(10, 4, 128, 0, 17), true, 0), 128);
	assert_int_equal(stores_of(&s, P(10, 4, 0, 0, 24), true, 0), 255);
	assert_int_equal(stores_of(&s, P(10, 4, 128, 0, 17), false, slash8), 128);
	table_free(&s);
}

/* A chunk cut off keeps its bytes, for readers still in it, until stride_reclaim(). */
static void limbo_is_left_alone(void **state)
{
	struct ps_chunk seen[2];
	struct stride s;
	uint32_t c1, c2;

	(void)state;
	table_new(&s, 4);
	assert_int_equal(stride_insert(&s, 0, P(10, 1, 1, 0, 25), 1), 0);
	c1 = s.chunk[10].e[1] & ~PS_FIB_CHUNK;
	c2 = s.chunk[c1].e[1] & ~PS_FIB_CHUNK;
	seen[0] = s.chunk[c1];
	seen[1] = s.chunk[c2];
	stride_delete(&s, 0, P(10, 1, 1, 0, 25), 0);
	assert_int_equal(stride_available(&s), 2);
	assert_int_equal(stride_insert(&s, 0, P(10, 9, 9, 0, 25), 2), 0);
	assert_int_equal(stride_insert(&s, 0, P(10, 8, 0, 0, 17), 2), -ENOSPC);
	assert_memory_equal(&seen[0], &s.chunk[c1], sizeof(seen[0]));
	assert_memory_equal(&seen[1], &s.chunk[c2], sizeof(seen[1]));
	stride_reclaim(&s);
	assert_int_equal(stride_available(&s), 2);
	assert_int_equal(stride_insert(&s, 0, P(10, 8, 0, 0, 25), 2), 0);
	assert_int_equal(stride_available(&s), 0);
	table_free(&s);
}

static int stop_at(void *arg, struct prefix at, uint32_t leaf)
{
	(void)leaf;
	++*(int *)arg;
	return at.addr == IP(10, 1, 0, 2) ? -7 : 0;
}

static void walk_stops(void **state)
{
	struct stride s;
	int calls = 0;

	(void)state;
	table_new(&s, 4);
	assert_int_equal(stride_walk(&s, 1, stop_at, &calls), 0);
	assert_int_equal(calls, 0);
	assert_int_equal(stride_insert(&s, 1, P(10, 1, 0, 0, 30), 1), 0);
	assert_int_equal(stride_insert(&s, 1, P(10, 2, 0, 0, 16), 1), 0);
	assert_int_equal(stride_walk(&s, 1, stop_at, &calls), -7);
	assert_int_equal(calls, 3);
	table_free(&s);
}

/* --- a reader in another thread -------------------------------------------------------------- */

#define RACE_ADDRS 8

struct race {
	struct stride s;
	uint32_t addr[RACE_ADDRS];
	uint32_t old[RACE_ADDRS];
	uint32_t new[RACE_ADDRS];
	uint64_t laps; /* of the reader: two more, and no lookup begun before still runs */
	uint64_t saw_old;
	uint64_t saw_new;
	uint32_t wrong;
	bool stop;
};

static void *race_reader(void *arg)
{
	struct race *r = arg;
	uint32_t leaf;
	int i;

	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		for (i = 0; i < RACE_ADDRS; i++) {
			leaf = stride_lookup(&r->s, 0, r->addr[i]);
			r->saw_old += leaf == r->old[i];
			r->saw_new += leaf == r->new[i];
			if (leaf != r->old[i] && leaf != r->new[i])
				__atomic_store_n(&r->wrong, leaf ? leaf : 1, __ATOMIC_RELAXED);
		}
		__atomic_fetch_add(&r->laps, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void race_grace(struct race *r)
{
	uint64_t laps;

	/* The store that cut the chunk off must be out before the laps are counted. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	laps = __atomic_load_n(&r->laps, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&r->laps, __ATOMIC_SEQ_CST) < laps + 2)
		sched_yield();
	stride_reclaim(&r->s);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/*
 * Prefixes of eight /16 come and go one after the other, each with its own payload, through chunks
 * that are used over and over: a reader that meets a chunk half made, or another's, sees it.
 */
static void a_reader_sees_old_or_new(void **state)
{
	static struct race r;
	struct prefix p[RACE_ADDRS];
	pthread_t thread;
	uint32_t i, rounds;
	double end;

	(void)state;
	table_new(&r.s, 4);
	for (i = 0; i < RACE_ADDRS; i++) {
		uint8_t len = (uint8_t)(i % 2 ? 25 + i % 8 : 17 + i);

		r.addr[i] = IP(10, i, i, i);
		p[i] = (struct prefix){ .addr = r.addr[i] & prefix_mask(len), .len = len };
		r.old[i] = stride_leaf(16, i);
		r.new[i] = stride_leaf(len, 100 + i);
		assert_int_equal(stride_insert(&r.s, 0, P(10, i, 0, 0, 16), i), 0);
	}
	assert_int_equal(pthread_create(&thread, NULL, race_reader, &r), 0);
	end = seconds() + 0.4;
	for (rounds = 0; seconds() < end || rounds < 100; rounds++) {
		i = rng_below(RACE_ADDRS);
		assert_int_equal(stride_insert(&r.s, 0, p[i], 100 + i), 0);
		if (rng_below(2))
			race_grace(&r);
		stride_delete(&r.s, 0, p[i], r.old[i]);
		race_grace(&r);
	}
	__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	if (r.wrong)
		fail_msg("the reader saw %08x", r.wrong);
	assert_true(r.saw_old && r.saw_new);
	assert_int_equal(stride_available(&r.s), 4);
	table_free(&r.s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_the_list),	     cmocka_unit_test(full_changes_nothing),
		cmocka_unit_test(old_or_new_at_every_store), cmocka_unit_test(single_stores),
		cmocka_unit_test(limbo_is_left_alone),	     cmocka_unit_test(walk_stops),
		cmocka_unit_test(a_reader_sees_old_or_new),
	};

	return cmocka_run_group_tests(tests, rng_setup, NULL);
}
