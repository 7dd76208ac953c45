/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The netlink module and the sysctl helpers against the kernel. Every test runs in a network
 * namespace of its own, made in its setup. What is not ours (gateways, foreign routes and rules) is
 * made and looked at with ip(8), so that the module is not checked by itself alone.
 *
 * Needs root and ip(8); without, the tests are skipped and say so.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>
#include <linux/if_link.h>
#include <linux/netlink.h>

#include "net/netlink.h"
#include "net/sysctl.h"

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

static struct nl *nl;
static const char *skip_reason;

/*
 * The C library's, in whose place the module is linked to this one: marks this many datagrams of
 * dumps as interrupted. Real interruptions cannot be made to happen at will.
 */
static int interrupt;

ssize_t recvfrom(int fd, void *buf, size_t len, int flags, __SOCKADDR_ARG from, socklen_t *from_len)
{
	ssize_t n = syscall(SYS_recvfrom, fd, buf, len, flags, from.__sockaddr__, from_len);
	struct nlmsghdr *nlh = buf;

	if (interrupt > 0 && n >= (ssize_t)sizeof(*nlh) && nlh->nlmsg_flags & NLM_F_MULTI) {
		nlh->nlmsg_flags |= NLM_F_DUMP_INTR;
		interrupt--;
	}
	return n;
}

/* First in every test: skip() works in no other place. */
#define NEED_NET()                                                   \
	do {                                                         \
		if (skip_reason) {                                   \
			print_message("skipped: %s\n", skip_reason); \
			skip();                                      \
		}                                                    \
	} while (0)

/* Runs a shell command; its exit status. */
__attribute__((format(printf, 1, 2))) static int sh(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;
	int status;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	status = system(cmd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static int setup(void **state)
{
	(void)state;
	interrupt = 0;
	if (skip_reason)
		return 0;
	if (unshare(CLONE_NEWNET) < 0) {
		skip_reason = "no permission to make a network namespace";
		return 0;
	}
	if (sh("ip link set lo up 2>/dev/null") != 0) {
		skip_reason = "ip(8) is missing or cannot set lo up";
		return 0;
	}
	return nl_open(&nl);
}

static int teardown(void **state)
{
	(void)state;
	nl_close(nl);
	nl = NULL;
	return 0;
}

static int ifindex_of(const char *name)
{
	struct nl_link link;

	assert_int_equal(nl_link_get(nl, name, 0, &link), 0);
	return link.ifindex;
}

/* A pair; returns the ifindex of the first end. */
static int make_veth(const char *name, const char *peer)
{
	assert_int_equal(nl_veth_add(nl, name, peer, 1500), 0);
	return ifindex_of(name);
}

static int make_veth_addr(const char *name, const char *peer, uint32_t addr, uint8_t len)
{
	int ifindex = make_veth(name, peer);

	assert_int_equal(nl_addr_add(nl, ifindex, (struct nl_addr){ addr, len }), 0);
	return ifindex;
}

static unsigned int if_flags(const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { 0 };

	assert_true(fd >= 0);
	strncpy(req.ifr_name, name, sizeof(req.ifr_name) - 1);
	assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &req), 0);
	close(fd);
	return (unsigned short)req.ifr_flags;
}

