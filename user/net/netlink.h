/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What we ask the kernel over rtnetlink, in the calling thread's network namespace. Each call is
 * one question or one change; nothing is remembered but the socket. By libmnl.
 *
 * All calls return 0 or -errno. Addresses are in host byte order. What we add to the kernel's
 * tables is marked with NL_PROTOCOL, and only what is so marked is ever listed or removed.
 */
#ifndef NET_NETLINK_H
#define NET_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/prefix.h"

#define NL_PROTOCOL 112 /* rtm_protocol and fib rule protocol: 'p' */

struct nl; /* an open NETLINK_ROUTE socket */

int nl_open(struct nl **nl);
void nl_close(struct nl *nl);
/* What the kernel had to say about the last call, "" if nothing. Valid until the next call. */
const char *nl_error(struct nl *nl);

/* Links */
struct nl_link {
	int ifindex;
	char name[16];
	uint8_t mac[6];
	uint32_t mtu;
	bool up;	      /* IFF_UP */
	bool running;	      /* IFF_RUNNING: carrier */
	bool ethernet;	      /* ARPHRD_ETHER */
	uint32_t xdp_prog_id; /* program attached by whatever mode, 0: none */
	uint8_t xdp_mode;     /* XDP_ATTACHED_* */
};
/* By name, or by ifindex where name is NULL. -ENODEV if there is none. */
int nl_link_get(struct nl *nl, const char *name, int ifindex, struct nl_link *link);
/* Makes a veth pair, without ARP and IPv6, and sets both ends up. -EEXIST if `name` is there. */
int nl_veth_add(struct nl *nl, const char *name, const char *peer, uint32_t mtu);
int nl_link_del(struct nl *nl, int ifindex);
int nl_link_set_mtu(struct nl *nl, int ifindex, uint32_t mtu);

/* Routing decision for a packet of ours to dst (from src, 0: any). */
struct nl_path {
	int ifindex;
	uint32_t gateway; /* the neighbour to ask for: the gateway, or dst if it is connected */
	uint32_t source;  /* preferred source, 0 if none given; src if that was asked for */
	bool local;	  /* dst is an address of this host */
};
/*
 * -ENETUNREACH, -EHOSTUNREACH or -EACCES as the kernel says when there is no route; a blackhole is
 * -ENETUNREACH, and what is no single host (broadcast, multicast) is -EHOSTUNREACH.
 * -EADDRNOTAVAIL if src is not an address of this host; -EAFNOSUPPORT if the gateway is IPv6.
 */
int nl_route_get(struct nl *nl, uint32_t dst, uint32_t src, struct nl_path *path);

/*
 * MAC address of a neighbour. -ENOENT if the kernel has no valid entry (INCOMPLETE, FAILED, none).
 * NUD_NOARP and NUD_PERMANENT entries count as valid.
 */
int nl_neigh_get(struct nl *nl, int ifindex, uint32_t addr, uint8_t mac[6]);
/* Asks the kernel to resolve it (NUD_NONE | NTF_USE); does not wait. */
int nl_neigh_probe(struct nl *nl, int ifindex, uint32_t addr);

/*
 * All IPv4 addresses of a device, whoever added them: they bear no mark. Adding one that is there
 * is no error; nor removing an absent one.
 */
struct nl_addr {
	uint32_t addr;
	uint8_t len;
};
int nl_addr_add(struct nl *nl, int ifindex, struct nl_addr a);
int nl_addr_del(struct nl *nl, int ifindex, struct nl_addr a);
int nl_addr_list(struct nl *nl, int ifindex, struct nl_addr **list, size_t *n); /* caller frees */

/* Routes of ours: unicast, through a device, in a table of the kernel's (254: main). */
struct nl_route {
	struct prefix dst;
	uint32_t table;
	int ifindex;
};
/* Replaces one of ours. -EEXIST if the place is someone else's. */
int nl_route_add(struct nl *nl, const struct nl_route *r);
/* 0 if there is none of ours to that prefix and device. */
int nl_route_del(struct nl *nl, const struct nl_route *r);
int nl_route_list(struct nl *nl, struct nl_route **list, size_t *n); /* all tables; caller frees */

/* Policy rules of ours. */
struct nl_rule {
	struct prefix src;
	uint32_t priority;
	uint32_t table;
	bool suppress_default; /* suppress_prefixlength 0 */
};
/* Adding one that is there is no error; someone else's does not count. */
int nl_rule_add(struct nl *nl, const struct nl_rule *r);
/*
 * Absent: 0. -ENOTUNIQ if the kernel would delete another of ours, which it may if one of the same
 * priority and table, but with a source or a suppression that r lacks, comes before r.
 */
int nl_rule_del(struct nl *nl, const struct nl_rule *r);
int nl_rule_list(struct nl *nl, struct nl_rule **list, size_t *n);

#endif
