/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Routing: the kernel's decisions, our routes and our rules.
 *
 * The kernel keeps whom a route or rule belongs to, but mostly does not care. Its key for a route
 * is table, prefix, TOS and metric (the latter two are 0 with us), and a replace takes whatever
 * lies there; so does its check for an existing rule. It does respect the owner when deleting.
 * Hence additions are exclusive, and only where that fails do we look at what is in the way.
 */
#include <linux/fib_rules.h>

#include "net/netlink.h"
#include "net/nl_internal.h"

struct decision {
	uint8_t type; /* RTN_* */
	bool via;     /* a gateway of another address family */
	struct nl_path path;
};

static int on_decision(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[RTA_VIA + 1] = { 0 };
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct decision *d = data;

	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm))
		return -EBADMSG;
	nl_attrs(nlh, sizeof(*rtm), tb, RTA_VIA);
	d->type = rtm->rtm_type;
	d->via = tb[RTA_VIA];
	d->path.ifindex = nl_u32(tb[RTA_OIF], 0);
	d->path.gateway = nl_ip(tb[RTA_GATEWAY]);
	d->path.source = nl_ip(tb[RTA_PREFSRC]);
	return 0;
}

static int ask_route(struct nl *nl, uint32_t dst, uint32_t src, struct decision *d)
{
	struct rtmsg rtm = { .rtm_family = AF_INET, .rtm_dst_len = 32 };
	struct nlmsghdr *nlh;

	memset(d, 0, sizeof(*d));
	rtm.rtm_src_len = src ? 32 : 0;
	nlh = nl_begin(nl, RTM_GETROUTE, 0, &rtm, sizeof(rtm));
	nl_put_ip(nlh, RTA_DST, dst);
	if (src)
		nl_put_ip(nlh, RTA_SRC, src);
	return nl_run(nl, on_decision, d);
}

int nl_route_get(struct nl *nl, uint32_t dst, uint32_t src, struct nl_path *path)
{
	struct decision d, own;
	int err = ask_route(nl, dst, src, &d);

	memset(path, 0, sizeof(*path));
	/*
	 * A source that is no address of ours gives the same errors (which one, depends on the
	 * kernel) as a blackhole or a missing route. Asking for the way to the source tells.
	 */
	if ((err == -EINVAL || err == -ENETUNREACH) && src &&
	    (ask_route(nl, src, 0, &own) || own.type != RTN_LOCAL))
		return -EADDRNOTAVAIL;
	if (err == -EINVAL) /* a blackhole */
		return -ENETUNREACH;
	if (err)
		return err;
	switch (d.type) {
	case RTN_LOCAL:
	case RTN_UNICAST:
		break;
	/* Kernels say these by errno, as far as known; but a type is what the protocol has. */
	case RTN_BLACKHOLE:
		return -ENETUNREACH;
	case RTN_PROHIBIT:
		return -EACCES;
	default: /* unreachable; and broadcast and multicast, which are no host */
		return -EHOSTUNREACH;
	}
	if (d.via)
		return -EAFNOSUPPORT;
	*path = d.path;
	path->local = d.type == RTN_LOCAL;
	if (!path->gateway)
		path->gateway = dst;
	/* The kernel does not repeat a source it was given. */
	if (!path->source)
		path->source = src;
	return 0;
}

static void begin_route(struct nl *nl, uint16_t type, uint16_t flags, const struct nl_route *r)
{
	struct rtmsg rtm = { .rtm_family = AF_INET,
			     .rtm_dst_len = r->dst.len,
			     .rtm_table = r->table < 256 ? r->table : RT_TABLE_UNSPEC,
			     .rtm_protocol = NL_PROTOCOL,
			     .rtm_scope = RT_SCOPE_LINK,
			     .rtm_type = RTN_UNICAST };
	struct nlmsghdr *nlh = nl_begin(nl, type, flags, &rtm, sizeof(rtm));

	nl_put_ip(nlh, RTA_DST, r->dst.addr);
	mnl_attr_put_u32(nlh, RTA_TABLE, r->table);
	mnl_attr_put_u32(nlh, RTA_OIF, r->ifindex);
}

struct entry {
	struct nl_route route;
	uint8_t protocol, type, tos;
	uint32_t metric;
};

