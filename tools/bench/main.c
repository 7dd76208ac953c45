/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The benchmarks: bench DIR [quick]. Everything happens in a network namespace of this process's
 * own and in an instance named after it, which goes with it. Prints a table, writes DIR/bench.json.
 *
 * A missed target is said, not failed: the machines are shared. A wrong verdict or packet fails.
 */
#include "bench.h"

#include <jansson.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static json_t *rows;
static pid_t owner;

noreturn void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "bench: Error: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	exit(1);
}

void must(int r, const struct error *err, const char *what)
{
	if (r < 0)
		die("%s: %s", what, err->text);
}

double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int double_cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), double_cmp);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

void sh(const char *fmt, ...)
{
	char cmd[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (system(cmd))
		die("failed: %s", cmd);
}

void row(const char *id, const char *what, double value, const char *unit, double target, bool less)
{
	bool ok = less ? value <= target : value >= target;
	char goal[32] = "";

	if (target > 0)
		snprintf(goal, sizeof(goal), "%s %g  %s", less ? "<=" : ">=", target,
			 ok ? "ok" : "MISS");
	printf("%-14s %-58s %10.3g %-6s %s\n", id, what, value, unit, goal);
	fflush(stdout);
	json_array_append_new(rows, json_pack("{s:s,s:s,s:f,s:s}", "id", id, "what", what, "value",
					      value, "unit", unit));
	if (target > 0) {
		json_t *last = json_array_get(rows, json_array_size(rows) - 1);

		json_object_set_new(last, "target", json_real(target));
		json_object_set_new(last, "met", json_boolean(ok));
	}
}

char instance[PS_NAME_LEN];

static void clean_up(void)
{
	struct error ignored;

	if (getpid() != owner)
		return;
	chain_clean_up();
	close_range(3, ~0u, 0); /* a transaction that died half-way holds the lock */
	store_unload(instance, &ignored);
}

static void stop(int sig)
{
	(void)sig;
	exit(1); /* by way of clean_up() */
}

int main(int argc, char **argv)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	struct bench b = { .rounds = 31 };
	char path[512];
	size_t i;

	if (argc < 2)
		die("usage: bench DIR [quick]");
	b.dir = argv[1];
	b.quick = argc > 2 && !strcmp(argv[2], "quick");
	if (b.quick)
		b.rounds = 15;
	if (getenv("BENCH_ROUNDS"))
		b.rounds = (unsigned int)atoi(getenv("BENCH_ROUNDS"));
	if (b.rounds < 1 || b.rounds > BENCH_ROUNDS_MAX)
		die("BENCH_ROUNDS is 1 to %u", BENCH_ROUNDS_MAX);
	rows = json_array();
	owner = getpid();
	snprintf(instance, sizeof(instance), "bench-%d", owner);
	if (unshare(CLONE_NEWNET))
		die("needs root");
	atexit(clean_up);
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		signal(ends[i], stop);
	sh("ip link set lo up; ip link add b0 type veth peer name b1; ip link set b0 up; "
	   "ip link set b1 up; ip addr add 203.0.113.1/24 dev b0; ip link add c0 type veth peer "
	   "name "
	   "c1; ip link set c0 up; ip link set c1 up; sysctl -qw net.ipv4.ip_forward=1");
	printf("median of %u rounds; ratios taken round by round, programs back to back\n\n",
	       b.rounds);
	micro(&b);
	load(&b);
	chain(&b);
	snprintf(path, sizeof(path), "%s/bench.json", b.dir);
	if (json_dump_file(rows, path, JSON_INDENT(1)))
		die("cannot write %s", path);
	json_decref(rows);
	return 0;
}
