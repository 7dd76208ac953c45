/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * load, unload, attach and detach: what can't be part of a transaction. A dry run of these checks
 * the words and that the instance and the device are there; what the kernel would say to the
 * programs it can't know.
 */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"

#define LIMIT(name, field, most)                                                       \
	{                                                                              \
		.word = name, .parse = parse_number, .min = 1, .max = most,            \
		.offset = offsetof(struct store_limits, field), .expected = "a number" \
	}

const struct keyword load_words[] = {
	LIMIT("max-prefixes", max_prefixes, 16000000), LIMIT("max-tunnels", max_tunnels, 32000),
	LIMIT("max-groups", max_groups, 1000000),      LIMIT("max-tables", max_tables, 4096),
	LIMIT("max-chunks", max_chunks, 40000000),     { 0 },
};

int do_load(struct cli *c)
{
	struct store_limits limits = { 0 };
	struct given g;
	bool upgraded;

	if (keywords_parse(c, load_words, &limits, &g))
		return -EINVAL;
	if (!c->dry_run)
		return store_load(c->instance, &limits, &upgraded, &c->err);
	if (cli_store(c) && store_limits_same(c->st->meta, &limits, &c->err))
		return -EINVAL;
	cli_would(c, "%s instance %s", c->st ? "replace the programs of" : "load", c->instance);
	cli_print_would(c);
	return 0;
}

int do_unload(struct cli *c)
{
	if (arg_end(c))
		return -EINVAL;
	if (!c->dry_run)
		return store_unload(c->instance, &c->err);
	if (!cli_store(c))
		return -EIO;
	cli_would(c, "unload instance %s", c->instance);
	cli_print_would(c);
	return 0;
}

/* --- ports
 * ---------------------------------------------------------------------------------------- */

static const char *const roles[] = { "wan", "lan", NULL };		  /* enum ps_role */
static const char *const modes[] = { "auto", "native", "generic", NULL }; /* enum port_mode */

struct attach_args {
	uint32_t role, mode;
};

const struct keyword attach_words[] = {
	{ .word = "role",
	  .parse = parse_choice,
	  .choice = roles,
	  .required = true,
	  .offset = offsetof(struct attach_args, role),
	  .expected = "wan or lan" },
	{ .word = "mode",
	  .parse = parse_choice,
	  .choice = modes,
	  .offset = offsetof(struct attach_args, mode),
	  .expected = "auto, native or generic" },
	{ 0 },
};

static const char *device_arg(struct cli *c)
{
	const char *dev = arg_need(c, "a device");

	if (dev && (!*dev || strlen(dev) >= PS_NAME_LEN || strpbrk(dev, "/ "))) {
		cli_usage(c, "device \"%.64s\": expected a name of 1 to 15 characters", dev);
		return NULL;
	}
	return dev;
}

static int device_exists(struct cli *c, const char *dev)
{
	struct nl *nl = cli_nl(c);
	struct nl_link link;

	if (!nl)
		return -EIO;
	return nl_link_get(nl, dev, 0, &link) ? cli_usage(c, "device \"%s\" does not exist", dev) :
						0;
}

int do_attach(struct cli *c)
{
	const char *dev = device_arg(c);
	struct attach_args a = { 0 };
	struct given g;

	if (!dev || keywords_parse(c, attach_words, &a, &g) || cli_open(c) || device_exists(c, dev))
		return -EINVAL;
	if (!c->dry_run)
		return store_attach(c->st, dev, (enum ps_role)a.role, (enum port_mode)a.mode,
				    &c->err);
	cli_would(c, "attach %s as %s", dev, roles[a.role]);
	cli_print_would(c);
	return 0;
}

static int is_port(void *arg, uint32_t ifindex, const struct ps_port *p, bool attached)
{
	(void)ifindex;
	(void)attached;
	return !strcmp(p->name, arg);
}

int do_detach(struct cli *c)
{
	const char *dev = device_arg(c);

	if (!dev || arg_end(c) || cli_open(c))
		return -EINVAL;
	if (store_port_each(c->st, is_port, (void *)dev) != 1)
		return cli_usage(c, "device \"%s\" is no port of ours", dev);
	if (!c->dry_run)
		return store_detach(c->st, dev, &c->err);
	cli_would(c, "detach %s", dev);
	cli_print_would(c);
	return 0;
}
