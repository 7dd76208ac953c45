/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opening an instance: from the pins to mapped memory. The table of maps below is the only place
 * that knows their types and sizes; load.c makes them from it, and opening checks the pins by it,
 * so that a program and its pins can't disagree silently.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "store/internal.h"

#define LOCK_WAIT_MS 5000
#define LOCK_POLL_US 5000 /* longest pause; the first ones are short: most transactions are */

#define ARRAY(n, v, prog)                                       \
	{                                                       \
		n, BPF_MAP_TYPE_ARRAY, 4, sizeof(v), true, prog \
	}
#define HASH(n, k, v)                                                    \
	{                                                                \
		n, BPF_MAP_TYPE_HASH, sizeof(k), sizeof(v), false, false \
	}

const struct map_spec map_specs[MAP_COUNT] = {
	[MAP_META] = ARRAY("ps_meta", struct ps_meta, false),
	[MAP_NODE] = ARRAY("ps_node", struct ps_node, true),
	[MAP_FIB] = ARRAY("ps_fib", struct ps_chunk, true),
	[MAP_LINK] = ARRAY("ps_link", struct ps_chunk, false),
	[MAP_ROW] = ARRAY("ps_row", struct ps_block, true),
	[MAP_SLOT] = ARRAY("ps_slot", struct ps_slot, true),
	[MAP_TUNNEL] = ARRAY("ps_tunnel", struct ps_tunnel, false),
	[MAP_TABLE] = ARRAY("ps_table", struct ps_name, false),
	[MAP_ACCOUNT] = ARRAY("ps_account", struct ps_name, false),
	[MAP_GROUP] = ARRAY("ps_group", struct ps_group, false),
	[MAP_CANDIDATE] = ARRAY("ps_candidate", struct ps_candidates, false),
	[MAP_PREFIX] = HASH("ps_prefix", struct ps_prefix_key, __u32),
	[MAP_POLICY] = HASH("ps_policy", struct ps_prefix_key, __u32),
	[MAP_ROUTE] = HASH("ps_route", struct ps_prefix_key, __u32),
	[MAP_PORT] = HASH("ps_port", __u32, struct ps_port),
	[MAP_DEV] = { "ps_dev", BPF_MAP_TYPE_DEVMAP_HASH, 4, 4, false, true },
	[MAP_TUNNEL_STAT] = { "ps_tunnel_stat", BPF_MAP_TYPE_PERCPU_ARRAY, 4,
			      sizeof(struct ps_tunnel_stats), false, true },
	[MAP_REASON] = { "ps_reason", BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct ps_reason_stats),
			 false, true },
	[MAP_NEXTHOP] = { "ps_nexthop", BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct ps_nexthop),
			  false, true },
	[MAP_GRACE] = { "ps_grace", BPF_MAP_TYPE_ARRAY_OF_MAPS, 4, 4, false, false },
	[MAP_INTENT] = { "ps_intent", BPF_MAP_TYPE_ARRAY, 4, 4096, false, false },
};

const char *const prog_names[PROG_COUNT] = {
	[PROG_XDP_WAN] = "xdp_wan",
	[PROG_XDP_LAN] = "xdp_lan",
	[PROG_TC] = "tc_penstock0",
};

uint32_t map_entries(const struct ps_meta *m, enum store_map map)
{
	switch (map) {
	case MAP_FIB:
		return m->max_chunks;
	case MAP_LINK:
		return (m->max_chunks + PS_CHUNK_SLOTS - 1) / PS_CHUNK_SLOTS;
	case MAP_ROW:
		return m->max_blocks;
	case MAP_SLOT:
		return 2 * m->max_tunnels;
	case MAP_TUNNEL:
	case MAP_TUNNEL_STAT:
		return m->max_tunnels;
	case MAP_TABLE:
		return m->max_tables;
	case MAP_ACCOUNT:
		return STORE_ACCOUNTS;
	case MAP_GROUP:
	case MAP_CANDIDATE:
		return m->max_groups;
	case MAP_ROUTE:
	case MAP_PREFIX:
		return m->max_prefixes;
	case MAP_POLICY:
		return m->max_prefixes < 4096 ? m->max_prefixes : 4096;
	case MAP_PORT:
	case MAP_DEV:
		return 64;
	case MAP_REASON:
		return PS_REASON_MAX;
	case MAP_INTENT:
		return INTENT_PAGES;
	case MAP_NEXTHOP:
		return PS_NEXTHOP_ENTRIES;
	default:
		return 1;
	}
}

uint64_t netns_inode(void)
{
	struct stat sb;

	return stat("/proc/thread-self/ns/net", &sb) ? 0 : sb.st_ino;
}

static bool instance_name_ok(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return n && n < PS_NAME_LEN && !name[n];
}

