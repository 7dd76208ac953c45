/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writing what a transaction staged, make before break: tunnels, prefixes, groups with their rows,
 * then leaves that lead to them; and for what goes, the reverse. At every instant a packet meets
 * the old decision for its prefix or the new one.
 *
 * What a packet may still be reading is not overwritten: a changed tunnel goes to its spare slot,
 * chunks, rows and ids that are cut off stay in limbo until a grace period has passed, which is
 * waited for only when something has to be used again.
 *
 * Everything that can be refused is refused before the first store: commit_prepare() counts the
 * chunks that the staged prefixes will need.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/tunnel.h"
#include "penstock/wire.h"
#include "store/internal.h"

/* --- before the first store ---------------------------------------------------------- */

/* Chunks that are missing on the way to a prefix, as (table, address part, level) words. */
struct chunk_need {
	uint64_t *key;
	size_t n, cap;
};

static int need_add(struct chunk_need *need, uint16_t table, uint32_t part, unsigned int level)
{
	uint64_t *more;

	if (need->n == need->cap) {
		need->cap = need->cap ? need->cap * 2 : 256;
		more = realloc(need->key, need->cap * sizeof(*more));
		if (!more)
			return -ENOMEM;
		need->key = more;
	}
	need->key[need->n++] = (uint64_t)table << 48 | (uint64_t)level << 40 | part;
	return 0;
}

static int need_prefix(struct chunk_need *need, const struct store *st, uint16_t table,
		       struct prefix p)
{
	uint32_t e;
	int r = 0;

	if (p.len <= 16)
		return 0;
	e = st->fib[stride_root(table) + (p.addr >> 24)].e[(p.addr >> 16) & 255];
	if (!(e & PS_FIB_CHUNK))
		r = need_add(need, table, p.addr >> 16, 1);
	if (r || p.len <= 24)
		return r;
	if (e & PS_FIB_CHUNK) {
		e = st->fib[e & ~PS_FIB_CHUNK].e[(p.addr >> 8) & 255];
		if (e & PS_FIB_CHUNK)
			return 0;
	}
	return need_add(need, table, p.addr >> 8, 2);
}

static int u64_cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int need_all(struct chunk_need *need, const struct txn *t)
{
	const struct store *st = t->st;
	size_t i;
	int r = 0;

	for (i = 0; !r && i < t->edits; i++) {
		const struct edit *e = &t->edit[i];
		struct prefix p = { .addr = PS_BE32(e->key.addr_be), .len = e->key.len };

		if (e->new != GROUP_NONE)
			r = need_prefix(need, st, e->key.table, p);
	}
	for (i = 0; !r && i < t->prefix.n; i++)
		if (t->prefix.e[i].new != GROUP_NONE)
			r = need_prefix(need, st, PS_T_OWNED, t->prefix.e[i].p);
	for (i = 0; !r && i < t->policy.n; i++)
		if (t->policy.e[i].new != GROUP_NONE)
			r = need_prefix(need, st, PS_T_POLICY, t->policy.e[i].p);
	for (i = PS_TUNNEL_FIRST; !r && i < st->meta->max_tunnels; i++) {
		if (t->tunnel[i].state != PS_STATE_USED)
			continue;
		r = need_prefix(need, st, PS_T_REMOTE,
				(struct prefix){ PS_BE32(t->tunnel[i].remote_be), 32 });
		if (!r)
			r = need_prefix(need, st, PS_T_LOCAL,
					(struct prefix){ PS_BE32(t->tunnel[i].local_be), 32 });
	}
	return r;
}

static int commit_prepare(struct txn *t, struct error *err)
{
	struct chunk_need need = { 0 };
	size_t i, n = 0;
	int r = need_all(&need, t);

	if (r) {
		free(need.key);
		return error_system(err, ENOMEM, "out of memory");
	}
	if (need.n)
		qsort(need.key, need.n, sizeof(*need.key), u64_cmp);
	for (i = 0; i < need.n; i++)
		n += !i || need.key[i] != need.key[i - 1];
	free(need.key);
	if (n > stride_available(&t->st->stride))
		txn_reclaim(t);
	if (n > stride_available(&t->st->stride))
		return error_usage(err, ENOSPC,
				   "FIB: %zu more chunks needed, %u of %u free; unload and load "
				   "with a larger max-chunks or max-prefixes",
				   n, stride_available(&t->st->stride), t->st->meta->max_chunks);
	return 0;
}

/* --- tunnels ------------------------------------------------------------------------- */

static bool tunnel_changed(const struct txn *t, uint32_t id)
{
	return memcmp(&t->tunnel[id], &t->st->tunnel[id], sizeof(t->tunnel[id])) != 0;
}

