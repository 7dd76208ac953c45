/* SPDX-License-Identifier: GPL-2.0-only */
/* See error.h. */
#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>

int error_usage(struct error *e, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	e->usage = true;
	return -err;
}

int error_system(struct error *e, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	e->usage = false;
	return -err;
}
