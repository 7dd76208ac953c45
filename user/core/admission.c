/* SPDX-License-Identifier: GPL-2.0-only */
/* See admission.h. */
#include "core/admission.h"

#include <errno.h>
#include <stdlib.h>

static uint64_t prefix_end(struct prefix p)
{
	return (uint64_t)p.addr + (1ull << (32 - p.len));
}

bool run_extend(struct run *r, struct prefix p)
{
	uint64_t end = prefix_end(p);

	if (p.addr > r->end)
		return false;
	if (end > r->end)
		r->end = end;
	return true;
}

int admission_add(struct admission *a, struct prefix p)
{
	struct run *run;
	size_t cap;

	if (a->n && run_extend(&a->run[a->n - 1], p))
		return 0;
	if (a->n == a->cap) {
		cap = a->cap ? a->cap * 2 : 64;
		run = realloc(a->run, cap * sizeof(*run));
		if (!run)
			return -ENOMEM;
		a->run = run;
		a->cap = cap;
	}
	a->run[a->n++] = (struct run){ p.addr, prefix_end(p) };
	return 0;
}

bool admission_has(const struct admission *a, struct prefix p)
{
	size_t lo = 0, hi = a->n, mid;

	/* The last run that begins no later than p. */
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (a->run[mid].begin <= p.addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && prefix_end(p) <= a->run[lo - 1].end;
}

void admission_free(struct admission *a)
{
	free(a->run);
	*a = (struct admission){ 0 };
}
