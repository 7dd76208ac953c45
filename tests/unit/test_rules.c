/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The eleven rules of steering (docs/steering-rules.md), a table of worked cases under their
 * numbers, each rule in both directions: where it decides, and the nearest case where it does not.
 *
 * A case is a small node in words: routes, then what tunnels are degraded or down, the node's
 * region, and a destination. Routes are of `sub`, where the destination is unless said otherwise,
 * of `net` around it, or of a prefix; then the tunnel, a to f, and
 *
 *	PRIORITY [*WEIGHT] [@REGIONS]			of a static one
 *	bgp [COMMUNITIES] [| AS_PATH]			of a BGP one, its peer is 65000
 *
 * What it should come to is said in buckets of 64 by tunnel, "a16 b48", or is `no_route` or
 * `kernel` (rule 9). The way there is that of the program: attributes to candidates, candidates to
 * rows, visible prefixes into a stride table, and a lookup.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bgp.h"
#include "core/group.h"
#include "core/prefix.h"
#include "core/region.h"
#include "core/stride.h"
#include "rng.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define TUNNELS 6
#define ROUTES 6
#define TABLES 2 /* main and owned */
#define PROVIDER 13335u
#define PEER 65000u

#define NET "10.1.0.0/16"
#define SUB "10.1.2.0/24"
#define IN 0x0a010203 /* 10.1.2.3, in both */

struct rule_case {
	unsigned int rule;
	const char *what, *node, *want;
};

