/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Captured oddities through the programs: every frame of the tcpdump project's test captures,
 * whatever its link type, as the bytes stand, by each program under each of three configurations,
 * and once more inside a GRE packet that is ours.
 * No program may abort. What they send is written to a capture beside what it was made of, and
 * tshark, which shares no code with us, judges both: the outer packet must be whole and right, and
 * the inner IPv4 header as right as it was.
 *
 * The captures are no part of this tree: PENSTOCK_MATERIAL names the directory above pcap/,
 * ../shared/material is tried otherwise, and without them the test is skipped.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "pcap.h"

#define FRAMES 8192
#define LOCAL A4(198, 51, 100, 1)

static struct frame *frames;
static unsigned int count;
static char out_dir[400];

/* --- the captures ---------------------------------------------------------------------------- */

/* A frame, and a padded copy where it is shorter than Ethernet sends. */
static void keep(const struct frame *f)
{
	struct frame *to = &frames[count];

	if (count + 2 > FRAMES)
		fail_msg("more than %u frames", FRAMES);
	if (f->len >= 14) {
		memcpy(to, f, sizeof(*f));
		count++;
	}
	if (f->len < 60) {
		to = &frames[count++];
		memset(to->b, 0, 60);
		memcpy(to->b, f->b, f->len);
		to->len = 60;
	}
}

/* Captures of other link types begin with the IP header: put them behind Ethernet, too. */
static void keep_as_ip(const struct frame *f, uint32_t linktype)
{
	static struct frame with;
	uint32_t skip;

	switch (linktype) {
	case 101: /* raw */
	case 228: /* IPv4 */
		skip = 0;
		break;
	case 0: /* BSD loopback */
		skip = 4;
		break;
	case 113: /* Linux cooked */
		skip = 16;
		break;
	default:
		return;
	}
	if (f->len <= skip || f->len - skip + 14 > FRAME_MAX)
		return;
	memset(with.b, 2, 12);
	put16(with.b + 12, 0x0800);
	memcpy(with.b + 14, f->b + skip, f->len - skip);
	with.len = 14 + f->len - skip;
	keep(&with);
}

