/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the store share and nobody else sees. */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include "core/group.h"
#include "store/store.h"

#define GROUP_NONE UINT32_MAX
#define INTENT_PAGES 16u /* of ps_intent, to begin with */

/* open.c */
struct map_spec {
	const char *name; /* of the map and of its pin */
	uint32_t type;	  /* enum bpf_map_type */
	uint32_t key_size, value_size;
	bool mapped;	 /* BPF_F_MMAPABLE, and mapped by every opener */
	bool in_program; /* the programs use it too */
};
extern const struct map_spec map_specs[MAP_COUNT];
extern const char *const prog_names[PROG_COUNT];
uint32_t map_entries(const struct ps_meta *m, enum store_map map);

int instance_dir(const char *instance, char *path, size_t len, struct error *err);
int instance_lock(int dir, const char *instance, struct error *err);
uint64_t netns_inode(void);
/* As store_open(), but neither recovers nor minds the network namespace. */
int open_instance(struct store **st, const char *instance, bool writable, struct error *err);
/* Maps st->fd[map] and sets the field for it. */
int store_map_memory(struct store *st, enum store_map map, struct error *err);
void store_free(struct store *st);

/* Waits until no program run that began before the call is still going. */
void store_grace(struct store *st);
/* Grace, then every limbo object of the instance is free. The lock is held. */
void store_reclaim(struct store *st);

/*
 * port.c: takes the program off now and removes the link's pin. Without the explicit detach the
 * kernel does it some time after the last reference has gone, and the device stays taken.
 */
void port_unlink(const char *path);
/* Puts back what attaching has loosened. */
void port_restore_rp_filter(const struct ps_port *port);

/* device.c: penstock0. Making it fills in st->node->ifindex and st->meta->peer_ifindex. */
int device_make(struct store *st, struct error *err);
void device_remove(void); /* and our policy rules with it */

/* kernel.c: the sentence for a failed load; returns a negative errno. */
int explain_load(int r, struct error *err);

/* entry.c: the exact-prefix hash maps. Both return -ENOENT for an absent key. */
int entry_get(const struct store *st, enum store_map map, uint16_t table, struct prefix p,
	      uint32_t *value);
int entry_set(struct store *st, enum store_map map, uint16_t table, struct prefix p,
	      uint32_t value);
int entry_del(struct store *st, enum store_map map, uint16_t table, struct prefix p);
static inline struct ps_prefix_key entry_key(uint16_t table, struct prefix p)
{
	return (struct ps_prefix_key){ .addr_be = __builtin_bswap32(p.addr),
				       .table = table,
				       .len = p.len };
}
struct entry {
	uint16_t table;
	struct prefix p;
	uint32_t value;
};
/* All of a map, sorted; caller frees. */
int entry_load(const struct store *st, enum store_map map, struct entry **list, size_t *n);
/* The longest proper cover of p in the map that shows; false if there is none. */
bool entry_cover(const struct store *st, enum store_map map, uint16_t table, struct prefix p,
		 struct prefix *cover, uint32_t *value);
/* The payload of a leaf for a value of the map. */
uint32_t entry_payload(const struct store *st, enum store_map map, uint32_t value);
/* Has the entry a leaf? A route none of whose candidates is visible here has none (rule 2). */
bool entry_shows(const struct store *st, enum store_map map, uint32_t value);
/* FIB table of a map's entries. */
uint16_t entry_table(enum store_map map, uint16_t table);

/* recover.c: finishes what a killed writer left undone. The lock is held, st is writable. */
int store_recover(struct store *st, struct error *err);
/* A grace period; then everything that nothing uses is free, chunks on no list included. */
int store_sweep(struct store *st, struct error *err);

/* txn.c; plan.c decides from what is staged here, commit.c writes. */
struct edit { /* one exact prefix of ps_route: its group before and after */
	struct ps_prefix_key key;
	uint32_t old, new;
};

struct entry_set { /* ps_prefix or ps_policy, whole, with the staged changes */
	bool loaded;
	size_t n, cap;
	size_t live; /* entries after the commit */
	struct entry_edit {
		struct prefix p;
		uint32_t old, new; /* GROUP_NONE: absent */
	} * e;
};

