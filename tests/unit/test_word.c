/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers, names, hosts' addresses, and the word that was probably meant. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/word.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static void numbers(void **state)
{
	static const struct {
		const char *word;
		uint32_t min, max;
		bool good;
		uint32_t value;
	} row[] = {
		{ "0", 0, 10, true, 0 },
		{ "10", 0, 10, true, 10 },
		{ "11", 0, 10, false, 0 },
		{ "1", 2, 10, false, 0 },
		{ "4294967295", 0, UINT32_MAX, true, UINT32_MAX },
		{ "4294967296", 0, UINT32_MAX, false, 0 },
		{ "99999999999999999999999", 0, UINT32_MAX, false, 0 },
		{ "0xff", 0, 255, true, 255 },
		{ "0XfF", 0, 255, true, 255 },
		{ "0x", 0, 255, false, 0 },
		{ "0xg", 0, 255, false, 0 },
		{ "ff", 0, 255, false, 0 },
		{ "010", 0, 255, false, 0 },
		{ "", 0, 255, false, 0 },
		{ "-1", 0, 255, false, 0 },
		{ "+1", 0, 255, false, 0 },
		{ " 1", 0, 255, false, 0 },
		{ "1 ", 0, 255, false, 0 },
		{ "1e1", 0, 255, false, 0 },
	};
	char err[256], quoted[128];
	uint32_t value;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(row); i++) {
		int r;

		value = 77;
		r = number_parse("ttl", row[i].word, row[i].min, row[i].max, false, &value, err,
				 sizeof(err));
		assert_int_equal(r, row[i].good ? 0 : -EINVAL);
		assert_int_equal(value, row[i].good ? row[i].value : 77);
		if (row[i].good)
			continue;
		snprintf(quoted, sizeof(quoted), "ttl \"%s\": expected a number from %u to %u",
			 row[i].word, row[i].min, row[i].max);
		assert_string_equal(err, quoted);
	}
	assert_int_equal(number_parse("key", "x", 0, 1, true, &value, err, sizeof(err)), -EINVAL);
	assert_string_equal(err, "key \"x\": expected a number from 0 to 1, or none");
}

static void names(void **state)
{
	static const struct {
		const char *word;
		bool tunnel, table, table_or_main, account;
	} row[] = {
		{ "a", true, true, true, true },
		{ "0", true, true, true, true },
		{ ".x", true, true, true, true },
		{ "A_b.c-9", true, true, true, true },
		{ "abcdefghijklmno", true, true, true, true },
		{ "abcdefghijklmnop", false, false, false, false },
		{ "", false, false, false, false },
		{ "-a", false, false, false, false },
		{ "a b", false, false, false, false },
		{ "a/b", false, false, false, false },
		{ "\xc3\xa9", false, false, false, false },
		{ "main", false, false, true, false },
		{ "default", false, false, false, true },
		{ "drop", false, false, false, false },
		{ "underlay", false, false, false, false },
		{ "Main", true, true, true, true },
	};
	char err[256];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(row); i++) {
		const char *word = row[i].word;

		assert_int_equal(!name_check("x", word, NAME_TUNNEL, err, sizeof(err)),
				 row[i].tunnel);
		assert_int_equal(!name_check("x", word, NAME_TABLE, err, sizeof(err)),
				 row[i].table);
		assert_int_equal(!name_check("x", word, NAME_TABLE_OR_MAIN, err, sizeof(err)),
				 row[i].table_or_main);
		assert_int_equal(!name_check("x", word, NAME_ACCOUNT, err, sizeof(err)),
				 row[i].account);
	}
	name_check("table", "drop", NAME_TABLE, err, sizeof(err));
	assert_string_equal(
		err, "table \"drop\": expected another name, this one has a meaning of its own");
}

static void hosts(void **state)
{
	static const char *const bad[] = { "0.0.0.0",	"0.1.2.3",    "127.0.0.1",
					   "224.0.0.1", "240.0.0.1",  "255.255.255.255",
					   "1.2.3",	"1.2.3.4/32", "" };
	uint32_t addr = 0;
	char err[256];
	size_t i;

	(void)state;
	assert_int_equal(unicast_parse("remote", "223.255.255.255", &addr, err, sizeof(err)), 0);
	assert_int_equal(addr, 0xdfffffff);
	assert_int_equal(unicast_parse("remote", "1.0.0.0", &addr, err, sizeof(err)), 0);
	assert_int_equal(addr, 0x01000000);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(unicast_parse("remote", bad[i], &addr, err, sizeof(err)), -EINVAL);
		assert_int_equal(addr, 0x01000000);
		assert_non_null(strstr(err, "remote \""));
	}
}

static void near_words(void **state)
{
	static const char *const keys[] = { "prefix", "via",   "priority", "weight",
					    "region", "table", NULL };
	static const struct {
		const char *word, *meant;
	} row[] = {
		{ "prioritty", "priority" },
		{ "priorty", "priority" },
		{ "pritority", "priority" },
		{ "Priority", "priority" },
		{ "pirority", "priority" },
		{ "regions", "region" },
		{ "via ", "via" },
		{ "vai", "via" },
		{ "vi", "via" },
		{ "v", NULL },
		{ "prefixes", "prefix" },
		{ "tunnel", NULL },
		{ "tabel", "table" },
		{ "weigth", "weight" },
		{ "wgt", NULL },
		{ "", NULL },
		{ "priorityprioritypriority", NULL },
		{ "priorityprioritypriorityx", NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(row); i++) {
		const char *meant = word_near(keys, row[i].word);

		if (!row[i].meant || !meant) {
			if (meant != row[i].meant)
				fail_msg("%s: %s", row[i].word, meant ? meant : "nothing");
			continue;
		}
		assert_string_equal(meant, row[i].meant);
	}
	assert_int_equal(word_find(keys, "via"), 1);
	assert_int_equal(word_find(keys, "vi"), -1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(names),
		cmocka_unit_test(hosts),
		cmocka_unit_test(near_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