/* False for what is no entry of a table. */
static bool parse_entry(const struct nlmsghdr *nlh, struct entry *e)
{
	const struct nlattr *tb[RTA_TABLE + 1] = { 0 };
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm) ||
	    rtm->rtm_family != AF_INET || rtm->rtm_flags & RTM_F_CLONED)
		return false;
	nl_attrs(nlh, sizeof(*rtm), tb, RTA_TABLE);
	memset(e, 0, sizeof(*e));
	e->route.dst.addr = nl_ip(tb[RTA_DST]);
	e->route.dst.len = rtm->rtm_dst_len;
	e->route.table = nl_u32(tb[RTA_TABLE], rtm->rtm_table);
	e->route.ifindex = nl_u32(tb[RTA_OIF], 0);
	e->metric = nl_u32(tb[RTA_PRIORITY], 0);
	e->protocol = rtm->rtm_protocol;
	e->type = rtm->rtm_type;
	e->tos = rtm->rtm_tos;
	return true;
}

static bool same_dst(const struct nl_route *a, const struct nl_route *b)
{
	return a->dst.addr == b->dst.addr && a->dst.len == b->dst.len && a->table == b->table;
}

/* Collects the owners of the entries that have the key of the route we wanted to add. */
static int on_rival(const struct nlmsghdr *nlh, void *data)
{
	struct nl_list *list = data;
	struct entry e;

	if (!parse_entry(nlh, &e) || !same_dst(&e.route, list->match) || e.tos || e.metric)
		return 0;
	return nl_list_add(list, &e.protocol);
}

/*
 * Is everything with this route's key ours? There may be several, of different owners (NLM_F_APPEND
 * puts one behind another), and a replace takes the first. This reads the whole table, since the
 * kernel cannot look for a prefix; but it is done only where we found one there.
 */
static int may_replace(struct nl *nl, const struct nl_route *r, bool *yes)
{
	struct rtmsg rtm = { .rtm_family = AF_INET };
	struct nl_list list = { .size = sizeof(uint8_t), .match = r };
	int err;

	mnl_attr_put_u32(nl_begin(nl, RTM_GETROUTE, NLM_F_DUMP, &rtm, sizeof(rtm)), RTA_TABLE,
			 r->table);
	err = nl_dump(nl, on_rival, &list);
	*yes = true;
	for (size_t i = 0; i < list.n; i++) {
		if (((uint8_t *)list.items)[i] != NL_PROTOCOL)
			*yes = false;
	}
	free(list.items);
	return err;
}

int nl_route_add(struct nl *nl, const struct nl_route *r)
{
	bool yes;
	int err;

	/* Table 0 would become the main one, and no longer compare as equal to what we list. */
	if (!r->table || r->ifindex <= 0)
		return -EINVAL;
	begin_route(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, r);
	err = nl_run(nl, NULL, NULL);
	if (err != -EEXIST)
		return err;
	err = may_replace(nl, r, &yes);
	if (err)
		return err;
	if (!yes)
		return -EEXIST;
	begin_route(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, r);
	return nl_run(nl, NULL, NULL);
}

int nl_route_del(struct nl *nl, const struct nl_route *r)
{
	int err;

	if (!r->table || r->ifindex <= 0)
		return -EINVAL;
	/* The kernel compares protocol and device, too, and deletes nothing else. */
	begin_route(nl, RTM_DELROUTE, 0, r);
	err = nl_run(nl, NULL, NULL);
	return err == -ESRCH ? 0 : err;
}

static int on_route(const struct nlmsghdr *nlh, void *data)
{
	struct entry e;

	if (!parse_entry(nlh, &e) || e.protocol != NL_PROTOCOL || e.type != RTN_UNICAST)
		return 0;
	return nl_list_add(data, &e.route);
}

int nl_route_list(struct nl *nl, struct nl_route **routes, size_t *n)
{
	struct rtmsg rtm = { .rtm_family = AF_INET, .rtm_protocol = NL_PROTOCOL };
	struct nl_list list = { .size = sizeof(struct nl_route) };
	int err;

	nl_begin(nl, RTM_GETROUTE, NLM_F_DUMP, &rtm, sizeof(rtm));
	err = nl_dump(nl, on_route, &list);
	*routes = list.items;
	*n = list.n;
	return err;
}

