/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The packet context of the XDP programs. Same names as in ctx_skb.h; include one of the two. */
#ifndef LIB_CTX_H
#define LIB_CTX_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define CTX struct xdp_md
#define CTX_DROP XDP_DROP
#define CTX_PASS XDP_PASS

static __always_inline void *ctx_data(const CTX *ctx)
{
	return (void *)(long)ctx->data;
}

static __always_inline void *ctx_end(const CTX *ctx)
{
	return (void *)(long)ctx->data_end;
}

/* Bytes of the frame, linear or not. 64 bits: the verifier has no 32-bit pointer arithmetic. */
static __always_inline __u64 ctx_len(const CTX *ctx)
{
	return (__u64)(ctx_end(ctx) - ctx_data(ctx));
}

#endif
