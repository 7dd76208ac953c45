/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Links and the IPv4 addresses on them.
 *
 * A veth pair is made in three steps, since the kernel takes an address generation mode only for
 * a device that is there, and applies it too late if the same message sets the device up: make
 * both ends (down, without ARP), switch IPv6 address generation off, set them up. If a step
 * fails, the pair is deleted again.
 */
#include <linux/if.h> /* net/if.h would clash with linux/if_arp.h */
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/veth.h>

#include "net/netlink.h"
#include "net/nl_internal.h"

_Static_assert(IFNAMSIZ == sizeof(((struct nl_link *)0)->name), "device name size");

/*
 * The program's id. A device with programs in several modes at once has no IFLA_XDP_PROG_ID; then
 * it is the driver's, which sees packets first but for one in hardware.
 */
static void parse_xdp(const struct nlattr *nest, struct nl_link *link)
{
	static const uint16_t ids[] = { IFLA_XDP_PROG_ID, IFLA_XDP_DRV_PROG_ID,
					IFLA_XDP_SKB_PROG_ID, IFLA_XDP_HW_PROG_ID };
	const struct nlattr *tb[IFLA_XDP_HW_PROG_ID + 1] = { 0 };

	nl_nested(nest, tb, IFLA_XDP_HW_PROG_ID);
	link->xdp_mode = nl_u8(tb[IFLA_XDP_ATTACHED], XDP_ATTACHED_NONE);
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]) && !link->xdp_prog_id; i++)
		link->xdp_prog_id = nl_u32(tb[ids[i]], 0);
}

static int on_link(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[IFLA_XDP + 1] = { 0 };
	struct nl_link *link = data;
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifi))
		return -EBADMSG;
	nl_attrs(nlh, sizeof(*ifi), tb, IFLA_XDP);
	link->ifindex = ifi->ifi_index;
	link->up = ifi->ifi_flags & IFF_UP;
	link->running = ifi->ifi_flags & IFF_RUNNING;
	link->ethernet = ifi->ifi_type == ARPHRD_ETHER;
	link->mtu = nl_u32(tb[IFLA_MTU], 0);
	if (tb[IFLA_IFNAME])
		strncpy(link->name, mnl_attr_get_str(tb[IFLA_IFNAME]), sizeof(link->name) - 1);
	if (tb[IFLA_ADDRESS] && mnl_attr_get_payload_len(tb[IFLA_ADDRESS]) == sizeof(link->mac))
		memcpy(link->mac, mnl_attr_get_payload(tb[IFLA_ADDRESS]), sizeof(link->mac));
	if (tb[IFLA_XDP])
		parse_xdp(tb[IFLA_XDP], link);
	return 0;
}

int nl_link_get(struct nl *nl, const char *name, int ifindex, struct nl_link *link)
{
	struct ifinfomsg ifi = { .ifi_index = name ? 0 : ifindex };
	struct nlmsghdr *nlh;
	int err;

	memset(link, 0, sizeof(*link));
	/* The kernel has no such device, but would call these malformed questions. */
	if (name ? !*name || strlen(name) >= IFNAMSIZ : ifindex <= 0)
		return -ENODEV;
	nlh = nl_begin(nl, RTM_GETLINK, 0, &ifi, sizeof(ifi));
	if (name)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	err = nl_run(nl, on_link, link);
	return err ? err : link->ifindex ? 0 : -ENODEV;
}

int nl_link_del(struct nl *nl, int ifindex)
{
	struct ifinfomsg ifi = { .ifi_index = ifindex };

	if (ifindex <= 0)
		return -ENODEV;
	nl_begin(nl, RTM_DELLINK, 0, &ifi, sizeof(ifi));
	return nl_run(nl, NULL, NULL);
}

int nl_link_set_mtu(struct nl *nl, int ifindex, uint32_t mtu)
{
	struct ifinfomsg ifi = { .ifi_index = ifindex };

	if (ifindex <= 0)
		return -ENODEV;
	mnl_attr_put_u32(nl_begin(nl, RTM_SETLINK, 0, &ifi, sizeof(ifi)), IFLA_MTU, mtu);
	return nl_run(nl, NULL, NULL);
}

/* A change to a device by name: one we have just made, whose ifindex we were not told. */
static struct nlmsghdr *begin_named(struct nl *nl, uint16_t type, const char *name, uint32_t flags)
{
	struct ifinfomsg ifi = { .ifi_flags = flags, .ifi_change = flags };
	struct nlmsghdr *nlh = nl_begin(nl, type, 0, &ifi, sizeof(ifi));

	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	return nlh;
}