/* Writes the slot a tunnel will use; its rows are turned to it later. */
static void write_slot(struct txn *t, uint32_t id)
{
	struct ps_tunnel *tun = &t->tunnel[id];
	const struct ps_tunnel *old = &t->st->tunnel[id];
	struct ps_slot s, *now = &t->st->slot[tun->slot];

	tunnel_slot(tun, &s);
	s.next = now->next;
	if (old->state == PS_STATE_USED) {
		if (!memcmp(&s, now, sizeof(s)))
			return;
		tun->slot ^= 1;
		if (old->dirty_slot)
			txn_reclaim(t);
		tun->dirty_slot = 1;
	}
	t->st->slot[tun->slot] = s;
}

/*
 * Links the tunnels of one remote address, from the highest id down so that each link leads to
 * what is already in place, and returns the first one's slot, 0 if there is none. Those that are
 * about to go count until `gone` says that no row leads to them any more.
 */
static uint16_t chain_link(struct txn *t, __be32 remote_be, bool gone)
{
	uint16_t next = 0;
	uint32_t i;

	for (i = t->st->meta->max_tunnels; i-- > PS_TUNNEL_FIRST;) {
		const struct ps_tunnel *was = &t->st->tunnel[i], *now = &t->tunnel[i];
		bool going = was->state == PS_STATE_USED && now->state != PS_STATE_USED;

		if (now->remote_be != remote_be ||
		    (now->state != PS_STATE_USED && !(going && !gone)))
			continue;
		__atomic_store_n(&t->st->slot[now->slot].next, next, __ATOMIC_RELEASE);
		next = now->slot;
	}
	return next;
}

static void index_remote(struct txn *t, __be32 remote_be, bool gone)
{
	struct prefix p = { PS_BE32(remote_be), 32 };
	uint16_t first = chain_link(t, remote_be, gone);

	if (first)
		stride_insert(&t->st->stride, PS_T_REMOTE, p, first);
	else
		stride_delete(&t->st->stride, PS_T_REMOTE, p, 0);
}

/* `gone` as above: an endpoint of a tunnel about to go stays ours until then. */
static void index_local(struct txn *t, __be32 local_be, bool gone)
{
	struct prefix p = { PS_BE32(local_be), 32 };
	bool any = false;
	uint32_t i;

	for (i = PS_TUNNEL_FIRST; i < t->st->meta->max_tunnels && !any; i++) {
		any = t->tunnel[i].state == PS_STATE_USED && t->tunnel[i].local_be == local_be;
		if (!gone)
			any |= t->st->tunnel[i].state == PS_STATE_USED &&
			       t->st->tunnel[i].local_be == local_be;
	}
	if (any)
		stride_insert(&t->st->stride, PS_T_LOCAL, p, 1);
	else
		stride_delete(&t->st->stride, PS_T_LOCAL, p, 0);
}

/* Brings the endpoint index in line for the addresses a changed tunnel has or had. */
static void index_tunnel(struct txn *t, const struct ps_tunnel *was, const struct ps_tunnel *now,
			 bool gone)
{
	index_remote(t, now->remote_be, gone);
	index_local(t, now->local_be, gone);
	if (was->state == PS_STATE_USED && was->remote_be != now->remote_be)
		index_remote(t, was->remote_be, gone);
	if (was->state == PS_STATE_USED && was->local_be != now->local_be)
		index_local(t, was->local_be, gone);
}

/* --- groups -------------------------------------------------------------------------- */

static void write_row(struct txn *t, uint32_t g)
{
	uint16_t row[ROW_MAX], *to;
	uint32_t log2 = t->group[g].row >> PS_ROW_LOG2_SHIFT, i;
	const struct group_node node = { t->node.region, t->node.hash_mode };
	const struct ps_candidate *c;
	unsigned int n;

	c = txn_group_list(t, g, &n);
	group_row(c, n, t->view, &node, log2, row);
	to = t->st->row[t->group[g].row & PS_ROW_BLOCK_MASK].slot;
	for (i = 0; i < PS_BLOCK_SLOTS << log2; i++) {
		if (to[i] == row[i])
			continue;
		__atomic_store_n(&to[i], row[i], __ATOMIC_RELEASE);
		t->st->row_writes++;
	}
}

/* Does the group hold a tunnel whose slot or health differs from what its row was made of? */
static bool group_affected(const struct txn *t, uint32_t g, const uint8_t *turned)
{
	const struct ps_candidate *c;
	unsigned int n, i;

	c = txn_group_list(t, g, &n);
	for (i = 0; i < n; i++)
		if (turned[c[i].tunnel])
			return true;
	return false;
}

