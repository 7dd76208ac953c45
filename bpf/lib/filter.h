/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The filter stage: where ordered rules will judge packets, before a tunnel is chosen. Both
 * directions pass here today without rules, and no rule means let through.
 */
#ifndef LIB_FILTER_H
#define LIB_FILTER_H

#include "lib/parse.h"

enum filter_direction {
	FILTER_INGRESS, /* from the Internet towards a protected prefix */
	FILTER_EGRESS,	/* from a protected prefix */
};

/* 0, or -PS_R_FILTERED. */
static __always_inline int filter(const struct pkt *p, enum filter_direction dir)
{
	(void)p;
	(void)dir;
	return 0;
}

#endif
