/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The whole way on one CPU: generator -> veth -> node -> veth -> sink, three namespaces. The
 * generator is a live-frames run of chain_gen, so no skb is made unless the node makes one. Modes
 * run round-robin; what arrives is compared with what was sent, and a loss is an error.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "bench_abi.h"
#include "penstock/wire.h"

#define LEN 64

static struct bpf_object *obj;
static struct chain_state *state;
static int home, gen, sink;	   /* namespaces */
static uint32_t g0, in0, out0, s0; /* ifindexes, each in its namespace */
static struct store *store;

static void enter(int ns)
{
	if (setns(ns, CLONE_NEWNET))
		die("setns: %s", strerror(errno));
}

static int prog(const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(obj, name));
}

static void xdp(int ns, uint32_t ifindex, const char *name)
{
	int r;

	enter(ns);
	r = bpf_xdp_attach((int)ifindex, name ? prog(name) : -1, XDP_FLAGS_DRV_MODE, NULL);
	enter(home);
	if (r)
		die("XDP on %u: %s", ifindex, strerror(-r));
}

/* --- modes: what the node and the sink do
 * ------------------------------------------------------------ */

static void drop_on(void)
{
	xdp(home, in0, "chain_drop");
}

static void drop_off(void)
{
	xdp(home, in0, NULL);
}

static void const_on(void)
{
	xdp(home, in0, "chain_const");
	xdp(sink, s0, "chain_drop");
}

static void const_off(void)
{
	xdp(home, in0, NULL);
	xdp(sink, s0, NULL);
}

static void steer_on(void)
{
	struct error err;

	must(store_attach(store, "out0", PS_ROLE_WAN, PORT_NATIVE, &err), &err, "attach");
	must(store_attach(store, "in0", PS_ROLE_WAN, PORT_NATIVE, &err), &err, "attach");
	xdp(sink, s0, "chain_drop");
	if (store->tunnel[PS_TUNNEL_FIRST].nh_state != PS_NH_READY)
		die("chain: the tunnel is %s",
		    nexthop_state_name(store->tunnel[PS_TUNNEL_FIRST].nh_state));
}

static void steer_off(void)
{
	struct error err;

	must(store_detach(store, "in0", &err), &err, "detach");
	must(store_detach(store, "out0", &err), &err, "detach");
	xdp(sink, s0, NULL);
}

static void kernel_on(void)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)s0, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog("chain_shot"));

	/* Past penstock0, whose route for the same prefix is there too. */
	sh("ip route add 10.0.0.0/24 nexthop via 192.0.2.11 dev out0 nexthop via 192.0.2.12 dev "
	   "out0");
	enter(sink);
	if (bpf_tc_hook_create(&hook) || bpf_tc_attach(&hook, &opts))
		die("tc on the sink");
	enter(home);
}

static void kernel_off(void)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)s0,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	enter(sink);
	bpf_tc_hook_destroy(&hook);
	enter(home);
	sh("ip route del 10.0.0.0/24");
}

static struct mode {
	const char *name;
	void (*on)(void), (*off)(void);
	uint32_t len; /* of a frame at the sink */
	double mpps[BENCH_ROUNDS_MAX];
} mode[] = {
	{ .name = "drop", .on = drop_on, .off = drop_off, .len = LEN },
	{ .name = "const", .on = const_on, .off = const_off, .len = LEN + 24 },
	{ .name = "steer", .on = steer_on, .off = steer_off, .len = LEN + 24 },
	{ .name = "kernel", .on = kernel_on, .off = kernel_off, .len = LEN },
};
enum {
	DROP,
	CONST,
	FULL,
	KERNEL,
	MODES
};

/* --- set-up
 * ---------------------------------------------------------------------------------------- */

static int netns_open(const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s-%s", instance, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("cannot open %s", path);
	return fd;
}

static uint32_t index_in(int ns, const char *name)
{
	uint32_t i;

	enter(ns);
	i = if_nametoindex(name);
	enter(home);
	return i;
}

