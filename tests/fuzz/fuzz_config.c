/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Any bytes as penstock.yaml: refused with a place, or parsed, checked and linted; and what was
 * parsed prints to what parses to the same. Run by libFuzzer (`make check-fuzz`).
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
