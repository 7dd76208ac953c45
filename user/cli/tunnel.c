/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Commands that change tunnels.
 *
 * The next hop is asked for before the lock is taken where that can be, since a neighbour may take
 * a second to answer and other writers (a health change, say) must not wait for it. In a batch the
 * lock is held already: there each tunnel asks without waiting as it is added, which starts the
 * kernel's own resolution, and before the commit those not yet known are looked at again, all
 * together for at most a second.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "core/tunnel.h"
#include "penstock/wire.h"

#define RESOLVE_MS 1000

static const char *const on_off[] = { "on", "off", NULL };
static const char *const healths[] = { "healthy", "degraded", "down", NULL };

struct tunnel_args {
	uint32_t local, remote, key, ttl, mtu, mss_clamp;
	struct iface_addr address;
	const char *account;
};

enum {
	T_LOCAL,
	T_REMOTE,
	T_KEY,
	T_TTL,
	T_MTU,
	T_ADDRESS,
	T_ACCOUNT,
	T_MSS
};

/* `set` differs from `add` in what must be there and what may be taken away. */
#define TUNNEL_WORDS(add)                                                                  \
	{                                                                                  \
		[T_LOCAL] = { .word = "local",                                             \
			      .parse = parse_addr,                                         \
			      .required = add,                                             \
			      .offset = offsetof(struct tunnel_args, local),               \
			      .expected = "an address of ours" },                          \
		[T_REMOTE] = { .word = "remote",                                           \
			       .parse = parse_addr,                                        \
			       .required = add,                                            \
			       .offset = offsetof(struct tunnel_args, remote),             \
			       .expected = "the address of the far end" },                 \
		[T_KEY] = { .word = "key",                                                 \
			    .parse = parse_number,                                         \
			    .max = UINT32_MAX,                                             \
			    .none = !(add),                                                \
			    .offset = offsetof(struct tunnel_args, key),                   \
			    .expected = "a number" },                                      \
		[T_TTL] = { .word = "ttl",                                                 \
			    .parse = parse_number,                                         \
			    .min = 1,                                                      \
			    .max = 255,                                                    \
			    .offset = offsetof(struct tunnel_args, ttl),                   \
			    .expected = "a number from 1 to 255" },                        \
		[T_MTU] = { .word = "mtu",                                                 \
			    .parse = parse_number,                                         \
			    .min = TUNNEL_MTU_MIN,                                         \
			    .max = TUNNEL_MTU_MAX,                                         \
			    .offset = offsetof(struct tunnel_args, mtu),                   \
			    .expected = "a number of bytes" },                             \
		[T_ADDRESS] = { .word = "address",                                         \
				.parse = parse_ifaddr,                                     \
				.none = !(add),                                            \
				.offset = offsetof(struct tunnel_args, address),           \
				.expected = "an interface address, such as 10.0.0.1/31" }, \
		[T_ACCOUNT] = { .word = "account",                                         \
				.parse = parse_name,                                       \
				.min = NAME_ACCOUNT,                                       \
				.offset = offsetof(struct tunnel_args, account),           \
				.expected = "an account's name" },                         \
		[T_MSS] = { .word = "mss-clamp",                                           \
			    .parse = parse_choice,                                         \
			    .choice = on_off,                                              \
			    .offset = offsetof(struct tunnel_args, mss_clamp),             \
			    .expected = "on or off" },                                     \
		{ 0 },                                                                     \
	}

const struct keyword tunnel_add_words[] = TUNNEL_WORDS(true);
const struct keyword tunnel_set_words[] = TUNNEL_WORDS(false);

/* --- finding -------------------------------------------------------------------------------------
 */

int cli_tunnel(struct cli *c, const char *name)
{
	uint32_t hash = 5381, i;
	const struct ps_tunnel *t;
	const char *p;
	int id;

	for (p = name; *p; p++)
		hash = hash * 33 + (unsigned char)*p;
	i = hash % NAME_CACHE;
	t = txn_tunnel(c->txn, c->name[i]);
	if (t->state == PS_STATE_USED && !strcmp(t->name, name))
		return c->name[i];
	id = txn_tunnel_find(c->txn, name);
	if (id < 0)
		return cli_usage(c, "tunnel \"%.64s\" does not exist", name);
	c->name[i] = (uint16_t)id;
	return id;
}

