/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ports: our XDP program on a device, held by a pinned link so that it outlives this process and
 * can be replaced atomically.
 *
 * On attaching, strict reverse-path filtering is turned loose: on a transit node decapsulated
 * packets of a customer's prefix come in by the wan port while the route back to them leads to
 * penstock0, and strict filtering would drop them on the slow path. Detaching restores the value.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/netlink.h"
#include "net/sysctl.h"
#include "store/internal.h"

#define RP_STRICT 1
#define RP_LOOSE 2
#define RESOLVE_MS 1000

static void link_path(const struct store *st, uint32_t ifindex, char *path, size_t len)
{
	snprintf(path, len, "%s/%s/link_%u", STORE_ROOT, st->instance, ifindex);
}

/* Says which program is in the way. */
static int in_the_way(const struct nl_link *link, struct error *err)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = link->xdp_prog_id ? bpf_prog_get_fd_by_id(link->xdp_prog_id) : -1;

	if (fd >= 0) {
		bpf_obj_get_info_by_fd(fd, &info, &len);
		close(fd);
	}
	return error_usage(err, EBUSY,
			   "device \"%s\": another XDP program is attached: \"%s\" (id %u); detach "
			   "it first",
			   link->name, info.name, link->xdp_prog_id);
}

static int make_link(const struct nl_link *link, int prog, bool generic)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	int fd = bpf_link_create(prog, link->ifindex, BPF_XDP, &opts);

	return fd < 0 ? -errno : fd;
}

/* Native where it can be, unless the caller chose. *generic says what it became. */
static int attach_link(const struct nl_link *link, int prog, enum port_mode mode, bool *generic,
		       struct error *err)
{
	int fd;

	*generic = mode == PORT_GENERIC;
	fd = make_link(link, prog, *generic);
	if (fd < 0 && fd != -EBUSY && fd != -EEXIST && mode == PORT_AUTO) {
		*generic = true;
		fd = make_link(link, prog, true);
	}
	if (fd == -EBUSY || fd == -EEXIST)
		return in_the_way(link, err);
	if (fd < 0)
		return error_system(err, -fd, "device \"%s\": cannot attach in %s mode: %s",
				    link->name, *generic ? "generic" : "native", strerror(-fd));
	return fd;
}

/* Turns strict filtering loose and remembers what to restore. */
static void loosen_rp_filter(struct ps_port *port)
{
	char path[64];
	int all = 0, own = 0;

	snprintf(path, sizeof(path), "ipv4/conf/%s/rp_filter", port->name);
	if (sysctl_get("ipv4/conf/all/rp_filter", &all) || sysctl_get(path, &own))
		return;
	/* The larger of the two counts. */
	if ((all > own ? all : own) != RP_STRICT)
		return;
	port->rp_filter = (uint8_t)own;
	port->rp_changed = !sysctl_set(path, RP_LOOSE);
}

void port_restore_rp_filter(const struct ps_port *port)
{
	char path[64];

	snprintf(path, sizeof(path), "ipv4/conf/%s/rp_filter", port->name);
	if (port->rp_changed)
		sysctl_set(path, port->rp_filter);
}

struct modes {
	const struct store *st;
	bool native; /* one port at least */
};

static int find_native(void *arg, uint32_t ifindex, const struct ps_port *p, bool attached)
{
	struct modes *m = arg;

	(void)ifindex;
	(void)attached;
	m->native |= !p->generic;
	return 0;
}

static int set_dev(void *arg, uint32_t ifindex, const struct ps_port *p, bool attached)
{
	const struct modes *m = arg;

	if (attached && !(p->generic && m->native))
		return bpf_map_update_elem(m->st->fd[MAP_DEV], &ifindex, &ifindex, BPF_ANY) ?
			       -errno :
			       0;
	bpf_map_delete_elem(m->st->fd[MAP_DEV], &ifindex);
	return 0;
}

/*
 * The device map: the ports that may be sent to. A generic port's driver has no XDP transmit, so a
 * redirect from a native one would be lost behind our back: such a port is sent to only where all
 * are generic, when the kernel sends skbs.
 */
static int set_devices(struct store *st)
{
	struct modes m = { .st = st };

	store_port_each(st, find_native, &m);
	return store_port_each(st, set_dev, &m);
}

/* Records the port: port map, pin, device map. Undone by forget(). */
static int record(struct store *st, uint32_t ifindex, const struct ps_port *port, int link,
		  struct error *err)
{
	char path[128];
	int r;

