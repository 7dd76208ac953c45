/* SPDX-License-Identifier: GPL-2.0-only */
/* The object of route get in words: one line for each stage of the decision. */
#include <stdarg.h>
#include <string.h>

#include "cli/cli.h"

static const struct column columns[] = {
	{ "TUNNEL", "tunnel", 0 },
	{ "ORIGIN", "origin", 0 },
	{ "REGION", "regions", 0 },
	{ "BASE", "base", COL_RIGHT },
	{ "PREPENDS", "prepends", COL_RIGHT },
	{ "PENALTY", "penalty", COL_RIGHT },
	{ "EFFECTIVE", "effective_priority", COL_RIGHT },
	{ "WEIGHT", "weight", COL_RIGHT },
	{ "ACTIVE", "active", COL_MARK },
	{ "WHY-NOT", "why", 0 },
	{ 0 },
};

static const char *text(json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static long long number(json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static bool truth(json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

__attribute__((format(printf, 2, 3))) static void line(const char *heading, const char *fmt, ...)
{
	va_list ap;

	printf("%-10s ", heading);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static const char *place(json_t *o)
{
	const char *in = text(o, "in");

	return !strcmp(in, "penstock0") ? "to penstock0" :
	       !strcmp(in, "lan")	? "in by a lan port" :
					  "in by a wan port";
}

static void print_packet(json_t *o)
{
	json_t *p = json_object_get(o, "packet");
	const char *region = text(o, "region"), *name = text(o, "protocol_name");
	char protocol[16], ports[32] = "";

	snprintf(protocol, sizeof(protocol), "protocol %lld", number(p, "protocol"));
	if (json_is_integer(json_object_get(p, "source_port")))
		snprintf(ports, sizeof(ports), " %lld > %lld", number(p, "source_port"),
			 number(p, "destination_port"));
	line("packet", "%s > %s %s%s, %lld bytes, %s of %s node %s%s", text(p, "source"),
	     text(p, "destination"), name ? name : protocol, ports, number(p, "length_bytes"),
	     place(o), !strcmp(text(o, "mode"), "edge") ? "an edge" : "a transit",
	     region ? "in " : "without region", region ? region : "");
	if (truth(o, "hypothetical"))
		line("assumed", "that region: by the rules, not by what is loaded here");
}

static void print_prefix(json_t *o)
{
	json_t *owner = json_object_get(o, "owner"), *policy = json_object_get(o, "policy"), *skip;
	const char *prefix = text(o, "prefix"), *table = text(o, "table");
	const char *region = text(o, "region");
	size_t i;

	if (json_is_object(policy))
		line("policy", "%s: table %s", text(policy, "prefix"), text(policy, "table"));
	if (json_is_object(owner))
		line("owner", "account %s, %s", text(owner, "account"), text(owner, "prefix"));
	if (prefix)
		line("prefix", "%s in %s (longest match)", prefix, table);
	else if (table)
		line("prefix", "none in %s", table);
	json_array_foreach (json_object_get(o, "skipped"), i, skip)
		line("skipped", "%s: no route visible %s%s (rule 2)", json_string_value(skip),
		     region ? "in " : "without region", region ? region : "");
}

static void print_tunnel(json_t *o)
{
	json_t *b = json_object_get(o, "bucket"), *t = json_object_get(o, "tunnel"), *key;
	const char *device = text(t, "device");
	char keyed[32] = "";

	if (json_is_object(b))
		line("bucket", "%lld of %lld, flow hash %s", number(b, "index"),
		     number(b, "buckets"), text(b, "flow_hash"));
	if (!json_is_object(t))
		return;
	if (!text(t, "remote")) {
		line("tunnel", "%s", text(t, "name"));
		return;
	}
	key = json_object_get(t, "key");
	if (json_is_integer(key))
		snprintf(keyed, sizeof(keyed), " key %lld", (long long)json_integer_value(key));
	line("tunnel", "%s: gre %s > %s%s, next hop %s%s%s%s", text(t, "name"), text(t, "local"),
	     text(t, "remote"), keyed, text(t, "next_hop"), device ? " (" : "",
	     device ? device : "", device ? ")" : "");
}

static void print_verdict(const char *heading, json_t *o, bool slow)
{
	const char *verdict = text(o, "verdict");

	if (!strcmp(verdict, "send"))
		line(heading, "encapsulated and sent by %s", slow ? "penstock0" : "the fast path");
	else if (!strcmp(verdict, "underlay"))
		line(heading, "sent as it is, by the kernel's main table");
	else if (!strcmp(verdict, "decapsulate"))
		line(heading, "decapsulated, if it is from a tunnel; what is inside decides");
	else
		line(heading, "%s (%s: %s)",
		     !strcmp(verdict, "kernel") ? "handed to the kernel" : "dropped",
		     text(o, "reason"), text(o, "meaning"));
}

void print_route_get(const struct cli *c, json_t *o)
{
	json_t *slow = json_object_get(o, "slow_path"), *verify = json_object_get(o, "verify");
	const char *difference = text(o, "maps_difference");

	print_packet(o);
	print_prefix(o);
	print_table(c, columns, json_object_get(o, "candidates"));
	print_tunnel(o);
	print_verdict("verdict", o, !strcmp(text(o, "in"), "penstock0"));
	if (json_is_object(slow))
		print_verdict("then", slow, true);
	if (difference)
		line("maps", "disagree: %s", difference);
	if (json_is_object(verify))
		line("verify", "%s",
		     truth(verify, "agrees") ? "agrees" : text(verify, "difference"));
}