struct txn {
	struct store *st;
	struct ps_node node;
	struct ps_tunnel *tunnel;
	struct ps_name *table, *account;
	struct entry_set prefix, policy;
	bool whole; /* the state is replaced as a whole: see txn_whole.c */
	bool plumb; /* the kernel's routes, rules or addresses may have to change */
	bool changed;

	struct edit *edit;
	size_t edits, edit_cap;
	uint32_t *edit_index; /* open addressing: 1 + position in edit, 0 empty */
	size_t edit_mask;

	struct ps_group *group;
	struct ps_candidates **cand; /* of groups staged here; NULL: st->cand has them */
	uint32_t group_hint;
	uint32_t *group_index; /* open addressing: 1 + id, 0 empty, UINT32_MAX removed */
	size_t group_mask, group_filled;
	uint64_t *block_used; /* bitmap of row blocks; NULL until needed */
	uint32_t block_hint;
	struct group_tunnel *view; /* tunnels as core/group.h wants them; NULL: to be made */
	uint32_t routes;	   /* entries of ps_route after the commit */
	uint64_t bgp_rejected;	   /* to be added to those of ps_meta by the commit */
	uint64_t bgp_misconfigured;
};

void txn_name_ref(struct txn *t, struct ps_name *n);
void txn_name_unref(struct txn *t, struct ps_name *n);
void txn_table_ref(struct txn *t, uint16_t table); /* nothing for the fixed tables */
void txn_table_unref(struct txn *t, uint16_t table);
/* Grace period; limbo objects of the instance, and of the staged tunnels, become free. */
void txn_reclaim(struct txn *t);

/* txn_tunnel.c: does the staged tunnel go with the other staged tunnels and prefixes? */
int txn_tunnel_check(struct txn *t, int id, const struct ps_tunnel *tun, struct error *err);

/* txn_prefix.c */
/* The staged prefixes, loaded. */
int txn_prefixes(struct txn *t, struct error *err);
/* Refuses a tunnel whose endpoints or interface subnet conflict with an owned prefix. */
int txn_endpoints_check(struct txn *t, const struct ps_tunnel *tun, struct error *err);
/* Rule 10 on the staged prefixes: is all of p owned? */
int txn_owned(struct txn *t, struct prefix p, bool *owned, struct error *err);

/* txn_route.c */
/* The edit of a prefix, made from the map on first touch. NULL: out of memory. */
struct edit *txn_edit(struct txn *t, uint16_t table, struct prefix p);
/* The same if it has been touched, else NULL. */
const struct edit *txn_edit_find(const struct txn *t, uint16_t table, struct prefix p);
/* As txn_route_add() and _replace(), but without rule 10. */
int txn_route_put(struct txn *t, uint16_t table, struct prefix p, const struct ps_candidate *c,
		  bool replace, struct error *err);

/* intern.c */
/* Interns a canonical list and takes a reference. */
int txn_group_get(struct txn *t, const struct ps_candidate *c, unsigned int n, uint32_t *id,
		  struct error *err);
void txn_group_put(struct txn *t, uint32_t id);
/* Row blocks that nothing uses; they are the transaction's. */
int txn_row_take(struct txn *t, unsigned int log2, uint32_t *row, struct error *err);
const struct ps_candidate *txn_group_list(const struct txn *t, uint32_t id, unsigned int *n);
const struct group_tunnel *txn_view(struct txn *t);
/* Does a group that is in use have this tunnel? */
bool txn_group_uses(const struct txn *t, uint16_t tunnel);

/*
 * index.c: the tables of outer addresses, brought in line for one address. `was`: all tunnels as
 * before the transaction; what goes stays in them until `gone`.
 */
void index_remote(struct store *st, const struct ps_tunnel *was, __be32 remote_be, bool gone);
void index_local(struct store *st, const struct ps_tunnel *was, __be32 local_be, bool gone);

/* Called before each write to a map; for tests. */
static inline void store_step(struct store *st)
{
	if (st->on_write)
		st->on_write(st->on_write_arg);
}

/* plumb.c: brings kernel routes, rules, addresses and the MTU of penstock0 in line. */
int plumb_sync(struct store *st, struct error *err);
/* How many changes that would take. */
int plumb_check(struct store *st, size_t *differences, struct error *err);
/* Removes our policy rules; the rest goes with the device. */
void plumb_clear(struct nl *nl);

#endif