/* Rule 2. Returns whether it is another answer than before. */
static bool write_visible(struct txn *t, uint32_t g)
{
	const struct group_node node = { t->node.region, t->node.hash_mode };
	struct ps_group *to = &t->st->group[g];
	const struct ps_candidate *c;
	uint8_t was = to->visible;
	unsigned int n;

	c = txn_group_list(t, g, &n);
	to->visible = group_active(c, n, t->view, &node) != 0;
	return to->visible != was;
}

/* Returns whether routes of groups that were there have appeared or vanished (rule 2). */
static bool write_groups(struct txn *t, const uint8_t *turned)
{
	const struct ps_node *old = t->st->node;
	bool all = old->region != t->node.region || old->hash_mode != t->node.hash_mode;
	bool flipped = false;
	uint32_t g;

	for (g = 0; g < t->st->meta->max_groups; g++) {
		if (t->group[g].state != PS_STATE_USED)
			continue;
		if (t->cand[g]) {
			t->st->cand[g] = *t->cand[g];
			write_row(t, g);
			t->st->group[g] = t->group[g];
			write_visible(t, g);
		} else if (all || group_affected(t, g, turned)) {
			write_row(t, g);
			flipped |= all && write_visible(t, g);
		}
	}
	return flipped;
}

/* Counts, and limbo for those that nobody uses any more. */
static void write_refs(struct txn *t)
{
	uint32_t g;

	for (g = 0; g < t->st->meta->max_groups; g++) {
		struct ps_group *to = &t->st->group[g];

		if (t->group[g].state != PS_STATE_USED)
			continue;
		to->refs = t->group[g].refs;
		if (!to->refs)
			to->state = PS_STATE_LIMBO;
	}
}

/* --- prefixes of the three hash maps ------------------------------------------------- */

/* Makes the FIB say what the entry says. */
static int leaf_paint(struct txn *t, enum store_map map, uint16_t table, struct prefix p,
		      uint32_t value)
{
	struct stride *s = &t->st->stride;

	table = entry_table(map, table);
	if (entry_shows(t->st, map, value))
		return stride_insert(s, table, p, entry_payload(t->st, map, value));
	stride_delete(s, table, p, entry_cover(t->st, map, table, p));
	return 0;
}

static int leaf_set(struct txn *t, enum store_map map, uint16_t table, struct prefix p,
		    uint32_t value)
{
	int r = entry_set(t->st, map, table, p, value);

	return r ? r : leaf_paint(t, map, table, p, value);
}

static int leaf_del(struct txn *t, enum store_map map, uint16_t table, struct prefix p)
{
	stride_delete(&t->st->stride, entry_table(map, table), p,
		      entry_cover(t->st, map, table, p));
	return entry_del(t->st, map, table, p);
}

/* Adds and changes (`add`), or removals, of a staged set. */
static int write_set(struct txn *t, struct entry_set *set, enum store_map map, bool add)
{
	size_t i;
	int r = 0;

	for (i = 0; !r && i < set->n; i++) {
		struct entry_edit *e = &set->e[i];

		if (e->new == e->old)
			continue;
		if (add && e->new != GROUP_NONE)
			r = leaf_set(t, map, 0, e->p, e->new);
		else if (!add && e->new == GROUP_NONE)
			r = leaf_del(t, map, 0, e->p);
	}
	return r;
}

static int write_routes(struct txn *t, bool add)
{
	size_t i;
	int r = 0;

	for (i = 0; !r && i < t->edits; i++) {
		struct edit *e = &t->edit[i];
		struct prefix p = { .addr = PS_BE32(e->key.addr_be), .len = e->key.len };

		if (e->new == e->old)
			continue;
		if (add && e->new != GROUP_NONE)
			r = leaf_set(t, MAP_ROUTE, e->key.table, p, e->new);
		else if (!add && e->new == GROUP_NONE)
			r = leaf_del(t, MAP_ROUTE, e->key.table, p);
	}
	return r;
}

/*
 * The node's region has changed and with it what is visible: every route is painted anew. Those
 * that appear first, so that a longer prefix is there before the shorter one that it relies on
 * goes.
 */
static int repaint_routes(struct txn *t)
{
	struct entry *list;
	size_t n, i;
	int pass, r = entry_load(t->st, MAP_ROUTE, &list, &n);

	for (pass = 0; pass < 2; pass++)
		for (i = 0; !r && i < n; i++)
			if (entry_shows(t->st, MAP_ROUTE, list[i].value) == !pass)
				r = leaf_paint(t, MAP_ROUTE, list[i].table, list[i].p,
					       list[i].value);
	free(list);
	return r;
}

/* --- the whole ----------------------------------------------------------------------- */

