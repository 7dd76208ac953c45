/* SPDX-License-Identifier: GPL-2.0-only */
/* The process that returns to the state of before an apply that nobody confirmed. */
#ifndef CONFIG_WAITER_H
#define CONFIG_WAITER_H

#include "config/confirm.h"

/*
 * Starts it, detached, and returns a socket to it, or a negative errno. It does nothing before
 * waiter_go(), and ends if the socket is closed without that. To be called before the instance is
 * opened and before there is much memory: the process inherits both.
 */
int waiter_start(struct error *err);
int waiter_pid(int socket);
/* Tells it what to wait for; returns when it holds the pending file. */
int waiter_go(int socket, const char *instance, const struct pending *p, struct error *err);

#endif
