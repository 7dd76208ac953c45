/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * status: what is loaded, where, how full, and what would keep traffic from flowing. What needs
 * attention is also a sentence in `warnings`, so that a monitor need not know the rules.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "cli/cli.h"
#include "config/confirm.h"
#include "core/region.h"
#include "net/sysctl.h"

#define RP_STRICT 1

__attribute__((format(printf, 2, 3))) static void warning(json_t *list, const char *fmt, ...)
{
	char text[320];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(list, json_string(text));
}

/* --- ports
 * ---------------------------------------------------------------------------------------- */

struct ports {
	json_t *list, *warnings;
	bool here; /* we are in the instance's network namespace */
};

/* The larger of the device's setting and the one for all counts. */
static int rp_filter(const char *dev)
{
	char path[64];
	int all = 0, own;

	snprintf(path, sizeof(path), "ipv4/conf/%s/rp_filter", dev);
	if (sysctl_get(path, &own))
		return -1;
	sysctl_get("ipv4/conf/all/rp_filter", &all);
	return all > own ? all : own;
}

static int port_row(void *arg, uint32_t ifindex, const struct ps_port *p, bool attached)
{
	struct ports *w = arg;
	int rp = w->here && attached ? rp_filter(p->name) : -1;

	if (!attached)
		warning(w->warnings, "port %s is gone: `penstock detach %s`, or attach it again",
			p->name, p->name);
	if (rp == RP_STRICT)
		warning(w->warnings,
			"port %s: rp_filter is strict, the slow path may drop what it decapsulates",
			p->name);
	json_array_append_new(w->list, json_pack("{s:s, s:I, s:s, s:s, s:s, s:o}", "device",
						 p->name, "ifindex", (json_int_t)ifindex, "role",
						 p->role == PS_ROLE_WAN ? "wan" : "lan", "mode",
						 p->generic ? "generic" : "native", "state",
						 attached ? "attached" : "gone", "rp_filter",
						 rp >= 0 ? json_integer(rp) : json_null()));
	return 0;
}

/* --- the object
 * ----------------------------------------------------------------------------------- */

bool netns_ok(const struct store *st)
{
	struct stat sb;

	return !stat("/proc/thread-self/ns/net", &sb) && sb.st_ino == st->meta->netns;
}

static json_t *limit(size_t used, uint32_t max)
{
	return json_pack("{s:I, s:I}", "used", (json_int_t)used, "max", (json_int_t)max);
}

static json_t *limits_json(const struct store *st)
{
	const struct ps_meta *m = st->meta;

	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "prefixes",
			 limit(m->route_count, m->max_prefixes), "tunnels",
			 limit(tunnels_used(st), m->max_tunnels - PS_TUNNEL_FIRST), "groups",
			 limit(groups_used(st), m->max_groups), "tables",
			 limit(tables_used(st), m->max_tables - PS_T_EGRESS), "chunks",
			 limit(m->chunk_used, m->max_chunks));
}

static json_t *device_json(struct cli *c, json_t *warnings)
{
	struct nl *nl = cli_nl(c);
	struct nl_link link;

	if (!nl || nl_link_get(nl, STORE_DEVICE, 0, &link)) {
		warning(warnings, STORE_DEVICE " is missing: there is no slow path; run `penstock "
					       "load` again");
		return json_null();
	}
	if (!link.up)
		warning(warnings, STORE_DEVICE " is down: there is no slow path");
	return json_pack("{s:i, s:I}", "ifindex", link.ifindex, "mtu_bytes", (json_int_t)link.mtu);
}

static size_t unresolved(const struct store *st, json_t *warnings)
{
	size_t n = 0;
	uint32_t i;

	for (i = PS_TUNNEL_FIRST; i < st->meta->max_tunnels; i++) {
		const struct ps_tunnel *t = &st->tunnel[i];

		if (t->state != PS_STATE_USED || t->nh_state == PS_NH_READY)
			continue;
		if (n++ < 8)
			warning(warnings, "tunnel %s is not on the fast path: %s", t->name,
				nexthop_state_name(t->nh_state));
	}
	return n;
}

/* What can only be seen from within the instance's network namespace. */
static void add_here(struct cli *c, json_t *o, json_t *warnings)
{
	int forward = 0;

	json_object_set_new(o, "penstock0", device_json(c, warnings));
	sysctl_get("ipv4/ip_forward", &forward);
	json_object_set_new(o, "ip_forward", json_boolean(forward));
	if (!forward)
		warning(warnings,
			"ip_forward is off: the kernel forwards nothing, so the slow path "
			"carries nothing");
}

/* An apply that waits to be confirmed. */
static json_t *confirm_json(const struct store *st, json_t *warnings)
{
	struct pending p;
	bool alive;

	if (!pending_read(st, &p, &alive))
		return json_null();
	if (alive)
		warning(warnings,
			"an apply waits for `penstock confirm`: state %lu comes back in %u s",
			p.state, pending_left(&p));
	else
		warning(warnings,
			"an apply was not confirmed, and the process that was to return to state "
			"%lu is dead: run `penstock rollback` or `penstock confirm`",
			p.state);
	return json_pack("{s:I, s:I, s:b}", "seconds_left", (json_int_t)pending_left(&p), "state",
			 (json_int_t)p.state, "waiter_alive", alive);
}

