/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * route get: what would happen to a packet, and why. The answer is store/decide.h's; here it
 * becomes one object, which -j prints and route_get_text.c puts into words.
 *
 * Maps that disagree, and a program that does something else than was foretold, are failures: the
 * answer is printed all the same, with what is wrong in it.
 */
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "cli/cli.h"
#include "core/region.h"
#include "penstock/flow.h"
#include "penstock/wire.h"
#include "store/decide.h"

struct get_args {
	uint32_t protocol, sport, dport, length, region, in;
};

enum {
	G_PROTO,
	G_SPORT,
	G_DPORT,
	G_LENGTH,
	G_REGION,
	G_IN,
	G_VERIFY
};

static const struct {
	const char *name;
	uint8_t number;
} protocols[] = {
	{ "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP },	  { "icmp", IPPROTO_ICMP },
	{ "gre", IPPROTO_GRE }, { "sctp", IPPROTO_SCTP }, { "udplite", IPPROTO_UDPLITE },
};
#define PROTOCOLS (sizeof(protocols) / sizeof(*protocols))

static const char *const places[] = {
	[PROG_XDP_WAN] = "wan", [PROG_XDP_LAN] = "lan", [PROG_TC] = "penstock0", NULL
};

/* A name, which may not be abbreviated (udp, udplite), or a number. */
static int parse_protocol(struct cli *c, const struct keyword *k, const char *value, void *at)
{
	size_t i;

	for (i = 0; i < PROTOCOLS; i++) {
		if (strcmp(value, protocols[i].name))
			continue;
		*(uint32_t *)at = protocols[i].number;
		return 0;
	}
	if (value[0] >= '0' && value[0] <= '9')
		return parse_number(c, k, value, at);
	return cli_usage(c, "proto \"%.64s\": expected %s", value, k->expected);
}

const struct keyword route_get_words[] = {
	[G_PROTO] = { .word = "proto",
		      .parse = parse_protocol,
		      .max = 255,
		      .offset = offsetof(struct get_args, protocol),
		      .expected = "tcp, udp, icmp, gre, sctp, udplite or a number from 0 to 255" },
	[G_SPORT] = { .word = "sport",
		      .parse = parse_number,
		      .max = 65535,
		      .offset = offsetof(struct get_args, sport),
		      .expected = "a port from 0 to 65535" },
	[G_DPORT] = { .word = "dport",
		      .parse = parse_number,
		      .max = 65535,
		      .offset = offsetof(struct get_args, dport),
		      .expected = "a port from 0 to 65535" },
	[G_LENGTH] = { .word = "length",
		       .parse = parse_number,
		       .min = 20,
		       .max = 65535,
		       .offset = offsetof(struct get_args, length),
		       .expected = "the bytes of the IPv4 packet" },
	[G_REGION] = { .word = "region",
		       .parse = parse_region,
		       .none = true,
		       .offset = offsetof(struct get_args, region),
		       .expected = "a region code or none" },
	[G_IN] = { .word = "in",
		   .parse = parse_choice,
		   .choice = places,
		   .offset = offsetof(struct get_args, in),
		   .expected = "wan, lan or penstock0" },
	[G_VERIFY] = { .word = "verify", .flag = true },
	{ 0 },
};

/* --- the question ----------------------------------------------------------------------------
 */

static int get_address(struct cli *c, const char *what, uint32_t *addr)
{
	const char *word = arg_need(c, what);
	char why[256];

	if (!word)
		return -EINVAL;
	return addr_parse(word, addr, why, sizeof(why)) ? cli_usage(c, "%s", why) : 0;
}

static int check_words(struct cli *c, const struct get_args *a, const struct given *g)
{
	const char *port = GIVEN(*g, G_SPORT) ? "sport" : "dport";
	unsigned int least = query_headers((uint8_t)a->protocol);

	if ((GIVEN(*g, G_SPORT) || GIVEN(*g, G_DPORT)) && !ps_proto_has_ports((uint8_t)a->protocol))
		return cli_usage(c,
				 "\"%s\": expected it with proto tcp, udp, sctp or udplite, which "
				 "have ports",
				 port);
	if (GIVEN(*g, G_LENGTH) && a->length < least)
		return cli_usage(c, "length \"%u\": expected at least %u, for the headers",
				 a->length, least);
	if (GIVEN(*g, G_VERIFY) && a->length > DECIDE_VERIFY_MAX)
		return cli_usage(
			c,
			"\"verify\": expected a length of at most %u with it, which a test "
			"run takes, not \"%u\"",
			DECIDE_VERIFY_MAX, a->length);
	if (GIVEN(*g, G_VERIFY) && GIVEN(*g, G_REGION))
		return cli_usage(c, "\"verify\": expected it without region, as the loaded program "
				    "is that of this node");
	return 0;
}

struct port_wanted {
	uint8_t role;
	uint32_t ifindex;
};

static int port_match(void *arg, uint32_t ifindex, const struct ps_port *p, bool attached)
{
	struct port_wanted *w = arg;

	if (!attached || p->role != w->role)
		return 0;
	w->ifindex = ifindex;
	return 1;
}

/* The first port of the role, 0 if there is none. */
static uint32_t port_of(const struct store *st, enum store_prog prog)
{
	struct port_wanted w = { .role = prog == PROG_XDP_LAN ? PS_ROLE_LAN : PS_ROLE_WAN };

	if (prog != PROG_TC)
		store_port_each(st, port_match, &w);
	return w.ifindex;
}

static void fill_question(struct cli *c, const struct store *st, const struct get_args *a,
			  const struct given *g, struct decide_question *q)
{
	q->packet.protocol = (uint8_t)a->protocol;
	q->packet.sport = (uint16_t)a->sport;
	q->packet.dport = (uint16_t)a->dport;
	q->packet.length = (uint16_t)a->length;
	q->prog = GIVEN(*g, G_IN)		 ? (enum store_prog)a->in :
		  st->node->mode == PS_MODE_EDGE ? PROG_XDP_LAN :
						   PROG_XDP_WAN;
	q->ifindex = port_of(st, q->prog);
	q->elsewhere = GIVEN(*g, G_REGION);
	q->region = (uint16_t)a->region;
	q->nl = netns_ok(st) ? cli_nl(c) : NULL; /* without: as if all were reached */
}

/* --- the object ------------------------------------------------------------------------------
 */

static json_t *packet_json(const struct query *q)
{
	char src[ADDR_STRLEN], dst[ADDR_STRLEN];
	bool ports = ps_proto_has_ports(q->protocol);

	return json_pack("{s:s, s:s, s:i, s:o, s:o, s:i}", "source", addr_str(q->src, src),
			 "destination", addr_str(q->dst, dst), "protocol", q->protocol,
			 "source_port", ports ? json_integer(q->sport) : json_null(),
			 "destination_port", ports ? json_integer(q->dport) : json_null(),
			 "length_bytes", (int)query_length(q));
}

static const char *protocol_name(uint8_t number)
{
	size_t i;

	for (i = 0; i < PROTOCOLS; i++)
		if (protocols[i].number == number)
			return protocols[i].name;
	return NULL;
}

static json_t *region_json(uint16_t region)
{
	char text[REGION_SET_STRLEN];

	return json_text(region ? region_set_str(region, text) : NULL);
}

static json_t *match_json(const struct decide_match *m, const char *key, const char *name)
{
	char text[PREFIX_STRLEN];

	if (!m->found)
		return json_null();
	return json_pack("{s:s, s:s}", "prefix", prefix_str(m->prefix, text), key, name);
}

static const char *table_name(const struct store *st, uint16_t table)
{
	return table < st->meta->max_tables ? st->table[table].name : "?";
}

static const char *rule_text(const struct decide_candidate *c)
{
	static const char *const text[] = { [2] = "rule 2: not visible in this region",
					    [6] = "rule 6: higher effective priority",
					    [7] = "rule 7: BGP, at a tie with static" };

	if (c->rule == 7 && c->route.origin == PS_ORIGIN_STATIC)
		return "rule 7: static, at a tie with a tunnel's own subnet";
	return c->rule < sizeof(text) / sizeof(*text) ? text[c->rule] : NULL;
}

static const char *origin_text(uint8_t origin)
{
	static const char *const names[] = { "static", "bgp", "interface" };

	return origin < sizeof(names) / sizeof(*names) ? names[origin] : "?";
}

static json_t *candidates_json(const struct decision *d)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < d->candidates; i++) {
		const struct decide_candidate *c = &d->candidate[i];

		json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:o, s:I, s:i, s:I, s:I, s:i, s:s, s:b, s:b, "
				  "s:o, s:o}",
				  "tunnel", c->tunnel, "origin", origin_text(c->route.origin),
				  "regions", region_json(c->route.regions), "base",
				  (json_int_t)c->route.priority, "prepends", c->route.prepends,
				  "penalty", (json_int_t)c->penalty, "effective_priority",
				  (json_int_t)c->effective, "weight", c->route.weight, "health",
				  health_name(c->health), "visible", c->visible, "active",
				  c->active, "rule", c->rule ? json_integer(c->rule) : json_null(),
				  "why", json_text(rule_text(c))));
	}
	return list;
}

