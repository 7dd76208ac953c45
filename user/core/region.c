/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The nine region codes. A code's bit is its place in the alphabet of codes; the bits are ABI
 * (ps_candidate, ps_node), so a new code goes to the end and costs the printing its order.
 */
#include "core/region.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const region_code[REGION_COUNT] = {
	"AFR", "APAC", "EEUR", "ENAM", "ME", "OC", "SAM", "WEUR", "WNAM",
};

/* The bit of the code of `len` characters at `s`, 0 if there is none. */
static uint16_t region_find(const char *s, size_t len)
{
	unsigned int i;

	for (i = 0; i < REGION_COUNT; i++)
		if (strlen(region_code[i]) == len && memcmp(region_code[i], s, len) == 0)
			return (uint16_t)(1u << i);
	return 0;
}

uint16_t region_parse(const char *code)
{
	return region_find(code, strlen(code));
}

int region_set_parse(const char *word, uint16_t *set, char *err, size_t errlen)
{
	char known[REGION_SET_STRLEN];
	const char *s = word;
	uint16_t all = 0, bit;
	size_t len;

	for (;; s += len + 1) {
		len = strcspn(s, ",");
		bit = region_find(s, len);
		if (!bit) {
			snprintf(err, errlen, "\"%.*s\" is no region; known: %s", (int)len, s,
				 region_set_str((1u << REGION_COUNT) - 1, known));
			return -EINVAL;
		}
		all |= bit;
		if (!s[len])
			break;
	}
	*set = all;
	return 0;
}

char *region_set_str(uint16_t set, char buf[static REGION_SET_STRLEN])
{
	size_t used = 0;
	unsigned int i;

	buf[0] = '\0';
	for (i = 0; i < REGION_COUNT; i++)
		if (set & (1u << i))
			used += (size_t)snprintf(buf + used, REGION_SET_STRLEN - used, "%s%s",
						 used ? "," : "", region_code[i]);
	return buf;
}

bool region_visible(uint16_t scope, uint16_t node_region)
{
	/* A node without a region sees global routes only: it is in none of the named ones. */
	return scope == 0 || (scope & node_region) != 0;
}
