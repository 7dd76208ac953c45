/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The packet of a question, through the loaded program by BPF_PROG_TEST_RUN.
 *
 * A test run is the program on our frame and no more: what it sends goes nowhere, what it hands to
 * the kernel the kernel does not get. But it counts, which is how the reason is seen. On a busy
 * node other packets are counted meanwhile: the predicted reason's counter must have risen, the
 * others may have.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "penstock/wire.h"
#include "store/decide.h"
#include "store/internal.h"

#define GROWTH 64u /* what a program may add in front */

enum fate {
	FATE_SENT,
	FATE_KERNEL,
	FATE_DROPPED,
	FATE_ODD
};

struct trial {
	const struct store *st;
	uint64_t before[PS_REASON_MAX], after[PS_REASON_MAX];
	uint8_t *in, *out;
	uint32_t in_len, out_len, retval;
	enum fate fate;
};

static int counters(const struct store *st, uint64_t *packets)
{
	struct ps_reason_stats s;
	uint32_t i;
	int r = 0;

	for (i = 0; !r && i < PS_REASON_MAX; i++) {
		r = store_reason_stats(st, i, &s);
		packets[i] = s.packets;
	}
	return r;
}

static enum fate fate_of(enum store_prog prog, uint32_t retval)
{
	if (prog == PROG_TC)
		return retval == TC_ACT_REDIRECT ? FATE_SENT :
		       retval == TC_ACT_OK	 ? FATE_KERNEL :
		       retval == TC_ACT_SHOT	 ? FATE_DROPPED :
						   FATE_ODD;
	return retval == XDP_TX || retval == XDP_REDIRECT ? FATE_SENT :
	       retval == XDP_PASS			  ? FATE_KERNEL :
	       retval == XDP_DROP			  ? FATE_DROPPED :
							    FATE_ODD;
}

static int run_program(struct trial *t, const struct decide_question *q)
{
	struct xdp_md xdp = { .data_end = t->in_len, .ingress_ifindex = q->ifindex };
	struct __sk_buff skb = { .ifindex = t->st->node->ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = t->in, .data_size_in = t->in_len,
		    .data_out = t->out, .data_size_out = t->in_len + GROWTH, .repeat = 1);
	int fd = store_prog_fd(t->st, q->prog), r;

	if (fd < 0)
		return fd;
	if (q->prog == PROG_TC) {
		o.ctx_in = &skb;
		o.ctx_size_in = sizeof(skb);
	} else if (q->ifindex) {
		o.ctx_in = &xdp;
		o.ctx_size_in = sizeof(xdp);
	}
	r = counters(t->st, t->before);
	if (!r && bpf_prog_test_run_opts(fd, &o))
		r = -errno;
	close(fd);
	if (r)
		return r;
	t->out_len = o.data_size_out;
	t->retval = o.retval;
	t->fate = fate_of(q->prog, o.retval);
	return counters(t->st, t->after);
}

/* --- judging ---------------------------------------------------------------------------------
 */

const char *decide_reason(int reason)
{
	switch (reason) {
#define LABEL(name, number, label, kind, meaning) \
	case number:                              \
		return label;
		PS_REASONS(LABEL)
#undef LABEL
	default:
		return "?";
	}
}

static int counted(const struct trial *t)
{
	int i;

	for (i = 1; i < PS_REASON_MAX; i++)
		if (t->after[i] != t->before[i])
			return i;
	return 0;
}

/* The outer header of what was sent; false: it has none of ours. */
static bool outer_of(const struct trial *t, struct iphdr *ip, uint32_t *gre, __be32 *key_be)
{
	uint32_t at = PS_ETH_LEN + PS_IP_LEN;

	*key_be = 0;
	if (t->out_len < at + PS_GRE_LEN + 4)
		return false;
	memcpy(ip, t->out + PS_ETH_LEN, sizeof(*ip));
	memcpy(gre, t->out + at, PS_GRE_LEN);
	if (*gre & PS_BE16(PS_GRE_K)) /* its first two bytes are flags, in memory order */
		memcpy(key_be, t->out + at + PS_GRE_LEN, sizeof(*key_be));
	return ip->protocol == IPPROTO_GRE && ip->ihl == 5;
}