static void mac_of(const char *dev, uint8_t *mac)
{
	char path[64];
	unsigned int b[6];
	FILE *f;
	int i;

	/* /sys shows another namespace's devices here: ask ip. */
	snprintf(path, sizeof(path), "ip -br link show dev %s | awk '{print $3}'", dev);
	f = popen(path, "r");
	if (!f || fscanf(f, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6)
		die("no MAC address of %s", dev);
	for (i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
	pclose(f);
}

static void frames(void)
{
	struct iphdr ip = { .version = 4,
			    .ihl = 5,
			    .ttl = 64,
			    .protocol = IPPROTO_UDP,
			    .tot_len = PS_BE16(LEN - 14),
			    .saddr = PS_BE32(0xcb007105),
			    .daddr = PS_BE32(0x0a000001) };
	struct iphdr outer = { .version = 4,
			       .ihl = 5,
			       .ttl = 64,
			       .protocol = IPPROTO_GRE,
			       .tot_len = PS_BE16(LEN - 14 + 24),
			       .saddr = PS_BE32(BENCH_LOCAL),
			       .daddr = PS_BE32(BENCH_REMOTE) };

	ip.check = (uint16_t)~ps_ip_sum(&ip);
	outer.check = (uint16_t)~ps_ip_sum(&outer);
	mac_of("in0", state->frame);
	state->frame[6] = 2;
	state->frame[12] = 8;
	memcpy(state->frame + 14, &ip, sizeof(ip));
	state->frame[37] = 53;
	state->frame[39] = LEN - 34;
	state->outer[0] = state->outer[6] = 2;
	state->outer[12] = 8;
	memcpy(state->outer + 14, &outer, sizeof(outer));
	state->outer[36] = 8;
	state->out = out0;
}

static void set_up(const struct bench *b)
{
	char path[512];

	sh("ip netns add %s-g; ip netns add %s-s; sysctl -qw net.ipv6.conf.default.disable_ipv6=1; "
	   "for n in g s; do nsenter --net=/run/netns/%s-$n sysctl -qw "
	   "net.ipv6.conf.default.disable_ipv6=1; done; ip link add in0 type veth peer name g0 "
	   "netns "
	   "%s-g; ip link add out0 type veth peer name s0 netns %s-s; ip addr add 192.0.2.1/24 dev "
	   "out0; ip link set in0 up; ip link set out0 up; ip -n %s-g link set g0 up; ip -n %s-s "
	   "link set s0 up; ethtool -K in0 gro on; ip netns exec %s-s ethtool -K s0 gro on; "
	   "ip addr add 203.0.113.254/24 dev in0; sysctl -qw net.ipv4.fib_multipath_hash_policy=1 "
	   "net.ipv4.conf.in0.rp_filter=0 net.ipv4.conf.all.rp_filter=0; for i in 1 2; do "
	   "ip neigh add 192.0.2.1$i lladdr 02:00:00:00:00:1$i dev out0 nud permanent; done; "
	   "ip route add 198.18.0.0/15 via 192.0.2.11",
	   instance, instance, instance, instance, instance, instance, instance, instance);
	home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	gen = netns_open("g");
	sink = netns_open("s");
	g0 = index_in(gen, "g0");
	s0 = index_in(sink, "s0");
	in0 = if_nametoindex("in0");
	out0 = if_nametoindex("out0");
	snprintf(path, sizeof(path), "%s/chain.bpf.o", b->dir);
	obj = bpf_object__open_file(path, NULL);
	if (!obj || bpf_object__load(obj))
		die("cannot load %s", path);
	state = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
		     bpf_object__find_map_fd_by_name(obj, "chain_state"), 0);
	if (state == MAP_FAILED)
		die("cannot map chain_state");
	frames();
}

void chain_clean_up(void)
{
	char cmd[128];

	if (!home)
		return;
	setns(home, CLONE_NEWNET); /* wherever it was when it ended */
	snprintf(cmd, sizeof(cmd), "ip netns del %s-g; ip netns del %s-s", instance, instance);
	if (system(cmd))
		fprintf(stderr, "bench: namespaces may be left: %s\n", cmd);
}

/* --- one run
 * ----------------------------------------------------------------------------------------- */

static double transmit(const struct mode *m, uint32_t n)
{
	static uint8_t data[LEN];
	struct xdp_md ctx = { .data_end = LEN, .ingress_ifindex = g0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data, .data_size_in = LEN, .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = (int)n, .batch_size = 64,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	double begin, took;
	int r, i;

	state->seen = state->wrong = 0;
	state->want = m->len;
	enter(gen);
	begin = now_s();
	r = bpf_prog_test_run_opts(prog("chain_gen"), &opts);
	took = now_s() - begin;
	enter(home);
	if (r)
		die("live frames: %s", strerror(-r));
	for (i = 0; i < 1000 && __atomic_load_n(&state->seen, __ATOMIC_RELAXED) < n; i++)
		usleep(100);
	if (state->seen != n || state->wrong)
		die("%s: %llu packets of %u arrived, %llu of them not of %u bytes", m->name,
		    (unsigned long long)state->seen, n, (unsigned long long)state->wrong, m->len);
	return n / took / 1e6;
}

static double over(int a, int b, uint32_t rounds)
{
	double v[BENCH_ROUNDS_MAX];
	uint32_t r;

	for (r = 0; r < rounds; r++)
		v[r] = mode[a].mpps[r] / mode[b].mpps[r];
	return median(v, rounds);
}

void chain(const struct bench *b)
{
	struct scenario s = { "chain", 1000, 10, 16 };
	uint32_t rounds = b->rounds < 31 ? b->rounds : 31, r, i;
	struct prefix *p = tables_prefixes(s.prefixes);
	struct error err;
	cpu_set_t one;

	printf("\nveth chain, one CPU, 64 bytes\n");
	CPU_ZERO(&one);
	CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &one);
	sched_setaffinity(0, sizeof(one), &one);
	p[0] = (struct prefix){ 0x0a000000, 24 };
	store = tables_open(&s, 1);
	tables_routes(store, &s, p, NULL, NULL);
	set_up(b);
	for (r = 0; r < rounds; r++) {
		for (i = 0; i < MODES; i++) {
			mode[i].on();
			transmit(&mode[i], 20000); /* warm */
			mode[i].mpps[r] = transmit(&mode[i], i == KERNEL ? 200000 : 1000000);
			mode[i].off();
		}
	}
	row("chain-kernel", "full steer over the kernel's multipath forwarding, no tunnel",
	    over(FULL, KERNEL, rounds), "x", 4, false);
	row("chain-const", "full steer over constant encapsulation", over(FULL, CONST, rounds), "x",
	    0.85, false);
	row("chain-drop", "XDP_DROP on arrival: generator and first veth alone",
	    median(mode[DROP].mpps, rounds), "Mpps", 0, false);
	row("chain-encap", "constant encapsulation", median(mode[CONST].mpps, rounds), "Mpps", 0,
	    false);
	row("chain-steer", "full steer", median(mode[FULL].mpps, rounds), "Mpps", 0, false);
	row("chain-multipath", "kernel multipath forwarding", median(mode[KERNEL].mpps, rounds),
	    "Mpps", 0, false);
	free(p);
	store_close(store);
	must(store_unload(instance, &err), &err, "unload");
}
