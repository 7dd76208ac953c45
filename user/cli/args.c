/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Words of a command: a cursor over them, and keywords with values by tables. A keyword's row says
 * how its value is read, within which limits, and where it goes; so the limits stand in one place
 * for the check, the message and the completion.
 *
 * Objects, verbs, keywords and choices may be abbreviated while that is unique. Names never are.
 * Nothing is allocated: a batch of a million lines passes through here.
 */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "core/region.h"

#define WORDS_MAX 32

const char *arg_peek(const struct args *a)
{
	return a->at < a->n ? a->word[a->at] : NULL;
}

const char *arg_need(struct cli *c, const char *expected)
{
	struct args *a = &c->args;

	if (a->at < a->n)
		return a->word[a->at++];
	cli_usage(c, "after \"%.64s\": expected %s", a->at ? a->word[a->at - 1] : "", expected);
	return NULL;
}

int arg_end(struct cli *c)
{
	const char *word = arg_peek(&c->args);

	if (!word)
		return 0;
	if (word[0] == '-')
		return cli_usage(c, "unexpected \"%.64s\": options stand before the object", word);
	return cli_usage(c, "unexpected \"%.64s\" at the end", word);
}

int arg_prefix(struct cli *c, struct prefix *p)
{
	const char *word = arg_need(c, "a prefix, such as 192.0.2.0/24");
	char why[256];

	if (!word)
		return -EINVAL;
	return prefix_parse(word, p, why, sizeof(why)) ? cli_usage(c, "%s", why) : 0;
}

/* "a, b, c" of the words that begin with `head`. */
static const char *join(char *buf, size_t len, const char *const *list, int n, const char *head)
{
	size_t at = 0, skip = strlen(head);
	int i;

	buf[0] = '\0';
	for (i = 0; i < n; i++) {
		if (strncmp(list[i], head, skip))
			continue;
		at += (size_t)snprintf(buf + at, len - at, "%s%s", at ? ", " : "", list[i]);
		if (at >= len)
			break;
	}
	return buf;
}

int word_match(struct cli *c, const char *what, const char *word, const char *const *list, int n)
{
	size_t len = strlen(word);
	int i, found = -1, hits = 0;
	char names[384];

	for (i = 0; i < n; i++) {
		if (list[i][0] != word[0] || strncmp(list[i], word, len))
			continue;
		if (!list[i][len])
			return i;
		found = i;
		hits++;
	}
	if (hits == 1)
		return found;
	if (hits)
		return cli_usage(c, "%s%s\"%.64s\" is ambiguous: %s", what ? what : "",
				 what ? " " : "", word, join(names, sizeof(names), list, n, word));
	return cli_usage(c, "%s%s\"%.64s\": expected %s%s", what ? what : "", what ? " " : "", word,
			 n > 1 ? "one of " : "", join(names, sizeof(names), list, n, ""));
}

int parse_number(struct cli *c, const struct keyword *k, const char *value, void *at)
{
	char why[256];

	return number_parse(k->word, value, k->min, k->max, k->none, at, why, sizeof(why)) ?
		       cli_usage(c, "%s", why) :
		       0;
}

int parse_choice(struct cli *c, const struct keyword *k, const char *value, void *at)
{
	int n = 0, i;

	while (k->choice[n])
		n++;
	i = word_match(c, k->word, value, k->choice, n);
	if (i < 0)
		return i;
	*(uint32_t *)at = (uint32_t)i;
	return 0;
}

int parse_name(struct cli *c, const struct keyword *k, const char *value, void *at)
{
	char why[256];

	*(const char **)at = value;
	return name_check(k->word, value, (enum name_kind)k->min, why, sizeof(why)) ?
		       cli_usage(c, "%s", why) :
		       0;
}

int parse_word(struct cli *c, const struct keyword *k, const char *value, void *at)
{
	(void)c;
	(void)k;
	*(const char **)at = value;
	return 0;
}

int parse_addr(struct cli *c, const struct keyword *k, const char *value, void *at)
{
	char why[256];

	return unicast_parse(k->word, value, at, why, sizeof(why)) ? cli_usage(c, "%s", why) : 0;
}

int parse_ifaddr(struct cli *c, const struct keyword *k, const char *value, void *at)
{
	struct iface_addr *a = at;
	char why[256];
	uint32_t peer;

	if (ifaddr_parse(value, &a->addr, &a->len, &peer, why, sizeof(why)))
		return cli_usage(c, "%s %s", k->word, why);
	return 0;
}

int parse_prefix(struct cli *c, const struct keyword *k, const char *value, void *at)
{
	char why[256];

	(void)k;
	return prefix_parse(value, at, why, sizeof(why)) ? cli_usage(c, "%s", why) : 0;
}

int parse_region(struct cli *c, const struct keyword *k, const char *value, void *at)
{
	char all[REGION_SET_STRLEN];
	uint32_t bit = region_parse(value);

	if (!bit)
		return cli_usage(c, "%s \"%.64s\": expected one of %s%s", k->word, value,
				 region_set_str((1u << REGION_COUNT) - 1, all),
				 k->none ? ", or none" : "");
	*(uint32_t *)at = bit;
	return 0;
}

int parse_regions(struct cli *c, const struct keyword *k, const char *value, void *at)
{
	char why[160];
	uint16_t set;

	if (region_set_parse(value, &set, why, sizeof(why)))
		return cli_usage(c, "%s %s", k->word, why);
	*(uint32_t *)at = set;
	return 0;
}

static int keyword_value(struct cli *c, const struct keyword *k, int i, void *out,
			 struct given *given)
{
	const char *value;

	if (k->flag)
		return 0;
	value = arg_need(c, k->expected);
	if (!value)
		return -EINVAL;
	if (k->none && !strcmp(value, "none")) {
		given->none |= 1u << i;
		return 0;
	}
	return k->parse(c, k, value, (char *)out + k->offset);
}

int keywords_parse(struct cli *c, const struct keyword *table, void *out, struct given *given)
{
	const char *words[WORDS_MAX], *word;
	int n = 0, i;

	memset(given, 0, sizeof(*given));
	for (; table[n].word; n++)
		words[n] = table[n].word;
	while ((word = arg_peek(&c->args))) {
		c->args.at++;
		i = word_match(c, NULL, strncmp(word, "--", 2) ? word : word + 2, words, n);
		if (i < 0)
			return i;
		if (given->set & (1u << i))
			return cli_usage(c, "\"%s\" given twice", words[i]);
		given->set |= 1u << i;
		i = keyword_value(c, &table[i], i, out, given);
		if (i)
			return i;
	}
	for (i = 0; i < n; i++)
		if (table[i].required && !(given->set & (1u << i)))
			return cli_usage(c, "\"%s\" is missing: expected %s", words[i],
					 table[i].expected);
	return 0;
}
