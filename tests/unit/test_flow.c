/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flow identity. The golden values pin the hash: a change moves every flow of every user. Packets
 * are made in memory that ends where they end, so that a sanitizer sees a byte read too many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "penstock/flow.h"
#include "rng.h"

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define CLIENT IP(198, 51, 100, 7)
#define SERVER IP(203, 0, 113, 9)
#define ROUTER IP(192, 0, 2, 1)

struct packet {
	uint8_t b[256];
	unsigned int len;
};

static void put16(struct packet *p, uint16_t v)
{
	p->b[p->len++] = (uint8_t)(v >> 8);
	p->b[p->len++] = (uint8_t)v;
}

static void put32(struct packet *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p, (uint16_t)v);
}

/* Appends an IPv4 header with `options` words of options. */
static void put_ip(struct packet *p, uint8_t protocol, uint32_t saddr, uint32_t daddr,
		   uint16_t frag_off, unsigned int options)
{
	put16(p, (uint16_t)((0x45 + options) << 8));
	put16(p, 0);
	put16(p, 0x1234);
	put16(p, frag_off);
	put16(p, (uint16_t)(64 << 8 | protocol));
	put16(p, 0);
	put32(p, saddr);
	put32(p, daddr);
	while (options--)
		put32(p, 0x01010101);
}

static void put_ports(struct packet *p, uint16_t sport, uint16_t dport)
{
	put16(p, sport);
	put16(p, dport);
	put32(p, 0xfeedbeef);
}

static void put_icmp(struct packet *p, uint8_t type)
{
	put16(p, (uint16_t)(type << 8));
	put16(p, 0xabcd);
	put32(p, 1400);
}

/* The flow of the packet's first `len` bytes, from memory of that size. */
static struct ps_flow flow_of(const struct packet *p, unsigned int len)
{
	uint8_t *mem = malloc(len);
	struct ps_flow f;

	memset(&f, 0x5a, sizeof(f));
	memcpy(mem, p->b, len);
	ps_flow_of_packet(&f, (const struct iphdr *)mem, mem + (mem[0] & 15) * 4, mem + len);
	free(mem);
	return f;
}

static void expect_flow(const struct packet *p, uint32_t saddr, uint32_t daddr, uint16_t sport,
			uint16_t dport)
{
	struct ps_flow f = flow_of(p, p->len);

	assert_int_equal(PS_BE32(f.saddr_be), saddr);
	assert_int_equal(PS_BE32(f.daddr_be), daddr);
	assert_int_equal(PS_BE16(f.sport_be), sport);
	assert_int_equal(PS_BE16(f.dport_be), dport);
}

static uint32_t hash_of(uint32_t saddr, uint32_t daddr, uint16_t sport, uint16_t dport)
{
	struct ps_flow f = {
		.saddr_be = PS_BE32(saddr),
		.daddr_be = PS_BE32(daddr),
		.sport_be = PS_BE16(sport),
		.dport_be = PS_BE16(dport),
	};

	return ps_flow_hash(&f);
}

static void golden_hashes(void **state)
{
	static const struct {
		uint32_t saddr, daddr;
		uint16_t sport, dport;
		uint32_t hash;
	} row[] = {
		{ 0, 0, 0, 0, 0x00000000 },
		{ CLIENT, SERVER, 40000, 443, 0xabfddbde },
		{ SERVER, CLIENT, 443, 40000, 0xbfe527c7 },
		{ CLIENT, SERVER, 0, 0, 0x48b8ca9a },
		{ CLIENT, SERVER, 443, 40000, 0xd4be911f },
		{ UINT32_MAX, UINT32_MAX, UINT16_MAX, UINT16_MAX, 0xd2b4986f },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(row); i++)
		if (hash_of(row[i].saddr, row[i].daddr, row[i].sport, row[i].dport) != row[i].hash)
			fail_msg("row %zu: 0x%08x", i,
				 hash_of(row[i].saddr, row[i].daddr, row[i].sport, row[i].dport));
}

