/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Making, upgrading and removing an instance. The only file that includes the skeleton.
 *
 * The maps are made here from the table in open.c and handed to the programs, so that a first load
 * and an upgrade differ only in where the map descriptors come from. ps_meta is pinned last: a
 * directory without it is what a killed load left, and the next load clears it away.
 *
 * An upgrade swaps the program behind each port's link and behind the TC filter, each swap atomic
 * in the kernel, and renews the program pins; maps and counters stay.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/netlink.h"
#include "penstock.skel.h"
#include "store/internal.h"

#define DEFAULT_PREFIXES 16384u
#define DEFAULT_TUNNELS 1024u
#define DEFAULT_GROUPS 1024u
#define DEFAULT_TABLES 16u

/* --- maps ---------------------------------------------------------------------------- */

/*
 * Chunks for N prefixes: at most two a prefix, but a table has no more than 65,536 second-level
 * ones, and in real tables one prefix in sixteen is longer than /24. Egress tables share them.
 */
static uint32_t default_chunks(uint32_t prefixes)
{
	uint64_t worst = 2ull * prefixes, usual = 65536ull + prefixes / 16;

	return (uint32_t)(worst < usual ? worst : usual) + 64;
}

static int set_limits(struct ps_meta *m, const struct store_limits *l, struct error *err)
{
	uint32_t prefixes = l->max_prefixes ? l->max_prefixes : DEFAULT_PREFIXES;
	uint32_t tunnels = l->max_tunnels ? l->max_tunnels : DEFAULT_TUNNELS;
	uint32_t groups = l->max_groups ? l->max_groups : DEFAULT_GROUPS;
	uint32_t tables = l->max_tables ? l->max_tables : DEFAULT_TABLES;
	uint64_t chunks = l->max_chunks ? l->max_chunks : default_chunks(prefixes);
	uint64_t blocks = 16ull * groups;

	if (tunnels > 32000 || groups > 1000000 || tables > 4096 || prefixes > 16000000)
		return error_usage(err, EINVAL,
				   "limits too large: at most 16000000 prefixes, 32000 tunnels, "
				   "1000000 groups and 4096 tables");
	if (blocks < 1u << PS_ROW_LOG2_MAX)
		blocks = 1u << PS_ROW_LOG2_MAX;
	if (blocks > PS_ROW_BLOCK_MASK)
		blocks = PS_ROW_BLOCK_MASK;
	m->magic = PS_MAGIC;
	m->abi = PS_ABI_VERSION;
	m->netns = netns_inode();
	m->max_prefixes = prefixes;
	m->max_tunnels = tunnels + PS_TUNNEL_FIRST;
	m->max_groups = groups;
	m->max_tables = tables + PS_T_EGRESS;
	m->max_chunks = (uint32_t)(chunks + (uint64_t)m->max_tables * PS_ROOT_CHUNKS);
	m->max_blocks = (uint32_t)blocks;
	return 0;
}

static int make_map(struct store *st, const struct ps_meta *m, enum store_map map,
		    struct error *err)
{
	const struct map_spec *spec = &map_specs[map];
	LIBBPF_OPTS(bpf_map_create_opts, opts);

	if (spec->mapped || map == MAP_INTENT)
		opts.map_flags = BPF_F_MMAPABLE;
	if (map == MAP_GRACE)
		opts.inner_map_fd = (__u32)st->fd[MAP_META];
	st->fd[map] = bpf_map_create(spec->type, spec->name, spec->key_size, spec->value_size,
				     map_entries(m, map), &opts);
	if (st->fd[map] >= 0)
		return 0;
	if (errno == ENOMEM || errno == E2BIG)
		return error_usage(
			err, errno,
			"not enough memory for %s with %u entries: choose smaller limits",
			spec->name, map_entries(m, map));
	return explain_load(-errno, err);
}

