/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cost of the programs by BPF_PROG_TEST_RUN. Each candidate's output is looked at first; then the
 * candidates run round-robin, each 16 packets a run, and a round's ratio is taken within it:
 *
 *     net = T(candidate) - T(empty),   ratio = net / net(floor)
 *
 * The time is the kernel's own (`duration`), which counts runs only; timing the system call would
 * measure RCU.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "bench_abi.h"
#include "penstock/wire.h"

#define FRAME 98 /* bytes of a test frame: both kinds fit */

struct cand {
	const char *name;
	struct bpf_object *obj;
	int fd, one;
	struct bench_state *state;
	struct bench_dsts *dst;
	double ns[BENCH_ROUNDS_MAX];
};

enum {
	EMPTY,
	ENCAP,
	DECAP,
	STEER,
	LPM,
	CANDS
};
static struct cand cand[CANDS] = {
	{ .name = "empty" }, { .name = "encap" }, { .name = "decap" },
	{ .name = "steer" }, { .name = "lpm" },
};

/* --- frames ------------------------------------------------------------------------------------
 */

static void put_ip(uint8_t *at, uint32_t src, uint32_t dst, uint8_t proto, uint16_t len)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.ttl = 64,
		.protocol = proto,
		.tot_len = PS_BE16(len),
		.saddr = PS_BE32(src),
		.daddr = PS_BE32(dst),
	};

	ip.check = (uint16_t)~ps_ip_sum(&ip);
	memcpy(at, &ip, sizeof(ip));
}

static void put_eth(uint8_t *frame)
{
	memset(frame, 0, FRAME);
	frame[0] = frame[6] = 2;
	frame[12] = ETH_P_IP >> 8;
}

static void put_udp(uint8_t *at, uint16_t len)
{
	at[0] = 0x0f;
	at[3] = 53;
	at[5] = (uint8_t)len;
}

/* A UDP packet from the Internet to dst. */
static void frame_plain(uint8_t *frame, uint32_t dst)
{
	put_eth(frame);
	put_ip(frame + 14, ~dst, dst, IPPROTO_UDP, FRAME - 14); /* source: see vary() */
	put_udp(frame + 34, FRAME - 34);
}

/* The same from src, an owned address, out of tunnel 0, to a host beyond b0. */
static void frame_gre(uint8_t *frame, uint32_t src)
{
	put_eth(frame);
	put_ip(frame + 14, BENCH_REMOTE, BENCH_LOCAL, IPPROTO_GRE, FRAME - 14);
	frame[36] = ETH_P_IP >> 8;
	put_ip(frame + 38, src, 0xcb007107, IPPROTO_UDP, FRAME - 38);
	put_udp(frame + 58, FRAME - 58);
}

/* --- candidates --------------------------------------------------------------------------------
 */

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return level == LIBBPF_WARN && getenv("PENSTOCK_DEBUG") ? vfprintf(stderr, fmt, ap) : 0;
}

static void *map_memory(struct bpf_object *obj, const char *name, size_t len)
{
	int fd = bpf_object__find_map_fd_by_name(obj, name);
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		die("cannot map %s: %s", name, strerror(errno));
	return p;
}

/* Opens a candidate on the maps of the loaded instance. */
static void cand_open(struct cand *c, const char *dir)
{
	struct bpf_program *prog;
	struct bpf_map *map;
	char path[512];
	int fd;

	libbpf_set_print(quiet);
	snprintf(path, sizeof(path), "%s/%s.o", dir, c->name);
	c->obj = bpf_object__open_file(path, NULL);
	if (!c->obj)
		die("cannot open %s", path);
	bpf_object__for_each_map(map, c->obj)
	{
		if (strncmp(bpf_map__name(map), "ps_", 3))
			continue;
		snprintf(path, sizeof(path), STORE_ROOT "/%s/%s", instance, bpf_map__name(map));
		fd = bpf_obj_get(path);
		if (fd < 0 || bpf_map__reuse_fd(map, fd))
			die("cannot use %s", path);
		close(fd);
	}
	bpf_object__for_each_program(prog, c->obj)
		bpf_program__set_autoload(prog, !strncmp(bpf_program__name(prog), "bench", 5));
	if (bpf_object__load(c->obj))
		die("cannot load %s: %s", c->name, strerror(errno));
	c->fd = bpf_program__fd(bpf_object__find_program_by_name(c->obj, "bench"));
	c->one = bpf_program__fd(bpf_object__find_program_by_name(c->obj, "bench_one"));
	c->state = map_memory(c->obj, "bench_state", 4096);
	c->dst = map_memory(c->obj, "bench_dst", BENCH_DSTS * sizeof(uint32_t));
}