static json_t *status_json(struct cli *c, const struct store *st)
{
	struct ports w = { json_array(), json_array(), netns_ok(st) };
	char region[REGION_SET_STRLEN];
	struct utsname u;
	json_t *o;

	uname(&u);
	o = json_pack("{s:s, s:s, s:I, s:b, s:s, s:o, s:s, s:I}", "instance", c->instance,
		      "version", PENSTOCK_VERSION, "abi_version", (json_int_t)st->meta->abi,
		      "netns_ok", w.here, "mode",
		      st->node->mode == PS_MODE_EDGE ? "edge" : "transit", "region",
		      json_text(st->node->region ? region_set_str(st->node->region, region) : NULL),
		      "kernel", u.release, "transactions", (json_int_t)st->meta->transactions);
	if (!w.here)
		warning(w.warnings, "the instance belongs to another network namespace: enter it "
				    "with -n");
	else
		add_here(c, o, w.warnings);
	store_port_each(st, port_row, &w);
	json_object_set_new(o, "ports", w.list);
	json_object_set_new(o, "limits", limits_json(st));
	json_object_set_new(o, "unresolved_tunnels",
			    json_integer((json_int_t)unresolved(st, w.warnings)));
	json_object_set_new(o, "confirm", confirm_json(st, w.warnings));
	if (st->meta->dirty & PS_DIRTY_PLUMB)
		warning(w.warnings,
			"the kernel's routes, rules or addresses may be behind: `penstock "
			"doctor --repair`");
	if (st->meta->dirty & ~PS_DIRTY_PLUMB)
		warning(w.warnings, "a transaction is being written, or was interrupted");
	json_object_set_new(o, "bgp",
			    json_pack("{s:I, s:I}", "rejected", (json_int_t)st->meta->bgp_rejected,
				      "misconfigured", (json_int_t)st->meta->bgp_misconfigured));
	json_object_set_new(o, "warnings", w.warnings);
	return o;
}

/* --- text
 * ----------------------------------------------------------------------------------------- */

static const struct column status_columns[] = {
	{ "instance", "instance", 0 },
	{ "version", "version", 0 },
	{ "map layout", "abi_version", 0 },
	{ "kernel", "kernel", 0 },
	{ "this netns", "netns_ok", 0 },
	{ "mode", "mode", 0 },
	{ "region", "region", 0 },
	{ "penstock0 ifindex", "penstock0.ifindex", 0 },
	{ "penstock0 mtu", "penstock0.mtu_bytes", 0 },
	{ "ip_forward", "ip_forward", 0 },
	{ "transactions", "transactions", 0 },
	{ "unresolved tunnels", "unresolved_tunnels", 0 },
	{ "confirm within s", "confirm.seconds_left", 0 },
	{ "BGP routes rejected", "bgp.rejected", 0 },
	{ "BGP routes misconfigured", "bgp.misconfigured", 0 },
	{ 0 },
};

static const struct column port_columns[] = {
	{ "PORT", "device", 0 },
	{ "IFINDEX", "ifindex", COL_RIGHT },
	{ "ROLE", "role", 0 },
	{ "MODE", "mode", 0 },
	{ "STATE", "state", COL_STATE },
	{ "RP_FILTER", "rp_filter", COL_RIGHT },
	{ 0 },
};

static const struct column limit_columns[] = {
	{ "LIMIT", "name", 0 },
	{ "USED", "used", COL_RIGHT },
	{ "MAX", "max", COL_RIGHT },
	{ 0 },
};

static void print_status(const struct cli *c, json_t *o)
{
	json_t *rows = json_array(), *limit_obj, *row, *list = json_object_get(o, "ports"), *text;
	const char *name;
	size_t i;

	print_object(c, status_columns, o);
	if (json_array_size(list))
		putchar('\n');
	print_table(c, port_columns, list);
	json_object_foreach (json_object_get(o, "limits"), name, limit_obj) {
		row = json_pack("{s:s}", "name", name);
		json_object_update(row, limit_obj);
		json_array_append_new(rows, row);
	}
	putchar('\n');
	print_table(c, limit_columns, rows);
	json_decref(rows);
	list = json_object_get(o, "warnings");
	if (json_array_size(list))
		putchar('\n');
	json_array_foreach (list, i, text)
		printf("%sWarning:%s %s\n", c->colour ? "\033[33m" : "", c->colour ? "\033[0m" : "",
		       json_string_value(text));
}

/* Adds the instances that are loaded to the message that this one is not. */
static int not_loaded(struct cli *c)
{
	char **names = NULL;
	size_t n = store_instances(&names), i, at = strlen(c->err.text);
	const size_t len = sizeof(c->err.text);

	for (i = 0; i < n; i++) {
		if (at < len)
			at += (size_t)snprintf(c->err.text + at, len - at, "%s%s",
					       i ? ", " : "; loaded here: ", names[i]);
		free(names[i]);
	}
	free(names);
	return -ENOENT;
}

int do_status(struct cli *c)
{
	const struct store *st;
	json_t *o;

	if (arg_end(c))
		return -EINVAL;
	st = cli_store(c);
	if (!st)
		return not_loaded(c);
	o = status_json(c, st);
	if (!o)
		return cli_oom(c);
	if (c->json) {
		print_json(c, o);
		return 0;
	}
	print_status(c, o);
	json_decref(o);
	return 0;
}
