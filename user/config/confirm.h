/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An apply that waits to be confirmed: a file says until when and what comes back otherwise, and a
 * process (waiter.h) sees to it. The file is $PENSTOCK_RUN_DIR/INSTANCE.confirm (/run/penstock
 * unless set).
 */
#ifndef CONFIG_CONFIRM_H
#define CONFIG_CONFIRM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "store/store.h"

#define CONFIRM_SECONDS_MAX 86400u

struct pending {
	uint64_t deadline_ms; /* of CLOCK_BOOTTIME, which goes on while the host sleeps */
	unsigned long state;  /* the state that comes back */
	uint32_t id;	      /* store_id() of the instance that it is about */
	int pid;	      /* of the waiter */
};

uint64_t boottime_ms(void);

/*
 * Is there one for this instance? *alive: its waiter is there. A file about an instance that was
 * unloaded since does not count.
 */
bool pending_read(const struct store *st, struct pending *p, bool *alive);
/* Whole seconds that are left, rounded up; 0: the deadline has passed. */
unsigned int pending_left(const struct pending *p);
int pending_write(const struct store *st, const struct pending *p, struct error *err);

/*
 * Ending a wait takes the file away while the instance's lock is held. The waiter looks for it with
 * the lock held too, so either it acts or it does not. `aside` is undone by `back` if the commit
 * that was to come with it fails.
 */
void pending_remove(const char *instance);
void pending_aside(const char *instance);
void pending_back(const char *instance);
void pending_aside_remove(const char *instance);

/* For the waiter: opens and locks the file, which is what tells others that it lives. -errno. */
int pending_hold(const char *instance);
/* Is that file still the one in force? */
bool pending_holds(const char *instance, int fd);

#endif
