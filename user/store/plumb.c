/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the slow path needs of the kernel, so that traffic that is ours reaches penstock0:
 *
 *   transit: a route for each owned prefix, dev penstock0, in the main table;
 *   edge:    for each policy two rules. First `from P lookup main suppress_prefixlength 0`, so
 *            that the kernel's own more specific routes win, then `from P lookup 7470`, a table
 *            whose default route is penstock0;
 *   both:    the interface addresses of the tunnels, and an MTU that fits the smallest tunnel.
 *
 * plumb_sync() computes what should be, lists what is (marked as ours, see net/netlink.h), and
 * writes the difference. So it mends what somebody deleted, and running it twice does nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/netlink.h"
#include "penstock/wire.h"
#include "store/internal.h"

#define PLUMB_TABLE 7470u
#define PLUMB_MAIN 254u
#define PLUMB_RULE 7470u /* priority of the first rule of a pair; the second has one more */

/* A growing list of one kind of object, compared as bytes. */
struct list {
	char *data;
	size_t n, cap, size;
};

static int list_add(struct list *l, const void *item)
{
	char *more;

	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 32;
		more = realloc(l->data, l->cap * l->size);
		if (!more)
			return -ENOMEM;
		l->data = more;
	}
	memcpy(l->data + l->n++ * l->size, item, l->size);
	return 0;
}

/* Calls add for what is only in want, del for what is only in have; del first where `move`. */
static int list_diff(const struct list *want, const struct list *have,
		     int (*cmp)(const void *, const void *),
		     int (*apply)(struct nl *nl, int ifindex, const void *item, bool add),
		     struct nl *nl, int ifindex)
{
	size_t w = 0, h = 0;
	int r = 0, c;

	if (want->n)
		qsort(want->data, want->n, want->size, cmp);
	if (have->n)
		qsort(have->data, have->n, have->size, cmp);
	while (!r && (w < want->n || h < have->n)) {
		const char *a = want->data + w * want->size, *b = have->data + h * have->size;

		c = w == want->n ? 1 : h == have->n ? -1 : cmp(a, b);
		if (c < 0)
			r = apply(nl, ifindex, a, true);
		else if (c > 0)
			r = apply(nl, ifindex, b, false);
		w += c <= 0;
		h += c >= 0;
	}
	return r;
}

/* --- routes -------------------------------------------------------------------------- */

static int route_cmp(const void *a, const void *b)
{
	const struct nl_route *x = a, *y = b;
	int c = prefix_cmp(x->dst, y->dst);

	if (!c)
		c = (x->table > y->table) - (x->table < y->table);
	return c ? c : x->ifindex - y->ifindex;
}

static int route_apply(struct nl *nl, int ifindex, const void *item, bool add)
{
	(void)ifindex;
	return add ? nl_route_add(nl, item) : nl_route_del(nl, item);
}

struct want {
	struct list list;
	int ifindex;
};

static int want_route(void *arg, uint16_t table, struct prefix p, uint32_t value)
{
	struct want *w = arg;
	struct nl_route r = { .dst = p, .table = PLUMB_MAIN, .ifindex = w->ifindex };

	(void)table;
	(void)value;
	return list_add(&w->list, &r);
}

static int sync_routes(struct store *st, struct nl *nl)
{
	struct want want = { .list.size = sizeof(struct nl_route),
			     .ifindex = (int)st->node->ifindex };
	struct list have = { .size = sizeof(struct nl_route) };
	struct nl_route edge = { .table = PLUMB_TABLE, .ifindex = want.ifindex }, *l = NULL;
	size_t n = 0;
	int r;

	if (st->node->mode == PS_MODE_TRANSIT)
		r = store_prefix_each(st, want_route, &want);
	else
		r = list_add(&want.list, &edge);
	if (!r)
		r = nl_route_list(nl, &l, &n);
	have.data = (char *)l;
	have.n = n;
	if (!r)
		r = list_diff(&want.list, &have, route_cmp, route_apply, nl, want.ifindex);
	free(want.list.data);
	free(l);
	return r;
}

/* --- rules --------------------------------------------------------------------------- */

static int rule_cmp(const void *a, const void *b)
{
	const struct nl_rule *x = a, *y = b;
	int c = prefix_cmp(x->src, y->src);

	if (!c)
		c = (x->priority > y->priority) - (x->priority < y->priority);
	if (!c)
		c = (x->table > y->table) - (x->table < y->table);
	return c ? c : (int)x->suppress_default - (int)y->suppress_default;
}

static int rule_apply(struct nl *nl, int ifindex, const void *item, bool add)
{
	(void)ifindex;
	return add ? nl_rule_add(nl, item) : nl_rule_del(nl, item);
}