static void test_link_get(void **state)
{
	struct nl_link a, b;

	(void)state;
	NEED_NET();
	assert_int_equal(nl_link_get(nl, "lo", 0, &a), 0);
	assert_string_equal(a.name, "lo");
	assert_int_equal(a.mtu, 65536);
	assert_true(a.up);
	assert_false(a.ethernet);
	assert_int_equal(nl_link_get(nl, NULL, a.ifindex, &b), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_string_equal(nl_error(nl), "");

	assert_int_equal(nl_link_get(nl, "none", 0, &a), -ENODEV);
	assert_int_equal(a.ifindex, 0);
	assert_int_equal(nl_link_get(nl, NULL, 4711, &a), -ENODEV);
	assert_int_equal(nl_link_get(nl, NULL, 0, &a), -ENODEV);
	assert_int_equal(nl_link_get(nl, NULL, -1, &a), -ENODEV);
	assert_int_equal(nl_link_get(nl, "", 0, &a), -ENODEV);
	assert_int_equal(nl_link_get(nl, "a-name-of-16-chr", 0, &a), -ENODEV);
}

static void test_veth(void **state)
{
	static const char *const names[] = { "ps0", "ps.1" };
	static const uint8_t zero[6];
	struct nl_link link;

	(void)state;
	NEED_NET();
	assert_int_equal(nl_veth_add(nl, names[0], names[1], 1400), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(nl_link_get(nl, names[i], 0, &link), 0);
		assert_string_equal(link.name, names[i]);
		assert_int_equal(link.mtu, 1400);
		assert_true(link.up && link.running && link.ethernet);
		assert_memory_not_equal(link.mac, zero, sizeof(zero));
		assert_int_equal(link.xdp_prog_id, 0);
		assert_int_equal(link.xdp_mode, XDP_ATTACHED_NONE);
		assert_int_equal(if_flags(names[i]) & (IFF_UP | IFF_NOARP), IFF_UP | IFF_NOARP);
		/* No IPv6 address, or no IPv6: 1 either way. */
		assert_int_equal(sh("grep -q ' %s$' /proc/net/if_inet6 2>/dev/null", names[i]) > 0,
				 1);
	}
}

static void test_veth_errors(void **state)
{
	struct nl_link link;

	(void)state;
	NEED_NET();
	make_veth("ps0", "ps1");
	assert_int_equal(nl_veth_add(nl, "ps0", "ps2", 1500), -EEXIST);
	assert_int_equal(nl_link_get(nl, "ps2", 0, &link), -ENODEV);
	assert_int_equal(nl_veth_add(nl, "ps2", "ps1", 1500), -EEXIST);
	assert_int_equal(nl_link_get(nl, "ps2", 0, &link), -ENODEV);
	assert_int_equal(nl_veth_add(nl, "ps2", "ps2", 1500), -EEXIST);
	assert_int_equal(nl_link_get(nl, "ps2", 0, &link), -ENODEV);

	assert_int_equal(nl_veth_add(nl, "ps2", "ps3", 70000), -EINVAL);
	assert_int_equal(nl_link_get(nl, "ps2", 0, &link), -ENODEV);
	assert_int_equal(nl_veth_add(nl, "", "ps3", 1500), -EINVAL);
	assert_string_equal(nl_error(nl), "");
	assert_int_equal(nl_veth_add(nl, "ps2", "ps%d", 1500), -EINVAL);
	assert_int_equal(nl_veth_add(nl, "a-name-of-16-chr", "ps3", 1500), -EINVAL);
	assert_int_equal(nl_veth_add(nl, "a/b", "ps3", 1500), -EINVAL);
	assert_int_equal(nl_veth_add(nl, "ps2", "..", 1500), -EINVAL);
	assert_int_equal(nl_link_get(nl, "ps2", 0, &link), -ENODEV);
}

static void test_veth_no_ipv6(void **state)
{
	struct nl_link link;

	(void)state;
	NEED_NET();
	/* Below IPv6's smallest MTU the kernel keeps no IPv6 state, and refuses its settings. */
	assert_int_equal(nl_veth_add(nl, "ps0", "ps1", 1000), 0);
	assert_int_equal(nl_link_get(nl, "ps0", 0, &link), 0);
	assert_true(link.up && link.running);
	assert_int_equal(link.mtu, 1000);

	if (sysctl_set("ipv6/conf/default/disable_ipv6", 1) == -ENOENT)
		return;
	assert_int_equal(nl_veth_add(nl, "ps2", "ps3", 1500), 0);
	assert_int_equal(nl_link_get(nl, "ps3", 0, &link), 0);
	assert_true(link.up && link.running);
}

static void test_link_change(void **state)
{
	struct nl_link link;
	int a, b;

	(void)state;
	NEED_NET();
	a = make_veth("ps0", "ps1");
	b = ifindex_of("ps1");
	assert_int_equal(nl_link_set_mtu(nl, a, 9000), 0);
	assert_int_equal(nl_link_get(nl, NULL, a, &link), 0);
	assert_int_equal(link.mtu, 9000);
	assert_int_equal(nl_link_get(nl, NULL, b, &link), 0);
	assert_int_equal(link.mtu, 1500);
	assert_int_equal(nl_link_set_mtu(nl, a, 70000), -EINVAL);
	assert_string_not_equal(nl_error(nl), "");
	assert_int_equal(nl_link_set_mtu(nl, 4711, 1500), -ENODEV);
	assert_int_equal(nl_link_set_mtu(nl, 0, 1500), -ENODEV);

	assert_int_equal(sh("ip link set ps1 down"), 0);
	assert_int_equal(nl_link_get(nl, NULL, a, &link), 0);
	assert_true(link.up && !link.running);
	assert_int_equal(nl_link_get(nl, NULL, b, &link), 0);
	assert_true(!link.up && !link.running);

	assert_int_equal(nl_link_del(nl, a), 0);
	assert_int_equal(nl_link_get(nl, NULL, b, &link), -ENODEV);
	assert_int_equal(nl_link_del(nl, a), -ENODEV);
	assert_int_equal(nl_link_del(nl, 0), -ENODEV);
	assert_int_not_equal(nl_link_del(nl, ifindex_of("lo")), 0);
}

static uint32_t prog_id(int fd)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	return info.id;
}

static void test_link_xdp(void **state)
{
	static const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	static const struct {
		uint32_t flag;
		uint8_t mode;
	} modes[] = { { XDP_FLAGS_SKB_MODE, XDP_ATTACHED_SKB },
		      { XDP_FLAGS_DRV_MODE, XDP_ATTACHED_DRV } };
	struct nl_link link;
	int ifindex, fd;

	(void)state;
	NEED_NET();
	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", pass, 2, NULL);
	if (fd < 0) {
		print_message("skipped: cannot load an XDP program\n");
		skip();
	}
	ifindex = make_veth("ps0", "ps1");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(bpf_xdp_attach(ifindex, fd, modes[i].flag, NULL), 0);
		assert_int_equal(nl_link_get(nl, "ps0", 0, &link), 0);
		assert_int_equal(link.xdp_prog_id, prog_id(fd));
		assert_int_equal(link.xdp_mode, modes[i].mode);
		assert_int_equal(bpf_xdp_detach(ifindex, modes[i].flag, NULL), 0);
	}
	assert_int_equal(nl_link_get(nl, "ps0", 0, &link), 0);
	assert_int_equal(link.xdp_prog_id, 0);
	assert_int_equal(link.xdp_mode, XDP_ATTACHED_NONE);
	close(fd);
}