static const struct rule_case cases[] = {
	/* longest prefix first */
	{ 1, "longer, though worse", "net a 1; sub b 4000000000", "b64" },
	{ 1, "longer, though down", "net a 1; sub b 1; down b", "b64" },
	{ 1, "outside the longer", "net a 9; sub b 1; to 10.1.3.1", "a64" },
	{ 1, "a /30 before a /29", "10.1.2.0/29 a 1; 10.1.2.0/30 b 9", "b64" },
	{ 1, "beyond the /30", "10.1.2.0/29 a 1; 10.1.2.0/30 b 9; to 10.1.2.4", "a64" },
	{ 1, "routes of one prefix compete", "sub a 2; sub b 1", "b64" },
	/* visible routes only */
	{ 2, "here", "sub a 1 @ME; sub b 2; in ME", "a64" },
	{ 2, "elsewhere", "sub a 1 @ME; sub b 2; in OC", "b64" },
	{ 2, "the first of several", "sub a 1 @ENAM,ME; sub b 2; in ENAM", "a64" },
	{ 2, "the last of several", "sub a 1 @ENAM,ME; sub b 2; in ME", "a64" },
	{ 2, "a node of no region", "sub a 1 @ME; sub b 2", "b64" },
	{ 2, "invisible: the shorter prefix", "sub a 1 @ME; net b 2; in OC", "b64" },
	{ 2, "visible: the longer one", "sub a 1 @ME; net b 2; in ME", "a64" },
	{ 2, "an uncovered region", "sub a 1 @ME; in OC", "no_route" },
	{ 2, "global beside scoped", "sub a 1 @ME; sub b 1; in ME", "a32 b32" },
	{ 2, "one tunnel in two scopes", "sub a 9 @ME; sub b 5; sub a 1 @ENAM; in ENAM", "a64" },
	{ 2, "and in the other one", "sub a 9 @ME; sub b 5; sub a 1 @ENAM; in ME", "b64" },
	/* base priority */
	{ 3, "static, as configured", "sub a 0; sub b 1", "a64" },
	{ 3, "up to the last", "sub a 4294967295; sub b 4294967294", "b64" },
	{ 3, "60010 is 10, not less", "sub a 9; sub b bgp 13335:60010", "a64" },
	{ 3, "60010 is 10, not more", "sub a 11; sub b bgp 13335:60010", "b64" },
	{ 3, "60050 is 50, not less", "sub a 49; sub b bgp 13335:60050", "a64" },
	{ 3, "60050 is 50, not more", "sub a 51; sub b bgp 13335:60050", "b64" },
	{ 3, "none is 100, not less", "sub a 99; sub b bgp", "a64" },
	{ 3, "none is 100, not more", "sub a 101; sub b bgp", "b64" },
	{ 3, "60150 is 150, not less", "sub a 149; sub b bgp 13335:60150", "a64" },
	{ 3, "60150 is 150, not more", "sub a 151; sub b bgp 13335:60150", "b64" },
	{ 3, "60200 is 200, not less", "sub a 199; sub b bgp 13335:60200", "a64" },
	{ 3, "60200 is 200, not more", "sub a 201; sub b bgp 13335:60200", "b64" },
	{ 3, "60901 is 501000, not less", "sub a 500999; sub b bgp 13335:60901", "a64" },
	{ 3, "60901 is 501000, not more", "sub a 501001; sub b bgp 13335:60901", "b64" },
	{ 3, "60902 is 1001000, not less", "sub a 1000999; sub b bgp 13335:60902", "a64" },
	{ 3, "60902 is 1001000, not more", "sub a 1001001; sub b bgp 13335:60902", "b64" },
	{ 3, "several: the lowest, not less",
	  "sub a 49; sub b bgp 13335:60200,13335:60050,13335:60902", "a64" },
	{ 3, "several: the lowest, not more",
	  "sub a 51; sub b bgp 13335:60200,13335:60050,13335:60902", "b64" },
	{ 3, "another's communities, not less", "sub a 99; sub b bgp 13336:60010,60010:13335",
	  "a64" },
	{ 3, "another's communities, not more", "sub a 101; sub b bgp 13336:60010,60010:13335",
	  "b64" },
	/* prepends */
	{ 4, "one prepend, not +11", "sub a 111; sub b bgp | 65000 65000", "b64" },
	{ 4, "one prepend, not +9", "sub a 109; sub b bgp | 65000 65000", "a64" },
	{ 4, "two, not +21", "sub a 121; sub b bgp | 65000 65000 65000", "b64" },
	{ 4, "two, not +19", "sub a 119; sub b bgp | 65000 65000 65000", "a64" },
	{ 4, "another's ASN", "sub a 101; sub b bgp | 65000 65200 65200", "b64" },
	{ 4, "in a set", "sub a 109; sub b bgp | 65000 {65000,65200}", "a64" },
	{ 4, "between BGP routes", "sub a bgp | 65000 65000; sub b bgp | 65000 1 2 3 4", "b64" },
	{ 4, "60150 and two: not 171", "sub a 171; sub b bgp 13335:60150 | 65000 65000 65000",
	  "b64" },
	{ 4, "60150 and two: not 169", "sub a 169; sub b bgp 13335:60150 | 65000 65000 65000",
	  "a64" },
	{ 4, "all: 180, not 181", "sub a 181; sub b bgp 13335:60150 | 65000 65000 65000; all",
	  "b64" },
	{ 4, "all: 180, not 179", "sub a 179; sub b bgp 13335:60150 | 65000 65000 65000; all",
	  "a64" },
	/* health penalty */
	{ 5, "degraded, not less than 500000", "sub a 100; sub b 500099; degraded a", "b64" },
	{ 5, "degraded, not more", "sub a 100; sub b 500101; degraded a", "a64" },
	{ 5, "down, not less than 1000000", "sub a 100; sub b 1000099; down a", "b64" },
	{ 5, "down, not more", "sub a 100; sub b 1000101; down a", "a64" },
	{ 5, "healthy, nothing", "sub a 100; sub b 101", "a64" },
	{ 5, "degraded before down", "sub a 1; sub b 2; down a; degraded b", "b64" },
	{ 5, "all down: the lowest carries", "sub a 1; sub b 2; down ab", "a64" },
	{ 5, "the only one, down", "sub a 1; down a", "a64" },
	{ 5, "saturates", "sub a 4294967295; sub b 4294967295; down a", "a32 b32" },
	{ 5, "60901 after degraded", "sub a 100; sub b bgp 13335:60901; degraded a", "a64" },
	{ 5, "60901 before down", "sub a 100; sub b bgp 13335:60901; down a", "b64" },
	/* the lowest wins */
	{ 6, "the lower one first", "sub a 100; sub b 200", "a64" },
	{ 6, "the lower one last", "sub a 200; sub b 100", "b64" },
	{ 6, "lower BGP before static", "sub a 101; sub b bgp", "b64" },
	{ 6, "weight is no priority", "sub a 100 *1; sub b 101 *256", "a64" },
	/* static before BGP at a tie */
	{ 7, "tie", "sub a 100; sub b bgp", "a64" },
	{ 7, "tie, said the other way", "sub b bgp; sub a 100", "a64" },
	{ 7, "no tie", "sub a 101; sub b bgp", "b64" },
	{ 7, "tie with prepends", "sub a 110; sub b bgp | 65000 65000", "a64" },
	{ 7, "the penalty comes first", "sub a 100; sub b bgp; degraded a", "b64" },
	{ 7, "tie after the penalty", "sub a 500100; sub b bgp; degraded b", "a64" },
	{ 7, "static ones share, BGP has none", "sub a 100; sub b bgp; sub c 100", "a32 c32" },
	/* remaining ties share by weight */
	{ 8, "unset is 1", "sub a 100; sub b 100 *1", "a32 b32" },
	{ 8, "by weight", "sub a 100 *1; sub b 100 *3", "a16 b48" },
	{ 8, "64 to 128", "sub a 100 *64; sub b 100 *128", "a21 b43" },
	{ 8, "those that lose are out of it", "sub a 100 *1; sub b 100 *3; sub c 101 *200",
	  "a16 b48" },
	{ 8, "BGP shares equally", "sub a bgp | 65000; sub b bgp | 1 65000", "a32 b32" },
	{ 8, "two scopes add up", "sub a 1 *1 @ME; sub a 1 *2; sub b 1 *1; in ME", "a48 b16" },
	{ 8, "where both are seen", "sub a 1 *2 @ME; sub a 1 *1; sub b 1 *1; in OC", "a32 b32" },
	/* owned but unrouted */
	{ 9, "no route at all", "", "no_route" },
	{ 9, "a route beside it", "10.1.3.0/24 a 1", "no_route" },
	{ 9, "not owned", "sub a 1; to 11.1.2.3", "kernel" },
	{ 9, "a tunnel that is down is a route", "sub a 1; down a", "a64" },
	/* static and BGP of one prefix and tunnel are two */
	{ 11, "BGP is the better one", "sub a 200; sub a bgp; sub b 150", "a64" },
	{ 11, "static is the better one", "sub a 99; sub a bgp 13335:60200; sub b 150", "a64" },
	{ 11, "static alone", "sub a 200; sub b 150", "b64" },
	{ 11, "one tunnel, one penalty", "sub a 200; sub a bgp; sub b 150; down a", "b64" },
};

