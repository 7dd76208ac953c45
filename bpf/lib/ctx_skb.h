/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The packet context of the TC program. Same names as in ctx_xdp.h; include one of the two. */
#ifndef LIB_CTX_H
#define LIB_CTX_H

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#define CTX struct __sk_buff
#define CTX_DROP TC_ACT_SHOT
#define CTX_PASS TC_ACT_OK

static __always_inline void *ctx_data(const CTX *ctx)
{
	return (void *)(long)ctx->data;
}

static __always_inline void *ctx_end(const CTX *ctx)
{
	return (void *)(long)ctx->data_end;
}

/* Bytes of the frame, linear or not. */
static __always_inline __u64 ctx_len(const CTX *ctx)
{
	return ctx->len;
}

#endif
