/* SPDX-License-Identifier: GPL-2.0-only */
/* From a tunnel as configured to the ready header the programs copy. Pure. */
#ifndef CORE_TUNNEL_H
#define CORE_TUNNEL_H

#include "penstock/abi.h"

#define TUNNEL_MTU_MIN 576u /* RFC 791: what every host takes */
#define TUNNEL_MTU_MAX 9176u

/* Fills *s but for s->next, which belongs to the chain of the remote address. */
void tunnel_slot(const struct ps_tunnel *t, struct ps_slot *s);

#endif
