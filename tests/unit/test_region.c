/* SPDX-License-Identifier: GPL-2.0-only */
/* Region codes, sets of them, and rule 2. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/region.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const char *const codes[REGION_COUNT] = {
	"AFR", "APAC", "EEUR", "ENAM", "ME", "OC", "SAM", "WEUR", "WNAM",
};

/* The bits are in the maps: they are ABI. */
static void codes_have_their_bits(void **state)
{
	static const char *const refused[] = {
		"", "afr", "AF", "AFRX", "MEE", "EU", "AFR,ME", " ME"
	};
	size_t i;

	(void)state;
	for (i = 0; i < REGION_COUNT; i++)
		assert_int_equal(region_parse(codes[i]), 1u << i);
	for (i = 0; i < ARRAY_SIZE(refused); i++)
		assert_int_equal(region_parse(refused[i]), 0);
}

static void sets_parse(void **state)
{
	static const struct {
		const char *word;
		const char *bad; /* the code at fault; NULL: good */
		uint16_t set;
	} row[] = {
		{ "AFR", NULL, 0x001 },	       { "WNAM,AFR", NULL, 0x101 },
		{ "ME,ME", NULL, 0x010 },      { "", "\"\"", 0 },
		{ "AFR,", "\"\"", 0 },	       { ",AFR", "\"\"", 0 },
		{ "AFR,,ME", "\"\"", 0 },      { "AFR, ME", "\" ME\"", 0 },
		{ "AFR,EU,ME", "\"EU\"", 0 },  { "weur", "\"weur\"", 0 },
		{ "AFR;ME", "\"AFR;ME\"", 0 },
	};
	uint16_t set = 0x7777;
	char err[160];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(row); i++) {
		int ret = region_set_parse(row[i].word, &set, err, sizeof(err));

		if (!row[i].bad) {
			assert_int_equal(ret, 0);
			assert_int_equal(set, row[i].set);
			continue;
		}
		set = 0x7777;
		assert_int_equal(region_set_parse(row[i].word, &set, err, sizeof(err)), -EINVAL);
		assert_int_equal(set, 0x7777);
		if (!strstr(err, row[i].bad) ||
		    !strstr(err, "AFR,APAC,EEUR,ENAM,ME,OC,SAM,WEUR,WNAM"))
			fail_msg("\"%s\" is refused with: %s", row[i].word, err);
	}
}

static void every_set_comes_back(void **state)
{
	char buf[REGION_SET_STRLEN], naive[128], err[160];
	uint16_t set, back;
	unsigned int i;

	(void)state;
	for (set = 0; set < 1u << REGION_COUNT; set++) {
		naive[0] = '\0';
		for (i = 0; i < REGION_COUNT; i++) {
			if (!(set >> i & 1))
				continue;
			if (naive[0])
				strcat(naive, ",");
			strcat(naive, codes[i]);
		}
		assert_string_equal(region_set_str(set, buf), naive);
		if (!set)
			continue;
		assert_int_equal(region_set_parse(buf, &back, err, sizeof(err)), 0);
		assert_int_equal(back, set);
	}
}

/* Rule 2, all scopes on all nodes: global, or the node's region is one of those named. */
static void visibility(void **state)
{
	unsigned int scope, node, i;

	(void)state;
	for (scope = 0; scope < 1u << REGION_COUNT; scope++) {
		assert_int_equal(region_visible((uint16_t)scope, 0), scope == 0);
		for (node = 0; node < REGION_COUNT; node++) {
			bool named = false;

			for (i = 0; i < REGION_COUNT; i++)
				named |= i == node && (scope >> i & 1);
			assert_int_equal(region_visible((uint16_t)scope, (uint16_t)(1u << node)),
					 scope == 0 || named);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_have_their_bits),
		cmocka_unit_test(sets_parse),
		cmocka_unit_test(every_set_comes_back),
		cmocka_unit_test(visibility),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