static void cand_close(struct cand *c)
{
	munmap(c->state, 4096);
	munmap(c->dst, BENCH_DSTS * sizeof(uint32_t));
	bpf_object__close(c->obj);
}

/* What a candidate is to do with the frames: this verdict for all of them. */
struct task {
	uint8_t frame[FRAME];
	bool vary;
	uint32_t ingress;
};

static uint32_t run(int fd, const struct task *t, uint8_t *out, uint32_t *len, uint32_t repeat,
		    uint32_t *verdict)
{
	struct xdp_md ctx = { .data_end = FRAME, .ingress_ifindex = t->ingress };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = t->frame, .data_size_in = FRAME,
		    .data_out = out, .data_size_out = *len, .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = (int)repeat);

	if (bpf_prog_test_run_opts(fd, &opts))
		die("test run: %s", strerror(errno));
	*len = opts.data_size_out;
	*verdict = opts.retval;
	return opts.duration;
}

/* Nanoseconds a packet; dies unless every verdict was the one expected. */
static double measure(struct cand *c, const struct task *t, uint32_t runs, uint32_t expected)
{
	uint32_t len = 0, verdict, ns;
	uint64_t want = (uint64_t)runs * BENCH_BATCH;

	memset(c->state, 0, sizeof(*c->state));
	memcpy(c->state->frame, t->frame, BENCH_TEMPLATE);
	c->state->vary = t->vary;
	ns = run(c->fd, t, NULL, &len, runs, &verdict);
	if (verdict != XDP_PASS || c->state->verdict[expected] != want)
		die("%s: %llu of %llu packets got verdict %u (aborted %llu, drop %llu, pass %llu, "
		    "tx %llu, redirect %llu)",
		    c->name, (unsigned long long)c->state->verdict[expected],
		    (unsigned long long)want, expected, (unsigned long long)c->state->verdict[0],
		    (unsigned long long)c->state->verdict[1],
		    (unsigned long long)c->state->verdict[2],
		    (unsigned long long)c->state->verdict[3],
		    (unsigned long long)c->state->verdict[4]);
	return (double)ns / BENCH_BATCH;
}

/* --- looking at the output first
 * ------------------------------------------------------------------ */

static void ip_ok(const char *name, const uint8_t *at, uint16_t len)
{
	struct iphdr ip;

	memcpy(&ip, at, sizeof(ip));
	if (ip.version != 4 || ip.ihl != 5 || ps_ip_sum(&ip) != 0xffff ||
	    ip.tot_len != PS_BE16(len))
		die("%s: wrong IPv4 header in the output", name);
}

static void check_encap(const struct cand *c, const struct task *t, uint32_t want, uint8_t ttl)
{
	uint8_t out[256];
	uint32_t len = sizeof(out), verdict;

	run(c->one, t, out, &len, 1, &verdict);
	if (verdict != want || len != FRAME + 24)
		die("%s: verdict %u, %u bytes", c->name, verdict, len);
	ip_ok(c->name, out + 14, FRAME - 14 + 24);
	ip_ok(c->name, out + 38, FRAME - 14);
	if (out[23] != IPPROTO_GRE || memcmp(out + 34, "\0\0\x08\0", 4) || out[46] != ttl)
		die("%s: wrong GRE header or TTL in the output", c->name);
	if (memcmp(out + 18, "\0\0\x40\0", 4) || memcmp(out + 26, "\xc0\0\x02\x01", 4))
		die("%s: wrong identification, DF or source in the outer header", c->name);
	if (memcmp(out + 50, t->frame + 26, FRAME - 26))
		die("%s: the inner packet is not what came in", c->name);
}

static void check_decap(const struct cand *c, const struct task *t, uint32_t want, uint8_t ttl)
{
	uint8_t out[256];
	uint32_t len = sizeof(out), verdict;

	run(c->one, t, out, &len, 1, &verdict);
	if (verdict != want || len != FRAME - 24)
		die("%s: verdict %u, %u bytes", c->name, verdict, len);
	ip_ok(c->name, out + 14, FRAME - 38);
	if (out[22] != ttl)
		die("%s: TTL %u in the output", c->name, out[22]);
	if (memcmp(out + 26, t->frame + 50, FRAME - 50))
		die("%s: the inner packet is not what was inside", c->name);
}

