/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a failure travels up: a negative errno as the return value, and a sentence for the operator
 * in a struct error that the caller lends. The innermost one that knows the bad word writes it.
 */
#ifndef CORE_ERROR_H
#define CORE_ERROR_H

#include <stdbool.h>

struct error {
	char text[512];
	bool usage; /* what was asked for can't be: exit code 2. Otherwise something failed: 1 */
};

/* The input, or a limit it meets, is the cause. Returns -err. */
int error_usage(struct error *e, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The system is the cause. Returns -err. */
int error_system(struct error *e, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
