/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A plain model of design section 5: what becomes of a frame, said again from the text and without
 * any of the programs' tricks. Prefixes are found by looking at all of them, bytes are read one
 * field at a time, checksums are computed from scratch. Only two things are not the model's own:
 * the bucket rows (core/group.h, which has an oracle of its own) and the mixing of the flow hash
 * (its values are pinned by unit tests).
 *
 * The kernel of the harness has a route to REMOTES, without neighbours, so the model can say what
 * a FIB lookup answers.
 */
#ifndef PROG_MODEL_H
#define PROG_MODEL_H

#include "harness.h"

#define MODEL_DROP 0 /* next hops; tunnel i of the configuration is MODEL_FIRST + i */
#define MODEL_UNDERLAY 1
#define MODEL_FIRST 2

struct model_prefix { /* all routes of one prefix in one table */
	const char *table;
	struct prefix p;
	unsigned int log2;
	uint16_t *row; /* of next hops */
};

struct model {
	const struct conf *conf;
	struct model_prefix *prefix;
	unsigned int prefixes;
};

struct model_out {
	int verdict, reason; /* as in struct outcome */
	int tx, rx;	     /* next hop whose counters rise, -1: none */
	uint32_t tx_bytes, rx_bytes;
	bool unknown;	  /* depends on what the model does not know; compare nothing */
	struct frame out; /* where it goes on */
};

/* The configuration is borrowed. */
void model_init(struct model *m, const struct conf *c);
void model_free(struct model *m);

void model_run(const struct model *m, enum hook hook, enum dev in, const struct frame *f,
	       struct model_out *o);

#endif
