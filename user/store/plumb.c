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

/* `count` not NULL: differences are counted there, and nothing is changed. */
struct sync {
	struct nl *nl;
	size_t *count;
};

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

/* One walk over both, sorted: adds what is only in want, or removes what is only in have. */
static int list_pass(const struct list *want, const struct list *have,
		     int (*cmp)(const void *, const void *),
		     int (*apply)(struct nl *nl, int ifindex, const void *item, bool add),
		     struct sync *s, int ifindex, bool add)
{
	size_t w = 0, h = 0;
	int r = 0, c;

	while (!r && (w < want->n || h < have->n)) {
		const char *a = want->data + w * want->size, *b = have->data + h * have->size;

		c = w == want->n ? 1 : h == have->n ? -1 : cmp(a, b);
		if (c && (c < 0) == add) {
			if (s->count)
				++*s->count;
			else
				r = apply(s->nl, ifindex, add ? a : b, add);
		}
		w += c <= 0;
		h += c >= 0;
	}
	return r;
}

/* What comes, comes before what goes, or after it where the new can't stand beside the old. */
static int list_diff(struct list *want, struct list *have, bool after,
		     int (*cmp)(const void *, const void *),
		     int (*apply)(struct nl *nl, int ifindex, const void *item, bool add),
		     struct sync *s, int ifindex)
{
	int r;

	if (want->n)
		qsort(want->data, want->n, want->size, cmp);
	if (have->n)
		qsort(have->data, have->n, have->size, cmp);
	r = list_pass(want, have, cmp, apply, s, ifindex, !after);
	return r ? r : list_pass(want, have, cmp, apply, s, ifindex, after);
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

static int sync_routes(struct store *st, struct sync *s)
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
		r = nl_route_list(s->nl, &l, &n);
	have.data = (char *)l;
	have.n = n;
	if (!r)
		r = list_diff(&want.list, &have, false, route_cmp, route_apply, s, want.ifindex);
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

static int sync_rules(struct store *st, struct sync *s)
{
	struct want want = { .list.size = sizeof(struct nl_rule) };
	struct list have = { .size = sizeof(struct nl_rule) };
	struct nl_rule *l = NULL;
	size_t n = 0;
	int r = 0;

	if (st->node->mode == PS_MODE_EDGE)
		r = store_policy_each(st, want_rule, &want);
	if (!r)
		r = nl_rule_list(s->nl, &l, &n);
	have.data = (char *)l;
	have.n = n;
	if (!r)
		r = list_diff(&want.list, &have, false, rule_cmp, rule_apply, s, 0);
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

static int sync_addresses(struct store *st, struct sync *s)
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
		r = nl_addr_list(s->nl, ifindex, &l, &n);
	have.data = (char *)l;
	have.n = n;
	if (!r)
		/* Of two addresses in one subnet the kernel removes the second with the first. */
		r = list_diff(&want, &have, true, addr_cmp, addr_apply, s, ifindex);
	free(want.data);
	free(l);
	return r;
}

static int sync_mtu(struct store *st, struct sync *s)
{
	uint32_t mtu = 0, i;
	struct nl_link link;

	for (i = PS_TUNNEL_FIRST; i < st->meta->max_tunnels; i++)
		if (st->tunnel[i].state == PS_STATE_USED && (!mtu || st->tunnel[i].mtu < mtu))
			mtu = st->tunnel[i].mtu;
	if (!mtu)
		mtu = STORE_MTU;
	if (!nl_link_get(s->nl, NULL, (int)st->node->ifindex, &link) && link.mtu == mtu)
		return 0;
	if (!s->count)
		return nl_link_set_mtu(s->nl, (int)st->node->ifindex, mtu);
	++*s->count;
	return 0;
}

static int sync_all(struct store *st, size_t *count, struct error *err)
{
	static const struct {
		const char *what;
		int (*sync)(struct store *st, struct sync *s);
	} step[] = {
		{ "the MTU of " STORE_DEVICE, sync_mtu },
		{ "the addresses of " STORE_DEVICE, sync_addresses },
		{ "the kernel's routes to " STORE_DEVICE, sync_routes },
		{ "the kernel's policy rules", sync_rules },
	};
	struct sync s = { .count = count };
	int r = nl_open(&s.nl);
	size_t i;

	if (r)
		return error_system(err, -r, "cannot open a netlink socket: %s", strerror(-r));
	for (i = 0; !r && i < sizeof(step) / sizeof(step[0]); i++) {
		r = step[i].sync(st, &s);
		if (r)
			error_system(err, -r,
				     "done, but the slow path is incomplete: cannot set %s: %s",
				     step[i].what, *nl_error(s.nl) ? nl_error(s.nl) : strerror(-r));
	}
	nl_close(s.nl);
	return r;
}

int plumb_sync(struct store *st, struct error *err)
{
	return sync_all(st, NULL, err);
}

int plumb_check(struct store *st, size_t *differences, struct error *err)
{
	*differences = 0;
	return sync_all(st, differences, err);
}
