/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * BGP attributes and what they make of a route (rules 3 and 4). Pure.
 *
 * Whoever has attributes, from text or decoded from a message, fills a struct bgp_attributes;
 * bgp_candidate() makes the candidate of it. So a feed and the command line agree.
 */
#ifndef CORE_BGP_H
#define CORE_BGP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "penstock/abi.h"

/* As many as fit into a message of 4096 bytes, which is the longest one (RFC 4271). */
#define BGP_ASNS_MAX 1024u
#define BGP_SEGMENTS_MAX BGP_ASNS_MAX /* none of them empty */
#define BGP_COMMUNITIES_MAX 1024u

#define BGP_PRIORITY 100u /* rule 3: without a base community */

/* As on the wire: RFC 4271, and RFC 5065 for those within a confederation. */
enum bgp_segment_type {
	BGP_AS_SET = 1,
	BGP_AS_SEQUENCE = 2,
	BGP_CONFED_SEQUENCE = 3,
	BGP_CONFED_SET = 4,
};

struct bgp_segment {
	uint8_t type;  /* enum bgp_segment_type */
	uint16_t asns; /* of bgp_path.asn, in order */
};

struct bgp_path {
	uint16_t segments, asns;
	struct bgp_segment segment[BGP_SEGMENTS_MAX];
	uint32_t asn[BGP_ASNS_MAX];
};

struct bgp_attributes {
	uint32_t peer_asn; /* whose mentions in the path are prepends */
	struct bgp_path path;
	uint16_t communities;
	uint32_t community[BGP_COMMUNITIES_MAX]; /* ASN << 16 | value, RFC 1997 */
};

/* An AS number: "65000", or "1.10" for 65546 (RFC 5396). */
int bgp_asn_parse(const char *word, uint32_t *asn, char *err, size_t errlen);
/*
 * An AS_PATH: numbers of a sequence, separated by blanks, and sets in braces, separated by blanks
 * or commas: "65000 65000 {65200,65300}". 0, -EINVAL, or -E2BIG; err names the bad word.
 */
int bgp_path_parse(const char *text, struct bgp_path *path, char *err, size_t errlen);
/* Communities ASN:VALUE, separated by blanks or commas. As above; *n is their number. */
int bgp_communities_parse(const char *text, uint32_t *community, uint16_t *n, char *err,
			  size_t errlen);

/* Adds to a path. False if it is full. */
bool bgp_path_segment(struct bgp_path *path, uint8_t type); /* the next ASNs belong to it */
bool bgp_path_asn(struct bgp_path *path, uint32_t asn);

/*
 * Rule 3. *several: there were base communities of different priorities, which is a mistake of the
 * peer's; the lowest number has won.
 */
uint32_t bgp_base_priority(const uint32_t *community, unsigned int n, uint32_t provider_asn,
			   bool *several);
/* Rule 4. `prepend_count`: enum ps_prepend_count. */
uint16_t bgp_prepends(const struct bgp_path *path, uint32_t peer_asn, uint8_t prepend_count);
/* Both, and rule 8's weight: everything of a candidate but tunnel and regions. */
void bgp_candidate(const struct bgp_attributes *a, uint32_t provider_asn, uint8_t prepend_count,
		   struct ps_candidate *c, bool *several);

#endif
