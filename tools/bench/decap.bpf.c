// SPDX-License-Identifier: GPL-2.0-only
/* The floor of decapsulation: 24 bytes off, a constant Ethernet header, nothing asked. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

__attribute__((noinline)) int prog0(struct xdp_md *ctx)
{
	void *data;

	if (bpf_xdp_adjust_head(ctx, 24))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	if (data + 14 > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	*(__u64 *)data = 0x0002000000000102;
	*(__u32 *)(data + 8) = 0x02000000;
	*(__u16 *)(data + 12) = 0x0008;
	return XDP_TX;
}
