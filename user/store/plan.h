/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A plan: everything that one transaction writes, decided to the last word before the first one is
 * written. It lies in the map ps_intent, flat, and is carried out from there, both by the process
 * that made it and, if that one was killed, by the next one that opens the instance. So a
 * transaction is done whole or not begun, and recovery has no code of its own that could differ.
 *
 * A plan holds final values, and of what packets may meet the old ones too: carrying it out twice,
 * or from any point where somebody was killed, ends the same and on the way shows packets nothing
 * but the old decisions and the new ones.
 *
 * These layouts are ABI, as are those of penstock/abi.h: a change raises PS_ABI_VERSION.
 *
 * Rejected: an undo log (old values say nothing about order, and undoing is a second writer to get
 * right); recomputing everything from the primary maps after a crash (they may hold half of a
 * batch, and rewriting rows before leaves would show packets a mixture).
 */
#ifndef STORE_PLAN_H
#define STORE_PLAN_H

#include "store/internal.h"

#define PLAN_MAGIC 0x504c414eu /* "PLAN" */

#define PLAN_PLUMB 0x1u	 /* the kernel's routes, rules or addresses may have to change */
#define PLAN_FLIPS 0x2u	 /* routes of groups that stay have appeared or vanished (rule 2) */
#define PLAN_COPIES 0x4u /* copies of rows are used */

/* What happens to the row of a group that is in use after the transaction. */
enum plan_class {
	PLAN_KEEP = 0,	 /* nothing, or a new number of references only */
	PLAN_FRESH = 1,	 /* no leaf leads to it yet: it may be written at any time */
	PLAN_CHANGE = 2, /* packets use it, and its content changes */
	PLAN_VANISH = 3, /* packets use it, and its leaves go: none of its routes is visible */
};

struct plan_tunnel {
	__u32 id;
	__u32 turned; /* the rows that hold it are made anew: another slot or health */
	struct ps_tunnel was, now;
};

struct plan_name {
	__u32 id;
	__u32 account; /* 1: of ps_account, 0: of ps_table */
	struct ps_name now;
};

struct plan_group {
	__u32 id;
	__u32 class; /* enum plan_class */
	/* PLAN_CHANGE: row references of copies, PLAN_NO_ROW where none is needed */
	__u32 fresh; /* with the new content, for leaves that come here */
	__u32 stale; /* with the old content, for leaves that go from here */
	__u32 list;  /* 1 + index of the new list among the plan's; 0: the list stays */
	__u32 pad;
	struct ps_group now;
};
#define PLAN_NO_ROW UINT32_MAX

/* An exact prefix of ps_route, ps_prefix or ps_policy. */
struct plan_edit {
	struct ps_prefix_key key;
	__u32 was, now; /* GROUP_NONE: absent */
};

enum plan_map { /* the hash maps with prefixes */
	PLAN_ROUTE,
	PLAN_PREFIX,
	PLAN_POLICY,
	PLAN_MAPS
};

/* The sections follow in this order, each of so many elements, without gaps. */
struct plan_head {
	__u32 magic;
	__u32 flags;
	__u64 bytes; /* of the whole */
	__u32 tunnels, names, groups, lists;
	__u32 edits[PLAN_MAPS];				     /* longest prefixes first */
	__u32 routes;					     /* ps_meta.route_count afterwards */
	__u64 transactions, bgp_rejected, bgp_misconfigured; /* likewise */
	struct ps_node was, node;
};

PS_ASSERT(sizeof(struct plan_head) == 104);
PS_ASSERT(sizeof(struct plan_tunnel) == 152);
PS_ASSERT(sizeof(struct plan_name) == 32);
PS_ASSERT(sizeof(struct plan_group) == 48);
PS_ASSERT(sizeof(struct plan_edit) == 16);

/* The sections of a plan in memory; pointers into ps_intent. */
struct plan {
	struct plan_head *head;
	struct plan_tunnel *tunnel;
	struct plan_name *name;
	struct plan_group *group;
	struct ps_candidates *list;
	struct plan_edit *edit[PLAN_MAPS];
};

extern const enum store_map plan_maps[PLAN_MAPS];

/* Bytes of a plan with these numbers of elements. */
uint64_t plan_bytes(const struct plan_head *h);
/* Sets the pointers for the numbers in head. */
void plan_lay_out(struct plan *p, struct plan_head *head);
/* Could this be carried out? Checks every number and index against the instance's limits. */
bool plan_sound(const struct store *st, const struct plan_head *head, uint64_t room);

/* plan.c: decides, and writes the plan into ps_intent. Nothing that packets meet is changed. */
int plan_make(struct txn *t, struct plan *p, struct error *err);
/* commit.c: carries it out. Negative errno if a map refuses, which leaves the plan to be done. */
int plan_carry_out(struct store *st, const struct plan *p);
/* Says what the next opener has to finish if this process is killed: PS_DIRTY_*. */
void set_dirty(struct store *st, uint32_t dirty);

/* intent.c: ps_intent, mapped, with room for so many bytes at least; -ENOMEM. */
int intent_room(struct store *st, uint64_t bytes, void **at, struct error *err);
/* What is there. */
int intent_open(struct store *st, void **at, uint64_t *room, struct error *err);
/* Gives back what a large transaction took. */
void intent_trim(struct store *st);
void intent_close(struct store *st);

#endif
