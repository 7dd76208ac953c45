/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Groups: from a candidate list to a bucket row. Pure; the result depends on the configuration
 * only: not on ids, not on the order in which routes came.
 *
 * Rules 2 and 5 to 8 (docs/steering-rules.md) choose the active set: the visible candidates of the
 * lowest effective priority, static ones before BGP ones (and a tunnel's interface subnet, which is
 * connected, before both).
 *
 * Each bucket has a fixed preference order over all visible tunnels of the list; it carries the
 * first one that is active. So when a tunnel leaves the active set only its own buckets move, and
 * when it returns exactly those come back. The order is by weighted rendezvous hashing of (tunnel
 * name, bucket), except that each tier (candidates of one base priority and origin) hands out the
 * first places of the buckets by quota: with all of a tier healthy its shares are exact to the
 * row's resolution. Scores are integers (a table-driven log2), so every machine gets the same row.
 *
 * Rejected: Maglev tables (a change moves buckets of others), hash modulo N (moves (N-1)/N of the
 * flows; kept as `hash-mode modulo` for comparison), a score per packet (costs the fast path).
 */
#ifndef CORE_GROUP_H
#define CORE_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "penstock/abi.h"

#define PRIORITY_DEGRADED 500000u /* rule 5 */
#define PRIORITY_DOWN 1000000u
#define WEIGHT_MAX 256u	     /* rule 8 */
#define PRIORITY_PREPEND 10u /* rule 4 */
#define ROW_MIN 64u
#define ROW_MAX 4096u

/* What a group needs to know of a tunnel. Indexed by tunnel id. */
struct group_tunnel {
	const char *name; /* NULL: no such tunnel */
	uint16_t slot;	  /* what the row's buckets hold */
	uint8_t health;	  /* enum ps_health */
};

/* What a group needs to know of the node. */
struct group_node {
	uint16_t region;
	uint8_t hash_mode; /* enum ps_hash_mode */
};

/* What groups need to know of n tunnels, by id. Borrows their names. */
void group_view(const struct ps_tunnel *t, uint32_t n, struct group_tunnel *view);

/* Rule 5. Saturates. */
uint32_t priority_effective(const struct ps_candidate *c, uint8_t health);

/* Order of two candidates in a canonical list; 0 only for equal ones. */
int candidate_cmp(const struct ps_candidate *a, const struct ps_candidate *b);
/* Sorts. Same set of candidates, same list. */
void group_canonical(struct ps_candidate *c, unsigned int n);
/* Hash of a canonical list, for interning. */
uint64_t group_hash(const struct ps_candidate *c, unsigned int n);

/* Bit i: candidate i is in the active set. 0: no candidate is visible. n <= 64. */
uint64_t group_active(const struct ps_candidate *c, unsigned int n, const struct group_tunnel *t,
		      const struct group_node *node);

/*
 * Slots that `quota[i]` of the row's `size` go to weight[i], largest remainder first, ties to the
 * lower index, at least one each. n <= size.
 */
void group_quota(const uint16_t *weight, unsigned int n, unsigned int size, uint16_t *quota);

/*
 * log2 of the row in blocks of 64 buckets: the smallest row in which every tier's shares are
 * within 1 % (relative) of the weights, whatever the node's region; the largest row if none is.
 * Neither region nor health counts, so a group's row never changes its size in its life.
 */
unsigned int group_row_log2(const struct ps_candidate *c, unsigned int n,
			    const struct group_tunnel *t);

/*
 * Fills row[0 .. 64 << log2) with slots. Without a visible candidate every bucket holds slot 0
 * (PS_TUNNEL_DROP's); such a group should have no leaf (rule 2).
 */
void group_row(const struct ps_candidate *c, unsigned int n, const struct group_tunnel *t,
	       const struct group_node *node, unsigned int log2, uint16_t *row);

#endif
