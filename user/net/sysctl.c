/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Settings by way of /proc/sys/net. The kernel looks up that directory in the network namespace of
 * the thread that opens it, so nothing is kept open between calls.
 */
#include "net/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOT "/proc/sys/net/"

/* Every component must be a name: device names come from outside. */
static int path_ok(const char *path)
{
	size_t len;

	for (;; path += len + 1) {
		len = strcspn(path, "/");
		if (len == 0 || (path[0] == '.' && (len == 1 || (len == 2 && path[1] == '.'))))
			return 0;
		if (!path[len])
			return 1;
	}
}

static int open_setting(const char *path, int flags)
{
	char full[256];
	int fd;

	if (!path_ok(path))
		return -EINVAL;
	if (snprintf(full, sizeof(full), ROOT "%s", path) >= (int)sizeof(full))
		return -ENAMETOOLONG;
	fd = open(full, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysctl_get(const char *path, int *value)
{
	int fd = open_setting(path, O_RDONLY);
	char text[64], *end;
	ssize_t n;
	long v;

	if (fd < 0)
		return fd;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return n;
	text[n] = '\0';
	errno = 0;
	v = strtol(text, &end, 10);
	if (end == text || errno || v < INT_MIN || v > INT_MAX || strcmp(end, "\n") != 0)
		return -EINVAL;
	*value = v;
	return 0;
}

int sysctl_set(const char *path, int value)
{
	int fd = open_setting(path, O_WRONLY);
	char text[16];
	int len, err = 0;

	if (fd < 0)
		return fd;
	len = snprintf(text, sizeof(text), "%d\n", value);
	/* One write is one assignment; the kernel takes all of it or says why not. */
	if (write(fd, text, len) < 0)
		err = -errno;
	close(fd);
	return err;
}