static bool same_tunnel(const struct trial *t, const struct ps_slot *s)
{
	struct iphdr ip;
	__be32 key_be;
	uint32_t gre;

	return outer_of(t, &ip, &gre, &key_be) && ip.saddr == s->local_be &&
	       ip.daddr == s->remote_be && !memcmp(&gre, &s->gre_flags_be, PS_GRE_LEN) &&
	       key_be == (s->flags & PS_SLOT_F_KEY ? s->key_be : 0);
}

/* Sent as it came, but for the TTL and what depends on it. */
static bool same_packet(const struct trial *t)
{
	uint32_t at = PS_ETH_LEN + 12;

	return t->out_len == t->in_len && !memcmp(t->out + at, t->in + at, t->in_len - at);
}

static void tell(const struct trial *t, char *text, size_t len)
{
	char local[ADDR_STRLEN], remote[ADDR_STRLEN];
	int reason = counted(t);
	struct iphdr ip;
	__be32 key_be;
	uint32_t gre;

	if (t->fate == FATE_SENT && !outer_of(t, &ip, &gre, &key_be))
		snprintf(text, len, "the program sent it as it is");
	else if (t->fate == FATE_SENT)
		snprintf(text, len, "the program sent it by gre %s > %s key %u",
			 addr_str(PS_BE32(ip.saddr), local), addr_str(PS_BE32(ip.daddr), remote),
			 PS_BE32(key_be));
	else if (t->fate == FATE_ODD)
		snprintf(text, len, "the program returned %u", t->retval);
	else
		snprintf(text, len, "the program %s (%s)",
			 t->fate == FATE_KERNEL ? "handed it to the kernel" : "dropped it",
			 reason ? decide_reason(reason) : "nothing counted");
}

static bool judge(const struct trial *t, const struct decide_answer *a)
{
	int reason = a->verdict == DECIDE_DECAPSULATE ? PS_R_GRE_PROTOCOL : a->reason;

	switch (a->verdict) {
	case DECIDE_SEND:
		return t->fate == FATE_SENT && same_tunnel(t, &a->header);
	case DECIDE_UNDERLAY:
		return t->fate == FATE_SENT && same_packet(t);
	case DECIDE_KERNEL:
		return t->fate == FATE_KERNEL && t->after[reason] > t->before[reason];
	default: /* what comes out of our GRE packet is not IPv4 */
		return t->fate == FATE_DROPPED && t->after[reason] > t->before[reason];
	}
}

int decide_verify(const struct store *st, const struct decide_question *q, const struct decision *d,
		  struct decide_run *run, struct error *err)
{
	struct trial t = { .st = st, .in_len = PS_ETH_LEN + query_length(&q->packet) };
	int r = -ENOMEM;

	memset(run, 0, sizeof(*run));
	t.in = calloc(2, t.in_len + GROWTH);
	if (t.in) {
		t.out = t.in + t.in_len + GROWTH;
		t.in[0] = t.in[6] = 2; /* addresses of nobody, locally administered */
		t.in[12] = ETH_P_IP >> 8;
		query_packet(&q->packet, t.in + PS_ETH_LEN, t.in_len - PS_ETH_LEN);
		r = run_program(&t, q);
	}
	if (r) {
		error_system(err, -r, "the kernel declines to test a frame of %u bytes: %s",
			     t.in_len, strerror(-r));
	} else {
		run->agrees = judge(&t, decision_answer(d));
		if (!run->agrees)
			tell(&t, run->differs, sizeof(run->differs));
	}
	free(t.in);
	return r;
}
