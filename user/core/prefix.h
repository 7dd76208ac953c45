/* SPDX-License-Identifier: GPL-2.0-only */
/* IPv4 prefixes: parsing with errors an operator can use, printing, comparing. Pure. */
#ifndef CORE_PREFIX_H
#define CORE_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prefix {
	uint32_t addr; /* host byte order, host bits zero */
	uint8_t len;   /* 0..32 */
};

#define PREFIX_STRLEN 19 /* "255.255.255.255/32" and a NUL */
#define ADDR_STRLEN 16

/* Netmask of a length, host order. */
uint32_t prefix_mask(uint8_t len);

/*
 * Parses "a.b.c.d/len"; a bare address is a /32. Strict: four decimal parts, no leading zeros, no
 * blanks. Returns 0, or -EINVAL with a message in err that names the bad word and, where host bits
 * are set, suggests the masked form (rule 10).
 */
int prefix_parse(const char *word, struct prefix *p, char *err, size_t errlen);

/* Parses an address, host order. As above. */
int addr_parse(const char *word, uint32_t *addr, char *err, size_t errlen);

/*
 * Parses an interface address "a.b.c.d/len" whose host bits may be set: /30 or /31 only. A /30's
 * network and broadcast addresses are refused. *peer is the other usable host.
 */
int ifaddr_parse(const char *word, uint32_t *addr, uint8_t *len, uint32_t *peer, char *err,
		 size_t errlen);
/* The other host of a /30 or /31. */
uint32_t ifaddr_peer(uint32_t addr, uint8_t len);

/* Print into buf, of PREFIX_STRLEN or ADDR_STRLEN bytes; return buf. */
char *prefix_str(struct prefix p, char *buf);
char *addr_str(uint32_t addr, char *buf);

bool prefix_has_addr(struct prefix p, uint32_t addr);
/* Does outer hold all of inner? A prefix holds itself. */
bool prefix_covers(struct prefix outer, struct prefix inner);
bool prefix_overlaps(struct prefix a, struct prefix b);
/* Order by address, then by length. */
int prefix_cmp(struct prefix a, struct prefix b);

#endif