/* Whole packets: a segment, a datagram's fragments, a ping, and an ICMP error about the segment. */
static void golden_packets(void **state)
{
	struct packet tcp = { .len = 0 }, frag = { .len = 0 }, ping = { .len = 0 },
		      error = { .len = 0 };
	const struct {
		const struct packet *p;
		uint32_t hash;
	} row[] = { { &tcp, 0xabfddbde },
		    { &frag, 0x48b8ca9a },
		    { &ping, 0x48b8ca9a },
		    { &error, 0xbfe527c7 } };
	size_t i;

	(void)state;
	put_ip(&tcp, IPPROTO_TCP, CLIENT, SERVER, PS_IP_DF, 0);
	put_ports(&tcp, 40000, 443);
	put_ip(&frag, IPPROTO_UDP, CLIENT, SERVER, PS_IP_MF, 0);
	put_ports(&frag, 5353, 53);
	put_ip(&ping, IPPROTO_ICMP, CLIENT, SERVER, 0, 0);
	put_icmp(&ping, 8);
	put_ip(&error, IPPROTO_ICMP, ROUTER, CLIENT, 0, 0);
	put_icmp(&error, 3);
	put_ip(&error, IPPROTO_TCP, CLIENT, SERVER, PS_IP_DF, 0);
	put_ports(&error, 40000, 443);
	for (i = 0; i < ARRAY_SIZE(row); i++) {
		struct ps_flow f = flow_of(row[i].p, row[i].p->len);

		if (ps_flow_hash(&f) != row[i].hash)
			fail_msg("packet %zu: 0x%08x", i, ps_flow_hash(&f));
	}
}

static void ports_of_all_protocols(void **state)
{
	unsigned int protocol;

	(void)state;
	for (protocol = 0; protocol < 256; protocol++) {
		bool ports = protocol == 6 || protocol == 17 || protocol == 132 || protocol == 136;
		struct packet p = { .len = 0 };

		put_ip(&p, (uint8_t)protocol, CLIENT, SERVER, PS_IP_DF, 0);
		put_ports(&p, 40000, 443);
		expect_flow(&p, CLIENT, SERVER, ports ? 40000 : 0, ports ? 443 : 0);
	}
}

static void ports_lie_behind_options(void **state)
{
	unsigned int options;

	(void)state;
	for (options = 0; options <= 10; options++) {
		struct packet p = { .len = 0 };

		put_ip(&p, IPPROTO_UDP, CLIENT, SERVER, 0, options);
		put_ports(&p, 5353, 53);
		expect_flow(&p, CLIENT, SERVER, 5353, 53);
	}
}

/* First, middle and last: addresses only. Not so with DF or the reserved bit alone. */
static void fragments_stay_together(void **state)
{
	static const struct {
		uint16_t frag_off;
		bool fragment;
	} row[] = { { 0, false },	    { PS_IP_DF, false },      { 0x8000, false },
		    { PS_IP_MF, true },	    { PS_IP_MF | 185, true }, { 370, true },
		    { PS_IP_OFFSET, true }, { PS_IP_DF | 1, true } };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(row); i++) {
		struct packet p = { .len = 0 };

		put_ip(&p, IPPROTO_UDP, CLIENT, SERVER, row[i].frag_off, 0);
		put_ports(&p, 5353, 53);
		expect_flow(&p, CLIENT, SERVER, row[i].fragment ? 0 : 5353,
			    row[i].fragment ? 0 : 53);
	}
}

/* An error that goes to the client about what it sent has the flow of the server's answers. */
static void icmp_errors_follow_their_flow(void **state)
{
	unsigned int type;

	(void)state;
	for (type = 0; type < 256; type++) {
		bool error = type == 3 || type == 4 || type == 11 || type == 12;
		struct packet p = { .len = 0 };

		put_ip(&p, IPPROTO_ICMP, ROUTER, CLIENT, 0, type % 3);
		put_icmp(&p, (uint8_t)type);
		put_ip(&p, IPPROTO_TCP, CLIENT, SERVER, PS_IP_DF, type % 2);
		put_ports(&p, 40000, 443);
		if (error)
			expect_flow(&p, SERVER, CLIENT, 443, 40000);
		else
			expect_flow(&p, ROUTER, CLIENT, 0, 0);
	}
}

static void icmp_errors_that_quote_oddly(void **state)
{
	struct packet frag = { .len = 0 }, ping = { .len = 0 }, part = { .len = 0 }, p;

	(void)state;
	/* A quoted fragment has no ports; neither has a ping. */
	put_ip(&frag, IPPROTO_ICMP, ROUTER, CLIENT, 0, 0);
	put_icmp(&frag, 11);
	put_ip(&frag, IPPROTO_UDP, CLIENT, SERVER, 185, 0);
	put_ports(&frag, 1, 2);
	expect_flow(&frag, SERVER, CLIENT, 0, 0);
	put_ip(&ping, IPPROTO_ICMP, ROUTER, CLIENT, 0, 0);
	put_icmp(&ping, 3);
	put_ip(&ping, IPPROTO_ICMP, CLIENT, SERVER, 0, 0);
	put_icmp(&ping, 8);
	expect_flow(&ping, SERVER, CLIENT, 0, 0);
	/* Not IPv4, or a header length below 20: what is quoted is not believed. */
	p = ping;
	p.b[28] = 0x65;
	expect_flow(&p, ROUTER, CLIENT, 0, 0);
	p.b[28] = 0x44;
	expect_flow(&p, ROUTER, CLIENT, 0, 0);
	/* The error itself is a fragment: its other parts quote nothing. */
	put_ip(&part, IPPROTO_ICMP, ROUTER, CLIENT, PS_IP_MF, 0);
	put_icmp(&part, 3);
	put_ip(&part, IPPROTO_TCP, CLIENT, SERVER, 0, 0);
	put_ports(&part, 40000, 443);
	expect_flow(&part, ROUTER, CLIENT, 0, 0);
}

