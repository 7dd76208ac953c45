/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the compiler can't assert about the contract: the list of reasons is pinned here a second
 * time, because its numbers may never change; fields that share a word fit together; the
 * arithmetic of wire.h agrees with the RFCs done the long way.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/group.h"
#include "penstock/abi.h"
#include "penstock/reasons.h"
#include "penstock/wire.h"
#include "rng.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct reason {
	const char *name;
	int number;
	const char *label;
	int kind;
	const char *meaning;
};

#define ROW(name, number, label, kind, meaning) { #name, number, label, kind, meaning },
static const struct reason reasons[] = { PS_REASONS(ROW) };

/* Grows at its end; an entry that changes here breaks everybody's graphs. */
static const struct {
	int number;
	const char *label;
} pinned[] = {
	{ 1, "malformed" },	  { 2, "bad_checksum" },	 { 3, "no_route" },
	{ 4, "route_drop" },	  { 5, "unknown_tunnel" },	 { 6, "gre_header" },
	{ 7, "gre_checksum" },	  { 8, "gre_protocol" },	 { 9, "gre_fragment" },
	{ 10, "spoofed_source" }, { 11, "foreign_destination" }, { 12, "ecn" },
	{ 13, "tunnel_loop" },	  { 14, "no_underlay" },	 { 15, "not_ours" },
	{ 16, "too_big" },	  { 17, "no_headroom" },	 { 19, "no_tunnel" },
	{ 20, "filtered" },	  { 32, "to_kernel" },		 { 33, "not_ipv4" },
	{ 34, "underlay" },	  { 35, "own_destination" },	 { 36, "interface" },
	{ 37, "slow_ttl" },	  { 38, "slow_options" },	 { 39, "slow_mtu" },
	{ 40, "slow_neighbour" }, { 41, "slow_forward" },
};

static void reasons_are_unique(void **state)
{
	size_t i, j;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(reasons); i++) {
		assert_in_range(reasons[i].number, 1, PS_REASON_MAX - 1);
		assert_true(reasons[i].kind == PS_DROP || reasons[i].kind == PS_HAND);
		assert_true(strlen(reasons[i].meaning) > 0);
		for (j = 0; j < i; j++) {
			assert_int_not_equal(reasons[i].number, reasons[j].number);
			assert_string_not_equal(reasons[i].label, reasons[j].label);
		}
	}
}

/* Label values may hold anything, but these also name things in text: [a-z][a-z0-9_]*. */
static void reason_labels_are_names(void **state)
{
	size_t i, j;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(reasons); i++) {
		const struct reason *r = &reasons[i];

		assert_true(islower((unsigned char)r->label[0]));
		assert_int_equal(strlen(r->label), strlen(r->name));
		for (j = 0; r->label[j]; j++) {
			unsigned char c = (unsigned char)r->label[j];

			assert_true(islower(c) || isdigit(c) || c == '_');
			assert_int_equal(c, tolower((unsigned char)r->name[j]));
		}
	}
}

static void reason_numbers_are_pinned(void **state)
{
	size_t i, j;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(pinned); i++) {
		for (j = 0; j < ARRAY_SIZE(reasons); j++)
			if (reasons[j].number == pinned[i].number)
				break;
		assert_true(j < ARRAY_SIZE(reasons));
		if (!strstr(reasons[j].label, "unused"))
			assert_string_equal(reasons[j].label, pinned[i].label);
	}
	assert_true(ARRAY_SIZE(reasons) >= ARRAY_SIZE(pinned));
}