/* --- a node made of a case ------------------------------------------------------------------- */

struct node {
	struct group_tunnel tunnel[TUNNELS];
	struct group_node node;
	/* Prefixes with their candidates; the leaf's payload is the place here. */
	struct prefix prefix[ROUTES];
	struct ps_candidate c[ROUTES][ROUTES];
	unsigned int n[ROUTES], prefixes;
	uint32_t to;
	uint8_t prepend_count;
};

static struct stride fib;

static int fib_setup(void **state)
{
	rng_setup(state);
	fib.meta = calloc(1, sizeof(*fib.meta));
	fib.meta->max_chunks = TABLES * PS_ROOT_CHUNKS + 64;
	fib.chunk = malloc(fib.meta->max_chunks * sizeof(*fib.chunk));
	fib.link = malloc(fib.meta->max_chunks * sizeof(*fib.link));
	return fib.meta && fib.chunk && fib.link ? 0 : -1;
}

static int fib_teardown(void **state)
{
	(void)state;
	free(fib.meta);
	free(fib.chunk);
	free(fib.link);
	return 0;
}

static struct prefix prefix_of(const char *word)
{
	struct prefix p = { 0, 0 };
	char why[160] = "";

	if (prefix_parse(word, &p, why, sizeof(why)))
		fail_msg("%s", why);
	return p;
}

static uint16_t regions_of(const char *word)
{
	uint16_t set = 0;
	char why[160];

	if (word && region_set_parse(word, &set, why, sizeof(why)))
		fail_msg("%s", why);
	return set;
}

