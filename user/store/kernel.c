/* SPDX-License-Identifier: GPL-2.0-only */
/* Why a kernel refused us, in words: permission, or the first feature it lacks, by name. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "store/internal.h"

static int probe_devmap(void)
{
	return libbpf_probe_bpf_map_type(BPF_MAP_TYPE_DEVMAP_HASH, NULL);
}

static int probe_neigh(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_redirect_neigh, NULL);
}

static int probe_jiffies(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_jiffies64, NULL);
}

static int probe_xdp(void)
{
	return libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_XDP, NULL);
}

/* Asked only after a load has failed, to name the cause. */
static const struct {
	const char *what;
	const char *since;
	int (*probe)(void);
} needs[] = {
	{ "XDP programs", "4.8", probe_xdp },
	{ "BPF_MAP_TYPE_DEVMAP_HASH", "5.4", probe_devmap },
	{ "bpf_jiffies64()", "5.5", probe_jiffies },
	{ "bpf_redirect_neigh()", "5.10", probe_neigh },
};

int explain_load(int r, struct error *err)
{
	struct utsname u;
	size_t i;

	uname(&u);
	if (r == -EPERM || r == -EACCES)
		return error_system(err, -r,
				    "not permitted to load BPF programs: needs root, or CAP_BPF, "
				    "CAP_NET_ADMIN and CAP_PERFMON");
	for (i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		if (needs[i].probe() == 0)
			return error_system(err, EOPNOTSUPP,
					    "kernel %s has no %s: it came with Linux %s", u.release,
					    needs[i].what, needs[i].since);
	return error_system(err, -r, "kernel %s refused the programs: %s", u.release, strerror(-r));
}