/* Reserved next hops and names, and an empty FIB. */
static void init_content(struct store *st, const struct ps_meta *m)
{
	static const char *const fixed[PS_T_EGRESS] = { "main", "owned", "policy", "remote",
							"local" };
	static const struct {
		const char *name;
		uint8_t kind;
	} hop[PS_TUNNEL_FIRST] = {
		[PS_TUNNEL_DROP] = { "drop", PS_SLOT_DROP },
		[PS_TUNNEL_UNDERLAY] = { "underlay", PS_SLOT_UNDERLAY },
	};
	uint32_t i;

	*st->meta = *m;
	st->stride = (struct stride){ .chunk = st->fib, .link = st->link, .meta = st->meta };
	stride_init(&st->stride, m->max_tables);
	for (i = 0; i < PS_TUNNEL_FIRST; i++) {
		struct ps_tunnel *t = &st->tunnel[i];

		snprintf(t->name, sizeof(t->name), "%s", hop[i].name);
		t->state = PS_STATE_USED;
		t->kind = hop[i].kind;
		t->slot = (uint16_t)(2 * i);
		st->slot[t->slot].kind = t->kind;
	}
	for (i = 0; i < PS_T_EGRESS; i++) {
		snprintf(st->table[i].name, PS_NAME_LEN, "%s", fixed[i]);
		st->table[i].refs = 1;
	}
	snprintf(st->account[0].name, PS_NAME_LEN, "default");
	st->account[0].refs = 1;
	st->node->asn = 13335;
}

static int make_maps(struct store *st, const struct ps_meta *m, struct error *err)
{
	/* ps_meta sizes the rest, but is itself not mapped yet. */
	struct ps_meta *sizes = malloc(sizeof(*sizes));
	int i, r = 0;

	if (!sizes)
		return error_system(err, ENOMEM, "out of memory");
	*sizes = *m;
	st->meta = sizes;
	for (i = 0; !r && i < MAP_COUNT; i++)
		r = make_map(st, m, i, err);
	for (i = MAP_NODE; !r && i < MAP_COUNT; i++)
		if (map_specs[i].mapped)
			r = store_map_memory(st, i, err);
	st->meta = NULL;
	free(sizes);
	if (!r)
		r = store_map_memory(st, MAP_META, err);
	if (!r)
		init_content(st, m);
	return r;
}

/* --- programs ------------------------------------------------------------------------ */

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	/* What libbpf has to say is for us; the operator gets explain_load(). */
	if (level == LIBBPF_WARN && getenv("PENSTOCK_DEBUG"))
		return vfprintf(stderr, fmt, ap);
	return 0;
}

/* Loads the programs on the maps of *st. */
static int load_programs(const struct store *st, struct penstock_bpf **out, struct error *err)
{
	struct penstock_bpf *skel;
	struct bpf_map *map;
	int i, r = 0;

	libbpf_set_print(quiet);
	skel = penstock_bpf__open();
	if (!skel)
		return error_system(err, errno, "cannot open the built-in programs: %s",
				    strerror(errno));
	for (i = 0; !r && i < MAP_COUNT; i++) {
		if (!map_specs[i].in_program)
			continue;
		map = bpf_object__find_map_by_name(skel->obj, map_specs[i].name);
		r = map ? bpf_map__reuse_fd(map, st->fd[i]) : -ENOENT;
	}
	if (!r)
		r = penstock_bpf__load(skel);
	if (r) {
		penstock_bpf__destroy(skel);
		return explain_load(r, err);
	}
	*out = skel;
	return 0;
}

static int prog_fd(const struct penstock_bpf *skel, enum store_prog prog)
{
	return bpf_program__fd(bpf_object__find_program_by_name(skel->obj, prog_names[prog]));
}

/* Pins under a new name and moves it over the old one, so that the pin is never missing. */
static int pin_programs(const struct penstock_bpf *skel, const char *dir, struct error *err)
{
	char path[128], fresh[136];
	int i;

	for (i = 0; i < PROG_COUNT; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, prog_names[i]);
		snprintf(fresh, sizeof(fresh), "%s_new", path);
		unlink(fresh);
		if (bpf_obj_pin(prog_fd(skel, i), fresh) || rename(fresh, path))
			return error_system(err, errno, "cannot pin %s: %s", path, strerror(errno));
	}
	return 0;
}

static int attach_tc(const struct penstock_bpf *skel, uint32_t ifindex, struct error *err)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd(skel, PROG_TC), .handle = 1,
		    .priority = 1, .flags = BPF_TC_F_REPLACE);
	int r = bpf_tc_hook_create(&hook);

	if (!r || r == -EEXIST)
		r = bpf_tc_attach(&hook, &opts);
	return r ? error_system(err, -r, "cannot attach to " STORE_DEVICE ": %s", strerror(-r)) : 0;
}

