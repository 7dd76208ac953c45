/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random configurations and frames to put before program and model. The configurations are small
 * worlds with much overlap: nested prefixes, tunnels that share addresses, candidates that compete.
 * Addresses are taken from the edges of all that is configured, so that off-by-one errors meet.
 */
#ifndef PROG_WORLD_H
#define PROG_WORLD_H

#include "harness.h"

#define WORLD_TUNNELS 12
#define WORLD_PREFIXES 20
#define WORLD_POLICIES 6
#define WORLD_ROUTES 120
#define WORLD_POOL 1200

struct world {
	struct conf c;
	struct conf_tunnel tunnel[WORLD_TUNNELS];
	struct conf_prefix prefix[WORLD_PREFIXES];
	struct conf_policy policy[WORLD_POLICIES];
	struct conf_route route[WORLD_ROUTES];
	uint32_t pool[WORLD_POOL]; /* interesting addresses */
	unsigned int pooled;
};

void world_random(struct world *w, struct rng *r);
void world_frame(const struct world *w, struct rng *r, struct frame *f);

#endif
