/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps as a database. An instance is a directory of pins under /sys/fs/bpf/penstock; whoever
 * opens it sees the same state, and it outlives every process. This directory is the only code
 * that writes maps.
 *
 * Reading: store_open(), then the fields below and the *_each() walks. A reader takes no lock and
 * may see a transaction in progress, each object whole.
 *
 * Writing: txn_begin() takes the instance's lock, the txn_*() calls stage and check changes in
 * memory, txn_commit() writes them in make-before-break order, txn_abort() forgets them. Nothing
 * is written before every staged change has been checked, limits included.
 *
 * All functions return 0 or a negative errno with the cause in *err.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/prefix.h"
#include "core/stride.h"
#include "penstock/abi.h"
#include "penstock/reasons.h"

#define STORE_ROOT "/sys/fs/bpf/penstock"
#define STORE_INSTANCE "default"
#define STORE_DEVICE "penstock0"
#define STORE_PEER "penstock1" /* its other end, which swallows nothing but keeps it up */
#define STORE_MTU 1476

struct nl;

enum store_map {
	MAP_META, /* mmapped ones first */
	MAP_NODE,
	MAP_FIB,
	MAP_LINK, /* chunk allocator links */
	MAP_ROW,
	MAP_SLOT,
	MAP_TUNNEL,
	MAP_TABLE,
	MAP_ACCOUNT,
	MAP_GROUP,
	MAP_CANDIDATE,
	MAP_PREFIX,
	MAP_POLICY,
	MAP_ROUTE,
	MAP_PORT,
	MAP_DEV,
	MAP_TUNNEL_STAT,
	MAP_REASON,
	MAP_NEXTHOP,
	MAP_GRACE,
	MAP_INTENT,
	MAP_COUNT
};

enum store_prog {
	PROG_XDP_WAN,
	PROG_XDP_LAN,
	PROG_TC,
	PROG_COUNT
};

struct store {
	char instance[PS_NAME_LEN];
	int dir; /* of the pins; the lock is on it */
	int fd[MAP_COUNT];
	/* Mapped maps; writable only when opened for writing. */
	struct ps_meta *meta;
	struct ps_node *node;
	struct ps_chunk *fib;
	uint32_t *link;
	struct ps_block *row;
	struct ps_slot *slot;
	struct ps_tunnel *tunnel;   /* meta->max_tunnels, by id */
	struct ps_name *table;	    /* meta->max_tables; the first PS_T_EGRESS are fixed */
	struct ps_name *account;    /* STORE_ACCOUNTS; 0 is `default` */
	struct ps_group *group;	    /* meta->max_groups */
	struct ps_candidates *cand; /* meta->max_groups */
	struct stride stride;
	size_t map_len[MAP_COUNT];
	bool writable;
	void *intent;		     /* ps_intent, when it has been needed */
	uint32_t intent_count;	     /* ps_meta.intent_count when it was mapped */
	uint64_t row_writes;	     /* buckets written by this process, for tests and the bench */
	void (*on_write)(void *arg); /* called before each write to a map; NULL: not. For tests */
	void *on_write_arg;
};

#define STORE_ACCOUNTS 1024u

/* --- instance: load.c, open.c -------------------------------------------------------- */

/* 0 in a field: the default. */
struct store_limits {
	uint32_t max_prefixes; /* routes' prefixes over all tables; 16384 */
	uint32_t max_tunnels;  /* 1024 */
	uint32_t max_groups;   /* 1024 */
	uint32_t max_tables;   /* egress tables; 16 */
	uint32_t max_chunks;   /* 0: enough for max_prefixes in all but contrived cases */
};

/*
 * Makes the instance in the current network namespace: maps, programs, penstock0. On an instance
 * that is loaded the programs are replaced atomically and the maps kept; limits must then be 0 or
 * the same. *upgraded says which. Half-done work is undone.
 */
int store_load(const char *instance, const struct store_limits *limits, bool *upgraded,
	       struct error *err);
