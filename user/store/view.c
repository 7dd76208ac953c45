/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading an open instance. Nothing here changes anything. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/internal.h"

int store_tunnel_find(const struct store *st, const char *name)
{
	uint32_t i;

	for (i = 0; i < st->meta->max_tunnels; i++)
		if (st->tunnel[i].state == PS_STATE_USED && !strcmp(st->tunnel[i].name, name))
			return (int)i;
	return -1;
}

int store_table_find(const struct store *st, const char *name)
{
	uint32_t i;

	if (!strcmp(name, st->table[PS_T_MAIN].name))
		return PS_T_MAIN;
	for (i = PS_T_EGRESS; i < st->meta->max_tables; i++)
		if (st->table[i].refs && !strcmp(st->table[i].name, name))
			return (int)i;
	return -1;
}

const char *store_account_name(const struct store *st, uint16_t id)
{
	return id < STORE_ACCOUNTS ? st->account[id].name : "?";
}

uint32_t store_id(const struct store *st)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(st->fd[MAP_META], &info, &len) ? 0 : info.id;
}

static int each(const struct store *st, enum store_map map, store_entry_fn fn, void *arg)
{
	struct entry *list;
	size_t n, i;
	int r = entry_load(st, map, &list, &n);

	for (i = 0; !r && i < n; i++)
		r = fn(arg, list[i].table, list[i].p, list[i].value);
	free(list);
	return r;
}

int store_prefix_each(const struct store *st, store_entry_fn fn, void *arg)
{
	return each(st, MAP_PREFIX, fn, arg);
}

int store_policy_each(const struct store *st, store_entry_fn fn, void *arg)
{
	return each(st, MAP_POLICY, fn, arg);
}

int store_route_each(const struct store *st, store_entry_fn fn, void *arg)
{
	return each(st, MAP_ROUTE, fn, arg);
}

/* Values of all CPUs of one entry; caller frees. Per-CPU values are padded to 8 bytes. */
static void *percpu(const struct store *st, enum store_map map, uint32_t key, int *cpus)
{
	void *v;

	*cpus = libbpf_num_possible_cpus();
	if (*cpus < 1)
		return NULL;
	v = calloc((size_t)*cpus, map_specs[map].value_size);
	if (v && bpf_map_lookup_elem(st->fd[map], &key, v)) {
		free(v);
		v = NULL;
	}
	return v;
}

int store_tunnel_stats(const struct store *st, uint16_t id, struct ps_tunnel_stats *sum)
{
	struct ps_tunnel_stats *v;
	int cpus, i;

	memset(sum, 0, sizeof(*sum));
	v = percpu(st, MAP_TUNNEL_STAT, id, &cpus);
	if (!v)
		return -errno;
	for (i = 0; i < cpus; i++) {
		sum->tx_packets += v[i].tx_packets;
		sum->tx_bytes += v[i].tx_bytes;
		sum->rx_packets += v[i].rx_packets;
		sum->rx_bytes += v[i].rx_bytes;
	}
	free(v);
	return 0;
}

int store_reason_stats(const struct store *st, uint32_t reason, struct ps_reason_stats *sum)
{
	struct ps_reason_stats *v;
	int cpus, i;

	memset(sum, 0, sizeof(*sum));
	v = percpu(st, MAP_REASON, reason, &cpus);
	if (!v)
		return -errno;
	for (i = 0; i < cpus; i++) {
		sum->packets += v[i].packets;
		sum->bytes += v[i].bytes;
	}
	free(v);
	return 0;
}

int store_port_each(const struct store *st,
		    int (*fn)(void *arg, uint32_t ifindex, const struct ps_port *p, bool attached),
		    void *arg)
{
	uint32_t key = 0, *prev = NULL, next;
	struct bpf_link_info info;
	struct ps_port port;
	char path[128];
	int r = 0, fd;

	while (!r && !bpf_map_get_next_key(st->fd[MAP_PORT], prev, &next)) {
		__u32 len = sizeof(info);
		bool attached = false;

		key = next;
		prev = &key;
		if (bpf_map_lookup_elem(st->fd[MAP_PORT], &key, &port))
			continue;
		snprintf(path, sizeof(path), "%s/%s/link_%u", STORE_ROOT, st->instance, key);
		fd = bpf_obj_get(path);
		memset(&info, 0, sizeof(info));
		if (fd >= 0) {
			/* A link whose device went reports ifindex 0. */
			attached = !bpf_obj_get_info_by_fd(fd, &info, &len) && info.xdp.ifindex;
			close(fd);
		}
		r = fn(arg, key, &port, attached);
	}
	return r;
}
