/* SPDX-License-Identifier: GPL-2.0-only */
/* penstock0, the slow path's device: one in a network namespace, and so one instance. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/netlink.h"
#include "net/sysctl.h"
#include "store/internal.h"

/* Is penstock0 the device that the instance made? The inode of a namespace may be used again. */
static bool has_device(const struct store *st)
{
	struct nl_link link;
	struct nl *nl;
	bool has;

	if (nl_open(&nl))
		return false;
	has = !nl_link_get(nl, STORE_DEVICE, 0, &link) &&
	      (uint32_t)link.ifindex == st->node->ifindex;
	nl_close(nl);
	return has;
}

/* Name of the instance that lives in this network namespace; false if there is none. */
static bool instance_here(char *name, size_t len)
{
	struct error ignored;
	struct store *st;
	bool found = false;
	char **list;
	size_t n = store_instances(&list), i;

	for (i = 0; i < n; i++) {
		if (!found && !store_open(&st, list[i], false, &ignored)) {
			found = st->meta->netns == netns_inode() && has_device(st);
			snprintf(name, len, "%s", list[i]);
			store_close(st);
		}
		free(list[i]);
	}
	free(list);
	return found;
}

void device_remove(void)
{
	struct nl_link link;
	struct nl *nl;

	if (nl_open(&nl))
		return;
	plumb_clear(nl);
	if (!nl_link_get(nl, STORE_DEVICE, 0, &link))
		nl_link_del(nl, link.ifindex);
	nl_close(nl);
}

/* A device that no instance owns is what a killed load left: it is made anew. */
int device_make(struct store *st, struct error *err)
{
	struct nl_link link, peer;
	char other[PS_NAME_LEN];
	struct nl *nl;
	int r;

	if (instance_here(other, sizeof(other)))
		return error_usage(
			err, EEXIST,
			"instance \"%s\" lives in this network namespace: one instance a "
			"namespace; unload it first",
			other);
	device_remove();
	r = nl_open(&nl);
	if (r)
		return error_system(err, -r, "cannot open a netlink socket: %s", strerror(-r));
	r = nl_veth_add(nl, STORE_DEVICE, STORE_PEER, STORE_MTU);
	if (!r)
		r = nl_link_get(nl, STORE_DEVICE, 0, &link);
	if (!r)
		r = nl_link_get(nl, STORE_PEER, 0, &peer);
	nl_close(nl);
	if (r)
		return error_system(err, -r, "cannot make " STORE_DEVICE ": %s", strerror(-r));
	st->node->ifindex = (uint32_t)link.ifindex;
	st->meta->peer_ifindex = (uint32_t)peer.ifindex;
	/* The FIB lookups of the slow path come in by penstock0. */
	sysctl_set("ipv4/conf/" STORE_DEVICE "/forwarding", 1);
	sysctl_set("ipv4/conf/" STORE_DEVICE "/rp_filter", 0);
	return 0;
}