/* Refuses limits that a loaded instance does not have: maps can't change their size. */
int store_limits_same(const struct ps_meta *m, const struct store_limits *l, struct error *err);
/* Detaches, removes penstock0, our kernel routes and rules, and the pins. */
int store_unload(const char *instance, struct error *err);
int store_open(struct store **store, const char *instance, bool writable, struct error *err);
void store_close(struct store *st);
/* Names of loaded instances, for a message or `status`; caller frees each and the array. */
size_t store_instances(char ***names);
/* fd of a pinned program, for BPF_PROG_TEST_RUN; the caller closes it. Negative errno. */
int store_prog_fd(const struct store *st, enum store_prog prog);

/* --- doctor: doctor.c ----------------------------------------------------------------- */

/* A difference that was found: where ("ps_row"), what, and whether it has been mended. */
typedef void (*store_finding_fn)(void *arg, const char *where, const char *what, bool mended);
/*
 * Compares everything that follows from the configuration with what should follow, what no object
 * may point to with what it points to, and the kernel's routes, rules and addresses; with `repair`
 * mends it. Finishes an interrupted transaction first, which is a finding. Negative errno if it
 * could not look, or not mend.
 */
int store_doctor(const char *instance, bool repair, store_finding_fn fn, void *arg,
		 struct error *err);

/* --- ports: port.c ------------------------------------------------------------------- */

enum port_mode {
	PORT_AUTO,
	PORT_NATIVE,
	PORT_GENERIC
};

/* Attaches our program, lets the port be sent to, sees to rp_filter, resolves next hops anew. */
int store_attach(struct store *st, const char *dev, enum ps_role role, enum port_mode mode,
		 struct error *err);
/* By name, also for a device that is gone. */
int store_detach(struct store *st, const char *dev, struct error *err);
/* `attached`: the program is still there (a device may go). Stops when fn is non-zero. */
int store_port_each(const struct store *st,
		    int (*fn)(void *arg, uint32_t ifindex, const struct ps_port *p, bool attached),
		    void *arg);

/* --- reading: view.c ----------------------------------------------------------------- */

/* Ids by name; -1 if there is none. */
int store_tunnel_find(const struct store *st, const char *name);
int store_table_find(const struct store *st, const char *name);
const char *store_account_name(const struct store *st, uint16_t id);

/* Prefixes (account id), policies (table id), routes (group id); sorted by table and prefix. */
typedef int (*store_entry_fn)(void *arg, uint16_t table, struct prefix p, uint32_t value);
int store_prefix_each(const struct store *st, store_entry_fn fn, void *arg);
int store_policy_each(const struct store *st, store_entry_fn fn, void *arg);
int store_route_each(const struct store *st, store_entry_fn fn, void *arg);

/* The kernel's number for this instance's ps_meta: another one after unload and load. */
uint32_t store_id(const struct store *st);

/* Summed over CPUs. */
int store_tunnel_stats(const struct store *st, uint16_t id, struct ps_tunnel_stats *sum);
int store_reason_stats(const struct store *st, uint32_t reason, struct ps_reason_stats *sum);

/* --- writing: txn.c, commit.c -------------------------------------------------------- */

struct txn;

/* Waits up to 5 s for the lock; the error names the holder. */
int txn_begin(struct store *st, struct txn **txn, struct error *err);
/* Writes what was staged; the transaction is over either way. */
int txn_commit(struct txn *txn, struct error *err);
void txn_abort(struct txn *txn);

/* Staged node settings, to be changed in place. */
struct ps_node *txn_node(struct txn *txn);
/* The same, to be looked at. */
const struct ps_node *txn_node_get(const struct txn *txn);

/* Staged tunnels. Pointers stay valid until the end of the transaction. */
int txn_tunnel_find(struct txn *txn, const char *name); /* id or -1; finds `drop`, `underlay` too */
/* Adds; t->name, local, remote, key, ttl, mtu, flags, addr, account and nh_* are taken. */
int txn_tunnel_add(struct txn *txn, const struct ps_tunnel *t, struct error *err);
/* Replaces everything but the name, health included. */
int txn_tunnel_set(struct txn *txn, int id, const struct ps_tunnel *t, struct error *err);
const struct ps_tunnel *txn_tunnel(struct txn *txn, int id);
int txn_tunnel_del(struct txn *txn, int id, struct error *err); /* refused while routes use it */

