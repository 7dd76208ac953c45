// SPDX-License-Identifier: GPL-2.0-only
/* Nothing: what the wrapper itself costs. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

__attribute__((noinline)) int prog0(struct xdp_md *ctx)
{
	return ctx->data ? XDP_TX : XDP_ABORTED;
}
