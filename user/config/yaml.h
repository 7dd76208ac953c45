/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * penstock.yaml: text to struct config and back. What the text means as a whole (duplicates,
 * unknown tunnels, admission) is core/config_check.h's.
 */
#ifndef CONFIG_YAML_H
#define CONFIG_YAML_H

#include <stddef.h>
#include <sys/types.h>

#include "core/config.h"
#include "core/error.h"

/* Bytes, 0 at the end, -errno. */
typedef ssize_t (*config_read_fn)(void *arg, void *buf, size_t len);
/* 0 or -errno. */
typedef int (*config_write_fn)(void *arg, const char *buf, size_t len);

/*
 * Fills the empty `c`; it is to be freed after an error, too. `name` is for messages. Everything
 * wrong with the text is an error_usage() that begins with NAME:LINE:COLUMN.
 */
int config_parse(struct config *c, const char *name, config_read_fn read, void *arg,
		 struct error *err);
/* "-" is the standard input. */
int config_parse_file(struct config *c, const char *file, struct error *err);

/* Canonical text, which parses back to the same; a config that was checked prints sorted. */
int config_print(const struct config *c, config_write_fn write, void *arg);

#endif
