/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names interned as small numbers, so that a million routes that name four tunnels hold four
 * strings. Pure; memory is malloc's.
 */
#ifndef CORE_NAMES_H
#define CORE_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "penstock/abi.h"

#define NAMES_MAX 65535u

struct names {
	char (*name)[PS_NAME_LEN];
	uint32_t n, cap;
	uint32_t *index; /* open addressing: 1 + number, 0: empty */
	uint32_t mask;
};

/*
 * The number of a name, made on first use. -ENAMETOOLONG for more than 15 characters, -ENOSPC
 * beyond NAMES_MAX names, -ENOMEM.
 */
int names_intern(struct names *s, const char *name);
/* -ENOENT for a name that is not there. */
int names_find(const struct names *s, const char *name);
void names_free(struct names *s);

#endif
