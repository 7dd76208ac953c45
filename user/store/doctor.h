/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the doctor share (doctor.c). */
#ifndef STORE_DOCTOR_H
#define STORE_DOCTOR_H

#include "store/plan.h"

struct doctor {
	struct store *st;
	bool repair;
	store_finding_fn fn;
	void *arg;
	struct error *err;
	/* The entries that make sense, each as in its map, sorted. */
	struct entry *entry[PLAN_MAPS];
	size_t entries[PLAN_MAPS];
	struct group_tunnel *view;
};

/* Reports a difference. Those with `mendable` have been mended if this is a repair. */
void finding(const struct doctor *d, const char *where, bool mendable, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* doctor_group.c: references, states, hashes, rows. */
int doctor_groups(struct doctor *d);
/* doctor_fib.c: slots, the FIB, chunks. */
int doctor_slots(struct doctor *d);
int doctor_fib(struct doctor *d);

#endif
