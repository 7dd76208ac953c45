/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A state is a NNNNNNNN.yaml.gz: what `export` prints, so that a person can read it with zcat and
 * any version that reads penstock.yaml can apply it. gzip because a million routes are 60 MB of
 * text that repeats itself, and because its checksum tells a file that a full disk, a crash or a
 * bad sector has damaged: YAML cut short at a line's end is still YAML.
 *
 * Written under another name in the same directory, synced, renamed, and the directory synced: a
 * state is there whole or not at all, also after a power cut.
 *
 * Rejected: a copy of the maps (bound to one map layout), one file with all states (a damaged block
 * would cost them all).
 */
#include "config/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "config/yaml.h"
#include "core/config_check.h"

#define STATE_DIR "/var/lib/penstock"
#define STATE_SUFFIX ".yaml.gz"
#define STATE_DIGITS 8
#define STATE_NEW "new.tmp" /* one is enough: the instance's lock is held */
#define GZ_BUFFER (128u << 10)

static const char *root_dir(void)
{
	const char *dir = getenv("PENSTOCK_STATE_DIR");

	return dir && *dir ? dir : STATE_DIR;
}

static const char *instance_path(const char *instance, char *path)
{
	snprintf(path, STATE_PATH_LEN, "%.400s/%s", root_dir(), instance);
	return path;
}

static const char *state_path(const char *instance, unsigned long number, char *path)
{
	snprintf(path, STATE_PATH_LEN, "%.400s/%s/%0*lu" STATE_SUFFIX, root_dir(), instance,
		 STATE_DIGITS, number);
	return path;
}

/* --- the list ---------------------------------------------------------------------------- */

static bool state_number(const char *name, unsigned long *number)
{
	char *end;

	if (strspn(name, "0123456789") < STATE_DIGITS)
		return false;
	errno = 0;
	*number = strtoul(name, &end, 10);
	return !errno && !strcmp(end, STATE_SUFFIX);
}

static int newest_first(const void *a, const void *b)
{
	const struct state *x = a, *y = b;

	return (x->number < y->number) - (x->number > y->number);
}

static int read_dir(DIR *d, struct state **list, size_t *n)
{
	struct dirent *e;
	struct state s = { 0 }, *more;
	struct stat sb;

	while ((e = readdir(d))) {
		if (!state_number(e->d_name, &s.number) ||
		    fstatat(dirfd(d), e->d_name, &sb, AT_SYMLINK_NOFOLLOW) || !S_ISREG(sb.st_mode))
			continue;
		s.at = sb.st_mtime;
		s.bytes = (unsigned long long)sb.st_size;
		more = realloc(*list, (*n + 1) * sizeof(**list));
		if (!more)
			return -ENOMEM;
		*list = more;
		(*list)[(*n)++] = s;
	}
	if (*n)
		qsort(*list, *n, sizeof(**list), newest_first);
	return 0;
}

int state_list(const char *instance, struct state **list, size_t *n, struct error *err)
{
	char path[STATE_PATH_LEN];
	DIR *d = opendir(instance_path(instance, path));
	int r;

	*list = NULL;
	*n = 0;
	if (!d && errno == ENOENT)
		return 0;
	if (!d)
		return error_system(err, errno, "cannot open %s: %s", path, strerror(errno));
	r = read_dir(d, list, n);
	closedir(d);
	if (!r)
		return 0;
	free(*list);
	*list = NULL;
	return error_system(err, ENOMEM, "out of memory");
}

void state_drop(const char *instance, unsigned long number)
{
	char path[STATE_PATH_LEN];

	unlink(state_path(instance, number, path));
}

void state_prune(const char *instance)
{
	struct error ignored;
	struct state *list;
	size_t n, i;

	if (state_list(instance, &list, &n, &ignored))
		return;
	for (i = STATE_KEPT; i < n; i++)
		state_drop(instance, list[i].number);
	free(list);
}

/* --- writing ----------------------------------------------------------------------------- */

/* The directory and those above it. */
static int make_dirs(const char *path, struct error *err)
{
	char part[STATE_PATH_LEN], *slash = part;
	size_t len = strlen(path);

	memcpy(part, path, len + 1);
	do {
		slash = strchr(slash + 1, '/');
		if (slash)
			*slash = '\0';
		if (mkdir(part, 0700) && errno != EEXIST)
			return error_system(err, errno,
					    "cannot make %s for the state of before: %s", part,
					    strerror(errno));
		if (slash)
			*slash = '/';
	} while (slash);
	return 0;
}

