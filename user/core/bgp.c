/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * See bgp.h. Text is read by one scanner that is never more than a word ahead; whatever it refuses
 * it quotes. Sizes are fixed: an attribute that is longer than any message can carry is refused,
 * not cut, since a path cut short would count too few prepends.
 *
 * The path is kept as segments over one list of numbers, as a message has it, although rule 4 asks
 * for neither order nor kind: every mention counts, one in a set like one in a sequence.
 */
#include "core/bgp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BLANKS " \t"
#define STOPS BLANKS ",{}"

/* --- text ------------------------------------------------------------------------------------ */

/* Digits without a leading zero, at most `max`. NULL, or what follows them. */
static const char *scan_number(const char *s, const char *end, uint32_t max, uint32_t *value)
{
	const char *start = s;
	uint64_t v = 0;

	for (; s < end && *s >= '0' && *s <= '9'; s++) {
		v = v * 10 + (unsigned int)(*s - '0');
		if (v > max)
			return NULL;
	}
	if (s == start || (*start == '0' && s - start > 1))
		return NULL;
	*value = (uint32_t)v;
	return s;
}

static bool scan_asn(const char *s, const char *end, uint32_t *asn)
{
	const char *dot = memchr(s, '.', (size_t)(end - s));
	uint32_t high = 0;

	if (dot) {
		if (scan_number(s, dot, UINT16_MAX, &high) != dot)
			return false;
		s = dot + 1;
	}
	if (scan_number(s, end, dot ? UINT16_MAX : UINT32_MAX, asn) != end)
		return false;
	*asn |= high << 16;
	return *asn != 0; /* RFC 7607 */
}

static int bad_word(char *err, size_t errlen, const char *s, size_t len, const char *expected)
{
	snprintf(err, errlen, "\"%.*s\": expected %s", (int)(len < 64 ? len : 64), s, expected);
	return -EINVAL;
}

int bgp_asn_parse(const char *word, uint32_t *asn, char *err, size_t errlen)
{
	size_t len = strlen(word);

	if (scan_asn(word, word + len, asn))
		return 0;
	return bad_word(err, errlen, word, len,
			"an AS number from 1 to 4294967295, or in the form 1.10");
}

/* Where in the text of a path we are. */
struct path_text {
	const char *s;
	bool in_set;
	bool wants; /* after a brace or a comma: a number has to follow */
};

/* A brace or a comma. NULL, or what should have been there. */
static const char *path_mark(struct path_text *t, struct bgp_path *path)
{
	switch (*t->s) {
	case '{':
		if (t->in_set)
			return "} before another set";
		t->in_set = t->wants = true;
		bgp_path_segment(path, BGP_AS_SET); /* if it is full so are the numbers */
		return NULL;
	case '}':
		if (!t->in_set)
			return "{ before it";
		t->in_set = false;
		break;
	default:
		if (!t->in_set)
			return "blanks between AS numbers, commas only within { }";
	}
	if (t->wants)
		return "an AS number before it";
	t->wants = *t->s == ',';
	return NULL;
}

/* In a sequence that a set has interrupted, another segment begins. */
static bool path_number(struct path_text *t, struct bgp_path *path, uint32_t asn)
{
	unsigned int n = path->segments;

	if (!t->in_set && (!n || path->segment[n - 1].type != BGP_AS_SEQUENCE) &&
	    !bgp_path_segment(path, BGP_AS_SEQUENCE))
		return false;
	t->wants = false;
	return bgp_path_asn(path, asn);
}

int bgp_path_parse(const char *text, struct bgp_path *path, char *err, size_t errlen)
{
	struct path_text t = { .s = text };
	const char *why;
	uint32_t asn;
	size_t len;

	path->segments = path->asns = 0;
	for (t.s += strspn(t.s, BLANKS); *t.s; t.s += len, t.s += strspn(t.s, BLANKS)) {
		len = strcspn(t.s, STOPS);
		if (!len) {
			len = 1;
			why = path_mark(&t, path);
			if (why)
				return bad_word(err, errlen, t.s, strlen(t.s), why);
			continue;
		}
		if (!scan_asn(t.s, t.s + len, &asn))
			return bad_word(err, errlen, t.s, len,
					"an AS number, or AS numbers in { }");
		if (!path_number(&t, path, asn)) {
			snprintf(err, errlen, "\"%.*s\": a path has %u AS numbers at most",
				 (int)len, t.s, BGP_ASNS_MAX);
			return -E2BIG;
		}
	}
	if (t.in_set)
		return bad_word(err, errlen, text, strlen(text), "} at the end");
	if (!path->asns)
		return bad_word(err, errlen, text, strlen(text), "AS numbers");
	return 0;
}