	link_path(st, ifindex, path, sizeof(path));
	unlink(path); /* of a device that had this index before */
	if (bpf_map_update_elem(st->fd[MAP_PORT], &ifindex, port, BPF_ANY)) {
		if (errno == E2BIG)
			return error_usage(err, ENOSPC, "device \"%s\": all %u ports are in use",
					   port->name, map_entries(st->meta, MAP_PORT));
		return error_system(err, errno, "device \"%s\": %s", port->name, strerror(errno));
	}
	if (bpf_obj_pin(link, path))
		return error_system(err, errno, "cannot pin %s: %s", path, strerror(errno));
	r = set_devices(st);
	return r ? error_system(err, -r, "device \"%s\": %s", port->name, strerror(-r)) : 0;
}

void port_unlink(const char *path)
{
	int fd = bpf_obj_get(path);

	if (fd >= 0) {
		bpf_link_detach(fd);
		close(fd);
	}
	unlink(path);
}

static void forget(struct store *st, uint32_t ifindex)
{
	char path[128];

	link_path(st, ifindex, path, sizeof(path));
	port_unlink(path);
	bpf_map_delete_elem(st->fd[MAP_DEV], &ifindex);
	bpf_map_delete_elem(st->fd[MAP_PORT], &ifindex);
	set_devices(st);
}

static int attach(struct store *st, const struct nl_link *link, enum ps_role role,
		  enum port_mode mode, struct error *err)
{
	struct ps_port port = { .role = role };
	uint32_t ifindex = (uint32_t)link->ifindex;
	bool generic;
	int prog, fd, r;

	prog = store_prog_fd(st, role == PS_ROLE_WAN ? PROG_XDP_WAN : PROG_XDP_LAN);
	if (prog < 0)
		return error_system(err, -prog, "cannot open the program's pin: %s",
				    strerror(-prog));
	fd = attach_link(link, prog, mode, &generic, err);
	close(prog);
	if (fd < 0)
		return fd;
	snprintf(port.name, sizeof(port.name), "%s", link->name);
	port.generic = generic;
	loosen_rp_filter(&port);
	r = record(st, ifindex, &port, fd, err);
	if (!r)
		r = store_refresh(st, -1, RESOLVE_MS, err);
	if (r) {
		forget(st, ifindex);
		port_restore_rp_filter(&port);
	}
	close(fd);
	return r;
}

int store_attach(struct store *st, const char *dev, enum ps_role role, enum port_mode mode,
		 struct error *err)
{
	struct nl_link link;
	struct ps_port port;
	struct nl *nl;
	uint32_t ifindex;
	int r = nl_open(&nl);

	if (r)
		return error_system(err, -r, "cannot open a netlink socket: %s", strerror(-r));
	r = nl_link_get(nl, dev, 0, &link);
	ifindex = r ? 0 : (uint32_t)link.ifindex;
	if (r)
		r = error_usage(err, -r, "device \"%s\" does not exist", dev);
	else if (!strcmp(dev, STORE_DEVICE) || !strcmp(dev, STORE_PEER))
		r = error_usage(err, EINVAL, "device \"%s\" is penstock's own", dev);
	else if (!link.ethernet)
		r = error_usage(err, EINVAL, "device \"%s\" is not an Ethernet device", dev);
	else if (!bpf_map_lookup_elem(st->fd[MAP_PORT], &ifindex, &port) && link.xdp_prog_id)
		r = error_usage(err, EEXIST, "device \"%s\" is attached already, role %s", dev,
				port.role == PS_ROLE_WAN ? "wan" : "lan");
	else
		r = attach(st, &link, role, mode, err);
	nl_close(nl);
	return r;
}

struct find {
	const char *name;
	uint32_t ifindex;
	struct ps_port port;
};

static int find_port(void *arg, uint32_t ifindex, const struct ps_port *p, bool attached)
{
	struct find *f = arg;

	(void)attached;
	if (strcmp(p->name, f->name))
		return 0;
	f->ifindex = ifindex;
	f->port = *p;
	return 1;
}

int store_detach(struct store *st, const char *dev, struct error *err)
{
	struct find f = { .name = dev };
	int r;

	if (store_port_each(st, find_port, &f) != 1)
		return error_usage(err, ENOENT, "device \"%s\" is not attached", dev);
	/* Tunnels leave the port for the slow path first: a packet must not find it gone. */
	bpf_map_delete_elem(st->fd[MAP_PORT], &f.ifindex);
	r = store_refresh(st, -1, 0, err);
	if (r) {
		bpf_map_update_elem(st->fd[MAP_PORT], &f.ifindex, &f.port, BPF_ANY);
		return r;
	}
	forget(st, f.ifindex);
	port_restore_rp_filter(&f.port);
	return store_refresh(st, -1, 0, err); /* generic ports may be sent to now */
}