/* Cut anywhere: what is not there does not count, and nothing behind the end is read. */
static void truncated_packets(void **state)
{
	struct packet tcp = { .len = 0 }, error = { .len = 0 };
	struct ps_flow f;
	unsigned int len;

	(void)state;
	put_ip(&tcp, IPPROTO_TCP, CLIENT, SERVER, 0, 0);
	put_ports(&tcp, 40000, 443);
	for (len = 20; len <= tcp.len; len++) {
		f = flow_of(&tcp, len);
		assert_int_equal(PS_BE32(f.daddr_be), SERVER);
		assert_int_equal(PS_BE16(f.dport_be), len >= 24 ? 443 : 0);
		assert_int_equal(PS_BE16(f.sport_be), len >= 24 ? 40000 : 0);
	}
	put_ip(&error, IPPROTO_ICMP, ROUTER, CLIENT, 0, 0);
	put_icmp(&error, 3);
	put_ip(&error, IPPROTO_TCP, CLIENT, SERVER, 0, 1);
	put_ports(&error, 40000, 443);
	for (len = 20; len <= error.len; len++) {
		f = flow_of(&error, len);
		assert_int_equal(PS_BE32(f.saddr_be), len >= 48 ? SERVER : ROUTER);
		assert_int_equal(PS_BE16(f.sport_be), len >= 56 ? 443 : 0);
	}
}

/* Garbage of any length: no byte behind the end, for the sanitizer to see. */
static void garbage(void **state)
{
	struct packet p;
	unsigned int i, j;

	(void)state;
	for (i = 0; i < 100000; i++) {
		p.len = 60 + rng_below(100);
		for (j = 0; j < p.len; j++)
			p.b[j] = (uint8_t)rng_next();
		p.b[0] = (uint8_t)(0x45 + rng_below(11));
		p.b[9] = rng_below(2) ? IPPROTO_ICMP : IPPROTO_UDP;
		p.b[6] = p.b[7] = 0;
		p.b[(p.b[0] & 15) * 4] = 3;
		flow_of(&p, (p.b[0] & 15) * 4u + rng_below(p.len - (p.b[0] & 15) * 4u + 1));
	}
}

/* The low bits choose the bucket: flows that differ little must spread over all of them evenly. */
static void buckets_fill_evenly(void **state)
{
	static unsigned int count[4096];
	unsigned int i, pattern, mask;
	double chi2;

	(void)state;
	for (pattern = 0; pattern < 4; pattern++) {
		for (mask = 63; mask < 4096; mask = mask * 8 + 7) {
			unsigned int buckets = mask + 1, flows = buckets * 64;

			memset(count, 0, sizeof(count));
			for (i = 0; i < flows; i++)
				count[mask & hash_of(pattern == 0 ? CLIENT + i : CLIENT,
						     pattern == 1 ? SERVER + i : SERVER,
						     pattern == 2 ? (uint16_t)i : 0,
						     pattern == 3 ? (uint16_t)i : 443)]++;
			/* 16 bits of port are not enough distinct flows for the largest row. */
			if (pattern >= 2 && flows > 65536)
				continue;
			for (i = 0, chi2 = 0; i < buckets; i++)
				chi2 += (count[i] - 64.0) * (count[i] - 64.0) / 64.0;
			/* Mean: buckets - 1; six standard deviations above: sqrt(2 * buckets) each.
			 */
			if (chi2 - buckets > 0 &&
			    (chi2 - buckets) * (chi2 - buckets) > 36.0 * 2 * buckets)
				fail_msg("pattern %u, %u buckets: chi2 %f", pattern, buckets, chi2);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_hashes),
		cmocka_unit_test(golden_packets),
		cmocka_unit_test(ports_of_all_protocols),
		cmocka_unit_test(ports_lie_behind_options),
		cmocka_unit_test(fragments_stay_together),
		cmocka_unit_test(icmp_errors_follow_their_flow),
		cmocka_unit_test(icmp_errors_that_quote_oddly),
		cmocka_unit_test(truncated_packets),
		cmocka_unit_test(garbage),
		cmocka_unit_test(buckets_fill_evenly),
	};

	return cmocka_run_group_tests(tests, rng_setup, NULL);
}
