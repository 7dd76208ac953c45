/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From what a transaction staged to the plan of what it writes (plan.h): which slot a changed
 * tunnel goes to, which rows change, which of them need a copy.
 *
 * Why copies. When a row changes in place (PLAN_CHANGE: a tunnel's health, its header, the node's
 * region) while prefixes come to it or leave it in the same transaction, no order of "rows, then
 * leaves" or "leaves, then rows" would do: a prefix that moves from one changing row to another
 * would meet the old group's new row, or the new group's old one. So leaves that come go first to
 * a copy that has the new content, leaves that go to one that keeps the old; then the rows change;
 * then the leaves go where they belong.
 *
 * Everything that can be refused is refused here: chunks, copies, memory for the plan.
 */
#include "store/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/tunnel.h"
#include "penstock/wire.h"

const enum store_map plan_maps[PLAN_MAPS] = {
	[PLAN_ROUTE] = MAP_ROUTE,
	[PLAN_PREFIX] = MAP_PREFIX,
	[PLAN_POLICY] = MAP_POLICY,
};

struct make {
	struct txn *t;
	uint8_t *turned;	 /* by tunnel id */
	uint8_t *class;		 /* by group id */
	uint32_t *fresh, *stale; /* copies of rows, by group id */
	struct plan_head head;
	struct error *err;
};

/* --- chunks -------------------------------------------------------------------------- */

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

static int check_chunks(struct make *m)
{
	const struct stride *s = &m->t->st->stride;
	struct chunk_need need = { 0 };
	size_t i, n = 0;
	int r = need_all(&need, m->t);

	if (r) {
		free(need.key);
		return error_system(m->err, ENOMEM, "out of memory");
	}
	if (need.n)
		qsort(need.key, need.n, sizeof(*need.key), u64_cmp);
	for (i = 0; i < need.n; i++)
		n += !i || need.key[i] != need.key[i - 1];
	free(need.key);
	if (n > stride_available(s))
		txn_reclaim(m->t);
	if (n > stride_available(s))
		return error_usage(m->err, ENOSPC,
				   "FIB: %zu more chunks needed, %u of %u free; unload and load "
				   "with a larger max-chunks or max-prefixes",
				   n, stride_available(s), m->t->st->meta->max_chunks);
	return 0;
}

/* --- tunnels ------------------------------------------------------------------------- */

static bool tunnel_changed(const struct txn *t, uint32_t id)
{
	return memcmp(&t->tunnel[id], &t->st->tunnel[id], sizeof(t->tunnel[id])) != 0;
}

/* Is the tunnel's header another one than that in its slot? */
static bool header_changed(const struct txn *t, uint32_t id)
{
	const struct ps_slot *now = &t->st->slot[t->tunnel[id].slot];
	struct ps_slot s;

	tunnel_slot(&t->tunnel[id], &s);
	s.next = now->next;
	return memcmp(&s, now, sizeof(s)) != 0;
}

/* A changed header goes to the tunnel's other slot, which no packet may still be reading. */
static void choose_slots(struct make *m)
{
	struct txn *t = m->t;
	uint32_t i, max = t->st->meta->max_tunnels;
	bool dirty = false;

	for (i = PS_TUNNEL_FIRST; i < max; i++) {
		const struct ps_tunnel *was = &t->st->tunnel[i];
		struct ps_tunnel *now = &t->tunnel[i];

		if (now->state != PS_STATE_USED || was->state != PS_STATE_USED ||
		    !tunnel_changed(t, i))
			continue;
		m->turned[i] = was->health != now->health;
		if (!header_changed(t, i))
			continue;
		m->turned[i] = 1;
		now->slot ^= 1;
		dirty |= was->dirty_slot;
	}
	if (dirty)
		txn_reclaim(t);
}

