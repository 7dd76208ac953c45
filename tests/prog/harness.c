/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * See harness.h.
 *
 * Clean-up: pins outlive processes, so a test that dies must not leave them. The process unloads
 * at exit, also after SIGINT and SIGTERM; what a SIGKILL leaves is swept by the next test, which
 * knows its dead by the process id in the instance's name.
 */
#include "harness.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const uint8_t MAC_US[6] = { 2, 0, 0, 0, 0, 1 };
const uint8_t MAC_PEER[6] = { 2, 0, 0, 0, 0, 2 };
const uint8_t MAC_HOP[6] = { 2, 0, 0, 0, 0, 3 };
const uint8_t MAC_OUT[6] = { 2, 0, 0, 0, 0, 4 };

struct harness hs = { .prog = { -1, -1, -1 } };

static const char *const dev_name[DEV_COUNT] = { "wan0", "wan1", "lan0", "idle" };
static char instance[PS_NAME_LEN];
static const char *missing;
static pid_t owner;
static cpu_set_t all_cpus;

/* --- life ------------------------------------------------------------------------------------ */

static int shell(const char *fmt, va_list ap)
{
	char cmd[512];

	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	return system(cmd);
}

void sh(const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = shell(fmt, ap);
	va_end(ap);
	if (r)
		fail_msg("failed: %s", fmt);
}

static bool try_sh(const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = shell(fmt, ap);
	va_end(ap);
	return r == 0;
}

static void cleanup(void)
{
	struct error err;
	int i;

	if (getpid() != owner || !instance[0])
		return;
	for (i = 0; i < PROG_COUNT; i++) {
		if (hs.prog[i] >= 0)
			close(hs.prog[i]);
		hs.prog[i] = -1;
	}
	if (hs.st)
		store_close(hs.st);
	hs.st = NULL;
	if (store_unload(instance, &err))
		fprintf(stderr, "cannot unload %s: %s\n", instance, err.text);
	instance[0] = '\0';
}

static void on_signal(int sig)
{
	(void)sig;
	exit(1);
}

/* Removes the pins of tests that were killed; their namespaces, and so their devices, are gone. */
static void sweep(void)
{
	char **names, path[300];
	size_t n = store_instances(&names), i;

	for (i = 0; i < n; i++) {
		char *end = names[i];
		long pid = names[i][0] == 't' ? strtol(names[i] + 1, &end, 10) : 0;
		struct dirent *e;
		DIR *d;

		snprintf(path, sizeof(path), "%s/%s", STORE_ROOT, names[i]);
		d = pid > 0 && !*end && kill((pid_t)pid, 0) && errno == ESRCH ? opendir(path) :
										NULL;
		while (d && (e = readdir(d)))
			if (e->d_name[0] != '.')
				unlinkat(dirfd(d), e->d_name, 0);
		if (d) {
			closedir(d);
			rmdir(path);
		}
		free(names[i]);
	}
	free(names);
}

static bool write_sysctl(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, value, strlen(value)) > 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

