/* SPDX-License-Identifier: GPL-2.0-only */
/* The differences between two configurations, staged in a transaction. */
#ifndef CONFIG_STAGE_H
#define CONFIG_STAGE_H

#include "core/config.h"
#include "store/store.h"

/* Is this tunnel, by its name and endpoints, none of those? Then its next hop is to be found. */
bool config_tunnel_moved(const struct ps_tunnel *old, const struct config_tunnel *new);
/* Name, endpoints and what else a file says of a tunnel, but for the account. */
void config_tunnel_fill(const struct config *c, const struct config_tunnel *from,
			struct ps_tunnel *to);

/*
 * Stages what makes `old`, which is what the transaction began with, into `new`, which was checked.
 * `hop` are tunnels whose next hop was looked for. Nothing is staged where nothing differs.
 */
int config_stage(struct txn *txn, const struct config *old, const struct config *new,
		 const struct ps_tunnel *hop, size_t hops, struct error *err);

#endif