/* The same, but `drop` and `underlay` will not do. */
static int real_tunnel(struct cli *c, const char *name)
{
	int id = cli_tunnel(c, name);

	if (id >= 0 && id < (int)PS_TUNNEL_FIRST)
		return cli_usage(
			c, "tunnel \"%s\": expected a tunnel, this is a next hop of its own", name);
	return id;
}

/* --- next hops
 * ------------------------------------------------------------------------------------ */

static int touch(struct cli *c, int id)
{
	if (!c->touched)
		c->touched = calloc(c->st->meta->max_tunnels / 64 + 1, sizeof(*c->touched));
	if (!c->touched)
		return cli_oom(c);
	c->touched[id / 64] |= 1ull << (id % 64);
	return 0;
}

/* Asks for the next hop of what is to be staged. */
static int resolve_new(struct cli *c, struct ps_tunnel *t)
{
	char remote[ADDR_STRLEN];
	struct nl *nl = cli_nl(c);

	if (cli_open(c))
		return -EIO;
	if (!nl)
		return -EIO;
	c->resolve = c->file != NULL;
	nexthop_resolve(c->st, nl, t, c->txn ? 0 : RESOLVE_MS);
	if (t->nh_state == PS_NH_LOOP)
		return cli_usage(c,
				 "remote \"%s\": it is reached through " STORE_DEVICE
				 ", that is, through a tunnel",
				 addr_str(PS_BE32(t->remote_be), remote));
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Bytes of struct ps_tunnel from nh_state to nh_src are what nexthop_resolve() finds. */
static bool same_nexthop(const struct ps_tunnel *a, const struct ps_tunnel *b)
{
	return a->nh_state == b->nh_state && a->nh_ifindex == b->nh_ifindex &&
	       a->nh_gateway_be == b->nh_gateway_be &&
	       !memcmp(a->nh_dst, b->nh_dst, sizeof(a->nh_dst)) &&
	       !memcmp(a->nh_src, b->nh_src, sizeof(a->nh_src));
}

static int resolve_touched(struct cli *c, int id, int wait_ms)
{
	const struct ps_tunnel *now = txn_tunnel(c->txn, id);
	struct ps_tunnel t = *now;
	struct nl *nl = cli_nl(c);

	if (!nl)
		return -EIO;
	nexthop_resolve(c->st, nl, &t, wait_ms);
	return same_nexthop(&t, now) ? 0 : txn_tunnel_set(c->txn, id, &t, &c->err);
}

int tunnels_resolve(struct cli *c)
{
	uint32_t max = c->st->meta->max_tunnels, id;
	int64_t end = now_ms() + RESOLVE_MS, left;
	const struct ps_tunnel *t;
	int pass, r = 0;

	/* First ask for all, then wait for all. */
	for (pass = 0; c->resolve && pass < 2; pass++) {
		for (id = PS_TUNNEL_FIRST; !r && id < max; id++) {
			t = txn_tunnel(c->txn, (int)id);
			if (!(c->touched[id / 64] >> (id % 64) & 1) || t->state != PS_STATE_USED ||
			    (pass && t->nh_state != PS_NH_NO_NEIGHBOUR))
				continue;
			left = pass ? end - now_ms() : 0;
			r = resolve_touched(c, (int)id, left > 0 ? (int)left : 0);
		}
	}
	for (id = PS_TUNNEL_FIRST; !r && id < max; id++) {
		t = txn_tunnel(c->txn, (int)id);
		if ((c->touched[id / 64] >> (id % 64) & 1) && t->state == PS_STATE_USED)
			warn_nexthop(c, t);
	}
	return r;
}

/* --- add and set
 * ---------------------------------------------------------------------------------- */

static void set_flag(struct ps_tunnel *t, uint8_t flag, bool on)
{
	t->flags = (uint8_t)(on ? t->flags | flag : t->flags & ~flag);
}

/* Puts what was given into t, but for the account. */
static int apply(struct cli *c, struct ps_tunnel *t, const struct tunnel_args *a,
		 const struct given *g)
{
	bool plain_mtu = t->mtu == tunnel_mtu_default(t->flags & PS_TUNNEL_F_KEY);
	struct tunnel_face face;

	if (GIVEN(*g, T_LOCAL))
		t->local_be = PS_BE32(a->local);
	if (GIVEN(*g, T_REMOTE))
		t->remote_be = PS_BE32(a->remote);
	face = tunnel_face(t);
	if (tunnel_ends_check(&face, &c->err))
		return -EINVAL;
	if (GIVEN(*g, T_KEY)) {
		set_flag(t, PS_TUNNEL_F_KEY, !NONE(*g, T_KEY));
		t->key = a->key;
	}
	if (GIVEN(*g, T_TTL))
		t->ttl = (uint8_t)a->ttl;
	/* Who left the MTU to us wants it right with a key too. */
	if (GIVEN(*g, T_MTU))
		t->mtu = (uint16_t)a->mtu;
	else if (plain_mtu)
		t->mtu = tunnel_mtu_default(t->flags & PS_TUNNEL_F_KEY);
	if (GIVEN(*g, T_ADDRESS)) {
		set_flag(t, PS_TUNNEL_F_ADDRESS, !NONE(*g, T_ADDRESS));
		t->addr_be = PS_BE32(a->address.addr);
		t->addr_len = a->address.len;
	}
	if (GIVEN(*g, T_MSS))
		set_flag(t, PS_TUNNEL_F_NO_MSS_CLAMP, a->mss_clamp);
	return 0;
}

int do_tunnel_add(struct cli *c)
{
	static const char *const kinds[] = { "gre" };
	const char *name = arg_need(c, "a tunnel's name"), *kind;
	struct tunnel_args a = { .account = "default" };
	struct ps_tunnel t = { .kind = PS_SLOT_GRE, .ttl = TUNNEL_TTL };
	char why[256];
	struct given g;
	int r;

	if (!name)
		return -EINVAL;
	if (name_check("tunnel", name, NAME_TUNNEL, why, sizeof(why)))
		return cli_usage(c, "%s", why);
	t.mtu = tunnel_mtu_default(false);
	kind = arg_need(c, "gre");
	if (!kind || word_match(c, "kind", kind, kinds, 1) < 0 ||
	    keywords_parse(c, tunnel_add_words, &a, &g) || apply(c, &t, &a, &g))
		return -EINVAL;
	snprintf(t.name, sizeof(t.name), "%s", name);
	cli_would(c, "add tunnel %s", name);
	if (resolve_new(c, &t) || !cli_txn(c) ||
	    txn_account(c->txn, a.account, &t.account, &c->err))
		return -EIO;
	r = txn_tunnel_add(c->txn, &t, &c->err);
	return r ? r : touch(c, txn_tunnel_find(c->txn, name));
}

/* The tunnel as it is now, without the lock unless a batch has it. */
static int tunnel_now(struct cli *c, const char *name, struct ps_tunnel *t)
{
	int id;

	if (c->txn) {
		id = real_tunnel(c, name);
		if (id >= 0)
			*t = *txn_tunnel(c->txn, id);
		return id;
	}
	if (cli_open(c))
		return -EIO;
	id = store_tunnel_find(c->st, name);
	if (id < (int)PS_TUNNEL_FIRST)
		return cli_usage(c, "tunnel \"%.64s\" does not exist", name);
	*t = c->st->tunnel[id];
	return id;
}

int do_tunnel_set(struct cli *c)
{
	const char *name = arg_need(c, "a tunnel's name");
	struct tunnel_args a = { 0 };
	struct ps_tunnel t, probe;
	struct given g;
	bool moved;
	int id;

	if (!name || (!arg_peek(&c->args) && !arg_need(c, "what to change")) ||
	    keywords_parse(c, tunnel_set_words, &a, &g))
		return -EINVAL;
	id = tunnel_now(c, name, &probe);
	if (id < 0 || apply(c, &probe, &a, &g))
		return -EINVAL;
	moved = GIVEN(g, T_LOCAL) || GIVEN(g, T_REMOTE);
	if (moved && resolve_new(c, &probe))
		return -EIO;
	cli_would(c, "change tunnel %s", name);
	if (!cli_txn(c))
		return -EIO;
	/* Someone may have changed it before we had the lock. */
	id = real_tunnel(c, name);
	if (id < 0)
		return id;
	t = *txn_tunnel(c->txn, id);
	if (apply(c, &t, &a, &g) ||
	    (GIVEN(g, T_ACCOUNT) && txn_account(c->txn, a.account, &t.account, &c->err)))
		return -EINVAL;
	if (moved) {
		t.nh_state = probe.nh_state;
		t.nh_ifindex = probe.nh_ifindex;
		t.nh_gateway_be = probe.nh_gateway_be;
		memcpy(t.nh_dst, probe.nh_dst, sizeof(t.nh_dst));
		memcpy(t.nh_src, probe.nh_src, sizeof(t.nh_src));
		if (touch(c, id))
			return -ENOMEM;
	}
	return txn_tunnel_set(c->txn, id, &t, &c->err);
}

/* --- the rest
 * ------------------------------------------------------------------------------------- */

int do_tunnel_del(struct cli *c)
{
	const char *name = arg_need(c, "a tunnel's name");
	int id;

	if (!name || arg_end(c))
		return -EINVAL;
	cli_would(c, "delete tunnel %s", name);
	id = cli_txn(c) ? real_tunnel(c, name) : -EIO;
	return id < 0 ? id : txn_tunnel_del(c->txn, id, &c->err);
}

int do_tunnel_health(struct cli *c)
{
	const char *name = arg_need(c, "a tunnel's name"), *word;
	struct ps_tunnel t;
	int health, id;

	word = name ? arg_need(c, "healthy, degraded or down") : NULL;
	health = word ? word_match(c, "health", word, healths, 3) : -EINVAL;
	if (health < 0 || arg_end(c))
		return -EINVAL;
	cli_would(c, "set tunnel %s %s", name, healths[health]);
	id = cli_txn(c) ? real_tunnel(c, name) : -EIO;
	if (id < 0)
		return id;
	t = *txn_tunnel(c->txn, id);
	t.health = (uint8_t)health;
	return txn_tunnel_set(c->txn, id, &t, &c->err);
}

/* By itself: the store asks without the lock. */
static int refresh_alone(struct cli *c, const char *name)
{
	struct ps_tunnel t;
	uint32_t i;
	int id = name ? tunnel_now(c, name, &t) : -1, r;

	if (name && id < 0)
		return id;
	if (cli_open(c))
		return -EIO;
	r = store_refresh(c->st, id, RESOLVE_MS, &c->err);
	for (i = PS_TUNNEL_FIRST; !r && i < c->st->meta->max_tunnels; i++)
		if (c->st->tunnel[i].state == PS_STATE_USED && (id < 0 || (uint32_t)id == i))
			warn_nexthop(c, &c->st->tunnel[i]);
	return r;
}

int do_tunnel_refresh(struct cli *c)
{
	const char *name = arg_peek(&c->args);
	uint32_t i;
	int id, r = 0;

	if (name)
		c->args.at++;
	if (arg_end(c))
		return -EINVAL;
	if (!c->file && !c->dry_run)
		return refresh_alone(c, name);
	cli_would(c, "refresh %s", name ? name : "all tunnels");
	if (!cli_txn(c))
		return -EIO;
	c->resolve = true;
	id = name ? real_tunnel(c, name) : -1;
	if (name && id < 0)
		return id;
	for (i = PS_TUNNEL_FIRST; !r && i < c->st->meta->max_tunnels; i++)
		if (txn_tunnel(c->txn, (int)i)->state == PS_STATE_USED &&
		    (id < 0 || (uint32_t)id == i))
			r = touch(c, (int)i);
	return r;
}