/* Both lookups must send the same flows through the same tunnels. */
static void check_same(const struct task *t)
{
	uint8_t steer[256], lpm[256];
	struct task varied = *t;
	uint32_t i;

	for (i = 0; i < 256; i++) {
		uint32_t n = sizeof(steer), m = sizeof(lpm), v, w, at = i * (BENCH_DSTS / 256);
		uint32_t dst = cand[STEER].dst[at / BENCH_CHUNK].addr[at % BENCH_CHUNK];

		frame_plain(varied.frame, PS_BE32(dst));
		varied.frame[BENCH_SPORT] = (uint8_t)i;
		run(cand[STEER].one, &varied, steer, &n, 1, &v);
		run(cand[LPM].one, &varied, lpm, &m, 1, &w);
		if (v != XDP_TX || w != v || n != m || memcmp(steer, lpm, n))
			die("stride table and LPM_TRIE disagree on %08x", PS_BE32(dst));
	}
}

/* --- rounds
 * ------------------------------------------------------------------------------------------ */

struct entrant {
	int cand;
	uint32_t verdict;
};

/* Runs the entrants round-robin; their ns of each round end in cand[].ns. */
static void rounds(const struct bench *b, const struct task *t, const struct entrant *e, size_t n)
{
	uint32_t runs = b->quick ? 4000 : 20000, r;
	size_t i;

	for (i = 0; i < n; i++) /* warm */
		measure(&cand[e[i].cand], t, runs, e[i].verdict);
	for (r = 0; r < b->rounds; r++)
		for (i = 0; i < n; i++)
			cand[e[i].cand].ns[r] = measure(&cand[e[i].cand], t, runs, e[i].verdict);
}

static double net(const struct bench *b, int of)
{
	double v[BENCH_ROUNDS_MAX];
	uint32_t r;

	for (r = 0; r < b->rounds; r++)
		v[r] = cand[of].ns[r] - cand[EMPTY].ns[r];
	return median(v, b->rounds);
}

static double ratio(const struct bench *b, int of, int floor)
{
	double v[BENCH_ROUNDS_MAX];
	uint32_t r;

	for (r = 0; r < b->rounds; r++)
		v[r] = (cand[of].ns[r] - cand[EMPTY].ns[r]) /
		       (cand[floor].ns[r] - cand[EMPTY].ns[r]);
	return median(v, b->rounds);
}

/* --- scenarios
 * ---------------------------------------------------------------------------------------- */

/* Copies the main table to the LPM_TRIE variant, leaf by leaf. */
static void fill_lpm(struct store *st, const struct prefix *p, uint32_t n)
{
	int fd = bpf_object__find_map_fd_by_name(cand[LPM].obj, "bench_lpm");
	struct {
		uint32_t len;
		__be32 addr_be;
	} key;
	struct ps_prefix_key k = { 0 };
	uint32_t i, group, leaf;

	for (i = 0; i < n; i++) {
		k.addr_be = PS_BE32(p[i].addr);
		k.len = p[i].len;
		if (bpf_map_lookup_elem(st->fd[MAP_ROUTE], &k, &group))
			die("a route is missing");
		leaf = stride_leaf(p[i].len, st->group[group].row);
		key.len = p[i].len;
		key.addr_be = k.addr_be;
		if (bpf_map_update_elem(fd, &key, &leaf, BPF_ANY))
			die("LPM_TRIE: %s", strerror(errno));
	}
}

/* Random hosts in random prefixes, the same for each candidate. */
static void fill_dsts(const struct prefix *p, uint32_t n)
{
	uint32_t i, c, r = 12345;

	for (i = 0; i < BENCH_DSTS; i++) {
		const struct prefix *at;
		uint32_t addr;

		r = r * 1664525 + 1013904223;
		at = &p[(uint64_t)r * n >> 32];
		r = r * 1664525 + 1013904223;
		addr = at->addr | (r >> 8 & ~prefix_mask(at->len));
		for (c = 0; c < CANDS; c++)
			cand[c].dst[i / BENCH_CHUNK].addr[i % BENCH_CHUNK] = PS_BE32(addr);
	}
}

