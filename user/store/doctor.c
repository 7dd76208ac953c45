/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The doctor: recomputes from the primary maps, by the functions that made them, what all other
 * maps and the kernel's tables should hold, and compares. With the lock held, so that nothing is
 * in the midst of changing.
 *
 * First the primary maps themselves: an entry that leads nowhere (a route to a group that is none,
 * a prefix of an account without a name) can't be mended, only removed, and its prefix is named.
 * Then, in the order in which they build on each other: groups and rows, slots, the FIB, counts,
 * ports, the kernel's tables. Mending stores final values only, so packets meet what was there or
 * what should be.
 */
#include "store/doctor.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "net/netlink.h"
#include "penstock/wire.h"

void finding(const struct doctor *d, const char *where, bool mendable, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	d->fn(d->arg, where, text, mendable && d->repair);
}

/* --- an interrupted transaction ------------------------------------------------------ */

static int check_intent(struct doctor *d)
{
	struct store *st = d->st;
	uint64_t room;
	void *at;
	int r;

	if (!(st->meta->dirty & PS_DIRTY_MAPS))
		return store_recover(st, d->err);
	r = intent_open(st, &at, &room, d->err);
	if (r)
		return r;
	if (plan_sound(st, at, room)) {
		r = store_recover(st, d->err);
		if (!r)
			d->fn(d->arg, "ps_intent", "an interrupted transaction; it is finished now",
			      true);
		return r;
	}
	finding(d, "ps_intent", true,
		"the record of an interrupted transaction is damaged: what it had not yet written "
		"is lost");
	if (d->repair)
		set_dirty(st, PS_DIRTY_PLUMB);
	return 0;
}

/* --- primary maps -------------------------------------------------------------------- */

static bool name_sound(const struct ps_name *n)
{
	return n->name[0] && memchr(n->name, '\0', sizeof(n->name));
}

static bool tunnel_known(const struct store *st, uint16_t id)
{
	return id < st->meta->max_tunnels && st->tunnel[id].state == PS_STATE_USED;
}

static bool list_sound(const struct store *st, uint32_t g)
{
	unsigned int i, n;

	if (g >= st->meta->max_groups)
		return false;
	n = st->group[g].n;
	if (!n || n > PS_CANDIDATES_MAX)
		return false;
	for (i = 0; i < n; i++)
		if (!tunnel_known(st, st->cand[g].c[i].tunnel) || !st->cand[g].c[i].weight ||
		    st->cand[g].c[i].weight > 256)
			return false;
	return true;
}

/* Does what the entry leads to exist? */
static bool entry_sound(const struct store *st, enum plan_map map, const struct entry *e)
{
	if (e->p.len > 32 || (e->p.addr & ~prefix_mask(e->p.len)))
		return false;
	switch (map) {
	case PLAN_PREFIX:
		return !e->table && e->value < STORE_ACCOUNTS && name_sound(&st->account[e->value]);
	case PLAN_POLICY:
		return !e->table && e->value >= PS_T_EGRESS && e->value < st->meta->max_tables &&
		       name_sound(&st->table[e->value]);
	default:
		return (e->table == PS_T_MAIN ||
			(e->table >= PS_T_EGRESS && e->table < st->meta->max_tables &&
			 name_sound(&st->table[e->table]))) &&
		       list_sound(st, e->value);
	}
}

static int check_entries(struct doctor *d, enum plan_map map)
{
	static const char *const what[PLAN_MAPS] = {
		[PLAN_ROUTE] = "routes of",
		[PLAN_PREFIX] = "prefix",
		[PLAN_POLICY] = "policy from",
	};
	const enum store_map from = plan_maps[map];
	size_t i, kept = 0;
	struct entry *list;
	char text[PREFIX_STRLEN];
	int r = entry_load(d->st, from, &list, &d->entries[map]);

	d->entry[map] = list;
	if (r)
		return error_system(d->err, -r, "cannot read %s: %s", map_specs[from].name,
				    strerror(-r));
	for (i = 0; !r && i < d->entries[map]; i++) {
		if (entry_sound(d->st, map, &list[i])) {
			list[kept++] = list[i];
			continue;
		}
		finding(d, map_specs[from].name, true, "%s %s leads nowhere: removed by a repair",
			what[map], prefix_str(list[i].p, text));
		if (d->repair)
			r = entry_del(d->st, from, list[i].table, list[i].p);
	}
	d->entries[map] = kept;
	return r ? error_system(d->err, -r, "cannot write %s: %s", map_specs[from].name,
				strerror(-r)) :
		   0;
}

static void check_tunnels(struct doctor *d)
{
	struct store *st = d->st;
	uint32_t i;

	for (i = 0; i < st->meta->max_tunnels; i++) {
		struct ps_tunnel *t = &st->tunnel[i];

		if (t->state != PS_STATE_USED)
			continue;
		if (t->slot / 2 != i) {
			finding(d, "ps_tunnel", true, "tunnel \"%.15s\" has the slot of another",
				t->name);
			if (d->repair)
				t->slot = (uint16_t)(2 * i);
		}
		if (t->account < STORE_ACCOUNTS && name_sound(&st->account[t->account]))
			continue;
		finding(d, "ps_tunnel", true,
			"tunnel \"%.15s\" is of no account: a repair gives it to \"default\"",
			t->name);
		if (d->repair)
			t->account = 0;
	}
}

/* --- names and counts ---------------------------------------------------------------- */