static int pin_maps(const struct store *st, const char *dir, struct error *err)
{
	char path[128];
	int i;

	for (i = MAP_COUNT; i-- > 0;) { /* ps_meta, the first, comes last */
		snprintf(path, sizeof(path), "%s/%s", dir, map_specs[i].name);
		if (bpf_obj_pin(st->fd[i], path))
			return error_system(err, errno, "cannot pin %s: %s", path, strerror(errno));
	}
	return 0;
}

/* --- load and unload ----------------------------------------------------------------- */

/* Removes every pin and the directory, and with the links' the programs from the ports. */
static int remove_pins(const char *dir, struct error *err)
{
	struct dirent *e;
	char path[512];
	DIR *d = opendir(dir);

	if (!d)
		return error_system(err, errno, "cannot open %s: %s", dir, strerror(errno));
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (!strncmp(e->d_name, "link_", 5))
			port_unlink(path);
		else
			unlink(path);
	}
	closedir(d);
	if (rmdir(dir))
		return error_system(err, errno, "cannot remove %s: %s", dir, strerror(errno));
	return 0;
}

static bool has_pin(const char *dir, const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return !access(path, F_OK);
}

/* A new instance in a directory that is there and locked. */
static int load_new(struct store *st, const char *dir, const struct store_limits *limits,
		    struct error *err)
{
	struct penstock_bpf *skel = NULL;
	struct ps_meta meta = { 0 };
	bool device = false;
	int r = set_limits(&meta, limits, err);

	if (!r)
		r = make_maps(st, &meta, err);
	if (!r)
		r = load_programs(st, &skel, err);
	if (!r) {
		r = device_make(st, err);
		device = !r;
	}
	if (!r)
		r = attach_tc(skel, st->node->ifindex, err);
	if (!r)
		r = plumb_sync(st, err);
	if (!r)
		r = pin_programs(skel, dir, err);
	if (!r)
		r = pin_maps(st, dir, err);
	if (r && device)
		device_remove();
	penstock_bpf__destroy(skel);
	return r;
}

static int update_port(void *arg, uint32_t ifindex, const struct ps_port *p, bool attached)
{
	struct {
		const struct store *st;
		const struct penstock_bpf *skel;
	} *a = arg;
	char path[128];
	int link, r;

	if (!attached)
		return 0;
	snprintf(path, sizeof(path), "%s/%s/link_%u", STORE_ROOT, a->st->instance, ifindex);
	link = bpf_obj_get(path);
	if (link < 0)
		return -errno;
	r = bpf_link_update(
		link, prog_fd(a->skel, p->role == PS_ROLE_WAN ? PROG_XDP_WAN : PROG_XDP_LAN), NULL);
	close(link);
	return r ? -errno : 0;
}

int store_limits_same(const struct ps_meta *m, const struct store_limits *l, struct error *err)
{
	const struct {
		const char *name;
		uint32_t want, have;
	} limit[] = {
		{ "max-prefixes", l->max_prefixes, m->max_prefixes },
		{ "max-tunnels", l->max_tunnels, m->max_tunnels - PS_TUNNEL_FIRST },
		{ "max-groups", l->max_groups, m->max_groups },
		{ "max-tables", l->max_tables, m->max_tables - PS_T_EGRESS },
		{ "max-chunks", l->max_chunks, m->max_chunks - m->max_tables * PS_ROOT_CHUNKS },
	};
	size_t i;

	for (i = 0; i < sizeof(limit) / sizeof(limit[0]); i++)
		if (limit[i].want && limit[i].want != limit[i].have)
			return error_usage(err, EBUSY,
					   "%s %u: the loaded instance has %u; unload it to change "
					   "its size",
					   limit[i].name, limit[i].want, limit[i].have);
	return 0;
}

/* New programs for a loaded instance. */
static int load_upgrade(struct store *st, const char *dir, struct error *err)
{
	struct penstock_bpf *skel;
	struct {
		const struct store *st;
		const struct penstock_bpf *skel;
	} a = { st, NULL };
	int r = store_recover(st, err);

	if (!r)
		r = load_programs(st, &skel, err);
	if (r)
		return r;
	a.skel = skel;
	r = attach_tc(skel, st->node->ifindex, err);
	if (!r) {
		r = store_port_each(st, update_port, &a);
		if (r)
			error_system(err, -r, "cannot replace a port's program: %s", strerror(-r));
	}
	if (!r)
		r = pin_programs(skel, dir, err);
	if (!r)
		r = plumb_sync(st, err);
	penstock_bpf__destroy(skel);
	return r;
}