/* The slot that a tunnel leaves may be read until the next grace period. */
static void mark_slots(struct make *m)
{
	struct txn *t = m->t;
	uint32_t i;

	for (i = PS_TUNNEL_FIRST; i < t->st->meta->max_tunnels; i++) {
		if (t->tunnel[i].state == PS_STATE_USED &&
		    t->st->tunnel[i].state == PS_STATE_USED &&
		    t->tunnel[i].slot != t->st->tunnel[i].slot)
			t->tunnel[i].dirty_slot = 1;
		m->head.tunnels += tunnel_changed(t, i);
	}
}

/* --- groups -------------------------------------------------------------------------- */

/* Does the group hold a tunnel whose slot or health differs from what its row was made of? */
static bool group_turned(const struct make *m, uint32_t g)
{
	const struct ps_candidate *c;
	unsigned int n, i;

	c = txn_group_list(m->t, g, &n);
	for (i = 0; i < n; i++)
		if (m->turned[c[i].tunnel])
			return true;
	return false;
}

/* Rule 2, after the transaction. */
static uint8_t group_visible(const struct make *m, uint32_t g)
{
	const struct group_node node = { m->t->node.region, m->t->node.hash_mode };
	const struct ps_candidate *c;
	unsigned int n;

	c = txn_group_list(m->t, g, &n);
	return group_active(c, n, m->t->view, &node) != 0;
}

static void classify(struct make *m)
{
	struct txn *t = m->t;
	const struct ps_node *was = t->st->node;
	bool all = was->region != t->node.region || was->hash_mode != t->node.hash_mode;
	bool any = all || memchr(m->turned, 1, t->st->meta->max_tunnels);
	uint32_t g;

	for (g = 0; g < t->st->meta->max_groups; g++) {
		struct ps_group *to = &t->group[g];
		uint8_t visible = to->visible;

		if (to->state != PS_STATE_USED || !to->refs)
			continue;
		if (t->cand[g]) {
			to->visible = group_visible(m, g);
			m->class[g] = PLAN_FRESH;
		} else if (any && (all || group_turned(m, g))) {
			to->visible = group_visible(m, g);
			m->class[g] = !to->visible ? (visible ? PLAN_VANISH : PLAN_KEEP) :
				      visible	   ? PLAN_CHANGE :
						     PLAN_FRESH;
			if (to->visible != visible)
				m->head.flags |= PLAN_FLIPS;
		}
	}
}

/* A copy of the row of a group, if the row changes and there is none yet. */
static int need_copy(struct make *m, uint32_t *copy, uint32_t g)
{
	if (m->class[g] != PLAN_CHANGE || copy[g] != PLAN_NO_ROW)
		return 0;
	m->head.flags |= PLAN_COPIES;
	return txn_row_take(m->t, m->t->group[g].row >> PS_ROW_LOG2_SHIFT, &copy[g], m->err);
}

static int choose_copies(struct make *m)
{
	const struct txn *t = m->t;
	size_t i;
	int r = 0;

	if (!memchr(m->class, PLAN_CHANGE, t->st->meta->max_groups))
		return 0;
	for (i = 0; !r && i < t->edits; i++) {
		const struct edit *e = &t->edit[i];

		if (e->new == e->old)
			continue;
		if (e->new != GROUP_NONE && t->group[e->new].visible)
			r = need_copy(m, m->fresh, e->new);
		else if (e->old != GROUP_NONE)
			r = need_copy(m, m->stale, e->old);
	}
	return r;
}

/* --- the plan ------------------------------------------------------------------------ */

uint64_t plan_bytes(const struct plan_head *h)
{
	uint64_t edits =
		(uint64_t)h->edits[PLAN_ROUTE] + h->edits[PLAN_PREFIX] + h->edits[PLAN_POLICY];

	return sizeof(*h) + (uint64_t)h->tunnels * sizeof(struct plan_tunnel) +
	       (uint64_t)h->names * sizeof(struct plan_name) +
	       (uint64_t)h->groups * sizeof(struct plan_group) +
	       (uint64_t)h->lists * sizeof(struct ps_candidates) + edits * sizeof(struct plan_edit);
}

