/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ps_intent: the memory that plans are written to (plan.h). An array whose size follows the
 * transaction: one that does not fit gets a larger map, which takes the place of the old one by a
 * rename of its pin; afterwards a small one takes its place again. Whoever has mapped an older one
 * sees from ps_meta's count of such changes that it must look again.
 *
 * A map and no file: it needs no disk, no second place to look in, and lives exactly as long as
 * the maps that it speaks of.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/plan.h"

#define KEEP_BYTES (1u << 20) /* a map larger than this is given back */

static size_t map_bytes(uint32_t pages)
{
	return (size_t)pages * map_specs[MAP_INTENT].value_size;
}

void intent_close(struct store *st)
{
	if (st->intent)
		munmap(st->intent, st->map_len[MAP_INTENT]);
	st->intent = NULL;
	st->map_len[MAP_INTENT] = 0;
}

static int map_it(struct store *st, uint32_t pages, struct error *err)
{
	size_t len = map_bytes(pages);
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, st->fd[MAP_INTENT], 0);

	if (p == MAP_FAILED)
		return error_system(err, errno, "cannot map %s: %s", map_specs[MAP_INTENT].name,
				    strerror(errno));
	st->intent = p;
	st->map_len[MAP_INTENT] = len;
	st->intent_count = st->meta->intent_count;
	return 0;
}

int intent_open(struct store *st, void **at, uint64_t *room, struct error *err)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	char path[128];
	int fd, r = 0;

	if (!st->intent || st->intent_count != st->meta->intent_count) {
		snprintf(path, sizeof(path), "%s/%s/%s", STORE_ROOT, st->instance,
			 map_specs[MAP_INTENT].name);
		fd = bpf_obj_get(path);
		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len)) {
			r = error_system(err, errno, "cannot open %s: %s", path, strerror(errno));
			if (fd >= 0)
				close(fd);
			return r;
		}
		intent_close(st);
		close(st->fd[MAP_INTENT]);
		st->fd[MAP_INTENT] = fd;
		r = map_it(st, info.max_entries, err);
	}
	*at = st->intent;
	*room = st->map_len[MAP_INTENT];
	return r;
}

/* A new map of this size in the place of the old one. */
static int replace(struct store *st, uint64_t bytes, struct error *err)
{
	const struct map_spec *spec = &map_specs[MAP_INTENT];
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	uint64_t pages = (bytes + spec->value_size - 1) / spec->value_size;
	char path[128], fresh[136];
	int fd = -1, r;

	if (pages <= INT32_MAX)
		fd = bpf_map_create(spec->type, spec->name, spec->key_size, spec->value_size,
				    (__u32)pages, &opts);
	if (fd < 0)
		return error_system(err, ENOMEM,
				    "not enough memory to record a transaction of %llu bytes: make "
				    "it smaller",
				    (unsigned long long)bytes);
	snprintf(path, sizeof(path), "%s/%s/%s", STORE_ROOT, st->instance, spec->name);
	snprintf(fresh, sizeof(fresh), "%s_new", path);
	unlink(fresh);
	if (bpf_obj_pin(fd, fresh) || rename(fresh, path)) {
		r = error_system(err, errno, "cannot pin %s: %s", path, strerror(errno));
		unlink(fresh);
		close(fd);
		return r;
	}
	st->meta->intent_count++;
	intent_close(st);
	close(st->fd[MAP_INTENT]);
	st->fd[MAP_INTENT] = fd;
	return map_it(st, (uint32_t)pages, err);
}

int intent_room(struct store *st, uint64_t bytes, void **at, struct error *err)
{
	uint64_t room;
	int r = intent_open(st, at, &room, err);

	if (!r && room < bytes)
		r = replace(st, bytes, err);
	*at = st->intent;
	return r;
}

void intent_trim(struct store *st)
{
	struct error ignored;

	if (st->map_len[MAP_INTENT] > KEEP_BYTES)
		replace(st, map_bytes(INTENT_PAGES), &ignored);
}