static const char *make_namespace(void)
{
	cpu_set_t one;
	int i;

	if (unshare(CLONE_NEWNET))
		return "no permission to make a network namespace";
	/* One CPU: the programs remember next hops per CPU. */
	sched_getaffinity(0, sizeof(all_cpus), &all_cpus);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	write_sysctl("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
	write_sysctl("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	if (!write_sysctl("/proc/sys/net/ipv4/ip_forward", "1"))
		return "cannot set ip_forward";
	if (!try_sh("ip link set lo up 2>/dev/null"))
		return "ip(8) is missing";
	for (i = 0; i < DEV_COUNT; i++) {
		const char *d = dev_name[i];

		if (!try_sh("ip link add %s type veth peer name %sp && ip link set %s up && "
			    "ip link set %sp up",
			    d, d, d, d))
			return "cannot make veth pairs";
		hs.ifindex[i] = if_nametoindex(d);
	}
	if (!try_sh("ip route add 192.0.2.0/24 dev wan0"))
		return "cannot add a route";
	return NULL;
}

static void look(struct ps_reason_stats *now);

void harness_reopen(void)
{
	struct error err;

	if (hs.st)
		store_close(hs.st);
	hs.st = NULL;
	must(store_open(&hs.st, instance, true, &err), &err, "open");
}

static int start_instance(const struct store_limits *limits)
{
	const struct store_limits defaults = { .max_tunnels = 64, .max_groups = 512 };
	struct error err = { "", false };
	bool upgraded;
	int i;

	snprintf(instance, sizeof(instance), "t%d", (int)owner);
	if (store_load(instance, limits ? limits : &defaults, &upgraded, &err) ||
	    store_open(&hs.st, instance, true, &err)) {
		fprintf(stderr, "cannot load: %s\n", err.text);
		return -1;
	}
	hs.penstock0 = hs.st->node->ifindex;
	for (i = 0; i < PROG_COUNT; i++) {
		hs.prog[i] = store_prog_fd(hs.st, i);
		if (hs.prog[i] < 0)
			return -1;
	}
	look(hs.seen);
	return 0;
}

int harness_setup(const struct store_limits *limits)
{
	if (geteuid()) {
		missing = "needs root";
		return 0;
	}
	sweep();
	missing = make_namespace();
	if (missing)
		return 0;
	owner = getpid();
	atexit(cleanup);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	return start_instance(limits);
}

void harness_reload(const struct store_limits *limits)
{
	cleanup();
	assert_int_equal(start_instance(limits), 0);
}

int harness_teardown(void **state)
{
	(void)state;
	cleanup();
	return 0;
}

const char *harness_missing(void)
{
	return missing;
}

const char *harness_instance(void)
{
	return instance;
}

void harness_any_cpu(void)
{
	sched_setaffinity(0, sizeof(all_cpus), &all_cpus);
}

void harness_attach(void)
{
	struct error err;

	must(store_attach(hs.st, "wan0", PS_ROLE_WAN, PORT_NATIVE, &err), &err, "attach wan0");
	must(store_attach(hs.st, "wan1", PS_ROLE_WAN, PORT_NATIVE, &err), &err, "attach wan1");
	must(store_attach(hs.st, "lan0", PS_ROLE_LAN, PORT_NATIVE, &err), &err, "attach lan0");
	look(hs.seen);
}

static void print_finding(void *arg, const char *where, const char *what, bool mended)
{
	(void)mended;
	print_message("%s: %s\n", where, what);
	++*(unsigned int *)arg;
}

void harness_healthy(const char *since)
{
	unsigned int found = 0;
	struct error err;

	must(store_doctor(instance, false, print_finding, &found, &err), &err, since);
	if (found)
		fail_msg("%s: the doctor has %u findings", since, found);
}

void must(int r, const struct error *err, const char *what)
{
	if (!r)
		return;
	if (getpid() != owner) { /* a child must not go on as the test program */
		fprintf(stderr, "%s: %s (%d)\n", what, err->text, r);
		_exit(3);
	}
	fail_msg("%s: %s (%d)", what, err->text, r);
}

/* --- counters -------------------------------------------------------------------------------- */

#define CPUS_MAX 1024

/* All reason counters at once where the kernel can (5.13), else one by one. */
static void look(struct ps_reason_stats *now)
{
	static struct ps_reason_stats v[PS_REASON_MAX * CPUS_MAX];
	static uint32_t keys[PS_REASON_MAX];
	uint32_t n = PS_REASON_MAX, out, i;
	int cpus = libbpf_num_possible_cpus(), c;

	memset(now, 0, PS_REASON_MAX * sizeof(*now));
	if (cpus > CPUS_MAX ||
	    (bpf_map_lookup_batch(hs.st->fd[MAP_REASON], NULL, &out, keys, v, &n, NULL) &&
	     errno != ENOENT)) {
		for (i = 0; i < PS_REASON_MAX; i++)
			store_reason_stats(hs.st, i, &now[i]);
		return;
	}
	for (i = 0; i < n; i++)
		for (c = 0; c < cpus; c++) {
			now[keys[i]].packets += v[i * (uint32_t)cpus + (uint32_t)c].packets;
			now[keys[i]].bytes += v[i * (uint32_t)cpus + (uint32_t)c].bytes;
		}
}

/* The reason counted since the last look. */
static int counted(void)
{
	struct ps_reason_stats now[PS_REASON_MAX];
	uint64_t sum = 0;
	int i, reason = 0;

	look(now);
	for (i = 0; i < PS_REASON_MAX; i++) {
		if (now[i].packets == hs.seen[i].packets)
			continue;
		sum += now[i].packets - hs.seen[i].packets;
		reason = i;
		hs.reached[i] = true;
	}
	memcpy(hs.seen, now, sizeof(now));
	return sum > 1 ? -1 : reason;
}

/* --- running --------------------------------------------------------------------------------- */

static int run(enum hook hook, struct bpf_test_run_opts *o, struct outcome *to)
{
	static const enum store_prog prog[] = {
		[HOOK_WAN] = PROG_XDP_WAN, [HOOK_LAN] = PROG_XDP_LAN, [HOOK_TC] = PROG_TC
	};

	o->data_out = to->out.b;
	o->data_size_out = sizeof(to->out.b);
	o->repeat = 1;
	if (bpf_prog_test_run_opts(hs.prog[prog[hook]], o))
		return -errno;
	to->verdict = (int)o->retval;
	to->out.len = o->data_size_out;
	return 0;
}

static int run_tc(const struct frame *f, struct outcome *to)
{
	struct __sk_buff ctx = { .ifindex = hs.penstock0 };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = f->b, .data_size_in = f->len, .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx));

	return run(HOOK_TC, &o, to);
}

