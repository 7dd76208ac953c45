/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The packets of `route get`: field by field and with checksums computed anew, and their hash
 * against one of the flow named by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/query.h"
#include "penstock/flow.h"

#define ROOM 1600u

static unsigned int word(const uint8_t *p)
{
	return (unsigned int)p[0] << 8 | p[1];
}

/* RFC 1071, byte by byte; 0 for a packet whose checksum is right. */
static uint16_t sum(const uint8_t *p, unsigned int n, uint32_t start)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		start += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return (uint16_t)~start;
}

static struct query query(uint8_t protocol, uint16_t length)
{
	return (struct query){ .src = 0xcb007109,
			       .dst = 0xc0000207,
			       .sport = 0x1234,
			       .dport = 0x0035,
			       .length = length,
			       .protocol = protocol };
}

static void check(uint8_t protocol, unsigned int headers, uint16_t length)
{
	static const uint8_t addresses[] = { 203, 0, 113, 9, 192, 0, 2, 7 };
	struct query q = query(protocol, length);
	unsigned int len = length ? length : headers;
	uint8_t p[ROOM];
	uint32_t pseudo = protocol + len - 20;

	assert_int_equal(query_headers(protocol), headers);
	assert_int_equal(query_length(&q), len);
	memset(p, 0xee, sizeof(p));
	query_packet(&q, p, len < QUERY_HEADERS_MAX ? QUERY_HEADERS_MAX : len);
	assert_int_equal(p[0], 0x45);
	assert_int_equal(word(p + 2), len);
	assert_int_equal(word(p + 6) & 0x3fff, 0); /* no fragment */
	assert_int_equal(p[8], 64);
	assert_int_equal(p[9], protocol);
	assert_memory_equal(p + 12, addresses, 8);
	assert_int_equal(sum(p, 20, 0), 0);
	if (protocol == 6 || protocol == 17 || protocol == 136 || protocol == 132) {
		assert_int_equal(word(p + 20), 0x1234);
		assert_int_equal(word(p + 22), 0x0035);
	}
	if (protocol == 17 || protocol == 136)
		assert_int_equal(word(p + 24), len - 20);
	if (protocol == 6)
		assert_int_equal(p[32] >> 4, 5);
	if (protocol == 6 || protocol == 17 || protocol == 136)
		assert_int_equal(sum(p + 12, len - 12, pseudo), 0);
	if (protocol == 1) {
		assert_int_equal(p[20], 8);
		assert_int_equal(sum(p + 20, len - 20, 0), 0);
	}
}

static void packets(void **state)
{
	static const struct {
		uint8_t protocol;
		unsigned int headers;
	} all[] = { { 6, 40 }, { 17, 28 }, { 136, 28 }, { 132, 32 },
		    { 1, 28 }, { 47, 24 }, { 50, 20 },	{ 0, 20 } };
	unsigned int i;
	uint16_t length;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		check(all[i].protocol, all[i].headers, 0);
		for (length = 40; length < ROOM; length += 97)
			check(all[i].protocol, all[i].headers, length);
	}
}

/* A UDP checksum that comes out as zero is sent as its other form. */
static void udp_zero(void **state)
{
	struct query q = query(17, 0);
	uint8_t p[QUERY_HEADERS_MAX];
	uint32_t port;
	unsigned int zeros = 0;

	(void)state;
	for (port = 0; port < 65536; port++) {
		q.dport = (uint16_t)port;
		query_packet(&q, p, sizeof(p));
		assert_true(word(p + 26));
		zeros += word(p + 26) == 0xffff;
	}
	assert_true(zeros);
}

static void hashes(void **state)
{
	static const uint8_t protocol[] = { 6, 17, 132, 136, 1, 47, 50, 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(protocol); i++) {
		struct query q = query(protocol[i], i % 2 ? 0 : 900);
		struct ps_flow flow = { .saddr_be = PS_BE32(q.src), .daddr_be = PS_BE32(q.dst) };

		if (i < 4) {
			flow.sport_be = PS_BE16(q.sport);
			flow.dport_be = PS_BE16(q.dport);
		}
		assert_int_equal(query_hash(&q), ps_flow_hash(&flow));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets),
		cmocka_unit_test(udp_zero),
		cmocka_unit_test(hashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
