/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * See word.h. strtoul() is not used: it takes signs, blanks and 010 for eight.
 *
 * What was probably meant is the nearest word by edits (a letter more, less, other, or two in the
 * wrong order) without regard to case: two edits at most, and fewer than half of the longer one.
 */
#include "core/word.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/prefix.h"
#include "penstock/abi.h"

#define NEAR_EDITS 2u
#define NEAR_LEN 24u /* longer words are not compared */

const char *const node_mode_names[] = { "transit", "edge", NULL };
const char *const hash_mode_names[] = { "rendezvous", "modulo", NULL };
const char *const prepend_count_names[] = { "additional", "all", NULL };

/* Digits of a base, no sign, no blanks; nothing above 2^32 - 1. */
static bool digits(const char *s, unsigned int base, uint64_t *v)
{
	*v = 0;
	if (!*s)
		return false;
	for (; *s; s++) {
		unsigned int d;

		if (*s >= '0' && *s <= '9')
			d = (unsigned int)(*s - '0');
		else if (base == 16 && isxdigit((unsigned char)*s))
			d = (unsigned int)(tolower((unsigned char)*s) - 'a') + 10;
		else
			return false;
		*v = *v * base + d;
		if (*v > UINT32_MAX)
			return false;
	}
	return true;
}

int number_parse(const char *what, const char *word, uint32_t min, uint32_t max, bool none,
		 uint32_t *value, char *err, size_t errlen)
{
	bool hex = word[0] == '0' && (word[1] == 'x' || word[1] == 'X');
	bool octal = word[0] == '0' && word[1] && !hex;
	uint64_t v;

	/* 010 is eight to some and ten to others. */
	if (octal || !digits(hex ? word + 2 : word, hex ? 16 : 10, &v) || v < min || v > max) {
		snprintf(err, errlen, "%s \"%.64s\": expected a number from %u to %u%s", what, word,
			 min, max, none ? ", or none" : "");
		return -EINVAL;
	}
	*value = (uint32_t)v;
	return 0;
}

int name_check(const char *what, const char *word, enum name_kind kind, char *err, size_t errlen)
{
	static const char *const reserved[] = { "main", "drop", "underlay", "default", NULL };
	size_t n =
		strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");
	int i;

	if (!n || n >= PS_NAME_LEN || word[n] || word[0] == '-') {
		snprintf(err, errlen,
			 "%s \"%.64s\": expected a name of 1 to 15 letters, digits, _ . or -, not "
			 "beginning with -",
			 what, word);
		return -EINVAL;
	}
	i = word_find(reserved, word);
	if (i < 0 || (kind == NAME_ACCOUNT && i == 3) || (kind == NAME_TABLE_OR_MAIN && i == 0))
		return 0;
	snprintf(err, errlen, "%s \"%s\": expected another name, this one has a meaning of its own",
		 what, word);
	return -EINVAL;
}

int unicast_parse(const char *what, const char *word, uint32_t *addr, char *err, size_t errlen)
{
	char why[256];
	uint32_t a, top;

	if (addr_parse(word, &a, why, sizeof(why))) {
		snprintf(err, errlen, "%s %s", what, why);
		return -EINVAL;
	}
	top = a >> 24;
	if (!top || top == 127 || top >= 224) {
		snprintf(err, errlen, "%s \"%s\": expected a unicast address of a host", what,
			 word);
		return -EINVAL;
	}
	*addr = a;
	return 0;
}

int word_find(const char *const *list, const char *word)
{
	int i;

	for (i = 0; list[i]; i++)
		if (!strcmp(list[i], word))
			return i;
	return -1;
}

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* Optimal string alignment, three rows of the table at a time. */
static unsigned int edits(const char *a, size_t n, const char *b, size_t m)
{
	unsigned int row[3][NEAR_LEN + 1], *two = row[0], *one = row[1], *now = row[2], *swap;
	size_t i, j;

	for (j = 0; j <= m; j++)
		two[j] = one[j] = (unsigned int)j;
	for (i = 1; i <= n; i++) {
		now[0] = (unsigned int)i;
		for (j = 1; j <= m; j++) {
			int x = tolower((unsigned char)a[i - 1]);
			int y = tolower((unsigned char)b[j - 1]);

			now[j] = least(least(one[j], now[j - 1]) + 1, one[j - 1] + (x != y));
			if (i > 1 && j > 1 && x != y && x == tolower((unsigned char)b[j - 2]) &&
			    y == tolower((unsigned char)a[i - 2]))
				now[j] = least(now[j], two[j - 2] + 1);
		}
		swap = two;
		two = one;
		one = now;
		now = swap;
	}
	return one[m];
}

const char *word_near(const char *const *list, const char *word)
{
	unsigned int best = NEAR_EDITS + 1, d;
	size_t n = strlen(word), m;
	const char *found = NULL;
	int i;

	for (i = 0; n <= NEAR_LEN && list[i]; i++) {
		m = strlen(list[i]);
		d = m <= NEAR_LEN ? edits(word, n, list[i], m) : best;
		if (d >= best || 2 * d >= (n > m ? n : m))
			continue;
		best = d;
		found = list[i];
	}
	return found;
}
