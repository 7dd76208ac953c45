/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All of an instance's maps that hold state, copied, to say later what has changed. Counters and
 * remembered next hops are not state.
 */
#ifndef PROG_SNAPSHOT_H
#define PROG_SNAPSHOT_H

#include "harness.h"

struct snapshot {
	void *map[MAP_COUNT];
	size_t len[MAP_COUNT];
};

void snapshot_take(struct snapshot *s);
void snapshot_free(struct snapshot *s);
/* Fails the test, and names the map and the first byte, if anything has changed since. */
void snapshot_unchanged(const struct snapshot *s, const char *since);

#endif
