/* SPDX-License-Identifier: GPL-2.0-only */
/* stats: counters of tunnels and reasons, and how full the maps are. */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "cli/cli.h"

/* --- tunnels
 * -------------------------------------------------------------------------------------- */

static const struct column tunnel_columns[] = {
	{ "TUNNEL", "name", 0 },
	{ "TX-PACKETS", "tx_packets", COL_RIGHT },
	{ "TX-BYTES", "tx_bytes", COL_RIGHT },
	{ "RX-PACKETS", "rx_packets", COL_RIGHT },
	{ "RX-BYTES", "rx_bytes", COL_RIGHT },
	{ 0 },
};

static int tunnels(struct cli *c, const struct store *st, struct rows *r, bool keep)
{
	struct ps_tunnel_stats s;
	uint32_t i;

	if (rows_begin(r, c, tunnel_columns, keep))
		return cli_oom(c);
	for (i = PS_TUNNEL_FIRST; i < st->meta->max_tunnels; i++) {
		if (st->tunnel[i].state != PS_STATE_USED)
			continue;
		store_tunnel_stats(st, (uint16_t)i, &s);
		rows_add(r,
			 json_pack("{s:s, s:I, s:I, s:I, s:I}", "name", st->tunnel[i].name,
				   "tx_packets", (json_int_t)s.tx_packets, "tx_bytes",
				   (json_int_t)s.tx_bytes, "rx_packets", (json_int_t)s.rx_packets,
				   "rx_bytes", (json_int_t)s.rx_bytes));
	}
	rows_end(r);
	return 0;
}

/* --- drops
 * ---------------------------------------------------------------------------------------- */

static const struct {
	uint32_t number;
	const char *label;
	int kind;
	const char *meaning;
} reasons[] = {
#define REASON(name, number, label, kind, meaning) { number, label, kind, meaning },
	PS_REASONS(REASON)
#undef REASON
};

static const struct column drop_columns[] = {
	{ "REASON", "reason", 0 },	     { "KIND", "kind", COL_STATE },
	{ "PACKETS", "packets", COL_RIGHT }, { "BYTES", "bytes", COL_RIGHT },
	{ "MEANING", "meaning", 0 },	     { 0 },
};

static int drops(struct cli *c, const struct store *st, struct rows *r, bool keep)
{
	struct ps_reason_stats s;
	size_t i;

	if (rows_begin(r, c, drop_columns, keep))
		return cli_oom(c);
	for (i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		store_reason_stats(st, reasons[i].number, &s);
		if (!s.packets && !c->stats)
			continue;
		rows_add(r, json_pack("{s:s, s:s, s:I, s:I, s:s}", "reason", reasons[i].label,
				      "kind", reasons[i].kind == PS_DROP ? "drop" : "handed",
				      "packets", (json_int_t)s.packets, "bytes",
				      (json_int_t)s.bytes, "meaning", reasons[i].meaning));
	}
	rows_end(r);
	return 0;
}

/* --- maps
 * ----------------------------------------------------------------------------------------- */

size_t tunnels_used(const struct store *st)
{
	size_t n = 0;
	uint32_t i;

	for (i = PS_TUNNEL_FIRST; i < st->meta->max_tunnels; i++)
		n += st->tunnel[i].state == PS_STATE_USED;
	return n;
}

size_t groups_used(const struct store *st)
{
	size_t n = 0;
	uint32_t i;

	for (i = 0; i < st->meta->max_groups; i++)
		n += st->group[i].state == PS_STATE_USED;
	return n;
}

size_t tables_used(const struct store *st)
{
	size_t n = 0;
	uint32_t i;

	for (i = PS_T_EGRESS; i < st->meta->max_tables; i++)
		n += st->table[i].refs != 0;
	return n;
}

/* Those in limbo are given back on demand, so they do not count. */
size_t blocks_used(const struct store *st)
{
	size_t n = 0;
	uint32_t i;

	for (i = 0; i < st->meta->max_groups; i++)
		if (st->group[i].state == PS_STATE_USED)
			n += (size_t)1 << (st->group[i].row >> PS_ROW_LOG2_SHIFT);
	return n;
}

