// SPDX-License-Identifier: GPL-2.0-only
/* The product's own wan program, unchanged. */
#include "../../bpf/xdp.bpf.c"

__attribute__((noinline)) int prog0(struct xdp_md *ctx)
{
	return finish(ctx, wan(ctx));
}