/* An empty, writable store without an instance. */
static struct store *store_blank(const char *instance)
{
	struct store *st = calloc(1, sizeof(*st));
	int i;

	if (!st)
		return NULL;
	for (i = 0; i < MAP_COUNT; i++)
		st->fd[i] = -1;
	st->dir = -1;
	st->writable = true;
	snprintf(st->instance, sizeof(st->instance), "%s", instance);
	return st;
}

/* The locked directory of an instance, made where it was not. */
static int take_dir(const char *instance, const char *dir, bool *made, struct error *err)
{
	int fd, r;

	if (mkdir(STORE_ROOT, 0700) && errno != EEXIST)
		return error_system(err, errno, "cannot make %s: %s%s", STORE_ROOT, strerror(errno),
				    errno == EPERM ? ": needs root" : "");
	*made = !mkdir(dir, 0700);
	if (!*made && errno != EEXIST)
		return error_system(err, errno, "cannot make %s: %s%s", dir, strerror(errno),
				    errno == EACCES ? ": needs root" : "");
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_system(err, errno, "cannot open %s: %s", dir, strerror(errno));
	r = instance_lock(fd, instance, err);
	if (r) {
		close(fd);
		return r;
	}
	return fd;
}

int store_load(const char *instance, const struct store_limits *limits, bool *upgraded,
	       struct error *err)
{
	struct store *st = NULL;
	char dir[96];
	bool made = false;
	int lock, r;

	r = instance_dir(instance, dir, sizeof(dir), err);
	if (r)
		return r;
	lock = take_dir(instance, dir, &made, err);
	if (lock < 0)
		return lock;
	*upgraded = has_pin(dir, map_specs[MAP_META].name);
	if (*upgraded) {
		r = store_open(&st, instance, true, err);
		if (!r)
			r = store_limits_same(st->meta, limits, err);
		if (!r)
			r = load_upgrade(st, dir, err);
	} else {
		/* What a killed load left behind holds nothing but pins; begin anew. */
		if (!made && !remove_pins(dir, err))
			mkdir(dir, 0700);
		st = store_blank(instance);
		r = st ? load_new(st, dir, limits, err) :
			 error_system(err, ENOMEM, "out of memory");
		if (r) {
			struct error ignored;

			remove_pins(dir, &ignored);
			rmdir(STORE_ROOT);
		}
	}
	store_free(st);
	close(lock);
	return r;
}

static int restore_port(void *arg, uint32_t ifindex, const struct ps_port *p, bool attached)
{
	(void)arg;
	(void)ifindex;
	(void)attached;
	port_restore_rp_filter(p);
	return 0;
}

/* Is there still a process or a mount in this network namespace? */
static bool netns_lives(uint64_t inode)
{
	static const char *const roots[] = { "/run/netns", "/proc" };
	struct dirent *e;
	struct stat sb;
	char path[300];
	bool found = false;
	size_t i;
	DIR *d;

	for (i = 0; i < 2 && !found; i++) {
		d = opendir(roots[i]);
		while (d && !found && (e = readdir(d))) {
			snprintf(path, sizeof(path), i ? "%s/%s/ns/net" : "%s/%s", roots[i],
				 e->d_name);
			found = !stat(path, &sb) && sb.st_ino == inode;
		}
		if (d)
			closedir(d);
	}
	return found;
}

int store_unload(const char *instance, struct error *err)
{
	struct store *st;
	char dir[96];
	bool here;
	int r = store_open(&st, instance, false, err);

	if (r)
		return r;
	r = instance_dir(instance, dir, sizeof(dir), err);
	if (!r)
		r = instance_lock(st->dir, instance, err);
	here = st->meta->netns == netns_inode();
	if (!r && !here && netns_lives(st->meta->netns))
		r = error_usage(err, EXDEV,
				"instance \"%s\" belongs to another network namespace: enter it "
				"with -n",
				instance);
	if (!r) {
		if (here) {
			store_port_each(st, restore_port, NULL);
			device_remove();
		}
		r = remove_pins(dir, err);
		rmdir(STORE_ROOT); /* fails while there are other instances */
	}
	store_close(st);
	return r;
}
