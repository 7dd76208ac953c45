/* SPDX-License-Identifier: GPL-2.0-only */
/* Region codes and sets of them (rule 2). A set is a bit mask; the empty set means global. Pure. */
#ifndef CORE_REGION_H
#define CORE_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGION_COUNT 9
#define REGION_SET_STRLEN 48

/* Bit of one code ("AFR" ... "WNAM"), upper case only; 0 if there is no such code. */
uint16_t region_parse(const char *code);
/* Comma-separated codes. 0 or -EINVAL with err naming the bad code and listing the known ones. */
int region_set_parse(const char *word, uint16_t *set, char *err, size_t errlen);
/* Codes in alphabetical order, comma-separated; "" for the empty set. Returns buf. */
char *region_set_str(uint16_t set, char buf[static REGION_SET_STRLEN]);
/* Rule 2: is a route with this scope visible on a node of this region (0: none set)? */
bool region_visible(uint16_t scope, uint16_t node_region);

#endif
