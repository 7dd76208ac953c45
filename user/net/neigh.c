/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Neighbours: what the kernel's ARP has found out, and asking it to find out.
 *
 * A probe is an entry added with NTF_USE, which makes the kernel behave as if it had a packet to
 * send there: a new or failed entry is resolved, a stale one checked, a good one left alone.
 */
#include <linux/neighbour.h>

#include "net/netlink.h"
#include "net/nl_internal.h"

/* As the kernel's own NUD_VALID: states in which it would send to the entry's address. */
#define VALID (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

struct answer {
	bool valid;
	uint8_t mac[6];
};

static int on_neigh(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[NDA_LLADDR + 1] = { 0 };
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	struct answer *answer = data;

	if (nlh->nlmsg_type != RTM_NEWNEIGH || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ndm))
		return -EBADMSG;
	nl_attrs(nlh, sizeof(*ndm), tb, NDA_LLADDR);
	if (!(ndm->ndm_state & VALID) || !tb[NDA_LLADDR] ||
	    mnl_attr_get_payload_len(tb[NDA_LLADDR]) != sizeof(answer->mac))
		return 0;
	memcpy(answer->mac, mnl_attr_get_payload(tb[NDA_LLADDR]), sizeof(answer->mac));
	answer->valid = true;
	return 0;
}

int nl_neigh_get(struct nl *nl, int ifindex, uint32_t addr, uint8_t mac[6])
{
	struct ndmsg ndm = { .ndm_family = AF_INET, .ndm_ifindex = ifindex };
	struct answer answer = { 0 };
	int err;

	if (ifindex <= 0)
		return -ENODEV;
	nl_put_ip(nl_begin(nl, RTM_GETNEIGH, 0, &ndm, sizeof(ndm)), NDA_DST, addr);
	err = nl_run(nl, on_neigh, &answer);
	if (err)
		return err;
	if (!answer.valid)
		return -ENOENT;
	memcpy(mac, answer.mac, sizeof(answer.mac));
	return 0;
}

int nl_neigh_probe(struct nl *nl, int ifindex, uint32_t addr)
{
	struct ndmsg ndm = { .ndm_family = AF_INET,
			     .ndm_ifindex = ifindex,
			     .ndm_state = NUD_NONE,
			     .ndm_flags = NTF_USE };

	if (ifindex <= 0)
		return -ENODEV;
	nl_put_ip(nl_begin(nl, RTM_NEWNEIGH, NLM_F_CREATE, &ndm, sizeof(ndm)), NDA_DST, addr);
	return nl_run(nl, NULL, NULL);
}