/* Names whose last user went, or that were never taken up, go. */
static void write_names(struct txn *t)
{
	uint32_t i;

	for (i = 1; i < STORE_ACCOUNTS; i++)
		if (!t->account[i].refs)
			memset(&t->account[i], 0, sizeof(t->account[i]));
	for (i = PS_T_EGRESS; i < t->st->meta->max_tables; i++)
		if (!t->table[i].refs)
			memset(&t->table[i], 0, sizeof(t->table[i]));
	memcpy(t->st->account, t->account, STORE_ACCOUNTS * sizeof(*t->account));
	memcpy(t->st->table, t->table, t->st->meta->max_tables * sizeof(*t->table));
}

/* A new tunnel counts from zero, also where its id was another's. */
static void clear_stats(const struct store *st, uint32_t id)
{
	int cpus = libbpf_num_possible_cpus();
	void *zero = cpus > 0 ? calloc((size_t)cpus, sizeof(struct ps_tunnel_stats)) : NULL;

	if (zero)
		bpf_map_update_elem(st->fd[MAP_TUNNEL_STAT], &id, zero, BPF_ANY);
	free(zero);
}

/* What a changed tunnel asks of the rest of the commit. */
#define TURN_ROWS 1  /* rows that hold it are to be made again */
#define TURN_INDEX 2 /* endpoints it no longer has are to be forgotten */

static void make_tunnels(struct txn *t, uint8_t *turned)
{
	uint32_t i;

	for (i = PS_TUNNEL_FIRST; i < t->st->meta->max_tunnels; i++) {
		const struct ps_tunnel was = t->st->tunnel[i];
		struct ps_tunnel *now = &t->tunnel[i];

		if (!tunnel_changed(t, i) || now->state != PS_STATE_USED)
			continue;
		if (was.state != PS_STATE_USED)
			clear_stats(t->st, i);
		write_slot(t, i);
		if (was.slot != now->slot || was.health != now->health)
			turned[i] |= TURN_ROWS;
		if (was.state != PS_STATE_USED || was.slot != now->slot)
			index_tunnel(t, &was, now, false);
		if (was.state == PS_STATE_USED && was.slot != now->slot)
			turned[i] |= TURN_INDEX;
	}
}

static void break_tunnels(struct txn *t, const uint8_t *turned)
{
	uint32_t i;

	for (i = PS_TUNNEL_FIRST; i < t->st->meta->max_tunnels; i++) {
		const struct ps_tunnel was = t->st->tunnel[i];

		if (!tunnel_changed(t, i))
			continue;
		if (t->tunnel[i].state != PS_STATE_USED || (turned[i] & TURN_INDEX))
			index_tunnel(t, &was, &t->tunnel[i], true);
		t->st->tunnel[i] = t->tunnel[i];
	}
}

static int commit_write(struct txn *t, uint8_t *turned)
{
	bool flipped;
	int r;

	make_tunnels(t, turned);
	if (!txn_view(t))
		return -ENOMEM;
	r = write_set(t, &t->prefix, MAP_PREFIX, true);
	if (r)
		return r;
	flipped = write_groups(t, turned);
	*t->st->node = t->node;
	r = write_routes(t, true);
	if (!r && flipped)
		r = repaint_routes(t);
	if (!r)
		r = write_set(t, &t->policy, MAP_POLICY, true);
	if (!r)
		r = write_set(t, &t->policy, MAP_POLICY, false);
	if (!r)
		r = write_routes(t, false);
	write_refs(t);
	if (!r)
		r = write_set(t, &t->prefix, MAP_PREFIX, false);
	break_tunnels(t, turned);
	write_names(t);
	return r;
}

int txn_commit(struct txn *t, struct error *err)
{
	struct store *st = t->st;
	uint8_t *turned;
	int r = 0;

	if (!t->changed) {
		txn_abort(t);
		return 0;
	}
	turned = calloc(st->meta->max_tunnels, 1);
	if (!turned)
		r = error_system(err, ENOMEM, "out of memory");
	else
		r = commit_prepare(t, err);
	if (!r) {
		__atomic_store_n(&st->meta->dirty, 1, __ATOMIC_SEQ_CST);
		r = commit_write(t, turned);
		if (r) {
			error_system(err, -r, "a map refused a write: %s", strerror(-r));
		} else {
			st->meta->route_count = t->routes;
			st->meta->transactions++;
			st->meta->bgp_rejected += t->bgp_rejected;
			st->meta->bgp_misconfigured += t->bgp_misconfigured;
			__atomic_store_n(&st->meta->dirty, 0, __ATOMIC_SEQ_CST);
			if (t->plumb)
				r = plumb_sync(st, err);
		}
	}
	free(turned);
	txn_abort(t);
	return r;
}
