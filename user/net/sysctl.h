/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whole-number settings under /proc/sys/net, in the calling thread's network namespace.
 *
 * The path is relative and uses slashes, such as "ipv4/conf/eth0.7/rp_filter": a device's name is
 * one directory, dots and all.
 */
#ifndef NET_SYSCTL_H
#define NET_SYSCTL_H

/*
 * 0 or -errno: -ENOENT if there is no such setting (or device), -EINVAL if the path leads out of
 * /proc/sys/net, if the setting is no single number, or if the kernel refuses the value.
 */
int sysctl_get(const char *path, int *value);
int sysctl_set(const char *path, int value);

#endif