static uint32_t number_of(const char *word)
{
	char *end;
	unsigned long n = strtoul(word, &end, 10);

	if (*end || end == word)
		fail_msg("%s: no number", word);
	return (uint32_t)n;
}

static void attributes_of(struct bgp_attributes *a, char *words, char *path)
{
	char why[160];

	memset(a, 0, sizeof(*a));
	a->peer_asn = PEER;
	if (path && bgp_path_parse(path, &a->path, why, sizeof(why)))
		fail_msg("%s", why);
	if (*words && bgp_communities_parse(words, a->community, &a->communities, why, sizeof(why)))
		fail_msg("%s", why);
}

static void node_add(struct node *x, struct prefix p, struct ps_candidate c)
{
	unsigned int i = 0;

	while (i < x->prefixes && prefix_cmp(x->prefix[i], p))
		i++;
	x->prefix[i] = p;
	x->c[i][x->n[i]++] = c;
	x->prefixes += i == x->prefixes;
}

/* "sub a 100 *3 @ME", of which the prefix is read. */
static void node_route(struct node *x, struct prefix p, char *words, char *path)
{
	struct ps_candidate c = { .tunnel = (uint16_t)(words[0] - 'a') };
	static struct bgp_attributes a;
	bool several;
	char *word;

	assert_true(words[0] >= 'a' && words[0] < 'a' + TUNNELS && words[1] == ' ');
	words += 2;
	if (!strncmp(words, "bgp", 3)) {
		attributes_of(&a, words + 3 + strspn(words + 3, " "), path);
		bgp_candidate(&a, PROVIDER, x->prepend_count, &c, &several);
		node_add(x, p, c);
		return;
	}
	while ((word = strsep(&words, " "))) {
		if (word[0] == '*')
			c.weight = (uint16_t)number_of(word + 1);
		else if (word[0] == '@')
			c.regions = regions_of(word + 1);
		else
			c.priority = number_of(word);
	}
	node_add(x, p, c);
}

static void node_health(struct node *x, const char *tunnels, uint8_t health)
{
	for (; *tunnels; tunnels++)
		x->tunnel[*tunnels - 'a'].health = health;
}

/* One thing that a case says of its node. */
static void node_item(struct node *x, char *item)
{
	char *path = strstr(item, " | "), *word, why[160];

	if (path) {
		*path = '\0';
		path += 3;
	}
	word = strsep(&item, " ");
	if (!strcmp(word, "down"))
		node_health(x, item, PS_HEALTH_DOWN);
	else if (!strcmp(word, "degraded"))
		node_health(x, item, PS_HEALTH_DEGRADED);
	else if (!strcmp(word, "in"))
		x->node.region = regions_of(item);
	else if (!strcmp(word, "to"))
		assert_int_equal(addr_parse(item, &x->to, why, sizeof(why)), 0);
	else if (strcmp(word, "all"))
		node_route(x,
			   prefix_of(!strcmp(word, "sub") ? SUB :
				     !strcmp(word, "net") ? NET :
							    word),
			   item, path);
}

static void node_of(struct node *x, const char *text)
{
	static const char *const name[TUNNELS] = { "a", "b", "c", "d", "e", "f" };
	char copy[160], *rest = copy, *item;
	unsigned int i;

	memset(x, 0, sizeof(*x));
	for (i = 0; i < TUNNELS; i++)
		x->tunnel[i] = (struct group_tunnel){ .name = name[i], .slot = (uint16_t)(i + 1) };
	x->to = IN;
	if (strstr(text, "; all"))
		x->prepend_count = PS_PREPEND_ALL;
	snprintf(copy, sizeof(copy), "%s", text);
	while (*rest && (item = strsep(&rest, ";"))) {
		node_item(x, item + strspn(item, " "));
		if (!rest)
			break;
	}
}

static void fill_fib(const struct node *x, const char *const owned[3])
{
	unsigned int i;

	stride_init(&fib, TABLES);
	for (i = 0; i < x->prefixes; i++)
		if (group_active(x->c[i], x->n[i], x->tunnel, &x->node)) /* rule 2 */
			assert_int_equal(stride_insert(&fib, PS_T_MAIN, x->prefix[i], i), 0);
	for (i = 0; i < 3 && owned[i]; i++)
		assert_int_equal(stride_insert(&fib, PS_T_OWNED, prefix_of(owned[i]), 0), 0);
}

