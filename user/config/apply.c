/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The order of an apply, and why:
 *
 *   next hops of new tunnels   a neighbour may take a second to answer: before the lock
 *   lock, read what is there   the differences are to this and to nothing older
 *   stage and check            what can be refused is refused here
 *   keep the state of before   a change that can't be taken back is not made
 *   the pending file, the waiter's answer   a crash from here on leaves nobody unguarded
 *   commit
 *
 * Whatever fails undoes the steps before it. Nothing to do ends after the second line.
 */
#include "config/apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/confirm.h"
#include "config/running.h"
#include "config/stage.h"
#include "config/state.h"
#include "config/waiter.h"
#include "penstock/wire.h"

#define RESOLVE_MS 1000

struct work {
	struct store *st;
	struct apply *a;
	struct config old;
	struct ps_tunnel *hop; /* new and moved tunnels, with what was found of their next hops */
	size_t hops;
	bool withdraws; /* prefixes or policies go, and with them kernel routes to penstock0 */
	bool waits;	/* a pending file is in force */
	struct error *err;
};

/* --- next hops --------------------------------------------------------------------------- */

/* As the instance is now, without the lock: whoever changes it meanwhile costs us a second look. */
static int find_hops(struct work *w)
{
	const struct config *c = w->a->want;
	size_t i;

	w->hop = calloc(c->tunnels + 1, sizeof(*w->hop));
	if (!w->hop)
		return error_system(w->err, ENOMEM, "out of memory");
	for (i = 0; i < c->tunnels; i++) {
		int id = store_tunnel_find(w->st, config_name(c, c->tunnel[i].name));

		if (id >= 0 && !config_tunnel_moved(&w->st->tunnel[id], &c->tunnel[i]))
			continue;
		config_tunnel_fill(c, &c->tunnel[i], &w->hop[w->hops++]);
	}
	return store_nexthops(w->st, w->hop, w->hops, w->a->dry_run ? 0 : RESOLVE_MS, w->err);
}

/*
 * A tunnel that is reached through a tunnel. The kernel was asked before anything changed: what
 * leads there may be a prefix that goes with this apply. Then it is asked again afterwards.
 */
static int loops_check(struct work *w)
{
	char remote[ADDR_STRLEN];
	size_t i;

	for (i = 0; i < w->hops; i++) {
		if (w->hop[i].nh_state != PS_NH_LOOP)
			continue;
		if (!w->withdraws)
			return error_usage(
				w->err, ELOOP,
				"tunnel \"%s\": remote \"%s\" is reached through " STORE_DEVICE
				", that is, through a tunnel",
				w->hop[i].name, addr_str(PS_BE32(w->hop[i].remote_be), remote));
		w->hop[i].nh_state = PS_NH_UNRESOLVED;
	}
	return 0;
}

/* After the commit. What is still missing is said by the caller's function, and no failure. */
static void tell_tunnels(struct work *w)
{
	struct error ignored;
	size_t i;
	int id;

	for (i = 0; i < w->hops; i++) {
		id = store_tunnel_find(w->st, w->hop[i].name);
		if (id >= 0 && w->st->tunnel[id].nh_state == PS_NH_UNRESOLVED)
			store_refresh(w->st, id, RESOLVE_MS, &ignored);
		if (id >= 0 && w->a->tunnel)
			w->a->tunnel(w->a->arg, &w->st->tunnel[id]);
	}
}

/* --- one that waits ---------------------------------------------------------------------- */

/* With the lock held: is there one, and what of it? */
static int pending_judge(struct work *w)
{
	struct pending p;
	bool alive;

	w->waits = pending_read(w->st, &p, &alive);
	switch (w->a->kind) {
	case APPLY_FILE:
		if (!w->waits)
			return 0;
		if (!alive)
			return error_usage(w->err, EBUSY,
					   "an apply was not confirmed, and the process that was "
					   "to return to state %lu is dead: run `penstock "
					   "rollback` or `penstock confirm` first",
					   p.state);
		return error_usage(w->err, EBUSY,
				   "an apply waits to be confirmed, %u s are left: run `penstock "
				   "confirm` or `penstock rollback` first",
				   pending_left(&p));
	case APPLY_RETURN:
		return pending_holds(w->st->instance, w->a->held) ? 0 : -ESTALE;
	default:
		return 0;
	}
}

