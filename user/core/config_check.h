/* SPDX-License-Identifier: GPL-2.0-only */
/* Is a configuration consistent in itself, and is it wise? See config_check.c, config_lint.c. */
#ifndef CORE_CONFIG_CHECK_H
#define CORE_CONFIG_CHECK_H

#include "core/config.h"
#include "core/error.h"

/*
 * Sorts all lists: prefixes by prefix, tunnels by name, routes by table name (main first), prefix,
 * name of the next hop and regions, policies by source. `name` is the file's, for messages.
 */
int config_check(struct config *c, const char *name, struct error *err);

typedef void (*config_lint_fn)(void *arg, const struct config_pos *pos, const char *text);
/* What is allowed, but hardly meant. After config_check(). */
void config_lint(const struct config *c, config_lint_fn fn, void *arg);

/* Does the priority meet the penalties of rule 5? Then it says so in text. */
bool priority_lint(struct prefix p, uint32_t priority, char *text, size_t len);

#endif