/* Names are made on first use and go with their last user. Account of `default`: 0. */
int txn_account(struct txn *txn, const char *name, uint16_t *id, struct error *err);
/* Table id. `main` is PS_T_MAIN. create: make it if it is not there. */
int txn_table(struct txn *txn, const char *name, bool create, uint16_t *id, struct error *err);

int txn_prefix_add(struct txn *txn, struct prefix p, uint16_t account, struct error *err);
int txn_prefix_del(struct txn *txn, struct prefix p, struct error *err); /* not while routed */
/* Gives one that is there to another account, or to another table. */
int txn_prefix_set(struct txn *txn, struct prefix p, uint16_t account, struct error *err);
int txn_policy_set(struct txn *txn, struct prefix p, uint16_t table, struct error *err);
int txn_policy_add(struct txn *txn, struct prefix p, uint16_t table, struct error *err);
int txn_policy_del(struct txn *txn, struct prefix p, struct error *err);

/*
 * Routes. Identity of a route: table, prefix, tunnel, origin, set of regions. add refuses one that
 * is there, replace makes or changes it. A BGP route that rule 10 refuses (-EPERM) is counted by
 * the commit; whoever feeds routes may go on.
 */
int txn_route_add(struct txn *txn, uint16_t table, struct prefix p, const struct ps_candidate *c,
		  struct error *err);
int txn_route_replace(struct txn *txn, uint16_t table, struct prefix p,
		      const struct ps_candidate *c, struct error *err);
#define ROUTE_ANY (-1)
#define ROUTE_MATCH_ALL ((const struct route_match){ ROUTE_ANY, ROUTE_ANY, ROUTE_ANY })

/* Some of a prefix's routes: those that agree in all that is not ROUTE_ANY. */
struct route_match {
	int tunnel;
	int origin;  /* any: any but that of an interface subnet's routes, which the tunnel owns */
	int regions; /* exactly this set */
};

/* Removes all that match; -ENOENT if there are none. */
int txn_route_del(struct txn *txn, uint16_t table, struct prefix p, const struct route_match *m,
		  struct error *err);
/* The BGP route just staged has several base communities (rule 3): counted by the commit. */
void txn_bgp_misconfigured(struct txn *txn);
/* BGP routes there will be. */
size_t txn_bgp_routes(const struct txn *txn);
/*
 * Name of an account other than `account` that owns the prefix, or, where it is made of several
 * authorised ones, a part of it. NULL if there is none.
 */
const char *txn_other_owner(struct txn *txn, struct prefix p, uint16_t account);
/* Replaces all static routes of the prefix by these n; the others stay. */
int txn_route_set(struct txn *txn, uint16_t table, struct prefix p, const struct ps_candidate *list,
		  unsigned int n, struct error *err);

/*
 * A configuration that is replaced as a whole, in any order: after txn_whole_begin() objects are
 * not judged against each other until txn_whole_check(), which must come before the commit and
 * names what is in the way. See txn_whole.c.
 */
void txn_whole_begin(struct txn *txn);
int txn_whole_check(struct txn *txn, struct error *err);

/* --- next hops and the kernel's tables: nexthop.c, plumb.c --------------------------- */

/*
 * Asks the kernel how t->remote is reached and fills t->nh_*; waits up to wait_ms for a neighbour
 * to answer. Never fails: t->nh_state says what is missing.
 */
void nexthop_resolve(const struct store *st, struct nl *nl, struct ps_tunnel *t, int wait_ms);
/* The same for several, without the lock: all are asked before the first is waited for. */
int store_nexthops(const struct store *st, struct ps_tunnel *t, size_t n, int wait_ms,
		   struct error *err);
const char *nexthop_state_name(uint8_t state);
/* The same for one tunnel (id >= 0) or all, in a transaction of its own; writes what differs. */
int store_refresh(struct store *st, int id, int wait_ms, struct error *err);

#endif