/* Just before the commit. */
static int pending_begin(struct work *w)
{
	struct pending p = { .state = w->a->state, .id = store_id(w->st) };
	int r;

	if (w->a->kind != APPLY_FILE) {
		pending_aside(w->st->instance);
		return 0;
	}
	if (!w->a->confirm_s)
		return 0;
	p.deadline_ms = boottime_ms() + w->a->confirm_s * 1000ull;
	p.pid = waiter_pid(w->a->waiter);
	r = pending_write(w->st, &p, w->err);
	if (r)
		return r;
	r = waiter_go(w->a->waiter, w->st->instance, &p, w->err);
	if (r)
		pending_remove(w->st->instance);
	return r;
}

static void pending_end(struct work *w, bool committed)
{
	if (w->a->kind == APPLY_FILE) {
		if (!committed && w->a->confirm_s)
			pending_remove(w->st->instance);
	} else if (committed) {
		pending_aside_remove(w->st->instance);
	} else {
		pending_back(w->st->instance);
	}
}

/* --- the whole --------------------------------------------------------------------------- */

static int count(void *arg, const struct config_change *d)
{
	struct work *w = arg;

	if (!d->old)
		w->a->added++;
	else if (!d->new)
		w->a->removed++;
	else
		w->a->changed++;
	if (d->object == CONFIG_NODE)
		w->withdraws |= w->old.node.mode != w->a->want->node.mode;
	if (d->object == CONFIG_PREFIX || d->object == CONFIG_POLICY)
		w->withdraws |= !d->new;
	return 0;
}

/* From what was staged to what is done. The transaction is over either way. */
static int carry_out(struct work *w, struct txn *txn)
{
	const char *instance = w->st->instance;
	const uint64_t before = w->st->meta->transactions;
	bool written = false;
	unsigned long state;
	int r = state_save(instance, &w->old, &state, w->err);

	/* What follows needs room, and this may be a million routes. */
	config_free(&w->old);
	if (r) {
		txn_abort(txn);
		return r;
	}
	w->a->state = state;
	r = pending_begin(w);
	if (r) {
		txn_abort(txn);
	} else {
		r = txn_commit(txn, w->err);
		/* The kernel's routes may have failed after the maps were written. */
		written = w->st->meta->transactions != before;
		pending_end(w, written);
	}
	if (!written) {
		state_drop(instance, state);
		w->a->state = 0;
		return r;
	}
	state_prune(instance);
	if (!r)
		tell_tunnels(w);
	return r;
}

static int with_lock(struct work *w, struct txn *txn)
{
	struct apply *a = w->a;
	int r = pending_judge(w);

	if (!r)
		r = config_running(w->st, &w->old, w->err);
	if (!r) {
		config_diff(&w->old, a->want, count, w);
		r = loops_check(w);
	}
	if (r || !(a->added || a->changed || a->removed)) {
		/* A rollback to what is there has still ended the waiting. */
		if (!r && a->kind != APPLY_FILE && !a->dry_run)
			pending_remove(w->st->instance);
		txn_abort(txn);
		return r;
	}
	r = config_stage(txn, &w->old, a->want, w->hop, w->hops, w->err);
	if (r || a->dry_run) {
		txn_abort(txn);
		return r;
	}
	return carry_out(w, txn);
}

int config_apply(struct store *st, struct apply *a, struct error *err)
{
	struct work w = { .st = st, .a = a, .err = err };
	struct txn *txn;
	int r = find_hops(&w);

	if (!r)
		r = txn_begin(st, &txn, err);
	if (!r)
		r = with_lock(&w, txn);
	config_free(&w.old);
	free(w.hop);
	return r;
}
