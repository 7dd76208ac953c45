/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Words with limits: numbers, names, addresses of hosts, choices. The command line and
 * penstock.yaml take the same ones, with the same messages. Pure.
 *
 * The *_parse() and *_check() functions return 0, or -EINVAL with a sentence in err that begins
 * with `what` and quotes the word.
 */
#ifndef CORE_WORD_H
#define CORE_WORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum name_kind {
	NAME_TUNNEL, /* a new tunnel */
	NAME_TABLE,  /* an egress table */
	NAME_TABLE_OR_MAIN,
	NAME_ACCOUNT,
};

/* Decimal, or hexadecimal after 0x. `none`: the message says that the word none will do, too. */
int number_parse(const char *what, const char *word, uint32_t min, uint32_t max, bool none,
		 uint32_t *value, char *err, size_t errlen);
/* A name for something new: 1 to 15 letters, digits, _ . or -, and none with a meaning. */
int name_check(const char *what, const char *word, enum name_kind kind, char *err, size_t errlen);
/* An address that a host may have, host order. */
int unicast_parse(const char *what, const char *word, uint32_t *addr, char *err, size_t errlen);

/* Place of a word in a NULL-terminated list; -1 if it is not there. No abbreviations. */
int word_find(const char *const *list, const char *word);
/* The word of the list that was probably meant, by edit distance; NULL: none is near. */
const char *word_near(const char *const *list, const char *word);

/* NULL-terminated, in the order of the enums of penstock/abi.h. */
extern const char *const node_mode_names[];
extern const char *const hash_mode_names[];
extern const char *const prepend_count_names[];

#endif