static json_t *skipped_json(const struct decision *d)
{
	json_t *list = json_array();
	char text[PREFIX_STRLEN];
	unsigned int i;

	for (i = 0; i < d->skipped; i++)
		json_array_append_new(list, json_string(prefix_str(d->skip[i], text)));
	return list;
}

static json_t *gre_json(const struct store *st, const struct ps_tunnel *t, const struct ps_slot *s)
{
	char local[ADDR_STRLEN], remote[ADDR_STRLEN], device[IF_NAMESIZE];
	bool known = netns_ok(st) && t->nh_ifindex && if_indextoname(t->nh_ifindex, device);

	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:i, s:s, s:o}", "name", t->name, "kind", "gre",
			 "local", addr_str(PS_BE32(s->local_be), local), "remote",
			 addr_str(PS_BE32(s->remote_be), remote), "key",
			 s->flags & PS_SLOT_F_KEY ? json_integer(PS_BE32(s->key_be)) : json_null(),
			 "mtu_bytes", s->mtu, "next_hop", nexthop_state_name(t->nh_state), "device",
			 json_text(known ? device : NULL));
}

/* A damaged bucket may name a slot beyond all tunnels; then there is no header. */
static json_t *tunnel_json(const struct store *st, const struct decide_answer *a)
{
	const struct ps_slot *s = &a->header;

	if (!a->leaf || s->kind == PS_SLOT_NONE)
		return json_null();
	if (s->kind == PS_SLOT_GRE)
		return gre_json(st, &st->tunnel[PS_SLOT_ID(a->slot)], s);
	return json_pack("{s:s, s:s, s:n, s:n, s:n, s:n, s:n, s:n}", "name",
			 s->kind == PS_SLOT_DROP ? "drop" : "underlay", "kind",
			 s->kind == PS_SLOT_DROP ? "drop" : "underlay", "local", "remote", "key",
			 "mtu_bytes", "next_hop", "device");
}