static int want_rule(void *arg, uint16_t table, struct prefix p, uint32_t value)
{
	struct want *w = arg;
	struct nl_rule more = {
		.src = p, .priority = PLUMB_RULE, .table = PLUMB_MAIN, .suppress_default = true
	};
	struct nl_rule ours = { .src = p, .priority = PLUMB_RULE + 1, .table = PLUMB_TABLE };
	int r = list_add(&w->list, &more);

	(void)table;
	(void)value;
	return r ? r : list_add(&w->list, &ours);
}

static int sync_rules(struct store *st, struct nl *nl)
{
	struct want want = { .list.size = sizeof(struct nl_rule) };
	struct list have = { .size = sizeof(struct nl_rule) };
	struct nl_rule *l = NULL;
	size_t n = 0;
	int r = 0;

	if (st->node->mode == PS_MODE_EDGE)
		r = store_policy_each(st, want_rule, &want);
	if (!r)
		r = nl_rule_list(nl, &l, &n);
	have.data = (char *)l;
	have.n = n;
	if (!r)
		r = list_diff(&want.list, &have, rule_cmp, rule_apply, nl, 0);
	free(want.list.data);
	free(l);
	return r;
}

void plumb_clear(struct nl *nl)
{
	struct nl_rule *l = NULL;
	size_t n = 0, i;

	if (!nl_rule_list(nl, &l, &n))
		for (i = 0; i < n; i++)
			nl_rule_del(nl, &l[i]);
	free(l);
}

/* --- addresses and MTU --------------------------------------------------------------- */

static int addr_cmp(const void *a, const void *b)
{
	const struct nl_addr *x = a, *y = b;

	return prefix_cmp((struct prefix){ x->addr, x->len }, (struct prefix){ y->addr, y->len });
}

static int addr_apply(struct nl *nl, int ifindex, const void *item, bool add)
{
	const struct nl_addr *a = item;

	return add ? nl_addr_add(nl, ifindex, *a) : nl_addr_del(nl, ifindex, *a);
}

static int sync_addresses(struct store *st, struct nl *nl)
{
	struct list want = { .size = sizeof(struct nl_addr) };
	struct list have = { .size = sizeof(struct nl_addr) };
	int ifindex = (int)st->node->ifindex, r = 0;
	struct nl_addr *l = NULL;
	size_t n = 0;
	uint32_t i;

	for (i = PS_TUNNEL_FIRST; !r && i < st->meta->max_tunnels; i++) {
		const struct ps_tunnel *t = &st->tunnel[i];
		struct nl_addr a = { .addr = PS_BE32(t->addr_be), .len = t->addr_len };

		if (t->state == PS_STATE_USED && (t->flags & PS_TUNNEL_F_ADDRESS))
			r = list_add(&want, &a);
	}
	if (!r)
		r = nl_addr_list(nl, ifindex, &l, &n);
	have.data = (char *)l;
	have.n = n;
	if (!r)
		r = list_diff(&want, &have, addr_cmp, addr_apply, nl, ifindex);
	free(want.data);
	free(l);
	return r;
}

static int sync_mtu(struct store *st, struct nl *nl)
{
	uint32_t mtu = 0, i;
	struct nl_link link;

	for (i = PS_TUNNEL_FIRST; i < st->meta->max_tunnels; i++)
		if (st->tunnel[i].state == PS_STATE_USED && (!mtu || st->tunnel[i].mtu < mtu))
			mtu = st->tunnel[i].mtu;
	if (!mtu)
		mtu = STORE_MTU;
	if (!nl_link_get(nl, NULL, (int)st->node->ifindex, &link) && link.mtu == mtu)
		return 0;
	return nl_link_set_mtu(nl, (int)st->node->ifindex, mtu);
}

int plumb_sync(struct store *st, struct error *err)
{
	const char *what = "a netlink socket";
	struct nl *nl;
	int r = nl_open(&nl);

	if (r)
		return error_system(err, -r, "cannot open %s: %s", what, strerror(-r));
	what = "the MTU of " STORE_DEVICE;
	r = sync_mtu(st, nl);
	if (!r) {
		what = "the addresses of " STORE_DEVICE;
		r = sync_addresses(st, nl);
	}
	if (!r) {
		what = "the kernel's routes to " STORE_DEVICE;
		r = sync_routes(st, nl);
	}
	if (!r) {
		what = "the kernel's policy rules";
		r = sync_rules(st, nl);
	}
	if (r)
		error_system(err, -r, "done, but the slow path is incomplete: cannot set %s: %s",
			     what, *nl_error(nl) ? nl_error(nl) : strerror(-r));
	nl_close(nl);
	return r;
}