static size_t accounts_used(const struct store *st)
{
	size_t n = 0;
	uint32_t i;

	for (i = 0; i < STORE_ACCOUNTS; i++)
		n += st->account[i].name[0] != '\0';
	return n;
}

static int count_entry(void *arg, uint16_t table, struct prefix p, uint32_t value)
{
	(void)table;
	(void)p;
	(void)value;
	++*(size_t *)arg;
	return 0;
}

static int count_port(void *arg, uint32_t ifindex, const struct ps_port *p, bool attached)
{
	(void)ifindex;
	(void)p;
	(void)attached;
	++*(size_t *)arg;
	return 0;
}

static size_t entries(int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.max_entries;
}

static const struct column map_columns[] = {
	{ "MAP", "name", 0 },
	{ "USED", "used", COL_RIGHT },
	{ "MAX", "max", COL_RIGHT },
	{ "PERCENT", "percent", COL_RIGHT },
	{ 0 },
};

static void map_row(struct rows *r, const char *name, size_t used, size_t max)
{
	rows_add(r, json_pack("{s:s, s:I, s:I, s:f}", "name", name, "used", (json_int_t)used, "max",
			      (json_int_t)max, "percent",
			      max ? (double)used * 100.0 / (double)max : 0.0));
}

static int maps(struct cli *c, const struct store *st, struct rows *r, bool keep)
{
	const struct ps_meta *m = st->meta;
	size_t prefixes = 0, policies = 0, ports = 0;

	if (rows_begin(r, c, map_columns, keep))
		return cli_oom(c);
	store_prefix_each(st, count_entry, &prefixes);
	store_policy_each(st, count_entry, &policies);
	store_port_each(st, count_port, &ports);
	map_row(r, "ps_prefix", prefixes, entries(st->fd[MAP_PREFIX]));
	map_row(r, "ps_route", m->route_count, m->max_prefixes);
	map_row(r, "ps_policy", policies, entries(st->fd[MAP_POLICY]));
	map_row(r, "ps_tunnel", tunnels_used(st) + PS_TUNNEL_FIRST, m->max_tunnels);
	map_row(r, "ps_group", groups_used(st), m->max_groups);
	map_row(r, "ps_row", blocks_used(st), m->max_blocks);
	map_row(r, "ps_fib", m->chunk_used, m->max_chunks);
	map_row(r, "ps_table", tables_used(st) + PS_T_EGRESS, m->max_tables);
	map_row(r, "ps_account", accounts_used(st), STORE_ACCOUNTS);
	map_row(r, "ps_port", ports, entries(st->fd[MAP_PORT]));
	rows_end(r);
	return 0;
}

/* --- the commands
 * --------------------------------------------------------------------------------- */

typedef int (*part_fn)(struct cli *c, const struct store *st, struct rows *r, bool keep);

static int one(struct cli *c, part_fn part)
{
	const struct store *st;
	struct rows r;

	if (arg_end(c))
		return -EINVAL;
	st = cli_store(c);
	return st ? part(c, st, &r, false) : -EIO;
}

int do_stats_tunnels(struct cli *c)
{
	return one(c, tunnels);
}

int do_stats_drops(struct cli *c)
{
	return one(c, drops);
}

int do_stats_maps(struct cli *c)
{
	return one(c, maps);
}

int do_stats(struct cli *c)
{
	static const struct {
		const char *name;
		part_fn part;
	} parts[] = { { "tunnels", tunnels }, { "drops", drops }, { "maps", maps } };
	const struct store *st = cli_store(c);
	json_t *all = c->json ? json_object() : NULL;
	bool printed = false;
	struct rows r;
	size_t i;

	if (!st)
		return -EIO;
	for (i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		if (parts[i].part(c, st, &r, true))
			return -ENOMEM;
		if (c->json) {
			json_object_set_new(all, parts[i].name, r.list);
			continue;
		}
		if (printed && r.count)
			putchar('\n');
		printed |= r.count > 0;
		print_table(c, r.col, r.list);
		json_decref(r.list);
	}
	if (c->json)
		print_json(c, all);
	return 0;
}
