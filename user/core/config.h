/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The declarative configuration as plain data: what a penstock.yaml says, or what an instance has.
 * Pure; reading and writing files and maps is user/config's.
 *
 * Names are numbers into `names`, unless said otherwise. Objects remember where in the file they
 * stand, so that an error found later still has its place.
 */
#ifndef CORE_CONFIG_H
#define CORE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/names.h"
#include "core/prefix.h"
#include "penstock/abi.h"

struct config_pos {
	uint32_t line, column; /* from 1; 0: not from a file */
};

/* Which keys of `node` were given; what was not stays as it is. */
#define CONFIG_NODE_MODE 0x01u
#define CONFIG_NODE_REGION 0x02u
#define CONFIG_NODE_ASN 0x04u
#define CONFIG_NODE_HASH_MODE 0x08u
#define CONFIG_NODE_PREPEND_COUNT 0x10u

struct config_node {
	uint8_t given;	       /* CONFIG_NODE_* */
	uint8_t mode;	       /* enum ps_node_mode */
	uint8_t hash_mode;     /* enum ps_hash_mode */
	uint8_t prepend_count; /* enum ps_prepend_count */
	uint16_t region;       /* bit, 0: none */
	uint32_t asn;
};

struct config_prefix {
	struct prefix p;
	uint16_t account;
	struct config_pos pos;
};

struct config_tunnel {
	uint16_t name;
	uint16_t account;
	uint32_t local, remote; /* host order */
	uint32_t key;
	uint32_t addr; /* interface address, host order */
	uint8_t addr_len;
	uint8_t flags; /* PS_TUNNEL_F_* */
	uint8_t ttl;
	uint16_t mtu;
	struct config_pos pos;
};

/* A static route. BGP and interface routes are no configuration. */
struct config_route {
	struct prefix p;
	uint32_t priority;
	uint16_t table; /* number of the name `main` for the main table */
	uint16_t via;	/* tunnel, or the names `drop` and `underlay` */
	uint16_t weight;
	uint16_t regions; /* bits, 0: global */
	struct config_pos pos;
};

struct config_policy {
	struct prefix from;
	uint16_t table;
	struct config_pos pos;
};

struct config {
	struct config_node node;
	struct config_prefix *prefix;
	struct config_tunnel *tunnel;
	struct config_route *route;
	struct config_policy *policy;
	size_t prefixes, tunnels, routes, policies;
	struct names names;
};

static inline const char *config_name(const struct config *c, uint16_t name)
{
	return c->names.name[name];
}

void config_free(struct config *c);

#endif
