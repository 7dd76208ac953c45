// SPDX-License-Identifier: GPL-2.0-only
/* The floor of encapsulation: a constant GRE header, its length and checksum, nothing asked. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

__attribute__((noinline)) int prog0(struct xdp_md *ctx)
{
	__u16 len = (__u16)(ctx->data_end - ctx->data - 14 + 24);
	__u32 sum = 0;
	__u64 *to;
	void *data;
	int i;

	if (bpf_xdp_adjust_head(ctx, -24))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	if (data + 62 > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	to = data;
	to[0] = 0x0002000000000102;
	to[1] = 0x0045000802000000;
	to[2] = 0x2f40004000000000;
	to[3] = 0x02c0010200c00000;
	*(__u32 *)(data + 32) = 0x00000b02;
	*(__u16 *)(data + 36) = 0x0008;
	*(__u16 *)(data + 16) = bpf_htons(len);
	for (i = 14; i < 34; i += 2)
		sum += *(__u16 *)(data + i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*(__u16 *)(data + 24) = (__u16)~sum;
	return XDP_TX;
}
