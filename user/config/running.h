/* SPDX-License-Identifier: GPL-2.0-only */
/* The configuration that an instance has, in the form that a file has when it was read. */
#ifndef CONFIG_RUNNING_H
#define CONFIG_RUNNING_H

#include "core/config.h"
#include "store/store.h"

/*
 * Fills the empty `c`, sorted as config_check() sorts; it is to be freed after an error, too. What
 * the operator did not say is left out: routes from BGP and of interface subnets, health, counters.
 */
int config_running(const struct store *st, struct config *c, struct error *err);

#endif