void plan_lay_out(struct plan *p, struct plan_head *head)
{
	int i;

	p->head = head;
	p->tunnel = (struct plan_tunnel *)(head + 1);
	p->name = (struct plan_name *)(p->tunnel + head->tunnels);
	p->group = (struct plan_group *)(p->name + head->names);
	p->list = (struct ps_candidates *)(p->group + head->groups);
	p->edit[0] = (struct plan_edit *)(p->list + head->lists);
	for (i = 1; i < PLAN_MAPS; i++)
		p->edit[i] = p->edit[i - 1] + head->edits[i - 1];
}

static bool name_changed(const struct ps_name *a, const struct ps_name *b)
{
	return memcmp(a, b, sizeof(*a)) != 0;
}

static bool group_listed(const struct make *m, uint32_t g)
{
	return m->class[g] != PLAN_KEEP ||
	       (m->t->group[g].state != PS_STATE_FREE &&
		memcmp(&m->t->group[g], &m->t->st->group[g], sizeof(struct ps_group)));
}

static uint32_t set_changes(const struct entry_set *set)
{
	uint32_t n = 0;
	size_t i;

	for (i = 0; i < set->n; i++)
		n += set->e[i].new != set->e[i].old;
	return n;
}

/* Names whose last user went, or that were never taken up, go. */
static void drop_names(struct ps_name *list, uint32_t first, uint32_t n)
{
	uint32_t i;

	for (i = first; i < n; i++)
		if (!list[i].refs)
			memset(&list[i], 0, sizeof(list[i]));
}

static void count(struct make *m)
{
	const struct txn *t = m->t;
	const struct ps_meta *meta = t->st->meta;
	struct plan_head *h = &m->head;
	uint32_t i;
	size_t k;

	drop_names(t->account, 1, STORE_ACCOUNTS);
	drop_names(t->table, PS_T_EGRESS, meta->max_tables);
	for (i = 0; i < STORE_ACCOUNTS; i++)
		h->names += name_changed(&t->account[i], &t->st->account[i]);
	for (i = 0; i < meta->max_tables; i++)
		h->names += name_changed(&t->table[i], &t->st->table[i]);
	for (i = 0; i < meta->max_groups; i++) {
		if (t->group[i].state == PS_STATE_USED && !t->group[i].refs)
			t->group[i].state = PS_STATE_LIMBO;
		h->groups += group_listed(m, i);
		h->lists += t->cand[i] != NULL;
	}
	for (k = 0; k < t->edits; k++)
		h->edits[PLAN_ROUTE] += t->edit[k].new != t->edit[k].old;
	h->edits[PLAN_PREFIX] = set_changes(&t->prefix);
	h->edits[PLAN_POLICY] = set_changes(&t->policy);
	h->magic = PLAN_MAGIC;
	h->flags |= t->plumb ? PLAN_PLUMB : 0;
	h->routes = t->routes;
	h->transactions = meta->transactions + 1;
	h->bgp_rejected = meta->bgp_rejected + t->bgp_rejected;
	h->bgp_misconfigured = meta->bgp_misconfigured + t->bgp_misconfigured;
	h->was = *t->st->node;
	h->node = t->node;
	h->bytes = plan_bytes(h);
}

static void fill_objects(const struct make *m, struct plan *p)
{
	const struct txn *t = m->t;
	const struct store *st = t->st;
	uint32_t i, n = 0;

	for (i = PS_TUNNEL_FIRST; i < st->meta->max_tunnels; i++)
		if (tunnel_changed(t, i))
			p->tunnel[n++] = (struct plan_tunnel){ i, m->turned[i], st->tunnel[i],
							       t->tunnel[i] };
	n = 0;
	for (i = 0; i < STORE_ACCOUNTS; i++)
		if (name_changed(&t->account[i], &st->account[i]))
			p->name[n++] = (struct plan_name){ i, 1, t->account[i] };
	for (i = 0; i < st->meta->max_tables; i++)
		if (name_changed(&t->table[i], &st->table[i]))
			p->name[n++] = (struct plan_name){ i, 0, t->table[i] };
}