static bool read_captures(const char *dir)
{
	static struct frame f;
	struct dirent *e;
	DIR *d = opendir(dir);
	unsigned int files = 0;
	struct pcap p;
	char path[800];
	bool whole;

	if (!d)
		return false;
	while ((e = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (!strstr(e->d_name, ".pcap") || !pcap_open(&p, path))
			continue;
		files++;
		while (pcap_next(&p, &f, &whole)) {
			keep(&f);
			keep_as_ip(&f, p.linktype);
		}
		pcap_close(&p);
	}
	closedir(d);
	printf("%u captures, %u frames\n", files, count);
	return count > 0;
}

/* --- configurations -------------------------------------------------------------------------- */

#define TUNNELS 40

static struct conf_tunnel tunnel[TUNNELS];
static struct conf_prefix prefix[2 + TUNNELS];
static const struct conf_policy policy[] = { { P(0, 0, 0, 0, 1), "all" },
					     { P(128, 0, 0, 0, 2), "all" },
					     { P(192, 0, 0, 0, 2), "all" } };
static const struct conf_route route[] = {
	{ .p = P(0, 0, 0, 0, 1), .tunnel = "t0" },
	{ .p = P(0, 0, 0, 0, 1), .tunnel = "t1" },
	{ .p = P(128, 0, 0, 0, 2), .tunnel = "t1" },
	{ .p = P(0, 0, 0, 0, 0), .table = "all", .tunnel = "t0" },
	{ .p = P(0, 0, 0, 0, 0), .table = "all", .tunnel = "t1" },
};

static void base_tunnels(void)
{
	memset(tunnel, 0, sizeof(tunnel));
	tunnel[0] = (struct conf_tunnel){
		.name = "t0", .local = LOCAL, .remote = REMOTES + 1, .mtu = 3000
	};
	tunnel[1] = (struct conf_tunnel){ .name = "t1",
					  .local = LOCAL,
					  .remote = REMOTES + 2,
					  .mtu = 3000,
					  .has_key = true,
					  .key = 9 };
}

/* Nearly all addresses are owned and steered: by destination. */
static struct conf conf_world(void)
{
	base_tunnels();
	prefix[0] = (struct conf_prefix){ P(0, 0, 0, 0, 1), "" };
	prefix[1] = (struct conf_prefix){ P(128, 0, 0, 0, 2), "" };
	return (struct conf){ .name = "world",
			      .mode = PS_MODE_TRANSIT,
			      .tunnel = tunnel,
			      .tunnels = 2,
			      .prefix = prefix,
			      .prefixes = 2,
			      .route = route,
			      .routes = 3 };
}

/* An edge whose policies take every source. */
static struct conf conf_egress(void)
{
	base_tunnels();
	return (struct conf){ .name = "egress",
			      .mode = PS_MODE_EDGE,
			      .tunnel = tunnel,
			      .tunnels = 2,
			      .policy = policy,
			      .policies = 3,
			      .route = route + 3,
			      .routes = 2 };
}

static bool known_tunnel(const struct conf *c, const struct conf_tunnel *t)
{
	unsigned int i;

	for (i = 0; i < c->tunnels; i++)
		if (tunnel[i].local == t->local && tunnel[i].remote == t->remote &&
		    tunnel[i].has_key == t->has_key && tunnel[i].key == t->key)
			return true;
	return false;
}

static bool known_owner(const struct conf *c, uint32_t addr)
{
	unsigned int i;

	for (i = 0; i < c->prefixes; i++)
		if (prefix[i].p.addr == addr)
			return true;
	for (i = 0; i < c->tunnels; i++)
		if (tunnel[i].local == addr || tunnel[i].remote == addr)
			return true;
	return false;
}

/* The tunnel that a captured GRE packet would be of, and the owner of what is inside. */
static void learn(struct conf *c, const struct frame *f)
{
	uint32_t at = get16(f->b + 12) == 0x8100 ? 18 : 14;
	const uint8_t *ip = f->b + at, *gre = ip + (ip[0] & 15u) * 4, *inner;
	struct conf_tunnel t = { .local = get32(ip + 16), .remote = get32(ip + 12), .mtu = 3000 };

	if (f->len < at + 20 + 8 + 20 || get16(ip - 2) != 0x0800 || ip[9] != 47 ||
	    c->tunnels == TUNNELS)
		return;
	t.has_key = gre[0] & 0x20;
	if (t.has_key)
		t.key = get32(gre + (gre[0] & 0x80 ? 8 : 4));
	inner = gre + 4 + (gre[0] & 0x80 ? 4 : 0) + (gre[0] & 0x20 ? 4 : 0) +
		(gre[0] & 0x10 ? 4 : 0);
	snprintf(t.name, sizeof(t.name), "t%u", c->tunnels);
	if (!known_tunnel(c, &t))
		tunnel[c->tunnels++] = t;
	if (inner + 20 <= f->b + f->len && !known_owner(c, get32(inner + 12)))
		prefix[c->prefixes++].p = (struct prefix){ get32(inner + 12), 32 };
}

/* The far end of every GRE packet captured. */
static struct conf conf_receiver(void)
{
	struct conf c = { .name = "receiver",
			  .mode = PS_MODE_TRANSIT,
			  .tunnel = tunnel,
			  .tunnels = 2,
			  .prefix = prefix,
			  .prefixes = 0 };
	unsigned int i;

	base_tunnels();
	memset(prefix, 0, sizeof(prefix));
	for (i = 0; i < count; i++)
		learn(&c, &frames[i]);
	return c;
}

/* --- running --------------------------------------------------------------------------------- */

struct tally {
	unsigned int run, sent, passed, dropped, decapsulated, refused;
};

/* Is `out` what lay inside `in`? Then it ends in the same bytes, but for TTL and ECN. */
static bool is_inner_of(const struct frame *out, const struct frame *in)
{
	uint32_t cut = in->len - out->len;

	return out->len < in->len && cut >= 24 && out->len >= 34 &&
	       !memcmp(out->b + 14 + 12, in->b + 14 + cut + 12, out->len - 26);
}

static void one(enum hook hook, enum dev dev, const struct frame *in, FILE *sent, FILE *made_of,
		struct tally *t)
{
	static struct outcome o;

	if (harness_run(hook, dev, in, &o)) {
		if (!harness_declines(hook, in))
			fail_msg("%u bytes: the kernel declined", in->len);
		t->refused++;
		return;
	}
	t->run++;
	if (hook != HOOK_TC)
		assert_int_not_equal(o.verdict, XDP_ABORTED);
	else
		assert_int_not_equal(o.verdict, TC_ACT_OK);
	if (verdict_sent(hook, o.verdict)) {
		assert_int_equal(o.reason, 0);
		pcap_write(sent, &o.out);
		pcap_write(made_of, in);
		t->sent++;
	} else if (hook != HOOK_TC && o.verdict == XDP_PASS) {
		assert_true(o.reason >= 32);
		t->passed++;
		if (!frame_equal(in, &o.out)) {
			assert_true(is_inner_of(&o.out, in));
			t->decapsulated++;
		}
	} else {
		assert_true(o.reason > 0 && o.reason < 32);
		t->dropped++;
	}
}

/* --- tshark ---------------------------------------------------------------------------------- */

#define LINE 512

struct verdicts {
	bool malformed; /* anything in the frame */
	bool gre;	/* Ethernet, IPv4, GRE, IPv4: nothing else before */
	char check[8];	/* checksum status of the first IPv4 headers: 1 good, 0 bad, 2 unverified */
};

/* Reads one line of `tshark -T fields`: malformed, checksum statuses, protocols. */
static void parse_line(char *line, struct verdicts *v)
{
	char *check = strchr(line, '\t'), *protocols;
	size_t n = 0;

	memset(v, 0, sizeof(*v));
	assert_non_null(check);
	v->malformed = check > line;
	protocols = strchr(++check, '\t');
	assert_non_null(protocols);
	for (; check < protocols && n < sizeof(v->check) - 1; check++)
		if (*check >= '0' && *check <= '9')
			v->check[n++] = *check;
	v->gre = !strncmp(protocols + 1, "eth:ethertype:ip:gre:ip", 23);
}

static FILE *tshark(const char *path)
{
	char cmd[900];

	snprintf(cmd, sizeof(cmd),
		 "tshark -n -r '%s' -o ip.check_checksum:TRUE -o ip.defragment:FALSE "
		 "-o tcp.desegment_tcp_streams:FALSE -T fields -e _ws.malformed "
		 "-e ip.checksum.status -e frame.protocols 2>/dev/null",
		 path);
	return popen(cmd, "re");
}

/* Compares what was sent with what it was made of, line by line. */
static void tshark_judge(const char *sent, const char *made_of, unsigned int expected)
{
	FILE *a = tshark(sent), *b = tshark(made_of);
	char out[LINE * 8], in[LINE * 8];
	struct verdicts o, i;
	unsigned int n = 0, bad = 0, garbage = 0;

	assert_non_null(a);
	assert_non_null(b);
	while (fgets(out, sizeof(out), a) && fgets(in, sizeof(in), b)) {
		n++;
		parse_line(out, &o);
		parse_line(in, &i);
		garbage += i.malformed;
		if (!o.gre || o.check[0] != '1' || o.check[1] != '1' ||
		    (o.malformed && !i.malformed)) {
			printf("frame %u of %s: %s from %s", n, sent, out, in);
			bad++;
		}
	}
	pclose(a);
	pclose(b);
	printf("  tshark read %u frames sent; %u held malformed payload before\n", n, garbage);
	assert_int_equal(n, expected);
	assert_int_equal(bad, 0);
}

/* Puts what follows Ethernet and its tags into a GRE packet from the far end of t0. */
static bool wrap(const struct frame *f, struct frame *to)
{
	uint32_t at = 14;

	while (at + 4 < f->len && get16(f->b + at - 2) == 0x8100)
		at += 4;
	if (f->len - at + 38 > FRAME_MAX)
		return false;
	frame_build(to, FRAME(ETH(MAC_US, MAC_PEER), IP(REMOTES + 1, LOCAL, 60),
			      GRE(0, .proto = 0x0800), DATA((uint16_t)(f->len - at))));
	memcpy(to->b + 38, f->b + at, f->len - at);
	return true;
}

static void run_all(struct conf c, bool wrapped)
{
	static struct frame outer;
	char sent_path[480], made_path[480];
	FILE *sent, *made_of;
	struct tally t = { 0 };
	unsigned int i;

	conf_apply(&c);
	snprintf(sent_path, sizeof(sent_path), "%s/pcap_%s_sent.pcap", out_dir, c.name);
	snprintf(made_path, sizeof(made_path), "%s/pcap_%s_in.pcap", out_dir, c.name);
	sent = pcap_create(sent_path);
	made_of = pcap_create(made_path);
	assert_non_null(sent);
	assert_non_null(made_of);
	for (i = 0; i < count; i++) {
		if (wrapped) {
			if (wrap(&frames[i], &outer))
				one(HOOK_WAN, DEV_WAN0, &outer, sent, made_of, &t);
			continue;
		}
		one(HOOK_WAN, DEV_WAN0, &frames[i], sent, made_of, &t);
		one(HOOK_LAN, DEV_LAN0, &frames[i], sent, made_of, &t);
		one(HOOK_TC, DEV_WAN0, &frames[i], sent, made_of, &t);
	}
	fclose(sent);
	fclose(made_of);
	printf("%s: %u runs: %u sent, %u passed (%u of them decapsulated), %u dropped; "
	       "%u declined by the kernel\n",
	       c.name, t.run, t.sent, t.passed, t.decapsulated, t.dropped, t.refused);
	/* Else this test would judge nothing. None of the captured GRE packets holds IPv4. */
	if (strcmp(c.name, "receiver"))
		assert_true(t.sent > 50);
	else
		assert_true(hs.reached[PS_R_GRE_PROTOCOL]);
	tshark_judge(sent_path, made_path, t.sent);
}

static void test_captures(void **state)
{
	const char *env = getenv("PENSTOCK_MATERIAL");
	struct conf c;
	char dir[480];

	(void)state;
	NEED_HARNESS();
	snprintf(dir, sizeof(dir), "%s/pcap", env ? env : "../shared/material");
	frames = calloc(FRAMES, sizeof(*frames));
	assert_non_null(frames);
	if (!read_captures(dir)) {
		print_message(
			"skipped: no captures in %s (PENSTOCK_MATERIAL names another place)\n",
			dir);
		skip();
	}
	if (system("tshark --version > /dev/null 2>&1")) {
		print_message("skipped: tshark is missing\n");
		skip();
	}
	harness_attach();
	run_all(conf_world(), false);
	run_all(conf_egress(), false);
	run_all(conf_receiver(), false);
	c = conf_world();
	c.name = "wrapped";
	run_all(c, true);
	free(frames);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_captures) };
	char *slash;

	(void)argc;
	/* Results lie beside the program, in build/. */
	snprintf(out_dir, sizeof(out_dir), "%s", argv[0]);
	slash = strrchr(out_dir, '/');
	snprintf(slash ? slash : out_dir, 2, "%s", slash ? "" : ".");
	if (harness_setup(NULL))
		return 1;
	return cmocka_run_group_tests(tests, NULL, harness_teardown);
}
