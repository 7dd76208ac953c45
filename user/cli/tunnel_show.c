/* SPDX-License-Identifier: GPL-2.0-only */
/* tunnel show, and what is said of next hops. */
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "cli/cli.h"
#include "penstock/wire.h"

const char *health_name(uint8_t health)
{
	static const char *const names[] = { "healthy", "degraded", "down" };

	return health < sizeof(names) / sizeof(*names) ? names[health] : "?";
}

/* An ifindex means another device, or none, outside the instance's namespace. */
static const char *device_name(const struct store *st, uint32_t ifindex,
			       char buf[static IF_NAMESIZE])
{
	return ifindex && netns_ok(st) ? if_indextoname(ifindex, buf) : NULL;
}

static const char *mac_text(const uint8_t *m, char buf[static 18])
{
	snprintf(buf, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	return buf;
}

void warn_nexthop(struct cli *c, const struct ps_tunnel *t)
{
	char remote[ADDR_STRLEN], gateway[ADDR_STRLEN], name[IF_NAMESIZE] = "?";

	addr_str(PS_BE32(t->remote_be), remote);
	addr_str(PS_BE32(t->nh_gateway_be), gateway);
	if (t->nh_ifindex)
		if_indextoname(t->nh_ifindex, name);
	switch (t->nh_state) {
	case PS_NH_READY:
		return;
	case PS_NH_NO_ROUTE:
		cli_warn(c,
			 "tunnel \"%s\": the kernel has no route to %s; the slow path carries it "
			 "until `penstock tunnel refresh` finds one",
			 t->name, remote);
		return;
	case PS_NH_NO_PORT:
		cli_warn(c,
			 "tunnel \"%s\": %s is reached through \"%s\", which is no port; the slow "
			 "path carries it until `penstock attach %s role wan`, then `penstock "
			 "tunnel refresh`",
			 t->name, remote, name, name);
		return;
	case PS_NH_GENERIC:
		cli_warn(c,
			 "tunnel \"%s\": %s is reached through \"%s\", a generic port, which "
			 "native ports can't send to; the slow path carries it",
			 t->name, remote, name);
		return;
	case PS_NH_LOOP:
		cli_warn(c,
			 "tunnel \"%s\": %s is reached through " STORE_DEVICE "; its packets are "
			 "dropped until the kernel's route is mended and `penstock tunnel "
			 "refresh` is run",
			 t->name, remote);
		return;
	default:
		cli_warn(c,
			 "tunnel \"%s\": %s on \"%s\", the next hop to %s, does not answer ARP; "
			 "the slow path carries it until `penstock tunnel refresh` finds it",
			 t->name, gateway, name, remote);
	}
}

static json_t *next_hop_json(const struct store *st, const struct ps_tunnel *t)
{
	char gateway[ADDR_STRLEN], device[IF_NAMESIZE], mac[18];
	static const uint8_t none[6];

	return json_pack(
		"{s:s, s:o, s:o, s:o}", "state", nexthop_state_name(t->nh_state), "gateway",
		json_text(t->nh_gateway_be ? addr_str(PS_BE32(t->nh_gateway_be), gateway) : NULL),
		"device", json_text(device_name(st, t->nh_ifindex, device)), "mac",
		json_text(memcmp(t->nh_dst, none, 6) ? mac_text(t->nh_dst, mac) : NULL));
}

static json_t *tunnel_json(const struct store *st, uint32_t id)
{
	const struct ps_tunnel *t = &st->tunnel[id];
	char local[ADDR_STRLEN], remote[ADDR_STRLEN], address[ADDR_STRLEN + 4] = "";
	struct ps_tunnel_stats s;

	store_tunnel_stats(st, (uint16_t)id, &s);
	if (t->flags & PS_TUNNEL_F_ADDRESS) {
		addr_str(PS_BE32(t->addr_be), address);
		snprintf(address + strlen(address), 4, "/%u", t->addr_len & 63u);
	}
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:i, s:i, s:o, s:s, s:s, s:s, s:o, "
			 "s:I, s:I, s:I, s:I}",
			 "name", t->name, "kind", t->kind == PS_SLOT_GRE ? "gre" : "?", "local",
			 addr_str(PS_BE32(t->local_be), local), "remote",
			 addr_str(PS_BE32(t->remote_be), remote), "key",
			 t->flags & PS_TUNNEL_F_KEY ? json_integer(t->key) : json_null(), "ttl",
			 t->ttl, "mtu_bytes", t->mtu, "address",
			 json_text(*address ? address : NULL), "account",
			 store_account_name(st, t->account), "mss_clamp",
			 t->flags & PS_TUNNEL_F_NO_MSS_CLAMP ? "off" : "on", "health",
			 health_name(t->health), "next_hop", next_hop_json(st, t), "tx_packets",
			 (json_int_t)s.tx_packets, "tx_bytes", (json_int_t)s.tx_bytes, "rx_packets",
			 (json_int_t)s.rx_packets, "rx_bytes", (json_int_t)s.rx_bytes);
}

static const struct column columns[] = {
	{ "NAME", "name", 0 },
	{ "KIND", "kind", 0 },
	{ "LOCAL", "local", 0 },
	{ "REMOTE", "remote", 0 },
	{ "KEY", "key", COL_RIGHT },
	{ "TTL", "ttl", COL_RIGHT },
	{ "MTU", "mtu_bytes", COL_RIGHT },
	{ "ADDRESS", "address", 0 },
	{ "ACCOUNT", "account", 0 },
	{ "HEALTH", "health", COL_STATE },
	{ "NEXT-HOP", "next_hop.state", 0 },
	{ "GATEWAY", "next_hop.gateway", 0 },
	{ "DEVICE", "next_hop.device", 0 },
	{ "MAC", "next_hop.mac", 0 },
	{ "TX-PACKETS", "tx_packets", COL_RIGHT | COL_STATS },
	{ "TX-BYTES", "tx_bytes", COL_RIGHT | COL_STATS },
	{ "RX-PACKETS", "rx_packets", COL_RIGHT | COL_STATS },
	{ "RX-BYTES", "rx_bytes", COL_RIGHT | COL_STATS },
	{ 0 },
};

int do_tunnel_show(struct cli *c)
{
	const char *name = arg_peek(&c->args);
	const struct store *st;
	struct rows r;
	uint32_t i;
	int id = -1;

	if (name)
		c->args.at++;
	if (arg_end(c))
		return -EINVAL;
	st = cli_store(c);
	if (!st)
		return -EIO;
	if (name) {
		id = store_tunnel_find(st, name);
		if (id < (int)PS_TUNNEL_FIRST)
			return cli_usage(c, "tunnel \"%.64s\" does not exist", name);
	}
	if (rows_begin(&r, c, columns, false))
		return cli_oom(c);
	for (i = PS_TUNNEL_FIRST; i < st->meta->max_tunnels; i++)
		if (st->tunnel[i].state == PS_STATE_USED && (id < 0 || (uint32_t)id == i))
			rows_add(&r, tunnel_json(st, i));
	rows_end(&r);
	return 0;
}
