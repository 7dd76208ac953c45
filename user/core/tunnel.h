/* SPDX-License-Identifier: GPL-2.0-only */
/* A tunnel as configured: its limits, what it must not share with others, its ready header. Pure.
 */
#ifndef CORE_TUNNEL_H
#define CORE_TUNNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/prefix.h"
#include "penstock/abi.h"

#define TUNNEL_MTU_MIN 576u /* RFC 791: what every host takes */
#define TUNNEL_MTU_MAX 9176u
#define TUNNEL_TTL 64u /* unless given */

/* Fills *s but for s->next, which belongs to the chain of the remote address. */
void tunnel_slot(const struct ps_tunnel *t, struct ps_slot *s);

/* The MTU of a tunnel that was given none: 1500 less the headers, with a key or without. */
uint16_t tunnel_mtu_default(bool key);

/* What a tunnel may conflict with, whatever the struct it is in. Host order. */
struct tunnel_face {
	const char *name;
	uint32_t local, remote;
	uint32_t key;  /* 0 without one */
	uint32_t addr; /* of the interface */
	uint8_t addr_len;
	uint8_t flags; /* PS_TUNNEL_F_KEY, PS_TUNNEL_F_ADDRESS */
};

struct tunnel_face tunnel_face(const struct ps_tunnel *t);

/* Refuses a tunnel to itself. */
int tunnel_ends_check(const struct tunnel_face *t, struct error *err);
/* Refuses two that a received packet, or their interface subnets, could not tell apart. */
int tunnel_clash(const struct tunnel_face *a, const struct tunnel_face *b, struct error *err);
/* Refuses more than PS_CHAIN_MAX with one remote address: `others` have it besides this one. */
int tunnel_chain_check(const char *name, unsigned int others, struct error *err);
/*
 * Refuses an endpoint inside an authorised prefix, which would be reached through its own tunnel,
 * and a prefix inside the interface subnet, which is not the customer's.
 */
int tunnel_prefix_check(const struct tunnel_face *t, struct prefix p, struct error *err);

#endif
