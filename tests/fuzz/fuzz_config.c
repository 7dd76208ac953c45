/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Any bytes as penstock.yaml: refused with a place, or parsed, checked and linted; and what was
 * parsed prints to what parses to the same. Run by libFuzzer (`make check-fuzz`).
 *
 * Bytes changed at random are hardly ever YAML: of a million inputs none had `weight: 2`. So most
 * mutations change a whole word for one that has a meaning somewhere, or repeat, move and remove
 * whole lines.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/config_equal.h"
#include "config/yaml.h"
#include "core/config_check.h"

#define MUST(expr)                                                         \
	do {                                                               \
		if (!(expr)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #expr); \
			abort();                                           \
		}                                                          \
	} while (0)

struct text {
	char *at;
	size_t n, cap, read, step;
};

static ssize_t read_text(void *arg, void *buf, size_t len)
{
	struct text *t = arg;
	size_t n = t->n - t->read;

	n = n > len ? len : n;
	n = n > t->step ? t->step : n;
	memcpy(buf, t->at + t->read, n);
	t->read += n;
	return (ssize_t)n;
}

static int write_text(void *arg, const char *buf, size_t len)
{
	struct text *t = arg;

	if (t->n + len > t->cap) {
		t->cap = 2 * (t->n + len);
		t->at = realloc(t->at, t->cap);
		MUST(t->at);
	}
	memcpy(t->at + t->n, buf, len);
	t->n += len;
	return 0;
}

static void lint(void *arg, const struct config_pos *pos, const char *text)
{
	(void)arg;
	MUST(pos->line && pos->column && *text);
}

static void round_trip(const struct config *c)
{
	struct text one = { .step = SIZE_MAX }, two = { .step = SIZE_MAX };
	struct config back = { 0 };
	struct error err;

	MUST(!config_print(c, write_text, &one));
	if (config_parse(&back, "printed", read_text, &one, &err)) {
		fprintf(stderr, "%s\n%.*s", err.text, (int)one.n, one.at);
		abort();
	}
	MUST(config_equal(c, &back));
	MUST(!config_print(&back, write_text, &two));
	MUST(one.n == two.n && !memcmp(one.at, two.at, one.n));
	config_free(&back);
	free(one.at);
	free(two.at);
}

/* --- mutations -----------------------------------------------------------------------------------
 */

static const char *const words[] = {
	"node",	       "prefixes",    "tunnels",     "routes",	    "policies",	  "mode",
	"region",      "asn",	      "hash-mode",   "edge",	    "transit",	  "modulo",
	"all",	       "additional",  "prefix",	     "account",	    "name",	  "kind",
	"local",       "remote",      "key",	     "ttl",	    "mtu",	  "address",
	"mss-clamp",   "via",	      "priority",    "weight",	    "table",	  "from",
	"on",	       "off",	      "gre",	     "drop",	    "underlay",	  "main",
	"default",     "none",	      "AFR",	     "ME",	    "WNAM",	  "[AFR, ME]",
	"0",	       "1",	      "2",	     "64",	    "255",	  "256",
	"257",	       "1472",	      "1476",	     "500000",	    "4294967295", "4294967296",
	"0x10",	       "010",	      "t1",	     "t2",	    "x",	  "'1'",
	"\"on\"",      "[]",	      "{}",	     "1.0.0.1",	    "2.0.0.1",	  "2.0.0.2",
	"10.0.0.1",    "0.0.0.0/0",   "10.0.0.0/8",  "10.0.0.0/9",  "*a",	  "10.128.0.0/9",
	"10.1.0.0/16", "10.0.0.0/31", "10.0.0.2/30", "10.0.0.1/31", "&a b",
};
#define WORDS (sizeof(words) / sizeof(*words))

static bool in_word(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '/' || c == '-' || c == '_';
}

/* Puts n bytes where `cut` of them were. The size afterwards; as before if there is no room. */
static size_t splice(uint8_t *data, size_t size, size_t max, size_t at, size_t cut, const char *put,
		     size_t n)
{
	if (size - cut + n > max)
		return size;
	memmove(data + at + n, data + at + cut, size - at - cut);
	memcpy(data + at, put, n);
	return size - cut + n;
}

static size_t change_word(uint8_t *data, size_t size, size_t max, size_t at, const char *word)
{
	size_t end;

	while (at < size && !in_word(data[at]))
		at++;
	for (end = at; end < size && in_word(data[end]); end++)
		;
	while (at > 0 && in_word(data[at - 1]))
		at--;
	return splice(data, size, max, at, end - at, word, strlen(word));
}

/* The line around `at` is removed, or copied to before the line around `to`. */
static size_t change_line(uint8_t *data, size_t size, size_t max, size_t at, size_t to, bool copy)
{
	char line[256];
	size_t end = at;

	while (at > 0 && data[at - 1] != '\n')
		at--;
	while (end < size && data[end++] != '\n')
		;
	if (!copy)
		return splice(data, size, max, at, end - at, "", 0);
	if (end - at > sizeof(line))
		return size;
	memcpy(line, data + at, end - at);
	while (to > 0 && data[to - 1] != '\n')
		to--;
	return splice(data, size, max, to, 0, line, end - at);
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	uint64_t x = (seed + 1) * 0x9e3779b97f4a7c15ull;
	size_t at = size ? (x >> 33) % size : 0, to = size ? (x >> 12) % size : 0;

	switch (size ? seed % 8 : 7) {
	case 0:
	case 1:
	case 2:
	case 3:
		return change_word(data, size, max, at, words[(x >> 40) % WORDS]);
	case 4:
		return change_line(data, size, max, at, to, false);
	case 5:
		return change_line(data, size, max, at, to, true);
	default:
		return LLVMFuzzerMutate(data, size, max);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text t = { .at = (char *)data, .n = size, .step = 1 + size % 61 };
	struct config c = { 0 };
	struct error err = { 0 };

	if (config_parse(&c, "fuzz", read_text, &t, &err)) {
		MUST(err.usage && !strncmp(err.text, "fuzz:", 5));
		MUST(strtoul(err.text + 5, NULL, 10) > 0);
	} else {
		round_trip(&c);
		if (config_check(&c, "fuzz", &err)) {
			MUST(err.usage && !strncmp(err.text, "fuzz:", 5));
		} else {
			config_lint(&c, lint, NULL);
			round_trip(&c);
		}
	}
	config_free(&c);
	return 0;
}
