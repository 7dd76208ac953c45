/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What would happen to a packet, and why.
 *
 * The answer is given twice by the functions that the programs themselves run (penstock/steer.h):
 * once over the derived maps, which is what a program does with the packet now, and once over the
 * primary maps, which is what it should do by the rules. The second pass also gathers the
 * explanation. Where the two differ the maps are damaged, and that is said. For another region
 * than the node's there is only the second.
 */
#ifndef STORE_DECIDE_H
#define STORE_DECIDE_H

#include "core/query.h"
#include "store/store.h"

struct decide_question {
	struct query packet;
	enum store_prog prog; /* where it comes in: a wan port, a lan port, penstock0 */
	uint32_t ifindex;     /* of that port; 0: of none that a packet would be sent back to */
	bool elsewhere;	      /* asks for a node of `region`, not for this one */
	uint16_t region;
	struct nl *nl; /* for penstock0: asks the kernel's routes; NULL: they are believed to lead
			* where they should */
};

enum decide_verdict {
	DECIDE_DROP,
	DECIDE_KERNEL,	    /* handed over */
	DECIDE_SEND,	    /* encapsulated and sent */
	DECIDE_UNDERLAY,    /* from penstock0: sent as it is, by the main table */
	DECIDE_DECAPSULATE, /* GRE to an endpoint of ours: what is inside decides */
};

struct decide_answer {
	enum decide_verdict verdict;
	int reason;		     /* enum ps_reason of a drop or a hand-over, else 0 */
	uint32_t leaf;		     /* 0: no route */
	uint32_t block;		     /* first of the row; not for comparing */
	uint32_t size, bucket, slot; /* buckets of the row, the packet's, and what it holds */
	struct ps_slot header;	     /* of the tunnel, when reason is not about an earlier stage */
};

/* A prefix found in a primary map; what the value is depends on the map. */
struct decide_match {
	bool found;
	struct prefix prefix;
	uint16_t value; /* account or table */
};

struct decide_candidate {
	struct ps_candidate route;
	char tunnel[PS_NAME_LEN];
	uint8_t health;
	uint32_t prepended, penalty, effective; /* rules 4, 5 and their sum */
	bool visible, active;
	uint8_t rule; /* that keeps it from being active: 2, 6 or 7; 0: none */
};

struct decision {
	struct decide_answer now;    /* by the derived maps; all zero for another region */
	struct decide_answer should; /* by the primary maps */
	bool hypothetical;	     /* the latter alone */
	bool agree;
	char differs[200]; /* what does not agree */

	uint32_t hash;
	struct decide_match owner;  /* of the destination */
	struct decide_match policy; /* that has the source, where policies are looked at */
	bool looked_up;		    /* in `table` */
	uint16_t table;
	bool routed;
	struct prefix prefix;
	uint32_t group;
	unsigned int candidates, skipped;
	struct decide_candidate candidate[PS_CANDIDATES_MAX];
	struct prefix skip[33]; /* longer prefixes none of whose routes is visible (rule 2) */
};

/* The one that counts. */
static inline const struct decide_answer *decision_answer(const struct decision *d)
{
	return d->hypothetical ? &d->should : &d->now;
}

/* Fills *d. Fails only if the maps can't be read. */
int decide(const struct store *st, const struct decide_question *q, struct decision *d,
	   struct error *err);

/* --- verify.c ----------------------------------------------------------------------------------
 */

/*
 * The longest packet: what one page leaves to an XDP program. Of a longer one the program would see
 * the first part only, which no port of ours shows it.
 */
#define DECIDE_VERIFY_MAX 3506u

struct decide_run {
	bool agrees;
	char differs[200]; /* what the program did instead */
};

/*
 * Puts the packet through the loaded program and compares. It is counted like any other, and not
 * sent. In the instance's network namespace only.
 */
int decide_verify(const struct store *st, const struct decide_question *q, const struct decision *d,
		  struct decide_run *run, struct error *err);
/* Label of a reason. */
const char *decide_reason(int reason);

#endif
