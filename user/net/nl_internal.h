/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the netlink module share: the socket, one request at a time, dumps to lists. */
#ifndef NET_NL_INTERNAL_H
#define NET_NL_INTERNAL_H

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "net/netlink.h"

#define NL_TX_SIZE 1024 /* far above the largest request here, a veth pair's (about 200 bytes) */
#define NL_ERROR_SIZE 160

struct nl {
	struct mnl_socket *sock;
	uint32_t seq;
	size_t rx_size;
	char *rx; /* grows to the largest datagram seen */
	char error[NL_ERROR_SIZE];
	_Alignas(struct nlmsghdr) char tx[NL_TX_SIZE];
};

/* Takes one message of an answer; an error ends the call, after the rest has been read. */
typedef int (*nl_cb)(const struct nlmsghdr *nlh, void *data);

/* Starts a request in nl->tx, replacing the last one. The family header is copied behind it. */
struct nlmsghdr *nl_begin(struct nl *nl, uint16_t type, uint16_t flags, const void *header,
			  size_t len);
/* Sends the request in nl->tx and reads the answer to its end. cb may be NULL. */
int nl_run(struct nl *nl, nl_cb cb, void *data);

/* What a dump collects. */
struct nl_list {
	void *items;
	size_t n;
	size_t cap;
	size_t size;	   /* of one item */
	const void *match; /* for the callback's own use */
};
int nl_list_add(struct nl_list *list, const void *item);
/* Runs the dump in nl->tx; cb gets the list as its data. On error the list is left empty. */
int nl_dump(struct nl *nl, nl_cb cb, struct nl_list *list);

/* Sorts attributes into tb[0..max], which the caller has zeroed. */
void nl_attrs(const struct nlmsghdr *nlh, size_t header_len, const struct nlattr **tb,
	      uint16_t max);
void nl_nested(const struct nlattr *nest, const struct nlattr **tb, uint16_t max);
/* The attribute's value, or the other where it is absent or too short. */
uint32_t nl_u32(const struct nlattr *attr, uint32_t absent);
uint8_t nl_u8(const struct nlattr *attr, uint8_t absent);

/* IPv4 addresses: big endian on the wire, host order with us. */
static inline void nl_put_ip(struct nlmsghdr *nlh, uint16_t type, uint32_t addr)
{
	mnl_attr_put_u32(nlh, type, htonl(addr));
}

static inline uint32_t nl_ip(const struct nlattr *attr)
{
	return ntohl(nl_u32(attr, 0));
}

#endif