static bool scan_community(const char *s, const char *end, uint32_t *community)
{
	const char *colon = memchr(s, ':', (size_t)(end - s));
	uint32_t asn, value;

	if (!colon || scan_number(s, colon, UINT16_MAX, &asn) != colon ||
	    scan_number(colon + 1, end, UINT16_MAX, &value) != end)
		return false;
	*community = asn << 16 | value;
	return true;
}

int bgp_communities_parse(const char *text, uint32_t *community, uint16_t *n, char *err,
			  size_t errlen)
{
	const char *s = text;
	size_t len;

	*n = 0;
	for (s += strspn(s, BLANKS ","); *s; s += len, s += strspn(s, BLANKS ",")) {
		len = strcspn(s, BLANKS ",");
		if (*n == BGP_COMMUNITIES_MAX) {
			snprintf(err, errlen, "\"%.*s\": a route has %u communities at most",
				 (int)(len < 64 ? len : 64), s, BGP_COMMUNITIES_MAX);
			return -E2BIG;
		}
		if (!scan_community(s, s + len, &community[*n]))
			return bad_word(err, errlen, s, len,
					"a community ASN:VALUE, both from 0 to 65535");
		++*n;
	}
	if (!*n)
		return bad_word(err, errlen, text, strlen(text), "communities ASN:VALUE");
	return 0;
}

/* --- paths ----------------------------------------------------------------------------------- */

bool bgp_path_segment(struct bgp_path *path, uint8_t type)
{
	if (path->segments == BGP_SEGMENTS_MAX)
		return false;
	path->segment[path->segments++] = (struct bgp_segment){ .type = type };
	return true;
}

bool bgp_path_asn(struct bgp_path *path, uint32_t asn)
{
	if (!path->segments || path->asns == BGP_ASNS_MAX)
		return false;
	path->asn[path->asns++] = asn;
	path->segment[path->segments - 1u].asns++;
	return true;
}

/* --- rules ----------------------------------------------------------------------------------- */

uint32_t bgp_base_priority(const uint32_t *community, unsigned int n, uint32_t provider_asn,
			   bool *several)
{
	static const struct {
		uint16_t value;
		uint32_t priority;
	} base[] = {
		{ 60010, 10 },	{ 60050, 50 },	   { 60150, 150 },
		{ 60200, 200 }, { 60901, 501000 }, { 60902, 1001000 },
	};
	uint32_t best = 0;
	unsigned int i, k;

	*several = false;
	for (i = 0; i < n; i++) {
		/* Shifted down, not up: a provider's ASN of 32 bits matches none. */
		if (community[i] >> 16 != provider_asn)
			continue;
		for (k = 0; k < sizeof(base) / sizeof(*base); k++) {
			if ((community[i] & UINT16_MAX) != base[k].value)
				continue;
			*several |= best && best != base[k].priority;
			if (!best || base[k].priority < best)
				best = base[k].priority;
		}
	}
	return best ? best : BGP_PRIORITY;
}

uint16_t bgp_prepends(const struct bgp_path *path, uint32_t peer_asn, uint8_t prepend_count)
{
	unsigned int mentions = 0, i;

	for (i = 0; i < path->asns; i++)
		mentions += path->asn[i] == peer_asn;
	if (prepend_count == PS_PREPEND_ADDITIONAL && mentions)
		mentions--;
	return (uint16_t)mentions;
}

void bgp_candidate(const struct bgp_attributes *a, uint32_t provider_asn, uint8_t prepend_count,
		   struct ps_candidate *c, bool *several)
{
	c->origin = PS_ORIGIN_BGP;
	c->priority = bgp_base_priority(a->community, a->communities, provider_asn, several);
	c->prepends = bgp_prepends(&a->path, a->peer_asn, prepend_count);
	c->weight = 1;
}
