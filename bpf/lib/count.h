/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counting, and the one exit of every program. A stage returns 0 (go on), a verdict of its hook
 * (positive), or a negative reason; reasons and verdicts never overlap.
 */
#ifndef LIB_COUNT_H
#define LIB_COUNT_H

#include "lib/maps.h"

#define PS_REASON_HAND_FIRST 32 /* reasons from here on hand the packet to the kernel */

#define PS_REASON_CHECK(name, number, label, kind, meaning) \
	PS_ASSERT((number) < PS_REASON_MAX && ((number) >= PS_REASON_HAND_FIRST) == (kind));
PS_REASONS(PS_REASON_CHECK)

static __always_inline void count_tx(__u32 id, __u32 bytes)
{
	struct ps_tunnel_stats *s = bpf_map_lookup_elem(&ps_tunnel_stat, &id);

	if (s) {
		s->tx_packets++;
		s->tx_bytes += bytes;
	}
}

static __always_inline void count_rx(__u32 id, __u32 bytes)
{
	struct ps_tunnel_stats *s = bpf_map_lookup_elem(&ps_tunnel_stat, &id);

	if (s) {
		s->rx_packets++;
		s->rx_bytes += bytes;
	}
}

static __always_inline int finish(const CTX *ctx, int result)
{
	struct ps_reason_stats *s;
	__u32 reason;

	if (result > 0)
		return result;
	reason = -result;
	s = bpf_map_lookup_elem(&ps_reason, &reason);
	if (s) {
		s->packets++;
		s->bytes += ctx_len(ctx);
	}
	return reason >= PS_REASON_HAND_FIRST ? CTX_PASS : CTX_DROP;
}

#endif
