/* SPDX-License-Identifier: GPL-2.0-only */
/* Interned names: numbers in the order of first use, found again however many there are. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/names.h"
#include "rng.h"

static void numbers_in_the_order_of_first_use(void **state)
{
	struct names s = { 0 };

	(void)state;
	assert_int_equal(names_find(&s, "a"), -ENOENT); /* nothing there at all */
	assert_int_equal(names_intern(&s, "b"), 0);
	assert_int_equal(names_intern(&s, "a"), 1);
	assert_int_equal(names_intern(&s, ""), 2);
	assert_int_equal(names_intern(&s, "b"), 0);
	assert_int_equal(names_find(&s, "a"), 1);
	assert_int_equal(names_find(&s, ""), 2);
	assert_int_equal(names_find(&s, "A"), -ENOENT);
	assert_int_equal(s.n, 3);
	assert_string_equal(s.name[1], "a");
	names_free(&s);
	assert_int_equal(s.n, 0);
	assert_int_equal(names_intern(&s, "x"), 0); /* and from the beginning */
	names_free(&s);
}

static void the_longest_name(void **state)
{
	struct names s = { 0 };

	(void)state;
	assert_int_equal(names_intern(&s, "123456789012345"), 0);
	assert_int_equal(names_intern(&s, "1234567890123456"), -ENAMETOOLONG);
	assert_int_equal(names_find(&s, "1234567890123456"), -ENOENT);
	assert_int_equal(names_intern(&s, "12345678901234"), 1); /* a beginning is another name */
	assert_string_equal(s.name[0], "123456789012345");
	assert_int_equal(s.n, 2);
	names_free(&s);
}

/* A name of a number, for many of them; different for different numbers. */
static void name_of(char name[PS_NAME_LEN], uint32_t i)
{
	snprintf(name, PS_NAME_LEN, "n%x", i * 2654435761u);
}

static void as_many_as_there_may_be(void **state)
{
	struct names s = { 0 };
	char name[PS_NAME_LEN];
	uint32_t i;

	(void)state;
	for (i = 0; i < NAMES_MAX; i++) {
		name_of(name, i);
		assert_int_equal(names_find(&s, name), -ENOENT);
		assert_int_equal(names_intern(&s, name), i);
	}
	assert_int_equal(names_intern(&s, "more"), -ENOSPC);
	assert_int_equal(names_find(&s, "more"), -ENOENT);
	for (i = 0; i < NAMES_MAX; i++) {
		name_of(name, i);
		assert_int_equal(names_intern(&s, name), i); /* known ones even when full */
		assert_string_equal(s.name[i], name);
	}
	assert_int_equal(s.n, NAMES_MAX);
	names_free(&s);
}

/* Against a list that is looked through. */
static void random_names_against_a_list(void **state)
{
	char list[600][PS_NAME_LEN], name[PS_NAME_LEN];
	unsigned int n = 0, i, k;
	struct names s = { 0 };
	int want;

	(void)state;
	for (i = 0; i < 20000; i++) {
		memset(name, 0, sizeof(name));
		for (k = rng_below(3); k < 3; k++)
			name[strlen(name)] = (char)('a' + rng_below(8));
		for (want = 0; want < (int)n && strcmp(list[want], name); want++)
			;
		assert_int_equal(names_find(&s, name), want < (int)n ? want : -ENOENT);
		if (rng_below(8))
			continue;
		assert_int_equal(names_intern(&s, name), want);
		if (want == (int)n)
			memcpy(list[n++], name, sizeof(name));
	}
	assert_int_equal(s.n, n);
	assert_true(n > 100);
	names_free(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_in_the_order_of_first_use),
		cmocka_unit_test(the_longest_name),
		cmocka_unit_test(as_many_as_there_may_be),
		cmocka_unit_test(random_names_against_a_list),
	};

	return cmocka_run_group_tests(tests, rng_setup, NULL);
}