static int change_rule(struct nl *nl, uint16_t type, uint16_t flags, const struct nl_rule *r)
{
	struct fib_rule_hdr frh = { .family = AF_INET,
				    .src_len = r->src.len,
				    .table = r->table < 256 ? r->table : RT_TABLE_UNSPEC,
				    .action = FR_ACT_TO_TBL };
	struct nlmsghdr *nlh = nl_begin(nl, type, flags, &frh, sizeof(frh));

	if (r->src.len)
		nl_put_ip(nlh, FRA_SRC, r->src.addr);
	mnl_attr_put_u32(nlh, FRA_PRIORITY, r->priority);
	mnl_attr_put_u32(nlh, FRA_TABLE, r->table);
	mnl_attr_put_u8(nlh, FRA_PROTOCOL, NL_PROTOCOL);
	if (r->suppress_default)
		mnl_attr_put_u32(nlh, FRA_SUPPRESS_PREFIXLEN, 0);
	return nl_run(nl, NULL, NULL);
}

static bool same_rule(const struct nl_rule *a, const struct nl_rule *b)
{
	return a->src.addr == b->src.addr && a->src.len == b->src.len &&
	       a->priority == b->priority && a->table == b->table &&
	       a->suppress_default == b->suppress_default;
}

/* Would the kernel take q for r when deleting? An empty source, or no suppression, fits any. */
static bool fits(const struct nl_rule *q, const struct nl_rule *r)
{
	return q->priority == r->priority && q->table == r->table &&
	       (!r->src.len || (q->src.addr == r->src.addr && q->src.len == r->src.len)) &&
	       (!r->suppress_default || q->suppress_default);
}

/* Is r among ours? *first: also the one that the kernel would delete if asked to delete r. */
static int find_rule(struct nl *nl, const struct nl_rule *r, bool *there, bool *first)
{
	struct nl_rule *list;
	size_t n, fitting = 0;
	int err = nl_rule_list(nl, &list, &n);

	*there = *first = false;
	for (size_t i = 0; i < n; i++) {
		if (!fits(&list[i], r))
			continue;
		if (same_rule(&list[i], r)) {
			*there = true;
			*first = *first || fitting == 0;
		}
		fitting++;
	}
	free(list);
	return err;
}

int nl_rule_add(struct nl *nl, const struct nl_rule *r)
{
	bool there, first;
	int err;

	/* Table 0 would be an unused one of the kernel's choice. */
	if (!r->table)
		return -EINVAL;
	err = change_rule(nl, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, r);
	if (err != -EEXIST)
		return err;
	err = find_rule(nl, r, &there, &first);
	if (err || there)
		return err;
	/*
	 * In the way is a rule of someone else's, which may go any time, or one with a source where
	 * ours has none, which the kernel mistakes for the same. Ours can lie beside either.
	 */
	return change_rule(nl, RTM_NEWRULE, NLM_F_CREATE, r);
}

int nl_rule_del(struct nl *nl, const struct nl_rule *r)
{
	bool there, first;
	int err = find_rule(nl, r, &there, &first);

	if (err || !there)
		return err;
	if (!first)
		return -ENOTUNIQ;
	err = change_rule(nl, RTM_DELRULE, 0, r);
	return err == -ENOENT ? 0 : err;
}

static int on_rule(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[FRA_PROTOCOL + 1] = { 0 };
	const struct fib_rule_hdr *frh = mnl_nlmsg_get_payload(nlh);
	struct nl_rule r = { 0 };

	if (nlh->nlmsg_type != RTM_NEWRULE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*frh))
		return -EBADMSG;
	nl_attrs(nlh, sizeof(*frh), tb, FRA_PROTOCOL);
	if (frh->family != AF_INET || nl_u8(tb[FRA_PROTOCOL], 0) != NL_PROTOCOL)
		return 0;
	r.src.addr = nl_ip(tb[FRA_SRC]);
	r.src.len = frh->src_len;
	r.priority = nl_u32(tb[FRA_PRIORITY], 0);
	r.table = nl_u32(tb[FRA_TABLE], frh->table);
	r.suppress_default = nl_u32(tb[FRA_SUPPRESS_PREFIXLEN], UINT32_MAX) == 0;
	return nl_list_add(data, &r);
}

int nl_rule_list(struct nl *nl, struct nl_rule **rules, size_t *n)
{
	struct fib_rule_hdr frh = { .family = AF_INET };
	struct nl_list list = { .size = sizeof(struct nl_rule) };
	int err;

	nl_begin(nl, RTM_GETRULE, NLM_F_DUMP, &frh, sizeof(frh));
	err = nl_dump(nl, on_rule, &list);
	*rules = list.items;
	*n = list.n;
	return err;
}
