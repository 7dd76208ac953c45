/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rule 10: a route of `main` lies in an authorised prefix, or is made of such. Prefixes are nested
 * or disjoint, so both come to one question: is every address of it in some authorised prefix? Met
 * in order (prefix_cmp), prefixes cover runs of ground without a gap; the route must lie in one.
 *
 * The store asks once, over the few prefixes inside a route; a configuration file asks for millions
 * of routes, so its runs are made first and then searched. Pure.
 */
#ifndef CORE_ADMISSION_H
#define CORE_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/prefix.h"

struct run {
	uint64_t begin, end; /* addresses, end excluded */
};

/* Makes the run longer by a prefix that is not before its begin. False: there is a gap. */
bool run_extend(struct run *r, struct prefix p);

struct admission {
	struct run *run;
	size_t n, cap;
};

/* The next prefix, in order. 0 or -ENOMEM. */
int admission_add(struct admission *a, struct prefix p);
bool admission_has(const struct admission *a, struct prefix p);
void admission_free(struct admission *a);

#endif