static void check_refs(const struct doctor *d, enum store_map map, struct ps_name *list,
		       const uint32_t *refs, uint32_t first, uint32_t n)
{
	uint32_t i;

	for (i = first; i < n; i++) {
		if (list[i].refs == refs[i] && (refs[i] || !list[i].name[0]))
			continue;
		finding(d, map_specs[map].name, true, "\"%.15s\" is used %u times, not %u",
			list[i].name, refs[i], list[i].refs);
		if (!d->repair)
			continue;
		list[i].refs = refs[i];
		if (!refs[i])
			memset(&list[i], 0, sizeof(list[i]));
	}
}

static int check_names(struct doctor *d)
{
	const struct ps_meta *m = d->st->meta;
	uint32_t *account = calloc(STORE_ACCOUNTS, sizeof(*account)), i;
	uint32_t *table = calloc(m->max_tables, sizeof(*table));
	size_t k;

	if (!account || !table) {
		free(account);
		free(table);
		return error_system(d->err, ENOMEM, "out of memory");
	}
	account[0] = 1; /* `default` is there by itself */
	for (i = PS_TUNNEL_FIRST; i < m->max_tunnels; i++)
		if (d->st->tunnel[i].state == PS_STATE_USED &&
		    d->st->tunnel[i].account < STORE_ACCOUNTS)
			account[d->st->tunnel[i].account]++;
	for (k = 0; k < d->entries[PLAN_PREFIX]; k++)
		account[d->entry[PLAN_PREFIX][k].value]++;
	for (k = 0; k < d->entries[PLAN_POLICY]; k++)
		table[d->entry[PLAN_POLICY][k].value]++;
	for (k = 0; k < d->entries[PLAN_ROUTE]; k++)
		table[d->entry[PLAN_ROUTE][k].table]++;
	check_refs(d, MAP_ACCOUNT, d->st->account, account, 0, STORE_ACCOUNTS);
	check_refs(d, MAP_TABLE, d->st->table, table, PS_T_EGRESS, m->max_tables);
	free(account);
	free(table);
	return 0;
}

static void check_count(struct doctor *d)
{
	struct ps_meta *m = d->st->meta;

	if (m->route_count == d->entries[PLAN_ROUTE])
		return;
	finding(d, "ps_meta", true, "%zu prefixes have routes, not %u", d->entries[PLAN_ROUTE],
		m->route_count);
	if (d->repair)
		m->route_count = (uint32_t)d->entries[PLAN_ROUTE];
}

/* --- ports, pins, the kernel --------------------------------------------------------- */

static int check_port(void *arg, uint32_t ifindex, const struct ps_port *p, bool attached)
{
	const struct doctor *d = arg;

	(void)ifindex;
	if (!attached)
		finding(d, "ps_port", false,
			"port %.15s: its program is gone: `penstock detach %.15s`, or attach it "
			"again",
			p->name, p->name);
	return 0;
}

static void check_pins(const struct doctor *d)
{
	char path[128];
	int i;

	for (i = 0; i < PROG_COUNT; i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", STORE_ROOT, d->st->instance,
			 prog_names[i]);
		if (access(path, F_OK))
			finding(d, prog_names[i], false,
				"the program's pin is missing: run `penstock load`");
	}
}

static int check_kernel(struct doctor *d)
{
	size_t n;
	int r;

	if (d->st->meta->netns != netns_inode()) {
		finding(d, "kernel", false,
			"routes, rules and addresses not looked at: the instance belongs to "
			"another network namespace");
		return 0;
	}
	r = plumb_check(d->st, &n, d->err);
	if (r || !n)
		return r;
	finding(d, "kernel", true,
		"%zu routes, rules, addresses or the MTU of " STORE_DEVICE
		" are not as they should be",
		n);
	return d->repair ? plumb_sync(d->st, d->err) : 0;
}

/* --- the whole ----------------------------------------------------------------------- */

static int examine(struct doctor *d)
{
	uint32_t n = d->st->meta->max_tunnels;
	int map, r = check_intent(d);

	if (!r)
		check_tunnels(d);
	for (map = 0; !r && map < PLAN_MAPS; map++)
		r = check_entries(d, (enum plan_map)map);
	if (r)
		return r;
	d->view = calloc(n, sizeof(*d->view));
	if (!d->view)
		return error_system(d->err, ENOMEM, "out of memory");
	group_view(d->st->tunnel, n, d->view);
	r = check_names(d);
	if (!r)
		r = doctor_groups(d);
	if (!r)
		r = doctor_slots(d);
	if (!r)
		r = doctor_fib(d);
	if (r)
		return r;
	check_count(d);
	store_port_each(d->st, check_port, d);
	check_pins(d);
	r = check_kernel(d);
	if (!r && d->repair && d->st->meta->netns == netns_inode())
		set_dirty(d->st, 0);
	return r;
}

int store_doctor(const char *instance, bool repair, store_finding_fn fn, void *arg,
		 struct error *err)
{
	struct doctor d = { .repair = repair, .fn = fn, .arg = arg, .err = err };
	int i, r = open_instance(&d.st, instance, true, err);

	if (r)
		return r;
	r = instance_lock(d.st->dir, instance, err);
	if (!r)
		r = examine(&d);
	for (i = 0; i < PLAN_MAPS; i++)
		free(d.entry[i]);
	free(d.view);
	store_free(d.st);
	return r;
}
