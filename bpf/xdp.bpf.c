// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The fast path: one entry program for each role of a port, so that no packet pays for finding out
 * where it came in. Stages: parse, decapsulate, route, filter, select, encapsulate, emit, count.
 * The table of design section 5 is these two functions.
 */
#include "lib/ctx_xdp.h"

#include "lib/decap.h"
#include "lib/filter.h"
#include "lib/forward.h"

/* What goes by `main`, from the Internet or out of a tunnel. */
static __always_inline int wan_steer(CTX *ctx, const struct pkt *p, __u32 leaf)
{
	int r = filter(p, FILTER_INGRESS);

	return r ? r : steer(ctx, p, leaf);
}

/*
 * GRE, ours or not. Apart from wan(), at the price of parsing twice: inlined there, it would cost
 * every other packet 2 ns in spilled registers.
 */
static __noinline int wan_gre(CTX *ctx)
{
	int r, why, inner;
	struct pkt p;
	__u32 leaf;

	r = parse(ctx, &p);
	if (r)
		return r;
	r = decap(ctx, &p);
	if (r < 0)
		return r;
	inner = r == 0;
	leaf = ps_route_main(NULL, p.ip, &why);
	if (!leaf && inner && why == -PS_R_TO_KERNEL) {
		r = filter(&p, ps_view_mode(NULL) == PS_MODE_EDGE ? FILTER_INGRESS : FILTER_EGRESS);
		return r ? r : forward(ctx, &p);
	}
	if (!leaf)
		return why;
	r = inner ? 0 : header_check(ctx, &p);
	return r ? r : wan_steer(ctx, &p, leaf);
}

static __always_inline int wan(CTX *ctx)
{
	struct pkt p;
	__u32 leaf;
	int r, why;

	r = parse(ctx, &p);
	if (r)
		return r;
	if (unlikely(p.ip->protocol == IPPROTO_GRE))
		return wan_gre(ctx);
	leaf = ps_route_main(NULL, p.ip, &why);
	if (!leaf)
		return why;
	r = header_check(ctx, &p);
	return r ? r : wan_steer(ctx, &p, leaf);
}

static __always_inline int lan(CTX *ctx)
{
	__u32 leaf;
	struct pkt p;
	int r, why;

	r = parse(ctx, &p);
	if (r)
		return r;
	leaf = ps_route_policy(NULL, p.ip, &why);
	if (!leaf)
		return why;
	r = header_check(ctx, &p);
	if (r)
		return r;
	r = filter(&p, FILTER_EGRESS);
	return r ? r : steer(ctx, &p, leaf);
}

SEC("xdp")
int xdp_wan(struct xdp_md *ctx)
{
	return finish(ctx, wan(ctx));
}

SEC("xdp")
int xdp_lan(struct xdp_md *ctx)
{
	return finish(ctx, lan(ctx));
}

char xdp_license[] SEC("license") = "Dual BSD/GPL";
