/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames for the tests: built from a list of layers, from the outside to the inside, and compared.
 *
 * A layer says what is peculiar about it; lengths, protocol numbers and checksums follow from what
 * stands after it, unless the layer spoils them on purpose. So a case in a table shows the packet
 * and nothing else:
 *
 *	ETH(MAC_US, MAC_PEER), IP(HOST, SITE, 64, .tos = 2), UDP(1000, 53), DATA(32)
 */
#ifndef PROG_PACKET_H
#define PROG_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#define FRAME_MAX 3520u /* what one page leaves to BPF_PROG_TEST_RUN for XDP */

struct frame {
	uint32_t len;
	uint8_t b[FRAME_MAX + 64]; /* room for the header that a program adds */
};

enum layer_kind {
	L_END,
	L_ETH,
	L_VLAN,
	L_IP,
	L_GRE,
	L_UDP,
	L_TCP,
	L_ICMP,
	L_DATA, /* n bytes of a running pattern */
	L_PAD,	/* n bytes of 0xaa behind the packet: no length field counts them */
};

struct layer {
	enum layer_kind kind;
	const uint8_t *dst, *src; /* Ethernet */
	uint16_t tci;		  /* VLAN */
	uint16_t proto;		  /* what follows; 0: as the next layer is */
	uint32_t from, to;	  /* IPv4, host order */
	uint16_t id, frag;	  /* IPv4; frag with its flags, host order */
	uint8_t ttl, tos;
	uint8_t version;   /* IPv4; 0: 4 */
	uint8_t options;   /* IPv4: words of options (NOPs) */
	uint8_t ihl;	   /* IPv4: a false one; 0: the true one */
	int16_t longer;	   /* IPv4: error put into the total length */
	uint16_t spoil;	   /* added to the checksum (IPv4, GRE) */
	uint16_t flags;	   /* GRE, host order; room for the optional fields follows from it */
	uint32_t key, seq; /* GRE */
	uint16_t sport, dport;
	uint8_t type, code; /* ICMP */
	uint16_t n;	    /* DATA, PAD */
};

#define ETH(d, s, ...)                                               \
	{                                                            \
		.kind = L_ETH, .dst = (d), .src = (s), ##__VA_ARGS__ \
	}
#define VLAN(id, ...)                                      \
	{                                                  \
		.kind = L_VLAN, .tci = (id), ##__VA_ARGS__ \
	}
#define IP(f, t, hops, ...)                                                        \
	{                                                                          \
		.kind = L_IP, .from = (f), .to = (t), .ttl = (hops), ##__VA_ARGS__ \
	}
#define GRE(bits, ...)                                        \
	{                                                     \
		.kind = L_GRE, .flags = (bits), ##__VA_ARGS__ \
	}
#define UDP(s, d)                                         \
	{                                                 \
		.kind = L_UDP, .sport = (s), .dport = (d) \
	}
#define TCP(s, d)                                         \
	{                                                 \
		.kind = L_TCP, .sport = (s), .dport = (d) \
	}
#define ICMP(t, c)                                       \
	{                                                \
		.kind = L_ICMP, .type = (t), .code = (c) \
	}
#define DATA(bytes)                          \
	{                                    \
		.kind = L_DATA, .n = (bytes) \
	}
#define PAD(bytes)                          \
	{                                   \
		.kind = L_PAD, .n = (bytes) \
	}
#define FRAME(...)                    \
	(const struct layer[])        \
	{                             \
		__VA_ARGS__,          \
		{                     \
			.kind = L_END \
		}                     \
	}

#define A4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

#define LAYERS_MAX 16

/* Number of layers before L_END. */
unsigned int layer_count(const struct layer *l);
/* Builds the frame. Exits the test when it does not fit. */
void frame_build(struct frame *f, const struct layer *l);

/* Big-endian fields at an offset. */
uint16_t get16(const uint8_t *p);
uint32_t get32(const uint8_t *p);
void put16(uint8_t *p, uint32_t v);
void put32(uint8_t *p, uint32_t v);
/* RFC 1071 checksum of n bytes, added to `sum`. */
uint16_t checksum(const uint8_t *p, uint32_t n, uint32_t sum);

bool frame_equal(const struct frame *a, const struct frame *b);
/* Prints both in hex with a mark at what differs, and names the fields. */
void frame_diff(const char *what, const struct frame *want, const struct frame *got);
void frame_print(const char *what, const struct frame *f);

/* Reproducible randomness: splitmix64. */
struct rng {
	uint64_t s;
};
uint64_t rng_next(struct rng *r);
/* 0 .. n-1 */
uint32_t rng_below(struct rng *r, uint32_t n);
bool rng_chance(struct rng *r, uint32_t percent);
/* The seed of PENSTOCK_SEED or `fallback`; printed. */
uint64_t rng_seed(const char *test, uint64_t fallback);

#endif
