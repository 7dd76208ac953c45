/* SPDX-License-Identifier: GPL-2.0-only */
/* See config.h. */
#include "core/config.h"

#include <stdlib.h>
#include <string.h>

void config_free(struct config *c)
{
	free(c->prefix);
	free(c->tunnel);
	free(c->route);
	free(c->policy);
	names_free(&c->names);
	memset(c, 0, sizeof(*c));
}
