/* SPDX-License-Identifier: GPL-2.0-only */
/* Applying a configuration to an instance: the differences, as one transaction, all or nothing. */
#ifndef CONFIG_APPLY_H
#define CONFIG_APPLY_H

#include "config/diff.h"
#include "core/config.h"
#include "store/store.h"

/* What an apply has to do with one that waits to be confirmed. */
enum apply_kind {
	APPLY_FILE,   /* refused while one waits */
	APPLY_BACK,   /* a rollback: ends the waiting */
	APPLY_RETURN, /* the waiter's: nothing unless `held` is still in force */
};

struct apply {
	enum apply_kind kind;
	const struct config *want; /* checked */
	bool dry_run;		   /* everything but the writing */
	unsigned int confirm_s; /* APPLY_FILE: the state of before comes back after these; 0: no */
	int waiter;		/* the socket of waiter_start(), if confirm_s is not 0 */
	int held;		/* APPLY_RETURN: of pending_hold() */
	/* Called after the commit for each tunnel that is new or has moved; NULL: not. */
	void (*tunnel)(void *arg, const struct ps_tunnel *t);
	void *arg;
	/* What came of it. All zero: there was nothing to do, and nothing was written. */
	size_t added, changed, removed;
	unsigned long state; /* kept of before; 0: none */
};

/* `st` is open for writing. -ESTALE without a message: APPLY_RETURN has no longer a reason. */
int config_apply(struct store *st, struct apply *a, struct error *err);

#endif