/* Where packets to the address go. */
static const char *decide(const struct node *x, uint32_t addr, char text[64])
{
	uint32_t leaf = stride_lookup(&fib, PS_T_MAIN, addr), i = stride_payload(leaf);
	unsigned int count[TUNNELS + 1] = { 0 }, b;
	uint16_t row[ROW_MIN];
	size_t n = 0;

	if (!leaf)
		return stride_lookup(&fib, PS_T_OWNED, addr) ? "no_route" : "kernel"; /* rule 9 */
	group_row(x->c[i], x->n[i], x->tunnel, &x->node, 0, row);
	for (b = 0; b < ROW_MIN; b++)
		count[row[b]]++;
	assert_int_equal(count[0], 0);
	for (b = 1; b <= TUNNELS; b++)
		if (count[b])
			n += (size_t)snprintf(text + n, 64 - n, "%s%c%u", n ? " " : "",
					      'a' + (int)b - 1, count[b]);
	return text;
}

static const char *const everything[3] = { "10.0.0.0/8" };

static void check_rule(unsigned int rule)
{
	unsigned int i, found = 0;
	const char *got;
	struct node x;
	char text[64];

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct rule_case *k = &cases[i];

		if (k->rule != rule)
			continue;
		node_of(&x, k->node);
		fill_fib(&x, everything);
		got = decide(&x, x.to, text);
		if (strcmp(got, k->want))
			fail_msg("rule %u, %s (%s): %s, should be %s", rule, k->what, k->node, got,
				 k->want);
		found++;
	}
	assert_true(found >= 2); /* both directions */
}

#define RULE(n, name)                               \
	static void rule_##n##_##name(void **state) \
	{                                           \
		(void)state;                        \
		check_rule(n);                      \
	}

RULE(1, longest_prefix_first)
RULE(2, visible_routes_only)
RULE(3, base_priority)
RULE(4, prepends)
RULE(5, health_penalty)
RULE(6, lowest_effective_priority)
RULE(7, static_before_bgp)
RULE(8, weights)
RULE(9, owned_but_unrouted)
RULE(11, static_and_bgp_are_two)

/* --- rule 10 --------------------------------------------------------------------------------- */

static void rule_10_inside_or_made_of_authorised_prefixes(void **state)
{
	static const struct {
		const char *owned[3], *route;
		bool admitted;
	} row[] = {
		{ { "10.1.0.0/24" }, "10.1.0.0/24", true },
		{ { "10.1.0.0/24" }, "10.1.0.128/25", true },
		{ { "10.1.0.0/24" }, "10.1.0.7/32", true },
		{ { "10.1.0.0/24" }, "10.1.1.0/24", false },
		{ { "10.1.0.0/24" }, "10.1.0.0/23", false },
		{ { "10.1.0.0/24", "10.1.1.0/24" }, "10.1.0.0/23", true },
		{ { "10.1.0.0/24", "10.1.1.0/25" }, "10.1.0.0/23", false },
		{ { "10.1.0.0/24", "10.1.1.0/25", "10.1.1.128/25" }, "10.1.0.0/23", true },
		{ { "10.1.1.0/24", "10.1.2.0/24" }, "10.1.0.0/22", false },
		{ { "0.0.0.0/1", "128.0.0.0/1" }, "0.0.0.0/0", true },
		{ { "0.0.0.0/1", "128.0.0.0/2" }, "0.0.0.0/0", false },
		{ { NULL }, "10.1.0.0/24", false },
	};
	static const struct node nothing;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(row); i++) {
		fill_fib(&nothing, row[i].owned);
		if (stride_filled(&fib, PS_T_OWNED, prefix_of(row[i].route)) != row[i].admitted)
			fail_msg("row %zu: %s", i, row[i].route);
	}
}

