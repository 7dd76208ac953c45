/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The loaded programs under test: a private network namespace with an instance of its own, frames
 * put through a program by BPF_PROG_TEST_RUN, and what the programs counted meanwhile.
 *
 *	  wan0 ---- wan0p     wan1 ---- wan1p     lan0 ---- lan0p     idle ---- idlep
 *	 (wan)               (wan)               (lan)               (no port)
 *
 * All of them veth pairs of the namespace, without addresses; IPv6 is off, so that nothing but the
 * test's frames is counted. The kernel forwards, and knows one route: to REMOTES by wan0.
 */
#ifndef PROG_HARNESS_H
#define PROG_HARNESS_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "core/region.h"
#include "packet.h"
#include "store/store.h"

enum hook {
	HOOK_WAN,
	HOOK_LAN,
	HOOK_TC
};

/* Devices of the namespace. */
enum dev {
	DEV_WAN0,
	DEV_WAN1,
	DEV_LAN0,
	DEV_IDLE,
	DEV_COUNT
};

#define REMOTES A4(192, 0, 2, 0) /* /24: where the kernel has a route to */

/* What the tests call MAC addresses and XDP and TC verdicts. */
extern const uint8_t MAC_US[6], MAC_PEER[6], MAC_HOP[6], MAC_OUT[6];

struct harness {
	struct store *st;
	int prog[PROG_COUNT];
	uint32_t ifindex[DEV_COUNT];
	uint32_t penstock0;
	struct ps_reason_stats seen[PS_REASON_MAX]; /* counters at the last look */
	bool reached[PS_REASON_MAX];		    /* reasons seen since the start */
};
extern struct harness hs;

/* --- life ------------------------------------------------------------------------------------ */

/*
 * Group setup: namespace, devices, instance. Without the privileges or tools it notes why, and
 * every test skips by NEED_HARNESS(). What it made is removed when the process ends, however.
 */
int harness_setup(const struct store_limits *limits);
int harness_teardown(void **state);
/* Unloads, and loads afresh with other limits. Ports are not attached. */
void harness_reload(const struct store_limits *limits);
const char *harness_missing(void);
/* Attaches the ports as drawn above, closes and opens nothing. */
void harness_attach(void);
/* Reopens the store, as another process would find it. */
void harness_reopen(void);
const char *harness_instance(void);
/* Tests run on one CPU; a child that is to run beside its parent says otherwise. */
void harness_any_cpu(void);

#define NEED_HARNESS()                                                     \
	do {                                                               \
		if (harness_missing()) {                                   \
			print_message("skipped: %s\n", harness_missing()); \
			skip();                                            \
		}                                                          \
	} while (0)

/* Fails the test, naming what was found, unless the doctor finds nothing. */
void harness_healthy(const char *since);

/* Runs a shell command in the namespace; fails the test when it fails. */
void sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* --- running --------------------------------------------------------------------------------- */

struct outcome {
	int verdict; /* XDP_* or TC_ACT_* */
	int reason;  /* counted meanwhile; 0: none, -1: more than one packet was counted */
	struct frame out;
};

/*
 * Puts the frame through the program as if it came in by `in`. 0, or the negative errno with which
 * the kernel declined to run it.
 */
int harness_run(enum hook hook, enum dev in, const struct frame *f, struct outcome *o);
/* The same without looking at the counters, which costs more than the run. */
int harness_run_uncounted(enum hook hook, enum dev in, const struct frame *f, struct outcome *o);
/* May the kernel decline to run the program on it? TC: less than the IP header its type promises.
 */
bool harness_declines(enum hook hook, const struct frame *f);
/* XDP with `meta` bytes of metadata before the frame: that much less headroom. */
int harness_run_meta(enum hook hook, enum dev in, const struct frame *f, uint32_t meta,
		     struct outcome *o);

/* "XDP_TX" and so on; "-" or the label of a reason. */
const char *verdict_name(enum hook hook, int verdict);
const char *reason_name(int reason);
/* Is the packet on its way out of a port? */
bool verdict_sent(enum hook hook, int verdict);

/* --- judging --------------------------------------------------------------------------------- */

/* Tests that go through many cases say all that is wrong and fail at the end. */
extern const char *current; /* what is being tried */
void wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Fails the test if anything was. */
void none_wrong(void);
/* The outcome must be this; `want` NULL: whatever bytes. */
void judge(enum hook hook, const struct outcome *o, int verdict, int reason,
	   const struct frame *want);

/* --- configuring ----------------------------------------------------------------------------- */

struct conf_tunnel {
	char name[PS_NAME_LEN];
	uint32_t local, remote;
	bool has_key;
	uint32_t key;
	uint8_t ttl;  /* 0: 64 */
	uint16_t mtu; /* 0: 1476, or 1472 with a key */
	uint32_t addr;
	uint8_t addr_len;	   /* 0: no interface address */
	char account[PS_NAME_LEN]; /* "": default */
	uint8_t health;
	bool unresolved;
	enum dev port; /* DEV_WAN0 unless said otherwise */
};

struct conf_prefix {
	struct prefix p;
	char account[PS_NAME_LEN];
};

struct conf_policy {
	struct prefix p;
	char table[PS_NAME_LEN];
};

struct conf_route {
	char table[PS_NAME_LEN]; /* "": main */
	struct prefix p;
	char tunnel[PS_NAME_LEN];
	uint32_t priority; /* 0: 100 */
	uint16_t weight;   /* 0: 1 */
	uint16_t regions, prepends;
	uint8_t origin;
};

struct conf {
	const char *name;
	uint32_t mode;
	uint16_t region;
	uint8_t hash_mode;
	const struct conf_tunnel *tunnel;
	const struct conf_prefix *prefix;
	const struct conf_policy *policy;
	const struct conf_route *route;
	unsigned int tunnels, prefixes, policies, routes;
};

#define P(a, b, c, d, l)                           \
	{                                          \
		.addr = A4(a, b, c, d), .len = (l) \
	}
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The tunnel as the store takes it. */
void conf_tunnel_fill(struct txn *t, const struct conf_tunnel *c, struct ps_tunnel *to);
/* One route, staged. 0 or the store's answer. */
int conf_route_stage(struct txn *t, const struct conf_route *r, struct error *err);
/* Replaces whatever is configured; fails the test when the store refuses. */
void conf_apply(const struct conf *c);
/* Removes everything but the ports. */
void conf_clear(void);
/* The same as one transaction, staged: everything goes but the ports, and *c comes. */
void conf_swap(struct txn *t, const struct conf *c);
/* Health of one tunnel. */
void conf_health(const char *tunnel, uint8_t health);

/* Fails the test with the store's words unless r is 0. */
void must(int r, const struct error *err, const char *what);

#endif