static void fill_groups(const struct make *m, struct plan *p)
{
	const struct txn *t = m->t;
	uint32_t g, n = 0, lists = 0;

	for (g = 0; g < t->st->meta->max_groups; g++) {
		if (!group_listed(m, g))
			continue;
		p->group[n] = (struct plan_group){ .id = g,
						   .class = m->class[g],
						   .fresh = m->fresh[g],
						   .stale = m->stale[g],
						   .now = t->group[g] };
		if (t->cand[g]) {
			p->list[lists] = *t->cand[g];
			p->group[n].list = ++lists;
		}
		n++;
	}
}

/* Longest prefixes first, by counting. `at` is of 33 places, by length. */
static void places(uint32_t *at)
{
	uint32_t sum = 0, n;
	int len;

	for (len = 32; len >= 0; len--) {
		n = at[len];
		at[len] = sum;
		sum += n;
	}
}

static void fill_routes(const struct txn *t, struct plan_edit *to)
{
	uint32_t at[33] = { 0 };
	size_t i;

	for (i = 0; i < t->edits; i++)
		at[t->edit[i].key.len] += t->edit[i].new != t->edit[i].old;
	places(at);
	for (i = 0; i < t->edits; i++)
		if (t->edit[i].new != t->edit[i].old)
			to[at[t->edit[i].key.len]++] =
				(struct plan_edit){ t->edit[i].key, t->edit[i].old,
						    t->edit[i].new };
}

static void fill_set(const struct entry_set *set, struct plan_edit *to)
{
	uint32_t at[33] = { 0 };
	size_t i;

	for (i = 0; i < set->n; i++)
		at[set->e[i].p.len] += set->e[i].new != set->e[i].old;
	places(at);
	for (i = 0; i < set->n; i++)
		if (set->e[i].new != set->e[i].old)
			to[at[set->e[i].p.len]++] =
				(struct plan_edit){ entry_key(0, set->e[i].p), set->e[i].old,
						    set->e[i].new };
}

static int decide(struct make *m)
{
	int r;

	r = check_chunks(m);
	if (r)
		return r;
	choose_slots(m);
	if (!txn_view(m->t))
		return error_system(m->err, ENOMEM, "out of memory");
	classify(m);
	r = choose_copies(m);
	if (r)
		return r;
	/* From here on nothing is reclaimed: what goes is marked as going. */
	mark_slots(m);
	count(m);
	return 0;
}

int plan_make(struct txn *t, struct plan *p, struct error *err)
{
	const struct ps_meta *meta = t->st->meta;
	struct make m = { .t = t, .err = err };
	void *at;
	int r;

	m.turned = calloc(meta->max_tunnels, 1);
	m.class = calloc(meta->max_groups, 1);
	m.fresh = malloc(2 * meta->max_groups * sizeof(*m.fresh));
	if (m.turned && m.class && m.fresh) {
		memset(m.fresh, 0xff, 2 * meta->max_groups * sizeof(*m.fresh));
		m.stale = m.fresh + meta->max_groups;
		r = decide(&m);
	} else {
		r = error_system(err, ENOMEM, "out of memory");
	}
	if (!r)
		r = intent_room(t->st, m.head.bytes, &at, err);
	if (!r) {
		memcpy(at, &m.head, sizeof(m.head));
		plan_lay_out(p, at);
		fill_objects(&m, p);
		fill_groups(&m, p);
		fill_routes(t, p->edit[PLAN_ROUTE]);
		fill_set(&t->prefix, p->edit[PLAN_PREFIX]);
		fill_set(&t->policy, p->edit[PLAN_POLICY]);
	}
	free(m.turned);
	free(m.class);
	free(m.fresh);
	return r;
}
