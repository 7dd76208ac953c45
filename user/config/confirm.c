/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pending file. Whether its waiter lives is told by a flock that the waiter holds on it, not by
 * its pid: a pid may be another's by now, and means nothing in another pid namespace. The pid is
 * there for people.
 */
#include "config/confirm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RUN_DIR "/run/penstock"
#define PATH_LEN 512
#define FORMAT "deadline_ms %" PRIu64 "\nstate %lu\ninstance_id %" PRIu32 "\npid %d\n"
#define SCAN "deadline_ms %" SCNu64 " state %lu instance_id %" SCNu32 " pid %d"

static const char *run_dir(void)
{
	const char *dir = getenv("PENSTOCK_RUN_DIR");

	return dir && *dir ? dir : RUN_DIR;
}

static const char *pending_path(const char *instance, const char *suffix, char *path)
{
	snprintf(path, PATH_LEN, "%.400s/%s.confirm%s", run_dir(), instance, suffix);
	return path;
}

uint64_t boottime_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

unsigned int pending_left(const struct pending *p)
{
	uint64_t now = boottime_ms();

	return now >= p->deadline_ms ? 0 : (unsigned int)((p->deadline_ms - now + 999) / 1000);
}

bool pending_read(const struct store *st, struct pending *p, bool *alive)
{
	char path[PATH_LEN];
	FILE *f = fopen(pending_path(st->instance, "", path), "re");
	bool found;

	if (!f)
		return false;
	memset(p, 0, sizeof(*p));
	found = fscanf(f, SCAN, &p->deadline_ms, &p->state, &p->id, &p->pid) == 4 &&
		p->id == store_id(st);
	*alive = flock(fileno(f), LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
	fclose(f);
	return found;
}

int pending_write(const struct store *st, const struct pending *p, struct error *err)
{
	char path[PATH_LEN], fresh[PATH_LEN];
	bool failed;
	FILE *f;
	int e;

	if (mkdir(run_dir(), 0755) && errno != EEXIST)
		return error_system(err, errno, "cannot make %s: %s", run_dir(), strerror(errno));
	pending_path(st->instance, "", path);
	f = fopen(pending_path(st->instance, ".new", fresh), "we");
	if (!f)
		return error_system(err, errno, "cannot make %s: %s", fresh, strerror(errno));
	failed = fprintf(f, FORMAT, p->deadline_ms, p->state, p->id, p->pid) < 0 || fflush(f) ||
		 fsync(fileno(f));
	failed |= fclose(f) != 0;
	if (!failed && !rename(fresh, path))
		return 0;
	e = errno;
	unlink(fresh);
	return error_system(err, e, "cannot write %s: %s; nothing was changed", path, strerror(e));
}

void pending_remove(const char *instance)
{
	char path[PATH_LEN];

	unlink(pending_path(instance, "", path));
}

void pending_aside(const char *instance)
{
	char path[PATH_LEN], aside[PATH_LEN];

	rename(pending_path(instance, "", path), pending_path(instance, ".ending", aside));
}

void pending_back(const char *instance)
{
	char path[PATH_LEN], aside[PATH_LEN];

	rename(pending_path(instance, ".ending", aside), pending_path(instance, "", path));
}

void pending_aside_remove(const char *instance)
{
	char path[PATH_LEN];

	unlink(pending_path(instance, ".ending", path));
}

int pending_hold(const char *instance)
{
	char path[PATH_LEN];
	int fd = open(pending_path(instance, "", path), O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	/* Who reads it holds a shared lock for a moment. */
	do
		r = flock(fd, LOCK_EX);
	while (r && errno == EINTR);
	if (!r)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

bool pending_holds(const char *instance, int fd)
{
	char path[PATH_LEN];
	struct stat now, ours;

	return !stat(pending_path(instance, "", path), &now) && !fstat(fd, &ours) &&
	       now.st_ino == ours.st_ino && now.st_dev == ours.st_dev;
}