static void rule_10_host_bits_are_refused_with_the_masked_form(void **state)
{
	struct prefix p;
	char why[160];

	(void)state;
	assert_true(prefix_parse("10.10.10.100/24", &p, why, sizeof(why)) < 0);
	assert_non_null(strstr(why, "10.10.10.0/24"));
	assert_int_equal(prefix_parse("10.10.10.0/24", &p, why, sizeof(why)), 0);
}

/* --- every order of six routes --------------------------------------------------------------- */

static const uint32_t tries[] = { 0x0a010203, 0x0a010303, 0x0a020000 };

struct answers {
	char text[REGION_COUNT + 1][ARRAY_SIZE(tries)][64];
};

/* What a node with these routes does, wherever it is. */
static void answer(const struct ps_candidate *c, const uint8_t *order, struct answers *to)
{
	unsigned int region, i;
	char text[64];
	struct node x;

	node_of(&x, "degraded b; down c");
	for (i = 0; i < ROUTES; i++)
		node_add(&x, prefix_of(order[i] & 1 ? NET : SUB), c[order[i]]);
	for (i = 0; i < x.prefixes; i++)
		group_canonical(x.c[i], x.n[i]);
	for (region = 0; region <= REGION_COUNT; region++) {
		x.node.region = (uint16_t)(1u << region >> 1);
		fill_fib(&x, everything);
		for (i = 0; i < ARRAY_SIZE(tries); i++)
			snprintf(to->text[region][i], sizeof(text), "%s",
				 decide(&x, tries[i], text));
	}
}

static unsigned int orders;

static void every_order(const struct ps_candidate *c, uint8_t *order, unsigned int at,
			const struct answers *want)
{
	static struct answers got;
	uint8_t x;
	unsigned int i;

	for (i = at; i < ROUTES; i++) {
		x = order[at], order[at] = order[i], order[i] = x;
		every_order(c, order, at + 1, want);
		x = order[at], order[at] = order[i], order[i] = x;
	}
	if (at < ROUTES)
		return;
	memset(&got, 0, sizeof(got));
	answer(c, order, &got);
	assert_memory_equal(&got, want, sizeof(got));
	orders++;
}

/* Routes of two prefixes, with scopes and BGP always among them: 720 orders, in every region. */
static void all_rules_whatever_the_order(void **state)
{
	static const uint32_t base[] = { 100, 100, 110, 500100 };
	static struct answers want;
	struct ps_candidate c[ROUTES];
	uint8_t order[ROUTES];
	unsigned int round, i;

	(void)state;
	for (round = 0; round < 2; round++) {
		for (i = 0; i < ROUTES; i++) {
			c[i] = (struct ps_candidate){ .priority = base[rng_below(4)],
						      .tunnel = (uint16_t)rng_below(TUNNELS),
						      .weight = (uint16_t)(1 + rng_below(4)) };
			if (i % 3 == 0)
				c[i].regions = (uint16_t)(1 + rng_below(511));
			if (i % 3 == 1) {
				c[i].origin = PS_ORIGIN_BGP;
				c[i].prepends = (uint16_t)rng_below(3);
				c[i].weight = 1;
			}
			order[i] = (uint8_t)i;
		}
		memset(&want, 0, sizeof(want));
		answer(c, order, &want);
		orders = 0;
		every_order(c, order, 0, &want);
		assert_int_equal(orders, 720);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_1_longest_prefix_first),
		cmocka_unit_test(rule_2_visible_routes_only),
		cmocka_unit_test(rule_3_base_priority),
		cmocka_unit_test(rule_4_prepends),
		cmocka_unit_test(rule_5_health_penalty),
		cmocka_unit_test(rule_6_lowest_effective_priority),
		cmocka_unit_test(rule_7_static_before_bgp),
		cmocka_unit_test(rule_8_weights),
		cmocka_unit_test(rule_9_owned_but_unrouted),
		cmocka_unit_test(rule_10_inside_or_made_of_authorised_prefixes),
		cmocka_unit_test(rule_10_host_bits_are_refused_with_the_masked_form),
		cmocka_unit_test(rule_11_static_and_bgp_are_two),
		cmocka_unit_test(all_rules_whatever_the_order),
	};

	return cmocka_run_group_tests(tests, fib_setup, fib_teardown);
}