int instance_dir(const char *instance, char *path, size_t len, struct error *err)
{
	struct statfs fs;

	if (!instance_name_ok(instance))
		return error_usage(err, EINVAL,
				   "instance \"%s\": expected 1 to 15 letters, digits, - or _",
				   instance);
	if (statfs("/sys/fs/bpf", &fs) || fs.f_type != BPF_FS_MAGIC)
		return error_system(err, ENOENT,
				    "no bpffs at /sys/fs/bpf: mount -t bpf bpf /sys/fs/bpf");
	snprintf(path, len, "%s/%s", STORE_ROOT, instance);
	return 0;
}

/* The process that holds the flock, from /proc/locks; "" if it can't be told. */
static void lock_holder(int dir, char *buf, size_t len)
{
	unsigned long inode;
	struct stat sb;
	char line[256];
	FILE *f = fopen("/proc/locks", "re");
	int pid;

	buf[0] = '\0';
	if (!f || fstat(dir, &sb))
		goto out;
	while (fgets(line, sizeof(line), f)) {
		char comm[32] = "?", path[64];
		FILE *c;

		if (sscanf(line, "%*d: FLOCK %*s WRITE %d %*x:%*x:%lu", &pid, &inode) != 2 ||
		    inode != sb.st_ino)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		c = fopen(path, "re");
		if (c) {
			if (fgets(comm, sizeof(comm), c))
				comm[strcspn(comm, "\n")] = '\0';
			fclose(c);
		}
		snprintf(buf, len, " by process %d (%s)", pid, comm);
		break;
	}
out:
	if (f)
		fclose(f);
}

int instance_lock(int dir, const char *instance, struct error *err)
{
	long pause = 50, waited;
	char holder[80];

	for (waited = 0; waited < LOCK_WAIT_MS * 1000L; waited += pause) {
		const struct timespec poll = { .tv_nsec = pause * 1000 };

		if (!flock(dir, LOCK_EX | LOCK_NB))
			return 0;
		if (errno != EWOULDBLOCK)
			return error_system(err, errno, "cannot lock instance \"%s\": %s", instance,
					    strerror(errno));
		nanosleep(&poll, NULL);
		pause = pause * 2 < LOCK_POLL_US ? pause * 2 : LOCK_POLL_US;
	}
	lock_holder(dir, holder, sizeof(holder));
	return error_system(err, EBUSY, "instance \"%s\" is locked%s: gave up after %d s", instance,
			    holder, LOCK_WAIT_MS / 1000);
}

static void **map_field(struct store *st, enum store_map map)
{
	switch (map) {
	case MAP_META:
		return (void **)&st->meta;
	case MAP_NODE:
		return (void **)&st->node;
	case MAP_FIB:
		return (void **)&st->fib;
	case MAP_LINK:
		return (void **)&st->link;
	case MAP_ROW:
		return (void **)&st->row;
	case MAP_SLOT:
		return (void **)&st->slot;
	case MAP_TUNNEL:
		return (void **)&st->tunnel;
	case MAP_TABLE:
		return (void **)&st->table;
	case MAP_ACCOUNT:
		return (void **)&st->account;
	case MAP_GROUP:
		return (void **)&st->group;
	case MAP_CANDIDATE:
		return (void **)&st->cand;
	case MAP_INTENT:
		return &st->intent;
	default:
		return NULL;
	}
}

int store_map_memory(struct store *st, enum store_map map, struct error *err)
{
	uint32_t n = map == MAP_META ? 1 : map_entries(st->meta, map);
	size_t page = (size_t)sysconf(_SC_PAGESIZE), len;
	void *p;

	len = (size_t)n * map_specs[map].value_size;
	len = (len + page - 1) / page * page;
	p = mmap(NULL, len, PROT_READ | (st->writable ? PROT_WRITE : 0), MAP_SHARED, st->fd[map],
		 0);
	if (p == MAP_FAILED)
		return error_system(err, errno, "cannot map %s: %s", map_specs[map].name,
				    strerror(errno));
	*map_field(st, map) = p;
	st->map_len[map] = len;
	return 0;
}

void store_free(struct store *st)
{
	int i;

	if (!st)
		return;
	for (i = 0; i < MAP_COUNT; i++) {
		if (st->map_len[i])
			munmap(*map_field(st, i), st->map_len[i]);
		if (st->fd[i] >= 0)
			close(st->fd[i]);
	}
	if (st->dir >= 0)
		close(st->dir);
	free(st);
}

void store_close(struct store *st)
{
	store_free(st);
}

/* Opens one pin and checks that it is the map we know. */
static int open_map(struct store *st, const char *dir, enum store_map map, struct error *err)
{
	const struct map_spec *spec = &map_specs[map];
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, spec->name);
	st->fd[map] = bpf_obj_get(path);
	if (st->fd[map] < 0) {
		if (errno == EPERM || errno == EACCES)
			return error_system(err, errno,
					    "not permitted to open %s: needs root, or CAP_BPF and "
					    "CAP_NET_ADMIN and access to %s",
					    spec->name, dir);
		if (errno == ENOENT && map == MAP_META)
			return error_system(err, ENOENT,
					    "instance \"%s\" is not loaded: run `penstock load`",
					    st->instance);
		return error_system(err, errno, "cannot open %s: %s", path, strerror(errno));
	}
	if (bpf_obj_get_info_by_fd(st->fd[map], &info, &len))
		return error_system(err, errno, "cannot ask about %s: %s", path, strerror(errno));
	if (info.type != spec->type || info.key_size != spec->key_size ||
	    (map != MAP_META && info.value_size != spec->value_size))
		return error_system(err, EPROTO, "%s is not the map this version expects", path);
	return 0;
}