static int gz_write(void *arg, const char *buf, size_t len)
{
	unsigned int n;

	for (; len; buf += n, len -= n) {
		n = len > INT_MAX ? INT_MAX : (unsigned int)len;
		errno = 0;
		if (gzwrite(arg, buf, n) != (int)n)
			return errno ? -errno : -EIO;
	}
	return 0;
}

/* Takes fd. */
static int write_gz(int fd, const struct config *c)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0), r = copy < 0 ? -errno : 0;
	gzFile gz = r ? NULL : gzdopen(copy, "wb1");

	if (!gz) {
		if (copy >= 0)
			close(copy);
		r = r ? r : -ENOMEM;
	} else {
		gzbuffer(gz, GZ_BUFFER);
		r = config_print(c, gz_write, gz);
		errno = 0;
		if (gzclose_w(gz) != Z_OK && !r)
			r = errno ? -errno : -EIO;
	}
	if (!r && fsync(fd))
		r = -errno;
	if (close(fd) && !r)
		r = -errno;
	return r;
}

static int write_new(int dir, const char *name, const struct config *c)
{
	int fd = openat(dir, STATE_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
			0600),
	    r;

	if (fd < 0)
		return -errno;
	r = write_gz(fd, c);
	if (!r && renameat(dir, STATE_NEW, dir, name))
		r = -errno;
	if (r) {
		unlinkat(dir, STATE_NEW, 0);
		return r;
	}
	if (fsync(dir)) {
		r = -errno;
		unlinkat(dir, name, 0);
	}
	return r;
}

int state_save(const char *instance, const struct config *c, unsigned long *number,
	       struct error *err)
{
	char path[STATE_PATH_LEN], name[32];
	struct state *list;
	size_t n;
	int dir, r;

	r = make_dirs(instance_path(instance, path), err);
	if (!r)
		r = state_list(instance, &list, &n, err);
	if (r)
		return r;
	*number = n ? list[0].number + 1 : 1;
	free(list);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return error_system(err, errno, "cannot open %s: %s", path, strerror(errno));
	snprintf(name, sizeof(name), "%0*lu" STATE_SUFFIX, STATE_DIGITS, *number);
	r = write_new(dir, name, c);
	close(dir);
	return r ? error_system(err, -r,
				"cannot keep the state of before in %s: %s; nothing was changed",
				path, strerror(-r)) :
		   0;
}

/* --- reading ----------------------------------------------------------------------------- */

struct source {
	gzFile gz;
	bool damaged;
};

static ssize_t gz_read(void *arg, void *buf, size_t len)
{
	struct source *s = arg;
	int n = gzread(s->gz, buf, len > INT_MAX ? INT_MAX : (unsigned int)len), e = Z_OK;

	/* The end of a file that is cut short is an error of its own, told only here. */
	gzerror(s->gz, &e);
	if (n >= 0 && (n > 0 || e == Z_OK))
		return n;
	s->damaged = true;
	return -EBADMSG;
}

/* Reads on to the end: only there the checksum is compared. */
static void drain(struct source *s)
{
	char buf[4096];

	while (!s->damaged && gz_read(s, buf, sizeof(buf)) > 0)
		;
}

static int load(struct source *s, const char *path, struct config *c, struct error *err)
{
	int r = 0;

	/* What does not begin as gzip zlib hands through as it is. */
	if (gzdirect(s->gz))
		s->damaged = true;
	else
		r = config_parse(c, path, gz_read, s, err);
	drain(s);
	if (s->damaged)
		return error_system(err, EBADMSG, "state file %s is damaged", path);
	return r ? r : config_check(c, path, err);
}

int state_load(const char *instance, unsigned long number, struct config *c, struct error *err)
{
	char path[STATE_PATH_LEN];
	struct source s = { 0 };
	int r;

	errno = 0;
	s.gz = gzopen(state_path(instance, number, path), "rbe");
	if (!s.gz)
		return error_system(err, errno ? errno : ENOMEM, "cannot open state file %s: %s",
				    path, strerror(errno ? errno : ENOMEM));
	gzbuffer(s.gz, GZ_BUFFER);
	r = load(&s, path, c, err);
	gzclose_r(s.gz);
	return r;
}
