/* SPDX-License-Identifier: GPL-2.0-only */
/* See names.h. Numbers are given in the order of first use and never change. */
#include "core/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t hash(const char *s)
{
	uint32_t h = 0x811c9dc5u; /* FNV-1a */

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x01000193u;
	return h;
}

/* Where the name is, or the empty place for it. The index is never full. */
static uint32_t place(const struct names *s, const char *name)
{
	uint32_t i = hash(name) & s->mask;

	while (s->index[i] && strcmp(s->name[s->index[i] - 1], name))
		i = (i + 1) & s->mask;
	return i;
}

static int grow(struct names *s)
{
	uint32_t cap = s->cap ? s->cap * 2 : 32, i, at;
	uint32_t *index = calloc(cap * 2, sizeof(*index));
	void *name = realloc(s->name, cap * sizeof(*s->name));

	if (name)
		s->name = name;
	if (!name || !index) {
		free(index);
		return -ENOMEM;
	}
	free(s->index);
	s->index = index;
	s->mask = cap * 2 - 1;
	s->cap = cap;
	for (i = 0; i < s->n; i++) {
		at = place(s, s->name[i]);
		s->index[at] = i + 1;
	}
	return 0;
}

int names_find(const struct names *s, const char *name)
{
	uint32_t at;

	if (!s->n)
		return -ENOENT;
	at = place(s, name);
	return s->index[at] ? (int)s->index[at] - 1 : -ENOENT;
}

int names_intern(struct names *s, const char *name)
{
	size_t len = strlen(name);
	int found = names_find(s, name), r;
	uint32_t at;

	if (found >= 0)
		return found;
	if (len >= PS_NAME_LEN)
		return -ENAMETOOLONG;
	if (s->n == NAMES_MAX)
		return -ENOSPC;
	r = s->n == s->cap ? grow(s) : 0;
	if (r)
		return r;
	at = place(s, name);
	memset(s->name[s->n], 0, PS_NAME_LEN);
	memcpy(s->name[s->n], name, len);
	s->index[at] = ++s->n;
	return (int)s->n - 1;
}

void names_free(struct names *s)
{
	free(s->name);
	free(s->index);
	memset(s, 0, sizeof(*s));
}
