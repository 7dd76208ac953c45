/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Any text as a word of the command line: each parser of core refuses it with a sentence, or takes
 * it and prints what parses to the same. Run by libFuzzer (`make check-fuzz`).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/prefix.h"
#include "core/region.h"
#include "core/word.h"

#define MUST(expr)                                                         \
	do {                                                               \
		if (!(expr)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #expr); \
			abort();                                           \
		}                                                          \
	} while (0)

static char err[128]; /* small: sentences are cut */

static void as_prefix(const char *word)
{
	char text[PREFIX_STRLEN];
	struct prefix p, back;

	if (prefix_parse(word, &p, err, sizeof(err))) {
		MUST(*err);
		return;
	}
	MUST(p.len <= 32 && !(p.addr & ~prefix_mask(p.len)));
	MUST(!prefix_parse(prefix_str(p, text), &back, err, sizeof(err)));
	MUST(!prefix_cmp(p, back));
	MUST(!strncmp(text, word, strlen(word))); /* the word may lack a /32 */
}

static void as_address(const char *word)
{
	uint32_t addr, peer, host;
	char text[ADDR_STRLEN];
	uint8_t len;

	if (addr_parse(word, &addr, err, sizeof(err)))
		MUST(unicast_parse("x", word, &host, err, sizeof(err)));
	else
		MUST(!strcmp(addr_str(addr, text), word));
	if (!ifaddr_parse(word, &addr, &len, &peer, err, sizeof(err))) {
		MUST(len == 30 || len == 31);
		MUST(addr != peer && !((addr ^ peer) & prefix_mask(len)));
		MUST(ifaddr_peer(peer, len) == addr);
	}
}

static void as_regions(const char *word)
{
	char text[REGION_SET_STRLEN];
	uint16_t set, back;

	if (region_set_parse(word, &set, err, sizeof(err))) {
		MUST(!region_parse(word));
		return;
	}
	MUST(set && set < 1u << REGION_COUNT);
	MUST(!region_set_parse(region_set_str(set, text), &back, err, sizeof(err)));
	MUST(set == back);
}

static void as_number_and_name(const char *word)
{
	static const char *const list[] = { "prefix", "via", "priority", "mss-clamp", NULL };
	const char *near = word_near(list, word);
	uint32_t v = 0;
	char text[16];

	if (!number_parse("x", word, 1, 256, true, &v, err, sizeof(err))) {
		MUST(v >= 1 && v <= 256);
		snprintf(text, sizeof(text), "%u", v);
		MUST(!strncmp(word, "0x", 2) || !strncmp(word, "0X", 2) || !strcmp(text, word));
	}
	if (!name_check("x", word, NAME_TUNNEL, err, sizeof(err)))
		MUST(strlen(word) < 16 && !name_check("x", word, NAME_TABLE, err, sizeof(err)));
	MUST(!near || word_find(list, near) >= 0);
	MUST(word_find(list, word) < 0 || near == list[word_find(list, word)]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *word = malloc(size + 1);

	MUST(word);
	memcpy(word, data, size);
	word[size] = '\0';
	as_prefix(word);
	as_address(word);
	as_regions(word);
	as_number_and_name(word);
	free(word);
	return 0;
}