static int check_meta(const struct store *st, struct error *err)
{
	if (st->meta->magic != PS_MAGIC)
		return error_system(err, EPROTO, "instance \"%s\": ps_meta is not penstock's",
				    st->instance);
	if (st->meta->abi != PS_ABI_VERSION)
		return error_system(
			err, EPROTO,
			"instance \"%s\" has map layout version %u, this program speaks "
			"version %u: unload it with the program that loaded it",
			st->instance, st->meta->abi, PS_ABI_VERSION);
	return 0;
}

int open_instance(struct store **out, const char *instance, bool writable, struct error *err)
{
	struct store *st = calloc(1, sizeof(*st));
	char dir[96];
	int i, r;

	if (!st)
		return error_system(err, ENOMEM, "out of memory");
	for (i = 0; i < MAP_COUNT; i++)
		st->fd[i] = -1;
	st->dir = -1;
	st->writable = writable;
	snprintf(st->instance, sizeof(st->instance), "%s", instance);
	r = instance_dir(instance, dir, sizeof(dir), err);
	if (r)
		goto fail;
	for (i = 0; i < MAP_COUNT; i++) {
		r = open_map(st, dir, i, err);
		if (!r && map_specs[i].mapped)
			r = store_map_memory(st, i, err);
		if (!r && i == MAP_META)
			r = check_meta(st, err);
		if (r)
			goto fail;
	}
	st->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (st->dir < 0) {
		r = error_system(err, errno, "cannot open %s: %s", dir, strerror(errno));
		goto fail;
	}
	st->stride = (struct stride){ .chunk = st->fib, .link = st->link, .meta = st->meta };
	*out = st;
	return 0;
fail:
	store_free(st);
	return r;
}

/*
 * Finishes what a killed writer left, unless a living one holds the lock. Also for a reader, who
 * would otherwise see half of a transaction.
 */
static int recover(const struct store *st, struct error *err)
{
	struct store *w;
	int r;

	if (!st->meta->dirty || flock(st->dir, LOCK_EX | LOCK_NB))
		return 0;
	r = open_instance(&w, st->instance, true, err);
	if (!r) {
		r = store_recover(w, err);
		store_free(w);
	}
	flock(st->dir, LOCK_UN);
	return r;
}

int store_open(struct store **out, const char *instance, bool writable, struct error *err)
{
	struct store *st;
	int r = open_instance(&st, instance, writable, err);

	if (r)
		return r;
	if (writable && st->meta->netns != netns_inode())
		r = error_usage(err, EXDEV,
				"instance \"%s\" belongs to another network namespace: enter it "
				"with -n",
				instance);
	if (!r)
		r = recover(st, err);
	if (r) {
		store_free(st);
		return r;
	}
	*out = st;
	return 0;
}

size_t store_instances(char ***names)
{
	DIR *d = opendir(STORE_ROOT);
	struct dirent *e;
	size_t n = 0;
	char **list = NULL, **more;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		more = realloc(list, (n + 1) * sizeof(*list));
		if (!more)
			break;
		list = more;
		list[n] = strdup(e->d_name);
		if (!list[n])
			break;
		n++;
	}
	if (d)
		closedir(d);
	*names = list;
	return n;
}

int store_prog_fd(const struct store *st, enum store_prog prog)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s/%s", STORE_ROOT, st->instance, prog_names[prog]);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

/*
 * The kernel returns from an update of a map of maps only after every program run that could see
 * the old inner map has ended: a grace period that user space may rely on.
 */
void store_grace(struct store *st)
{
	__u32 zero = 0;

	bpf_map_update_elem(st->fd[MAP_GRACE], &zero, &st->fd[MAP_META], BPF_ANY);
}

void store_reclaim(struct store *st)
{
	uint32_t i;

	/* A chunk between two lists is lost with its writer: the next one is to look. */
	__atomic_or_fetch(&st->meta->dirty, PS_DIRTY_CHUNKS, __ATOMIC_SEQ_CST);
	store_step(st);
	store_grace(st);
	stride_reclaim(&st->stride);
	for (i = 0; i < st->meta->max_groups; i++)
		if (st->group[i].state == PS_STATE_LIMBO)
			st->group[i].state = PS_STATE_FREE;
	for (i = 0; i < st->meta->max_tunnels; i++) {
		st->tunnel[i].dirty_slot = 0;
		if (st->tunnel[i].state == PS_STATE_LIMBO)
			st->tunnel[i].state = PS_STATE_FREE;
	}
	__atomic_and_fetch(&st->meta->dirty, ~PS_DIRTY_CHUNKS, __ATOMIC_SEQ_CST);
}