static void test_addr(void **state)
{
	const struct nl_addr a = { IP(10, 0, 0, 1), 30 }, b = { IP(10, 0, 0, 1), 31 };
	struct nl_addr *list;
	int ifindex, other;
	size_t n;

	(void)state;
	NEED_NET();
	ifindex = make_veth("ps0", "ps1");
	other = ifindex_of("ps1");
	assert_int_equal(nl_addr_list(nl, ifindex, &list, &n), 0);
	assert_int_equal(n, 0);
	free(list);
	assert_int_equal(nl_addr_add(nl, ifindex, a), 0);
	assert_int_equal(nl_addr_add(nl, ifindex, a), 0);
	assert_int_equal(nl_addr_add(nl, other, (struct nl_addr){ IP(10, 9, 9, 9), 32 }), 0);
	assert_int_equal(sh("ip addr add 192.0.2.1 peer 192.0.2.9/32 dev ps0"), 0);

	assert_int_equal(nl_addr_list(nl, ifindex, &list, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(list[0].addr, a.addr);
	assert_int_equal(list[0].len, 30);
	assert_int_equal(list[1].addr, IP(192, 0, 2, 1));
	free(list);

	/* Another length is another address. */
	assert_int_equal(nl_addr_del(nl, ifindex, b), 0);
	assert_int_equal(nl_addr_del(nl, other, a), 0);
	assert_int_equal(sh("ip -4 addr show ps0 | grep -q 10.0.0.1/30"), 0);
	assert_int_equal(nl_addr_del(nl, ifindex, a), 0);
	assert_int_equal(nl_addr_del(nl, ifindex, a), 0);
	assert_int_not_equal(sh("ip -4 addr show ps0 | grep -q 10.0.0.1"), 0);

	assert_int_equal(nl_addr_add(nl, 4711, a), -ENODEV);
	assert_int_equal(nl_addr_del(nl, 4711, a), -ENODEV);
	assert_int_equal(nl_addr_list(nl, 4711, &list, &n), -ENODEV);
	assert_true(n == 0 && list == NULL);
	assert_int_equal(nl_addr_list(nl, 0, &list, &n), -ENODEV);
	assert_int_equal(nl_addr_add(nl, ifindex, (struct nl_addr){ IP(10, 0, 0, 1), 33 }),
			 -EINVAL);
}

static void test_addr_many(void **state)
{
	enum {
		MANY = 3000
	};
	struct nl_addr *list;
	int ifindex;
	size_t n;

	(void)state;
	NEED_NET();
	ifindex = make_veth("ps0", "ps1");
	for (uint32_t i = 0; i < MANY; i++) {
		struct nl_addr a = { IP(10, 0, 0, 0) + i, 32 };

		assert_int_equal(nl_addr_add(nl, ifindex, a), 0);
	}
	assert_int_equal(nl_addr_list(nl, ifindex, &list, &n), 0);
	assert_int_equal(n, MANY);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(list[i].addr, IP(10, 0, 0, 0) + i);
	free(list);
}

/* Dumps marked by the kernel as interrupted: read again, and given up at last. */
static void test_dump_interrupted(void **state)
{
	struct nl_addr *list;
	int ifindex;
	size_t n;

	(void)state;
	NEED_NET();
	ifindex = make_veth_addr("ps0", "ps1", IP(10, 0, 0, 1), 24);
	interrupt = 5;
	assert_int_equal(nl_addr_list(nl, ifindex, &list, &n), 0);
	assert_int_equal(interrupt, 0);
	assert_int_equal(n, 1);
	assert_int_equal(list[0].addr, IP(10, 0, 0, 1));
	free(list);
	interrupt = 1000;
	assert_int_equal(nl_addr_list(nl, ifindex, &list, &n), -EAGAIN);
	assert_true(n == 0 && !list);
	assert_true(interrupt > 900);
	interrupt = 0;
	assert_int_equal(nl_addr_list(nl, ifindex, &list, &n), 0);
	assert_int_equal(n, 1);
	free(list);
}

static void test_route_get(void **state)
{
	struct nl_path p;
	int a, b;

	(void)state;
	NEED_NET();
	a = make_veth_addr("ps0", "ps1", IP(10, 0, 0, 1), 24);
	b = make_veth_addr("ps2", "ps3", IP(10, 0, 1, 1), 24);
	assert_int_equal(sh("ip route add 198.51.100.0/24 via 10.0.0.254 && "
			    "ip route add 203.0.113.0/24 via 10.0.1.254 src 10.0.0.1"),
			 0);
	/* connected */
	assert_int_equal(nl_route_get(nl, IP(10, 0, 0, 7), 0, &p), 0);
	assert_int_equal(p.ifindex, a);
	assert_int_equal(p.gateway, IP(10, 0, 0, 7));
	assert_int_equal(p.source, IP(10, 0, 0, 1));
	assert_false(p.local);
	/* through a gateway */
	assert_int_equal(nl_route_get(nl, IP(198, 51, 100, 7), 0, &p), 0);
	assert_int_equal(p.ifindex, a);
	assert_int_equal(p.gateway, IP(10, 0, 0, 254));
	assert_int_equal(p.source, IP(10, 0, 0, 1));
	/* with the route's preferred source, and with ours */
	assert_int_equal(nl_route_get(nl, IP(203, 0, 113, 7), 0, &p), 0);
	assert_int_equal(p.ifindex, b);
	assert_int_equal(p.gateway, IP(10, 0, 1, 254));
	assert_int_equal(p.source, IP(10, 0, 0, 1));
	assert_int_equal(nl_route_get(nl, IP(203, 0, 113, 7), IP(10, 0, 1, 1), &p), 0);
	assert_int_equal(p.gateway, IP(10, 0, 1, 254));
	assert_int_equal(p.source, IP(10, 0, 1, 1));
	/* ourselves */
	assert_int_equal(nl_route_get(nl, IP(10, 0, 1, 1), 0, &p), 0);
	assert_true(p.local);
	assert_int_equal(p.ifindex, ifindex_of("lo"));
}

static void test_route_get_by_source(void **state)
{
	struct nl_path p;
	int b;

	(void)state;
	NEED_NET();
	make_veth_addr("ps0", "ps1", IP(10, 0, 0, 1), 24);
	b = make_veth_addr("ps2", "ps3", IP(10, 0, 1, 1), 24);
	if (sh("ip rule add from 10.0.1.1 table 77 2>/dev/null") != 0) {
		print_message("skipped: the kernel has no policy rules\n");
		skip();
	}
	assert_int_equal(sh("ip route add default via 10.0.0.254 && "
			    "ip route add default via 10.0.1.254 table 77"),
			 0);
	assert_int_equal(nl_route_get(nl, IP(192, 0, 2, 1), 0, &p), 0);
	assert_int_equal(p.gateway, IP(10, 0, 0, 254));
	assert_int_equal(nl_route_get(nl, IP(192, 0, 2, 1), IP(10, 0, 1, 1), &p), 0);
	assert_int_equal(p.gateway, IP(10, 0, 1, 254));
	assert_int_equal(p.ifindex, b);
	assert_int_equal(nl_route_get(nl, IP(192, 0, 2, 1), IP(10, 0, 0, 1), &p), 0);
	assert_int_equal(p.gateway, IP(10, 0, 0, 254));
}

static void test_route_get_errors(void **state)
{
	struct nl_path p = { .ifindex = 99 };

	(void)state;
	NEED_NET();
	assert_int_equal(nl_route_get(nl, IP(192, 0, 2, 1), 0, &p), -ENETUNREACH);
	assert_int_equal(p.ifindex, 0);
	make_veth_addr("ps0", "ps1", IP(10, 0, 0, 1), 24);
	assert_int_equal(sh("ip route add blackhole 192.0.2.1 && "
			    "ip route add unreachable 192.0.2.2 && "
			    "ip route add prohibit 192.0.2.3"),
			 0);
	for (int i = 0; i < 2; i++) {
		uint32_t src = i ? IP(10, 0, 0, 1) : 0;

		assert_int_equal(nl_route_get(nl, IP(192, 0, 2, 1), src, &p), -ENETUNREACH);
		assert_int_equal(nl_route_get(nl, IP(192, 0, 2, 2), src, &p), -EHOSTUNREACH);
		assert_int_equal(nl_route_get(nl, IP(192, 0, 2, 3), src, &p), -EACCES);
		assert_int_equal(nl_route_get(nl, IP(192, 0, 2, 4), src, &p), -ENETUNREACH);
	}
	assert_int_equal(nl_route_get(nl, IP(10, 0, 0, 2), IP(10, 0, 0, 9), &p), -EADDRNOTAVAIL);
	assert_int_equal(nl_route_get(nl, IP(10, 0, 0, 2), IP(8, 8, 8, 8), &p), -EADDRNOTAVAIL);
	assert_int_equal(nl_route_get(nl, IP(10, 0, 0, 2), IP(224, 0, 0, 5), &p), -EADDRNOTAVAIL);
	assert_int_equal(nl_route_get(nl, IP(10, 0, 0, 255), 0, &p), -EHOSTUNREACH);
	assert_int_equal(sh("ip route add default dev ps0"), 0);
	assert_int_equal(nl_route_get(nl, IP(224, 0, 0, 5), 0, &p), -EHOSTUNREACH);
	if (sh("ip route add 192.0.2.5 via inet6 fe80::1 dev ps0 2>/dev/null") == 0)
		assert_int_equal(nl_route_get(nl, IP(192, 0, 2, 5), 0, &p), -EAFNOSUPPORT);
}

static void check_routes(const struct nl_route *want, size_t n_want)
{
	struct nl_route *list;
	size_t n;

	assert_int_equal(nl_route_list(nl, &list, &n), 0);
	assert_int_equal(n, n_want);
	for (size_t i = 0; i < n_want; i++) {
		size_t k = 0;

		while (k < n &&
		       (list[k].dst.addr != want[i].dst.addr ||
			list[k].dst.len != want[i].dst.len || list[k].table != want[i].table ||
			list[k].ifindex != want[i].ifindex))
			k++;
		assert_true(k < n);
	}
	free(list);
}

static void test_route(void **state)
{
	struct nl_route r[] = { { { IP(192, 0, 2, 0), 24 }, 254, 0 },
				{ { IP(192, 0, 2, 0), 24 }, 1000, 0 },
				{ { IP(192, 0, 2, 128), 25 }, 77, 0 },
				{ { 0, 0 }, 77, 0 } };
	struct nl_path p;
	int a, b;

	(void)state;
	NEED_NET();
	a = make_veth_addr("ps0", "ps1", IP(10, 0, 0, 1), 30);
	b = make_veth("ps2", "ps3");
	check_routes(NULL, 0);
	for (size_t i = 0; i < 4; i++) {
		r[i].ifindex = a;
		assert_int_equal(nl_route_add(nl, &r[i]), 0);
		assert_int_equal(nl_route_add(nl, &r[i]), 0);
	}
	check_routes(r, 4);
	assert_int_equal(
		sh("ip route show 192.0.2.0/24 table 1000 | grep -q 'dev ps0 .*scope link'"), 0);
	assert_int_equal(nl_route_get(nl, IP(192, 0, 2, 9), 0, &p), 0);
	assert_int_equal(p.ifindex, a);
	assert_int_equal(p.gateway, IP(192, 0, 2, 9));

	/* replaced: another device */
	for (size_t i = 0; i < 4; i++) {
		r[i].ifindex = b;
		assert_int_equal(nl_route_add(nl, &r[i]), 0);
	}
	check_routes(r, 4);
	assert_int_equal(nl_route_get(nl, IP(192, 0, 2, 9), 0, &p), 0);
	assert_int_equal(p.ifindex, b);

	/* only as it is now is it deleted */
	r[1].ifindex = a;
	assert_int_equal(nl_route_del(nl, &r[1]), 0);
	r[1].ifindex = b;
	check_routes(r, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(nl_route_del(nl, &r[i]), 0);
		assert_int_equal(nl_route_del(nl, &r[i]), 0);
		check_routes(r + i + 1, 3 - i);
	}
}

static void test_route_errors(void **state)
{
	struct nl_route r = { { IP(192, 0, 2, 1), 24 }, 254, 0 };

	(void)state;
	NEED_NET();
	assert_int_equal(nl_route_add(nl, &r), -EINVAL);
	assert_int_equal(nl_route_del(nl, &r), -EINVAL);
	r.ifindex = make_veth("ps0", "ps1");
	assert_int_equal(nl_route_add(nl, &r), -EINVAL); /* host bits */
	r.dst.len = 33;
	assert_int_equal(nl_route_add(nl, &r), -EINVAL);
	r.dst.len = 32;
	r.table = 0;
	assert_int_equal(nl_route_add(nl, &r), -EINVAL);
	r.table = 254;
	r.ifindex = 4711;
	assert_int_equal(nl_route_add(nl, &r), -ENODEV);
	assert_int_equal(nl_route_del(nl, &r), 0);
	r.table = 4242; /* no such table */
	assert_int_equal(nl_route_del(nl, &r), 0);
	assert_int_equal(sh("ip link set ps0 down"), 0);
	r.ifindex = ifindex_of("ps0");
	assert_int_equal(nl_route_add(nl, &r), -ENETDOWN);
	check_routes(NULL, 0);
}

static void test_route_foreign(void **state)
{
	struct nl_route r = { { IP(192, 0, 2, 0), 24 }, 1000, 0 };

	(void)state;
	NEED_NET();
	r.ifindex = make_veth("ps0", "ps1");
	make_veth("ps2", "ps3");
	assert_int_equal(sh("ip route add 192.0.2.0/24 dev ps2 table 1000"), 0);
	check_routes(NULL, 0);
	assert_int_equal(nl_route_add(nl, &r), -EEXIST);
	assert_int_equal(nl_route_del(nl, &r), 0);
	/* even where it is just what we would add */
	assert_int_equal(sh("ip route add 198.51.100.0/24 dev ps0 scope link table 1000"), 0);
	r.dst.addr = IP(198, 51, 100, 0);
	assert_int_equal(nl_route_add(nl, &r), -EEXIST);
	assert_int_equal(nl_route_del(nl, &r), 0);
	assert_int_equal(sh("test $(ip route show table 1000 | wc -l) = 2"), 0);

	/* ours behind a foreign one of the same key, and before one */
	assert_int_equal(sh("ip route append 192.0.2.0/24 dev ps0 proto 112 table 1000"), 0);
	r.dst.addr = IP(192, 0, 2, 0);
	check_routes(&r, 1);
	assert_int_equal(nl_route_add(nl, &r), -EEXIST);
	assert_int_equal(nl_route_del(nl, &r), 0);
	assert_int_equal(sh("ip route show table 1000 | grep -q '192.0.2.0/24 dev ps2'"), 0);
	check_routes(NULL, 0);

	/* Another metric or TOS is another place. */
	assert_int_equal(sh("ip route flush table 1000 && "
			    "ip route add 192.0.2.0/24 dev ps2 table 1000 metric 5 && "
			    "ip route add 192.0.2.0/24 dev ps2 table 1000 tos 0x10"),
			 0);
	assert_int_equal(nl_route_add(nl, &r), 0);
	assert_int_equal(nl_route_add(nl, &r), 0);
	check_routes(&r, 1);
	assert_int_equal(nl_route_del(nl, &r), 0);
	assert_int_equal(sh("test $(ip route show table 1000 | grep -c ps2) = 2"), 0);
}

static void test_route_many(void **state)
{
	enum {
		MANY = 5000
	};
	struct nl_route r = { { 0, 32 }, 1000, 0 };
	struct nl_route *list;
	size_t n;

	(void)state;
	NEED_NET();
	r.ifindex = make_veth("ps0", "ps1");
	for (uint32_t i = 0; i < MANY; i++) {
		r.dst.addr = IP(10, 0, 0, 0) + i;
		assert_int_equal(nl_route_add(nl, &r), 0);
	}
	assert_int_equal(nl_route_list(nl, &list, &n), 0);
	assert_int_equal(n, MANY);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(list[i].dst.addr, IP(10, 0, 0, 0) + i);
	free(list);
	assert_int_equal(nl_route_add(nl, &r), 0);
	/* The routes go with the device. */
	assert_int_equal(nl_link_del(nl, r.ifindex), 0);
	check_routes(NULL, 0);
}

static void check_rules(const struct nl_rule *want, size_t n_want)
{
	struct nl_rule *list;
	size_t n;

	assert_int_equal(nl_rule_list(nl, &list, &n), 0);
	assert_int_equal(n, n_want);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(list[i].src.addr, want[i].src.addr);
		assert_int_equal(list[i].src.len, want[i].src.len);
		assert_int_equal(list[i].priority, want[i].priority);
		assert_int_equal(list[i].table, want[i].table);
		assert_int_equal(list[i].suppress_default, want[i].suppress_default);
	}
	free(list);
}

#define NEED_RULES()                                                                \
	do {                                                                        \
		if (sh("ip rule show >/dev/null 2>&1") != 0) {                      \
			print_message("skipped: the kernel has no policy rules\n"); \
			skip();                                                     \
		}                                                                   \
	} while (0)

static void test_rule(void **state)
{
	static const struct nl_rule r[] = { { { 0, 0 }, 0, 1000, false },
					    { { 0, 0 }, 100, 254, true },
					    { { IP(10, 0, 0, 0), 8 }, 101, 1000, false },
					    { { IP(10, 1, 0, 0), 16 }, 101, 1000, false },
					    { { IP(10, 2, 0, 1), 32 }, 101, 77, true } };
	struct nl_rule bad = { { IP(10, 0, 0, 0), 8 }, 101, 0, false };

	(void)state;
	NEED_NET();
	NEED_RULES();
	check_rules(NULL, 0);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(nl_rule_add(nl, &r[i]), 0);
		assert_int_equal(nl_rule_add(nl, &r[i]), 0);
	}
	check_rules(r, 5);
	assert_int_equal(sh("ip rule show | grep -q '^100:.*from all lookup main "
			    "suppress_prefixlength 0 proto 112'"),
			 0);
	assert_int_equal(sh("test $(ip rule show | wc -l) = 8"), 0);
	assert_int_equal(nl_rule_add(nl, &bad), -EINVAL);
	bad.table = 1000;
	bad.src.len = 33;
	assert_int_equal(nl_rule_add(nl, &bad), -EINVAL);
	bad.src.len = 9; /* as [2], but for the length */
	assert_int_equal(nl_rule_del(nl, &bad), 0);
	check_rules(r, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(nl_rule_del(nl, &r[i]), 0);
		check_rules(r + i + 1, 4 - i);
		assert_int_equal(nl_rule_del(nl, &r[i]), 0);
	}
	assert_int_equal(sh("test $(ip rule show | wc -l) = 3"), 0);
}