static void words_hold_their_fields(void **state)
{
	(void)state;
	/* An entry: flag, rank of up to 33, payload; disjoint and together all 32 bits. */
	assert_int_equal(PS_FIB_CHUNK | PS_FIB_RANK_MASK << PS_FIB_RANK_SHIFT | PS_FIB_PAYLOAD_MASK,
			 UINT32_MAX);
	assert_int_equal(PS_FIB_CHUNK & PS_FIB_RANK_MASK << PS_FIB_RANK_SHIFT, 0);
	assert_int_equal(PS_FIB_PAYLOAD_MASK & PS_FIB_RANK_MASK << PS_FIB_RANK_SHIFT, 0);
	assert_true(33 <= PS_FIB_RANK_MASK);
	assert_int_equal(PS_ROOT_CHUNKS * PS_CHUNK_SLOTS, 65536);
	/* A row reference is a payload. */
	assert_true((PS_ROW_LOG2_MAX << PS_ROW_LOG2_SHIFT | PS_ROW_BLOCK_MASK) <=
		    PS_FIB_PAYLOAD_MASK);
	assert_int_equal(PS_ROW_BLOCK_MASK >> PS_ROW_LOG2_SHIFT, 0);
	assert_int_equal(PS_BLOCK_SLOTS, ROW_MIN);
	assert_int_equal(PS_BLOCK_SLOTS << PS_ROW_LOG2_MAX, ROW_MAX);
	/* Active sets are masks of 64 bits; each candidate of a list may need a bucket. */
	assert_true(PS_CANDIDATES_MAX <= 64 && PS_CANDIDATES_MAX <= ROW_MIN);
	assert_int_equal(PS_SLOT_ID(2 * PS_TUNNEL_FIRST + 1), PS_TUNNEL_FIRST);
}

static uint16_t naive_checksum(const void *data, size_t len)
{
	const uint8_t *b = data;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < len; i += 2)
		sum += (uint64_t)(b[i] << 8 | b[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void checksums(void **state)
{
	union {
		struct iphdr ip;
		uint64_t word[3];
	} h;
	uint32_t i;
	uint16_t check;

	(void)state;
	for (i = 0; i < 300000; i++) {
		h.word[0] = rng_next();
		h.word[1] = rng_next();
		h.word[2] = rng_next();
		/* Often extreme: carries and the two zeros of one's complement. */
		if (i % 3 == 0)
			memset(&h, rng_below(2) ? 0xff : 0, 4 * (1 + rng_below(5)));
		h.ip.version = 4; /* of all zeros the two zeros would differ */
		h.ip.ttl |= 1;
		h.ip.check = 0;
		h.ip.check = PS_BE16(naive_checksum(&h.ip, PS_IP_LEN));
		if (ps_ip_sum(&h.ip) != 0xffff)
			fail_msg("a good header sums to %04x", ps_ip_sum(&h.ip));
		ps_ip_ttl_dec(&h.ip);
		if (naive_checksum(&h.ip, PS_IP_LEN) != 0)
			fail_msg("TTL %u: checksum %04x", h.ip.ttl, PS_BE16(h.ip.check));
		h.ip.tot_len ^= (__be16)(1u << i % 16);
		if (ps_ip_sum(&h.ip) == 0xffff)
			fail_msg("a bad header sums to 0xffff");
	}
	/* Every value of the checksum, both zeros too: updated and made anew are the same bits. */
	for (i = 0; i < 65536; i++) {
		h.ip.id = (__be16)i;
		h.ip.ttl = 64;
		h.ip.check = 0;
		h.ip.check = PS_BE16(naive_checksum(&h.ip, PS_IP_LEN));
		ps_ip_ttl_dec(&h.ip);
		check = h.ip.check;
		h.ip.check = 0;
		assert_int_equal(PS_BE16(check), naive_checksum(&h.ip, PS_IP_LEN));
	}
	assert_int_equal(ps_csum_fold(UINT32_MAX), 0xffff);
	assert_int_equal(ps_csum_fold(0x0001ffff), 1);
	assert_int_equal(ps_gre_overhead(0), 24);
	assert_int_equal(ps_gre_overhead(1), 28);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reasons_are_unique),
		cmocka_unit_test(reason_labels_are_names),
		cmocka_unit_test(reason_numbers_are_pinned),
		cmocka_unit_test(words_hold_their_fields),
		cmocka_unit_test(checksums),
	};

	return cmocka_run_group_tests(tests, rng_setup, NULL);
}
