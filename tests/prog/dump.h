/* SPDX-License-Identifier: GPL-2.0-only */
/* The configuration of an instance as text, by names: equal for equal ones, whatever their ids. */
#ifndef PROG_DUMP_H
#define PROG_DUMP_H

#include "harness.h"

/* Everything primary but the ports; caller frees. */
char *dump_text(const struct store *st);

#endif