static int run_xdp(enum hook hook, enum dev in, const struct frame *f, uint32_t meta,
		   struct outcome *to)
{
	struct xdp_md ctx = { .data = meta, .data_end = f->len, .ingress_ifindex = hs.ifindex[in] };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = f->b, .data_size_in = f->len, .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx));

	return run(hook, &o, to);
}

int harness_run_uncounted(enum hook hook, enum dev in, const struct frame *f, struct outcome *o)
{
	o->reason = 0;
	return hook == HOOK_TC ? run_tc(f, o) : run_xdp(hook, in, f, 0, o);
}

bool harness_declines(enum hook hook, const struct frame *f)
{
	if (hook != HOOK_TC || f->len < 14)
		return f->len < 14;
	return (get16(f->b + 12) == 0x0800 && f->len < 34) ||
	       (get16(f->b + 12) == 0x86dd && f->len < 54);
}

int harness_run(enum hook hook, enum dev in, const struct frame *f, struct outcome *o)
{
	int r = harness_run_uncounted(hook, in, f, o);

	o->reason = counted();
	return r;
}

int harness_run_meta(enum hook hook, enum dev in, const struct frame *f, uint32_t meta,
		     struct outcome *o)
{
	static struct frame with;
	int r;

	memset(with.b, 0, meta);
	memcpy(with.b + meta, f->b, f->len);
	with.len = meta + f->len;
	r = run_xdp(hook, in, &with, meta, o);
	o->reason = counted();
	return r;
}

const char *verdict_name(enum hook hook, int verdict)
{
	static const char *const xdp[] = { "XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX",
					   "XDP_REDIRECT" };

	if (hook != HOOK_TC)
		return verdict >= 0 && verdict < 5 ? xdp[verdict] : "?";
	return verdict == TC_ACT_OK	  ? "TC_ACT_OK" :
	       verdict == TC_ACT_SHOT	  ? "TC_ACT_SHOT" :
	       verdict == TC_ACT_REDIRECT ? "TC_ACT_REDIRECT" :
					    "?";
}

const char *reason_name(int reason)
{
	switch (reason) {
#define REASON_CASE(name, number, label, kind, meaning) \
	case number:                                    \
		return label;
		PS_REASONS(REASON_CASE)
#undef REASON_CASE
	case 0:
		return "-";
	default:
		return "several";
	}
}

bool verdict_sent(enum hook hook, int verdict)
{
	return hook == HOOK_TC ? verdict == TC_ACT_REDIRECT :
				 verdict == XDP_TX || verdict == XDP_REDIRECT;
}

/* --- judging --------------------------------------------------------------------------------- */

const char *current = "";
static unsigned int failures;

void wrong(const char *fmt, ...)
{
	va_list ap;

	printf("FAILED %s: ", current);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	failures++;
}

void none_wrong(void)
{
	unsigned int n = failures;

	failures = 0;
	if (n)
		fail_msg("%u failures", n);
}

void judge(enum hook hook, const struct outcome *o, int verdict, int reason,
	   const struct frame *want)
{
	if (o->verdict != verdict || o->reason != reason)
		wrong("%s: want %s, reason %s; got %s, reason %s",
		      hook == HOOK_TC ? "slow" : "fast", verdict_name(hook, verdict),
		      reason_name(reason), verdict_name(hook, o->verdict), reason_name(o->reason));
	else if (want && !frame_equal(want, &o->out)) {
		frame_diff(current, want, &o->out);
		wrong("frames differ");
	}
}
