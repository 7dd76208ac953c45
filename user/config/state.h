/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * States: the configuration as it was before each change, kept on disk so that one can go back.
 * They lie in $PENSTOCK_STATE_DIR/INSTANCE (/var/lib/penstock unless set), the newest STATE_KEPT.
 */
#ifndef CONFIG_STATE_H
#define CONFIG_STATE_H

#include <time.h>

#include "core/config.h"
#include "core/error.h"

#define STATE_KEPT 20u
#define STATE_PATH_LEN 512

struct state {
	unsigned long number; /* of the file; grows */
	time_t at;
	unsigned long long bytes;
};

/* Newest first; caller frees. None is no error. */
int state_list(const char *instance, struct state **list, size_t *n, struct error *err);
/*
 * Writes a new state. The instance's lock is held. After a failure there is neither a new file nor
 * a part of one.
 */
int state_save(const char *instance, const struct config *c, unsigned long *number,
	       struct error *err);
/* Takes back a state_save(). */
void state_drop(const char *instance, unsigned long number);
/* Removes all but the newest. */
void state_prune(const char *instance);
/* Reads one into the empty `c` and checks it. A file that is not whole is an error. */
int state_load(const char *instance, unsigned long number, struct config *c, struct error *err);

#endif
