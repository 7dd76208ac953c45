/* SPDX-License-Identifier: GPL-2.0-only */
/* The two configurations of the table of cases: a transit node and an edge node. */
#include "cases.h"

static const struct conf_tunnel transit_tunnel[] = {
	{ .name = "plain",
	  .local = LOCAL,
	  .remote = R_PLAIN,
	  .account = "acme",
	  .addr = A4(10, 255, 0, 0),
	  .addr_len = 31 },
	/* Four with one remote: told apart by key and local address. */
	{ .name = "keyed",
	  .local = LOCAL,
	  .remote = R_SHARED,
	  .has_key = true,
	  .key = 100,
	  .account = "acme" },
	{ .name = "keyed2",
	  .local = LOCAL,
	  .remote = R_SHARED,
	  .has_key = true,
	  .key = 200,
	  .account = "acme" },
	{ .name = "bare", .local = LOCAL, .remote = R_SHARED, .account = "acme" },
	{ .name = "local2", .local = LOCAL2, .remote = R_SHARED, .account = "acme" },
	{ .name = "beta",
	  .local = LOCAL,
	  .remote = R_BETA,
	  .account = "beta",
	  .addr = A4(10, 255, 0, 5),
	  .addr_len = 30 },
	{ .name = "unres",
	  .local = LOCAL,
	  .remote = R_UNRES,
	  .account = "acme",
	  .unresolved = true },
	{ .name = "idle", .local = LOCAL, .remote = R_IDLE, .account = "acme", .port = DEV_IDLE },
	{ .name = "far", .local = LOCAL, .remote = R_FAR, .account = "acme", .port = DEV_WAN1 },
	{ .name = "small",
	  .local = LOCAL,
	  .remote = R_SMALL,
	  .account = "acme",
	  .mtu = 600,
	  .ttl = 17 },
	{ .name = "down",
	  .local = LOCAL,
	  .remote = R_DOWN,
	  .account = "acme",
	  .health = PS_HEALTH_DOWN },
	{ .name = "lost", .local = LOCAL, .remote = R_LOST, .account = "acme" },
	{ .name = "looped", .local = LOCAL, .remote = R_LOOP, .account = "acme" },
};

static const struct conf_prefix transit_prefix[] = {
	{ P(10, 1, 0, 0, 16), "acme" }, { P(10, 2, 0, 0, 16), "beta" },
	{ P(10, 3, 0, 0, 16), "acme" }, { P(10, 4, 0, 0, 24), "acme" },
	{ P(10, 4, 1, 0, 24), "acme" },
};

static const struct conf_route transit_route[] = {
	{ .p = P(10, 1, 1, 0, 24), .tunnel = "plain" },
	{ .p = P(10, 1, 1, 128, 25), .tunnel = "far" },
	{ .p = P(10, 1, 1, 200, 32), .tunnel = "keyed" },
	{ .p = P(10, 1, 2, 0, 24), .tunnel = "keyed" },
	{ .p = P(10, 1, 3, 0, 24), .tunnel = "bare" },
	{ .p = P(10, 1, 4, 0, 24), .tunnel = "unres" },
	{ .p = P(10, 1, 5, 0, 24), .tunnel = "idle" },
	{ .p = P(10, 1, 6, 0, 24), .tunnel = "drop" },
	{ .p = P(10, 1, 7, 0, 24), .tunnel = "underlay" },
	{ .p = P(10, 1, 8, 0, 24), .tunnel = "plain", .regions = OTHER_REGION },
	{ .p = P(10, 1, 9, 0, 24), .tunnel = "far", .regions = OUR_REGION },
	{ .p = P(10, 1, 9, 128, 25), .tunnel = "plain", .regions = OTHER_REGION },
	{ .p = P(10, 1, 10, 0, 24), .tunnel = "lost" },
	{ .p = P(10, 1, 11, 0, 24), .tunnel = "looped" },
	{ .p = P(10, 1, 12, 0, 24), .tunnel = "small" },
	{ .p = P(10, 1, 13, 0, 24), .tunnel = "keyed2" },
	{ .p = P(10, 1, 14, 0, 24), .tunnel = "local2" },
	{ .p = P(10, 1, 15, 0, 24), .tunnel = "plain", .priority = 200 },
	{ .p = P(10, 1, 15, 0, 24), .tunnel = "far", .priority = 100 },
	{ .p = P(10, 1, 16, 0, 24), .tunnel = "down", .priority = 100 },
	{ .p = P(10, 1, 16, 0, 24), .tunnel = "far", .priority = 200 },
	{ .p = P(10, 1, 16, 128, 25), .tunnel = "down" },
	{ .p = P(10, 2, 1, 0, 24), .tunnel = "beta" },
	{ .p = P(10, 4, 0, 0, 23), .tunnel = "plain" },
};

const struct conf conf_transit = {
	.name = "transit",
	.mode = PS_MODE_TRANSIT,
	.region = OUR_REGION,
	.tunnel = transit_tunnel,
	.tunnels = COUNT(transit_tunnel),
	.prefix = transit_prefix,
	.prefixes = COUNT(transit_prefix),
	.route = transit_route,
	.routes = COUNT(transit_route),
};

static const struct conf_tunnel edge_tunnel[] = {
	{ .name = "plain",
	  .local = LOCAL,
	  .remote = R_PLAIN,
	  .addr = A4(10, 255, 0, 0),
	  .addr_len = 31 },
	{ .name = "keyed", .local = LOCAL, .remote = R_SHARED, .has_key = true, .key = 7 },
	{ .name = "beta", .local = LOCAL, .remote = R_BETA, .account = "beta" },
	{ .name = "far", .local = LOCAL, .remote = R_FAR, .port = DEV_WAN1 },
};

static const struct conf_prefix edge_prefix[] = {
	{ P(10, 1, 0, 0, 16), "" },
	{ P(10, 9, 0, 0, 16), "beta" },
};

static const struct conf_policy edge_policy[] = {
	{ P(10, 1, 1, 0, 24), "t1" },
	{ P(10, 1, 1, 64, 26), "t2" },
};

static const struct conf_route edge_route[] = {
	{ .table = "t1", .p = P(0, 0, 0, 0, 0), .tunnel = "plain" },
	{ .table = "t1", .p = P(100, 64, 0, 0, 10), .tunnel = "keyed" },
	{ .table = "t1", .p = P(172, 16, 0, 0, 12), .tunnel = "underlay" },
	{ .table = "t1", .p = P(192, 0, 2, 128, 25), .tunnel = "underlay" },
	{ .table = "t1", .p = P(172, 31, 0, 0, 16), .tunnel = "drop" },
	{ .table = "t2", .p = P(100, 64, 0, 0, 10), .tunnel = "far" },
	{ .p = P(10, 1, 3, 0, 24), .tunnel = "far" },
};

const struct conf conf_edge = {
	.name = "edge",
	.mode = PS_MODE_EDGE,
	.region = OUR_REGION,
	.tunnel = edge_tunnel,
	.tunnels = COUNT(edge_tunnel),
	.prefix = edge_prefix,
	.prefixes = COUNT(edge_prefix),
	.policy = edge_policy,
	.policies = COUNT(edge_policy),
	.route = edge_route,
	.routes = COUNT(edge_route),
};