static void hot(const struct bench *b, struct store *st, struct task *t)
{
	const struct entrant tx[] = {
		{ EMPTY, XDP_TX }, { ENCAP, XDP_TX }, { STEER, XDP_TX }, { LPM, XDP_TX }
	};
	const struct entrant redirect[] = { { EMPTY, XDP_TX },
					    { ENCAP, XDP_TX },
					    { STEER, XDP_REDIRECT } };

	check_encap(&cand[ENCAP], t, XDP_TX, 64);
	check_encap(&cand[STEER], t, XDP_TX, 63);
	check_encap(&cand[LPM], t, XDP_TX, 63);
	rounds(b, t, tx, 4);
	row("floor", "minimal GRE encapsulation, net", net(b, ENCAP), "ns", 0, false);
	row("steer-ns", "full steer, 1k routes, one flow, XDP_TX, net", net(b, STEER), "ns", 0,
	    false);
	row("steer-hot", "  over the floor", ratio(b, STEER, ENCAP), "x", 3.5, true);
	row("lpm-hot", "  the same with LPM_TRIE, over ours", ratio(b, LPM, STEER), "x", 0, false);
	tables_port(st, if_nametoindex("c0"));
	check_encap(&cand[STEER], t, XDP_REDIRECT, 63);
	rounds(b, t, redirect, 3);
	row("redirect-ns", "full steer, redirect to another port, net", net(b, STEER), "ns", 0,
	    false);
	row("steer-redirect", "full steer, redirect to another port, over the floor",
	    ratio(b, STEER, ENCAP), "x", 4.5, true);
	tables_port(st, if_nametoindex("b0"));
}

static void decap_hot(const struct bench *b, struct task *t)
{
	const struct entrant e[] = { { EMPTY, XDP_TX }, { DECAP, XDP_TX }, { STEER, XDP_TX } };

	check_decap(&cand[DECAP], t, XDP_TX, 64);
	check_decap(&cand[STEER], t, XDP_TX, 63);
	rounds(b, t, e, 3);
	row("decap-floor", "minimal decapsulation, net", net(b, DECAP), "ns", 0, false);
	row("decap-ns", "decapsulation, source check, next hop, net", net(b, STEER), "ns", 0,
	    false);
	row("decap", "decapsulation, source check, next hop, over its floor",
	    ratio(b, STEER, DECAP), "x", 6, true);
}

static void spread(const struct bench *b, const struct scenario *s, struct task *t)
{
	const struct entrant e[] = {
		{ EMPTY, XDP_TX }, { ENCAP, XDP_TX }, { STEER, XDP_TX }, { LPM, XDP_TX }
	};
	double floor_target = s->prefixes == 1000 ? 5 : 0;
	double lpm_target = s->prefixes == 1000000 ? 4 : s->prefixes == 100000 ? 3 : 0;
	char id[32], what[96];

	check_same(t);
	t->vary = true;
	rounds(b, t, e, 4);
	snprintf(id, sizeof(id), "steer-%s", s->name);
	snprintf(what, sizeof(what), "full steer, %s random (%u groups, %u tunnels), over floor",
		 s->name, s->groups, s->tunnels);
	row(id, what, ratio(b, STEER, ENCAP), "x", floor_target, true);
	snprintf(id, sizeof(id), "lpm-%s", s->name);
	row(id, "  the same with LPM_TRIE, over ours", ratio(b, LPM, STEER), "x", lpm_target,
	    false);
	t->vary = false;
}

static void scenario(const struct bench *b, const struct scenario *s)
{
	struct task t = { .ingress = if_nametoindex("b0") };
	struct prefix *p = tables_prefixes(s->prefixes);
	struct store *st = tables_open(s, t.ingress);
	struct error err;
	int i;

	tables_routes(st, s, p, NULL, NULL);
	for (i = 0; i < CANDS; i++)
		cand_open(&cand[i], b->dir);
	fill_lpm(st, p, s->prefixes);
	fill_dsts(p, s->prefixes);
	frame_plain(t.frame, p[0].addr + 1);
	if (s->prefixes == 1000) {
		hot(b, st, &t);
		sh("ip neigh replace 203.0.113.7 lladdr 02:00:00:00:00:07 dev b0 nud permanent");
		frame_gre(t.frame, p[0].addr + 1);
		decap_hot(b, &t);
		frame_plain(t.frame, p[0].addr + 1);
	}
	spread(b, s, &t);
	for (i = 0; i < CANDS; i++)
		cand_close(&cand[i]);
	free(p);
	store_close(st);
	must(store_unload(instance, &err), &err, "unload");
}

void micro(const struct bench *b)
{
	static const struct scenario all[] = {
		{ "1k", 1000, 10, 16 },
		{ "100k", 100000, 1000, 256 },
		{ "1M", 1000000, 10000, 1000 },
	};
	size_t i, n = b->quick ? 2 : 3;

	for (i = 0; i < n; i++)
		scenario(b, &all[i]);
}
