// SPDX-License-Identifier: GPL-2.0-only
/* Generator, constant encapsulation and sinks of the veth chain. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bench_abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct chain_state);
} chain_state SEC(".maps");

static __always_inline struct chain_state *state(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&chain_state, &zero);
}

/* Live frames come back as their last user left them: the whole header is written each time. */
SEC("xdp")
int chain_gen(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	struct chain_state *s = state();

	if (!s || data + CHAIN_HEADER > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(data, s->frame, CHAIN_HEADER);
	*(__u16 *)(data + BENCH_SPORT) = (__u16)(s->next++ * 40503u >> 3);
	return XDP_TX;
}

static __always_inline void arrived(__u64 len)
{
	struct chain_state *s = state();

	if (!s)
		return;
	s->seen++;
	if (len != s->want)
		s->wrong++;
}

SEC("xdp")
int chain_drop(struct xdp_md *ctx)
{
	arrived((__u64)((void *)(long)ctx->data_end - (void *)(long)ctx->data));
	return XDP_DROP;
}

SEC("tc")
int chain_shot(struct __sk_buff *skb)
{
	arrived(skb->len);
	return TC_ACT_SHOT;
}

/* The floor's encapsulation, sent on to a fixed device. */
SEC("xdp")
int chain_const(struct xdp_md *ctx)
{
	struct chain_state *s = state();
	void *data;

	if (!s || bpf_xdp_adjust_head(ctx, -24))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	if (data + CHAIN_OUTER > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(data, s->outer, CHAIN_OUTER);
	return bpf_redirect(s->out, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
