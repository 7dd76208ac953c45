/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of cases, in chapters: cases_steer.c, cases_decap.c, cases_edge.c. A row is one frame
 * met by one program under one of the two configurations of cases_conf.c, and says in full what
 * becomes of it. The runner, test_cases.c, puts what can reach penstock0 through the slow path too.
 */
#ifndef PROG_CASES_H
#define PROG_CASES_H

#include <linux/bpf.h>

#include "harness.h"

struct test_case {
	const char *what;
	enum hook hook; /* HOOK_WAN or HOOK_LAN, on wan0 or lan0 */
	const struct layer *packet;
	int verdict;		 /* XDP_* */
	int reason;		 /* 0: none is counted */
	const struct layer *out; /* NULL: as it came where it passes, anything where dropped */
	const char *tx, *rx;	 /* tunnels that count it */
	/*
	 * What the slow path does with it, where that does not follow from the above: a frame it
	 * sends, or a reason. TC_NEVER: such a packet does not come to penstock0.
	 */
	const struct layer *tc_out;
	int tc_reason;
};

#define TC_NEVER (-1)

struct chapter {
	const char *name;
	const struct conf *conf;
	const struct test_case *cases;
	size_t n;
};

extern const struct conf conf_transit, conf_edge;
extern const struct chapter chapter_steer, chapter_bad, chapter_decap, chapter_gre, chapter_edge;

/* Endpoints. REMOTES has the remote ones that the kernel can reach. */
#define LOCAL A4(198, 51, 100, 1)
#define LOCAL2 A4(198, 51, 100, 2)
#define R_PLAIN A4(192, 0, 2, 1)
#define R_SHARED A4(192, 0, 2, 2) /* of several tunnels */
#define R_BETA A4(192, 0, 2, 3)
#define R_UNRES A4(192, 0, 2, 4)
#define R_IDLE A4(192, 0, 2, 5)
#define R_FAR A4(192, 0, 2, 6)
#define R_SMALL A4(192, 0, 2, 7)
#define R_DOWN A4(192, 0, 2, 8)
#define R_LOST A4(203, 0, 113, 250)
#define R_LOOP A4(203, 0, 113, 251)
#define R_NOBODY A4(192, 0, 2, 99)

/* Hosts. */
#define HOST A4(203, 0, 113, 5)
#define NEXT A4(203, 0, 113, 200) /* the one that forwarding finds a neighbour for */

/* Frames as they come in, and the headers they leave with. */
#define IN ETH(MAC_US, MAC_PEER)
#define OUT_FROM(local, remote, ...) \
	ETH(MAC_HOP, MAC_OUT), IP(local, remote, 64, .frag = 0x4000, ##__VA_ARGS__), GRE(0)
#define OUT(remote, ...) OUT_FROM(LOCAL, remote, ##__VA_ARGS__)
#define OUT_KEY(remote, k) \
	ETH(MAC_HOP, MAC_OUT), IP(LOCAL, remote, 64, .frag = 0x4000), GRE(0x2000, .key = (k))
#define BODY UDP(4000, 53), DATA(32)

/* Nodes in the table are of this region; core/region.c gives the bits. */
#define OUR_REGION 0x80	  /* WEUR */
#define OTHER_REGION 0x08 /* ENAM */

#endif
