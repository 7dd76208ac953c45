/* SPDX-License-Identifier: GPL-2.0-only */
/* What the bench's programs and its user side share. */
#ifndef BENCH_ABI_H
#define BENCH_ABI_H

#include <linux/types.h>

#define BENCH_BATCH 16u	   /* packets a run */
#define BENCH_TEMPLATE 72u /* bytes rewritten for each packet */
#define BENCH_DADDR 30	   /* offsets in a frame without tags or options */
#define BENCH_SPORT 34
#define BENCH_DSTS (1u << 20)
#define BENCH_CHUNK 1024u

struct bench_dsts {
	__u32 addr[BENCH_CHUNK]; /* network order */
};

struct bench_state {
	__u8 frame[BENCH_TEMPLATE];
	__u32 vary;
	__u32 next;
	__u64 verdict[8];
};

#define CHAIN_HEADER 42u /* Ethernet, IPv4, UDP */
#define CHAIN_OUTER 38u	 /* Ethernet, IPv4, GRE */

struct chain_state {
	__u8 frame[CHAIN_HEADER];
	__u8 outer[CHAIN_OUTER];
	__u32 out; /* ifindex that chain_const sends to */
	__u32 next;
	__u32 want; /* bytes of a frame at the sink: shows that it was encapsulated, or not */
	__u32 pad;
	__u64 seen;  /* at the sink */
	__u64 wrong; /* of another length */
};

#endif
