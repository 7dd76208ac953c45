// SPDX-License-Identifier: GPL-2.0-only
/*
 * The wrapper that every candidate is measured in. One run is 16 packets, for a resolution of
 * 1/16 ns; each packet is, if asked, given another destination and source port, handed to the
 * candidate's prog0(), brought back to its length and rewritten from the template. What that costs
 * is the same for the candidate that does nothing, and is subtracted.
 *
 * Verdicts are counted: a candidate that takes an error exit is fast and worthless.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bench_abi.h"

extern int prog0(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BENCH_DSTS / BENCH_CHUNK);
	__type(key, __u32);
	__type(value, struct bench_dsts);
} bench_dst SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bench_state);
} bench_state SEC(".maps");

/* Another flow: random host, random port. */
static __always_inline int vary(struct bench_state *s, struct xdp_md *ctx)
{
	__u32 i = s->next++ % BENCH_DSTS, chunk = i / BENCH_CHUNK;
	struct bench_dsts *d = bpf_map_lookup_elem(&bench_dst, &chunk);
	void *data = (void *)(long)ctx->data;

	if (!d || data + BENCH_TEMPLATE > (void *)(long)ctx->data_end)
		return -1;
	/* Leaves the sum of the header as it was: another source makes up for the destination. */
	*(__u32 *)(data + BENCH_DADDR) = d->addr[i % BENCH_CHUNK];
	*(__u32 *)(data + BENCH_DADDR - 4) = ~d->addr[i % BENCH_CHUNK];
	*(__u16 *)(data + BENCH_SPORT) = (__u16)(i * 40503u >> 3);
	return 0;
}

/*
 * The header as it was. Stores are cut as a program's loads are: a load that spans two stores in
 * flight waits for both, which no packet from a driver makes it do.
 */
static __always_inline int restore(const struct bench_state *s, struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	const void *from = s->frame;
	int i;

	if (data + BENCH_TEMPLATE + 2 > (void *)(long)ctx->data_end)
		return -1;
	*(__u64 *)data = *(__u64 *)from;
	*(__u32 *)(data + 8) = *(__u32 *)(from + 8);
	*(__u16 *)(data + 12) = *(__u16 *)(from + 12);
#pragma unroll
	for (i = 14; i < (int)BENCH_TEMPLATE - 2; i += 4)
		*(__u32 *)(data + i) = *(__u32 *)(from + i);
	return 0;
}

static __always_inline long frame_len(const struct xdp_md *ctx)
{
	long len = (void *)(long)ctx->data_end - (void *)(long)ctx->data;

	asm volatile("" : "+r"(len)); /* all 64 bits: a 32-bit copy of a pointer is refused */
	return len;
}

SEC("xdp")
int bench(struct xdp_md *ctx)
{
	long len = frame_len(ctx);
	__u32 zero = 0, i;
	struct bench_state *s = bpf_map_lookup_elem(&bench_state, &zero);
	int verdict;

	if (!s)
		return XDP_ABORTED;
	for (i = 0; i < BENCH_BATCH; i++) {
		if (s->vary && vary(s, ctx))
			return XDP_ABORTED;
		verdict = prog0(ctx);
		s->verdict[verdict & 7]++;
		if (bpf_xdp_adjust_head(ctx, (int)(frame_len(ctx) - len)) || restore(s, ctx))
			return XDP_ABORTED;
	}
	return XDP_PASS;
}

/* One packet, to look at. */
SEC("xdp")
int bench_one(struct xdp_md *ctx)
{
	return prog0(ctx);
}

char _license[] SEC("license") = "Dual BSD/GPL";
