/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the walker (yaml.c), which knows YAML, and the schema (schema.c), which knows what a
 * penstock.yaml says. The walker fills one `item` after the other by the tables of the schema and
 * hands each over when it is whole.
 */
#ifndef CONFIG_WALK_H
#define CONFIG_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config.h"
#include "core/error.h"

#define SCHEMA_KEYS_MAX 12u

/* One object while it is read, of any section. Zeroed before each. */
struct item {
	struct config_pos pos;
	uint32_t given; /* bit i: the i-th key */
	struct prefix prefix;
	uint32_t local, remote, key, ttl, mtu, kind, mss_clamp;
	uint32_t addr;
	uint8_t addr_len;
	uint16_t name, account, via, table; /* numbers of names */
	uint32_t priority, weight, regions;
	uint32_t mode, asn, hash_mode, prepend_count;
};
#define GIVEN(item, i) (((item)->given >> (i)) & 1u)

/* A config that is being filled. */
struct filling {
	struct config *c;
	struct item item;
	size_t prefix_cap, tunnel_cap, route_cap, policy_cap;
	int main_name, default_name; /* numbers of these names; -1: not yet asked for */
};

struct schema_key {
	const char *word;
	/* 0; -EINVAL with a sentence in why; -ENOMEM. `at` is the key's field of the item. */
	int (*value)(struct filling *f, const struct schema_key *k, const char *word, void *at,
		     char *why, size_t len);
	size_t offset; /* in struct item */
	uint32_t min, max;
	const char *const *choice;
	const char *expected;
	bool required;
	bool none; /* `none` may stand for no value */
	bool many; /* a list of values will do, too */
};

struct schema {
	const char *word;
	const struct schema_key *key;
	unsigned int keys;
	bool list; /* of mappings; else one mapping */
	/* Takes the item. 0 or -ENOMEM. */
	int (*end)(struct filling *f);
};

#define SCHEMA_SECTIONS 5u
extern const struct schema config_schema[SCHEMA_SECTIONS];

#endif
