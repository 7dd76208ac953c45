/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The FIB image: longest-prefix-match tables as 16-8-8 strides in one array of chunks
 * (layout: penstock/abi.h). Works on any memory: the tests use malloc, the store the mmapped map.
 *
 * A table's root is PS_ROOT_CHUNKS chunks indexed by the top 16 address bits; entries lead to
 * chunks for the third and fourth byte. A leaf carries the rank (prefix length + 1) of the prefix
 * that painted it, so that insertion paints over shorter prefixes only and deletion finds exactly
 * what its prefix painted; what shows through then is given by the caller, who has the exact
 * prefixes. No shadow copy is kept.
 *
 * Readers run at any instant, without locks. Every entry is one aligned 32-bit store with release
 * order; a new chunk is filled whole before the entry that leads to it is stored; a chunk cut off
 * goes to a limbo list and is not used again before the caller, having waited a grace period,
 * says stride_reclaim().
 *
 * A prefix of 16, 24 or 32 bits with nothing longer in it, or any that lies in a chunk not yet
 * there or gone with it, changes by one store. Others change slot by slot, each slot from the old
 * answer to the new one.
 */
#ifndef CORE_STRIDE_H
#define CORE_STRIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/prefix.h"
#include "penstock/abi.h"

/*
 * The allocator's words live in struct ps_meta, the link of each chunk in `link`, so that they
 * outlast the process. chunk_used counts what can't be taken: roots, chunks in tables and in limbo.
 * A crash between two stores loses a few chunks at most, never gives one out twice.
 */
struct stride {
	struct ps_chunk *chunk; /* max_chunks of them */
	uint32_t *link;		/* max_chunks: next chunk of the list it is on */
	struct ps_meta *meta;	/* max_chunks and chunk_* are used */
	uint64_t stores;	/* to entries that readers can reach; for tests and statistics */
	/* For tests; NULL: not called. Before each of these, and before each allocator's store. */
	void (*on_store)(void *arg);
	void (*on_word)(void *arg);
	void *on_store_arg;
};

/* First chunk of a table's root. */
static inline uint32_t stride_root(uint32_t table)
{
	return table * PS_ROOT_CHUNKS;
}

/* Starts an empty image of `tables` tables: zeroes the roots, sets the allocator's words. */
void stride_init(struct stride *s, uint32_t tables);

/* Makes an entry for a prefix length and a payload. */
static inline uint32_t stride_leaf(uint8_t len, uint32_t payload)
{
	return ((uint32_t)(len + 1) << PS_FIB_RANK_SHIFT) | payload;
}
static inline uint32_t stride_payload(uint32_t leaf)
{
	return leaf & PS_FIB_PAYLOAD_MASK;
}
/* Prefix length of a leaf; -1 for the empty entry. */
static inline int stride_len(uint32_t leaf)
{
	return (int)((leaf >> PS_FIB_RANK_SHIFT) & PS_FIB_RANK_MASK) - 1;
}

/* The leaf of the longest prefix with this address, 0 if none. Same answer as the programs. */
uint32_t stride_lookup(const struct stride *s, uint32_t table, uint32_t addr);

/*
 * Inserts the prefix, or replaces its payload. 0, or -ENOSPC with nothing changed: the chunks that
 * may be needed (two at most) are secured before the first store.
 */
int stride_insert(struct stride *s, uint32_t table, struct prefix p, uint32_t payload);

/*
 * Removes the prefix. `cover` is the leaf of the longest other prefix that covers it, 0 if none.
 * Chunks whose slots have become one answer of a shorter prefix are folded into their parent's
 * entry. Harmless for a prefix that is not there.
 */
void stride_delete(struct stride *s, uint32_t table, struct prefix p, uint32_t cover);

/*
 * Calls fn for each run of the table that has one leaf (never the empty one), in address order, as
 * maximal entries: `at` is the block of addresses one entry stands for (its len is 16, 24 or 32).
 * Stops when fn returns non-zero, and returns that.
 */
int stride_walk(const struct stride *s, uint32_t table,
		int (*fn)(void *arg, struct prefix at, uint32_t leaf), void *arg);

/* Is every address of p answered by some leaf? Rule 10: `p` lies in, or is made of, what is there.
 */
bool stride_filled(const struct stride *s, uint32_t table, struct prefix p);
/* Is there any leaf within p, whatever its length? */
bool stride_any(const struct stride *s, uint32_t table, struct prefix p);

/*
 * What a look at all chunks finds. `tables`: how many there are. `seen` is the caller's: bits for
 * max_chunks chunks.
 */
struct stride_audit {
	uint32_t wrong; /* entries that lead to no chunk, or to one met before; lists that run wild
			 */
	uint32_t lost;	/* chunks that nothing leads to and no list holds, or that miscount */
};
struct stride_audit stride_audit(const struct stride *s, uint32_t tables, uint64_t *seen);

/*
 * Makes the allocator's words anew from what the roots lead to: each chunk that nothing leads to
 * is free. Only after a grace period, as with stride_reclaim().
 */
void stride_sweep(struct stride *s, uint32_t tables, uint64_t *seen);

/*
 * Compares a table with the same table of another image, which was made from the same prefixes and
 * so must have the same answers and the same shape; chunk numbers do not count. Returns how many
 * entries differ. With `mend` each is stored anew, whatever hung below it left to a sweep; -ENOSPC
 * if there are not enough chunks. `seen` is zero before the first table: an entry that leads to a
 * chunk met before differs.
 */
int64_t stride_compare(struct stride *s, const struct stride *want, uint32_t table, uint32_t tables,
		       bool mend, uint64_t *seen);

/* Chunks that an insert could take now without a reclaim. */
uint32_t stride_available(const struct stride *s);
/*
 * Moves limbo to the free list. Only after a grace period, begun with a full memory barrier: the
 * release store that cut a chunk off may otherwise still be on its way when the wait begins.
 */
void stride_reclaim(struct stride *s);

#endif