static int veth_create(struct nl *nl, const char *name, const char *peer, uint32_t mtu)
{
	struct ifinfomsg ifi = { .ifi_flags = IFF_NOARP, .ifi_change = IFF_NOARP };
	struct nlattr *info, *data, *end;
	struct nlmsghdr *nlh;

	nlh = nl_begin(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof(ifi));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	/* The peer's attributes are a link message of their own within the attribute. */
	end = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	memcpy(mnl_nlmsg_put_extra_header(nlh, sizeof(ifi)), &ifi, sizeof(ifi));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, peer);
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	mnl_attr_nest_end(nlh, end);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	return nl_run(nl, NULL, NULL);
}

/* Sets one end up, if possible without a link-local address, solicitations and the like. */
static int veth_up(struct nl *nl, const char *name)
{
	struct nlmsghdr *nlh = begin_named(nl, RTM_SETLINK, name, 0);
	struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(nlh, AF_INET6);
	int err;

	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, spec);
	err = nl_run(nl, NULL, NULL);
	/* Refused where there is no IPv6: in the kernel, or on a device of less than its MTU. */
	if (err && err != -EAFNOSUPPORT && err != -EOPNOTSUPP && err != -EINVAL)
		return err;
	begin_named(nl, RTM_SETLINK, name, IFF_UP);
	return nl_run(nl, NULL, NULL);
}

/* The kernel would expand "%d" to a number of its choice, and we would not find the device. */
static bool name_ok(const char *name)
{
	return *name && strlen(name) < IFNAMSIZ && !strchr(name, '%');
}

int nl_veth_add(struct nl *nl, const char *name, const char *peer, uint32_t mtu)
{
	char text[NL_ERROR_SIZE];
	int err;

	nl->error[0] = '\0';
	if (!name_ok(name) || !name_ok(peer))
		return -EINVAL;
	err = veth_create(nl, name, peer, mtu);
	if (err)
		return err;
	err = veth_up(nl, name);
	if (!err)
		err = veth_up(nl, peer);
	if (!err)
		return 0;
	memcpy(text, nl->error, sizeof(text));
	begin_named(nl, RTM_DELLINK, name, 0);
	nl_run(nl, NULL, NULL); /* takes the peer with it */
	memcpy(nl->error, text, sizeof(text));
	return err;
}

static struct nlmsghdr *begin_addr(struct nl *nl, uint16_t type, uint16_t flags, int ifindex,
				   struct nl_addr a)
{
	struct ifaddrmsg ifa = { .ifa_family = AF_INET,
				 .ifa_prefixlen = a.len,
				 .ifa_scope = RT_SCOPE_UNIVERSE,
				 .ifa_index = ifindex };
	struct nlmsghdr *nlh = nl_begin(nl, type, flags, &ifa, sizeof(ifa));

	nl_put_ip(nlh, IFA_LOCAL, a.addr);
	nl_put_ip(nlh, IFA_ADDRESS, a.addr);
	return nlh;
}

int nl_addr_add(struct nl *nl, int ifindex, struct nl_addr a)
{
	int err;

	begin_addr(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ifindex, a);
	err = nl_run(nl, NULL, NULL);
	return err == -EEXIST ? 0 : err;
}

int nl_addr_del(struct nl *nl, int ifindex, struct nl_addr a)
{
	int err;

	begin_addr(nl, RTM_DELADDR, 0, ifindex, a);
	err = nl_run(nl, NULL, NULL);
	return err == -EADDRNOTAVAIL ? 0 : err;
}

static int on_addr(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[IFA_LOCAL + 1] = { 0 };
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct nl_list *list = data;
	struct nl_addr a = { 0 };

	if (nlh->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifa))
		return -EBADMSG;
	if (ifa->ifa_family != AF_INET || (int)ifa->ifa_index != *(const int *)list->match)
		return 0;
	nl_attrs(nlh, sizeof(*ifa), tb, IFA_LOCAL);
	/* They differ on point-to-point addresses, where IFA_ADDRESS is the other side's. */
	a.addr = nl_ip(tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS]);
	a.len = ifa->ifa_prefixlen;
	return nl_list_add(list, &a);
}

/*
 * Asks for this device's addresses only. The kernel (6.18 at least) does not mark such a dump when
 * it was interrupted, but then it takes hundreds of addresses for it to come in parts at all. A
 * dump of all devices is marked, though not reliably, and disturbed by any device's changes.
 */
int nl_addr_list(struct nl *nl, int ifindex, struct nl_addr **addrs, size_t *n)
{
	struct ifaddrmsg ifa = { .ifa_family = AF_INET, .ifa_index = ifindex };
	struct nl_list list = { .size = sizeof(struct nl_addr), .match = &ifindex };
	struct nl_link link;
	/* Without strict checking a missing device would just have no addresses. */
	int err = nl_link_get(nl, NULL, ifindex, &link);

	if (!err) {
		nl_begin(nl, RTM_GETADDR, NLM_F_DUMP, &ifa, sizeof(ifa));
		err = nl_dump(nl, on_addr, &list);
	}
	*addrs = list.items;
	*n = list.n;
	return err;
}