static json_t *bucket_json(const struct decision *d, const struct decide_answer *a)
{
	char hash[12];

	if (!a->leaf)
		return json_null();
	snprintf(hash, sizeof(hash), "0x%08x", d->hash);
	return json_pack("{s:i, s:i, s:s, s:i}", "index", (int)a->bucket, "buckets", (int)a->size,
			 "flow_hash", hash, "slot", (int)a->slot);
}

static const char *reason_meaning(int reason)
{
	switch (reason) {
#define MEANING(name, number, label, kind, meaning) \
	case number:                                \
		return meaning;
		PS_REASONS(MEANING)
#undef MEANING
	default:
		return NULL;
	}
}

static json_t *verdict_json(const struct decide_answer *a)
{
	static const char *const names[] = { [DECIDE_DROP] = "drop",
					     [DECIDE_KERNEL] = "kernel",
					     [DECIDE_SEND] = "send",
					     [DECIDE_UNDERLAY] = "underlay",
					     [DECIDE_DECAPSULATE] = "decapsulate" };

	return json_pack("{s:s, s:o, s:o}", "verdict", names[a->verdict], "reason",
			 json_text(a->reason ? decide_reason(a->reason) : NULL), "meaning",
			 json_text(reason_meaning(a->reason)));
}

static json_t *answer_json(const struct store *st, const struct decide_question *q,
			   const struct decision *d)
{
	const struct decide_answer *a = decision_answer(d);
	char prefix[PREFIX_STRLEN];
	json_t *o = json_pack("{s:o, s:o, s:s, s:s, s:o, s:b}", "packet", packet_json(&q->packet),
			      "protocol_name", json_text(protocol_name(q->packet.protocol)), "in",
			      places[q->prog], "mode",
			      st->node->mode == PS_MODE_EDGE ? "edge" : "transit", "region",
			      region_json(q->elsewhere ? q->region : st->node->region),
			      "hypothetical", d->hypothetical);

	json_object_set_new(o, "policy",
			    match_json(&d->policy, "table", table_name(st, d->policy.value)));
	json_object_set_new(
		o, "owner",
		match_json(&d->owner, "account", store_account_name(st, d->owner.value)));
	json_object_set_new(o, "table", json_text(d->looked_up ? table_name(st, d->table) : NULL));
	json_object_set_new(o, "prefix",
			    json_text(d->routed ? prefix_str(d->prefix, prefix) : NULL));
	json_object_set_new(o, "skipped", skipped_json(d));
	json_object_set_new(o, "candidates", candidates_json(d));
	json_object_set_new(o, "bucket", bucket_json(d, a));
	json_object_set_new(o, "tunnel", tunnel_json(st, a));
	json_object_update_new(o, verdict_json(a));
	json_object_set_new(o, "slow_path", json_null());
	json_object_set_new(o, "maps_agree",
			    d->hypothetical ? json_null() : json_boolean(d->agree));
	json_object_set_new(o, "maps_difference", json_text(d->agree ? NULL : d->differs));
	json_object_set_new(o, "verify", json_null());
	return o;
}