/* Rules which the kernel, wrongly, takes for each other. */
static void test_rule_alike(void **state)
{
	static const struct nl_rule r[] = { { { IP(10, 0, 0, 0), 8 }, 100, 77, true },
					    { { IP(10, 0, 0, 0), 8 }, 100, 77, false },
					    { { 0, 0 }, 100, 77, false },
					    { { 0, 0 }, 100, 77, true } };

	(void)state;
	NEED_NET();
	NEED_RULES();
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(nl_rule_add(nl, &r[i]), 0);
	check_rules(r, 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(nl_rule_add(nl, &r[i]), 0);
	check_rules(r, 4);
	assert_int_equal(nl_rule_del(nl, &r[1]), -ENOTUNIQ);
	assert_int_equal(nl_rule_del(nl, &r[2]), -ENOTUNIQ);
	assert_int_equal(nl_rule_del(nl, &r[3]), -ENOTUNIQ);
	check_rules(r, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(nl_rule_del(nl, &r[i]), 0);
		check_rules(r + i + 1, 3 - i);
	}
}

static void test_rule_foreign(void **state)
{
	static const struct nl_rule r = { { IP(10, 0, 0, 0), 8 }, 100, 77, false };

	(void)state;
	NEED_NET();
	NEED_RULES();
	assert_int_equal(sh("ip rule add from 10.0.0.0/8 pref 100 table 77"), 0);
	check_rules(NULL, 0);
	assert_int_equal(nl_rule_del(nl, &r), 0);
	assert_int_equal(sh("ip rule show | grep -q '^100:'"), 0);
	/* Ours is added beside it: theirs may go any time. */
	assert_int_equal(nl_rule_add(nl, &r), 0);
	assert_int_equal(nl_rule_add(nl, &r), 0);
	check_rules(&r, 1);
	assert_int_equal(nl_rule_del(nl, &r), 0);
	check_rules(NULL, 0);
	assert_int_equal(sh("test $(ip rule show | grep -c '^100:') = 1"), 0);
}

/* The job of the rules: main is asked first, its default route does not count. */
static void test_rule_suppress(void **state)
{
	static const struct nl_rule suppress = { { 0, 0 }, 100, 254, true };
	static const struct nl_rule steer = { { IP(10, 0, 0, 1), 32 }, 101, 1000, false };
	struct nl_route r = { { 0, 0 }, 1000, 0 };
	struct nl_path p;
	int a, b;

	(void)state;
	NEED_NET();
	NEED_RULES();
	a = make_veth_addr("ps0", "ps1", IP(10, 0, 0, 1), 24);
	b = make_veth("ps2", "ps3");
	r.ifindex = b;
	assert_int_equal(sh("ip route add default via 10.0.0.254"), 0);
	assert_int_equal(nl_route_add(nl, &r), 0);
	assert_int_equal(nl_rule_add(nl, &suppress), 0);
	assert_int_equal(nl_rule_add(nl, &steer), 0);
	assert_int_equal(nl_route_get(nl, IP(8, 8, 8, 8), IP(10, 0, 0, 1), &p), 0);
	assert_int_equal(p.ifindex, b);
	assert_int_equal(nl_route_get(nl, IP(10, 0, 0, 2), IP(10, 0, 0, 1), &p), 0);
	assert_int_equal(p.ifindex, a);
	assert_int_equal(nl_rule_del(nl, &steer), 0);
	assert_int_equal(nl_route_get(nl, IP(8, 8, 8, 8), IP(10, 0, 0, 1), &p), 0);
	assert_int_equal(p.ifindex, a);
}

static void test_neigh(void **state)
{
	static const uint8_t want[6] = { 2, 0, 0, 0, 0, 7 };
	uint8_t mac[6] = { 0 };
	int ifindex;

	(void)state;
	NEED_NET();
	ifindex = make_veth_addr("ps0", "ps1", IP(10, 0, 0, 1), 24);
	assert_int_equal(nl_neigh_get(nl, ifindex, IP(10, 0, 0, 7), mac), -ENOENT);
	assert_int_equal(sh("ip neigh add 10.0.0.7 lladdr 02:00:00:00:00:07 dev ps0"), 0);
	assert_int_equal(nl_neigh_get(nl, ifindex, IP(10, 0, 0, 7), mac), 0);
	assert_memory_equal(mac, want, sizeof(want));
	assert_int_equal(nl_neigh_get(nl, ifindex_of("ps1"), IP(10, 0, 0, 7), mac), -ENOENT);
	assert_int_equal(sh("ip neigh change 10.0.0.7 lladdr 02:00:00:00:00:07 dev ps0 nud stale"),
			 0);
	assert_int_equal(nl_neigh_get(nl, ifindex, IP(10, 0, 0, 7), mac), 0);
	assert_int_equal(sh("ip neigh change 10.0.0.7 dev ps0 nud failed"), 0);
	assert_int_equal(nl_neigh_get(nl, ifindex, IP(10, 0, 0, 7), mac), -ENOENT);
	/* A device without ARP: valid at once. */
	assert_int_equal(nl_neigh_probe(nl, ifindex, IP(10, 0, 0, 8)), 0);
	assert_int_equal(nl_neigh_get(nl, ifindex, IP(10, 0, 0, 8), mac), 0);

	assert_int_equal(nl_neigh_get(nl, 4711, IP(10, 0, 0, 7), mac), -ENODEV);
	assert_int_equal(nl_neigh_get(nl, 0, IP(10, 0, 0, 7), mac), -ENODEV);
	assert_int_equal(nl_neigh_probe(nl, 4711, IP(10, 0, 0, 7)), -ENODEV);
	assert_int_equal(nl_neigh_probe(nl, 0, IP(10, 0, 0, 7)), -ENODEV);
}

/* A process that holds a namespace of its own, ready when this returns; killed with us. */
static pid_t start_holder(void)
{
	int ready[2];
	char c = 0;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		c = unshare(CLONE_NEWNET) == 0;
		if (write(ready[1], &c, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(c, 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void enter(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(setns(fd, CLONE_NEWNET), 0);
	close(fd);
}

/* Real resolution, by a host in another namespace. */
static void test_neigh_probe(void **state)
{
	uint8_t mac[6] = { 0 };
	struct nl_link link;
	char path[64], own[64];
	int ifindex, fd, err = -ENOENT;
	pid_t holder;

	(void)state;
	NEED_NET();
	ifindex = make_veth_addr("ps0", "ps1", IP(10, 0, 0, 1), 24);
	assert_int_equal(nl_link_get(nl, "ps1", 0, &link), 0);
	holder = start_holder();
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	snprintf(own, sizeof(own), "/proc/self/fd/%d", fd);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", holder);
	assert_int_equal(sh("ip link set ps0 arp on; ip link set ps1 netns %d", holder), 0);
	enter(path);
	assert_int_equal(sh("ip link set ps1 arp on up; ip addr add 10.0.0.2/24 dev ps1"), 0);
	enter(own);
	close(fd);

	assert_int_equal(nl_neigh_get(nl, ifindex, IP(10, 0, 0, 2), mac), -ENOENT);
	assert_int_equal(nl_neigh_probe(nl, ifindex, IP(10, 0, 0, 2)), 0);
	for (int i = 0; i < 200 && err; i++) {
		err = nl_neigh_get(nl, ifindex, IP(10, 0, 0, 2), mac);
		assert_true(!err || err == -ENOENT);
		usleep(10000);
	}
	assert_int_equal(err, 0);
	assert_memory_equal(mac, link.mac, sizeof(mac));
	assert_int_equal(nl_neigh_probe(nl, ifindex, IP(10, 0, 0, 2)), 0);

	/* nobody there: incomplete */
	assert_int_equal(nl_neigh_probe(nl, ifindex, IP(10, 0, 0, 3)), 0);
	assert_int_equal(sh("ip neigh show 10.0.0.3 dev ps0 | grep -q INCOMPLETE"), 0);
	assert_int_equal(nl_neigh_get(nl, ifindex, IP(10, 0, 0, 3), mac), -ENOENT);
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
}

static void test_sysctl(void **state)
{
	int v = -7;

	(void)state;
	NEED_NET();
	make_veth("ps0.7", "ps1");
	assert_int_equal(sysctl_set("ipv4/conf/ps0.7/rp_filter", 2), 0);
	assert_int_equal(sysctl_get("ipv4/conf/ps0.7/rp_filter", &v), 0);
	assert_int_equal(v, 2);
	assert_int_equal(sysctl_set("ipv4/conf/ps0.7/rp_filter", 0), 0);
	assert_int_equal(sysctl_get("ipv4/conf/ps0.7/rp_filter", &v), 0);
	assert_int_equal(v, 0);
	v = -7;
	assert_int_equal(sysctl_get("ipv4/conf/ps0/rp_filter", &v), -ENOENT);
	assert_int_equal(sysctl_set("ipv4/conf/ps0/rp_filter", 1), -ENOENT);
	assert_int_equal(sysctl_get("ipv4/conf/ps1/../ps0.7/rp_filter", &v), -EINVAL);
	assert_int_equal(sysctl_get("../kernel/pid_max", &v), -EINVAL);
	assert_int_equal(sysctl_get("/ipv4/ip_forward", &v), -EINVAL);
	assert_int_equal(sysctl_get("./ipv4/ip_forward", &v), -EINVAL);
	assert_int_equal(sysctl_get("ipv4//ip_forward", &v), -EINVAL);
	assert_int_equal(sysctl_get("ipv4/", &v), -EINVAL);
	assert_int_equal(sysctl_get("", &v), -EINVAL);
	assert_int_equal(sysctl_get("ipv4/tcp_rmem", &v), -EINVAL); /* three numbers */
	assert_int_equal(sysctl_get("ipv4/conf", &v), -EISDIR);
	assert_int_equal(sysctl_set("ipv4/ip_default_ttl", 256), -EINVAL);
	assert_int_equal(v, -7);
	/* The namespace is the caller's. */
	assert_int_equal(sysctl_set("ipv4/ip_default_ttl", 99), 0);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(sysctl_get("ipv4/ip_default_ttl", &v), 0);
	assert_int_not_equal(v, 99);
}

static void test_close(void **state)
{
	(void)state;
	nl_close(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_link_get),
		TEST(test_veth),
		TEST(test_veth_errors),
		TEST(test_veth_no_ipv6),
		TEST(test_link_change),
		TEST(test_link_xdp),
		TEST(test_addr),
		TEST(test_addr_many),
		TEST(test_dump_interrupted),
		TEST(test_route_get),
		TEST(test_route_get_by_source),
		TEST(test_route_get_errors),
		TEST(test_route),
		TEST(test_route_errors),
		TEST(test_route_foreign),
		TEST(test_route_many),
		TEST(test_rule),
		TEST(test_rule_alike),
		TEST(test_rule_foreign),
		TEST(test_rule_suppress),
		TEST(test_neigh),
		TEST(test_neigh_probe),
		TEST(test_sysctl),
		cmocka_unit_test(test_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
