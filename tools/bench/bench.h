/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the bench share. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

#include "store/store.h"

#define BENCH_LOCAL 0xc0000201u	 /* 192.0.2.1 */
#define BENCH_REMOTE 0xc6120000u /* 198.18.0.0/15: remote addresses of the tunnels */

#define BENCH_ROUNDS_MAX 101u

/* --- main.c ----------------------------------------------------------------------------------- */

struct bench {
	const char *dir; /* of the objects; results go there */
	bool quick;
	unsigned int rounds;
};

extern char instance[PS_NAME_LEN];

noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void must(int r, const struct error *err, const char *what);
double now_s(void);
double median(double *v, size_t n);
int double_cmp(const void *a, const void *b);
/* Runs a shell command; dies if it fails. */
void sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/*
 * One row of the result. target 0: none; less: the value must be at most the target, else at least.
 */
void row(const char *id, const char *what, double value, const char *unit, double target,
	 bool less);

/* --- tables.c ------------------------------------------------------------------------------------
 */

struct scenario {
	const char *name;
	uint32_t prefixes, groups, tunnels;
};

/* Prefixes like the Internet's, the same each time: by length and by clustering. */
struct prefix *tables_prefixes(uint32_t n);
/* Loads the instance and its tunnels, sent out by port `tx`; READY without neighbours. */
struct store *tables_open(const struct scenario *s, uint32_t tx);
/* Routes for the prefixes. Times in seconds; both may be NULL. */
void tables_routes(struct store *st, const struct scenario *s, const struct prefix *p,
		   double *stage, double *commit);
/* Turns all tunnels to another port. */
void tables_port(struct store *st, uint32_t ifindex);

/* --- the parts
 * ------------------------------------------------------------------------------------- */

void micro(const struct bench *b);
void load(const struct bench *b);
void chain(const struct bench *b);
void chain_clean_up(void); /* after chain(), or at any exit */

#endif