/* --- the command -----------------------------------------------------------------------------
 */

/* A packet that only waits for its next hop goes on at penstock0: with which outcome? */
static int add_slow_path(struct cli *c, const struct store *st, const struct decide_question *q,
			 const struct decision *d, json_t *o)
{
	struct decide_question then = *q;
	struct decision slow;
	int r;

	if (decision_answer(d)->reason != PS_R_SLOW_NEIGHBOUR)
		return 0;
	then.prog = PROG_TC;
	r = decide(st, &then, &slow, &c->err);
	if (!r)
		json_object_set_new(o, "slow_path", verdict_json(decision_answer(&slow)));
	return r;
}

static int add_verify(struct cli *c, const struct store *st, const struct decide_question *q,
		      const struct decision *d, json_t *o, struct decide_run *run)
{
	int r = decide_verify(st, q, d, run, &c->err);

	if (!r)
		json_object_set_new(o, "verify",
				    json_pack("{s:b, s:o}", "agrees", run->agrees, "difference",
					      json_text(run->agrees ? NULL : run->differs)));
	return r;
}

/*
 * Prints; what is wrong is an error after the answer, which in JSON is one object with it. `r`: of
 * the test run.
 */
static int finish(struct cli *c, const struct decision *d, const struct decide_run *run, json_t *o,
		  int r)
{
	if (!r && !d->agree)
		r = error_system(&c->err, EIO, "the maps disagree: %s: run `penstock doctor`",
				 d->differs);
	else if (!r && !run->agrees)
		r = error_system(&c->err, EIO, "the loaded program disagrees: %s", run->differs);
	if (!c->json) {
		print_route_get(c, o);
		return r;
	}
	if (r)
		json_object_set_new(o, "error", json_string(c->err.text));
	print_json(c, json_incref(o));
	c->json = !r; /* the error is in the object */
	return r;
}

static int get(struct cli *c, const struct store *st, const struct decide_question *q, bool verify)
{
	struct decide_run run = { .agrees = true };
	struct decision d;
	json_t *o;
	int r;

	if (verify && !netns_ok(st))
		return cli_usage(c,
				 "\"verify\": expected it in the network namespace of instance "
				 "\"%s\", which -netns enters",
				 st->instance);
	r = decide(st, q, &d, &c->err);
	if (r)
		return r;
	o = answer_json(st, q, &d);
	r = o ? add_slow_path(c, st, q, &d, o) : cli_oom(c);
	if (!r) {
		if (verify)
			r = add_verify(c, st, q, &d, o, &run);
		r = finish(c, &d, &run, o, r);
	}
	json_decref(o);
	return r;
}

int do_route_get(struct cli *c)
{
	struct get_args a = { .protocol = IPPROTO_ICMP };
	struct decide_question q = { 0 };
	const struct store *st;
	struct given g;

	if (get_address(c, "the source address of a packet", &q.packet.src) ||
	    get_address(c, "the destination address of the packet", &q.packet.dst) ||
	    keywords_parse(c, route_get_words, &a, &g) || check_words(c, &a, &g))
		return -EINVAL;
	st = cli_store(c);
	if (!st)
		return -EIO;
	fill_question(c, st, &a, &g, &q);
	return get(c, st, &q, GIVEN(g, G_VERIFY));
}
