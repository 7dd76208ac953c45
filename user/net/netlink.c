/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The socket, and how one call is made on it.
 *
 * A request is built in nl->tx, sent with NLM_F_ACK, and its answer read until the kernel's
 * NLMSG_ERROR (which is the ack as well) or, for a dump, NLMSG_DONE. An answer is always read to
 * that end, even if the caller has lost interest: a dump left half-read would make the next one
 * fail with EBUSY. Messages with another sequence number are leftovers and are skipped.
 *
 * Both ways to end may carry a text of the kernel's (extended ack), which nl_error() hands out.
 *
 * A dump during which the tables changed is marked NLM_F_DUMP_INTR and may have missed entries
 * that were there all the time. It is thrown away and asked for again.
 */
#include "net/netlink.h"

#include <stdio.h>
#include <sys/socket.h>

#include "net/nl_internal.h"

#define RX_START 32768 /* the most the kernel puts into one datagram of a dump, as a rule */
#define DUMP_TRIES 8

int nl_open(struct nl **nlp)
{
	struct nl *nl = calloc(1, sizeof(*nl));
	int one = 1, err;

	*nlp = NULL;
	if (!nl)
		return -ENOMEM;
	nl->rx_size = RX_START;
	nl->rx = malloc(nl->rx_size);
	if (!nl->rx) {
		err = -ENOMEM;
		goto fail;
	}
	nl->sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!nl->sock || mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		goto fail;
	}
	/*
	 * Old kernels lack some of these, and all works without: texts are missing, and dumps are
	 * longer, since without strict checking their filters are ignored. Callbacks filter again.
	 */
	mnl_socket_setsockopt(nl->sock, NETLINK_EXT_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(nl->sock, NETLINK_CAP_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(nl->sock, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	*nlp = nl;
	return 0;
fail:
	nl_close(nl);
	return err;
}

void nl_close(struct nl *nl)
{
	if (!nl)
		return;
	if (nl->sock)
		mnl_socket_close(nl->sock);
	free(nl->rx);
	free(nl);
}

const char *nl_error(struct nl *nl)
{
	return nl->error;
}

struct nlmsghdr *nl_begin(struct nl *nl, uint16_t type, uint16_t flags, const void *header,
			  size_t len)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(nl->tx);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	memcpy(mnl_nlmsg_put_extra_header(nlh, len), header, len);
	return nlh;
}

/* Reads one datagram from the kernel into nl->rx, which grows to hold it. Its length or -errno. */
static int read_datagram(struct nl *nl)
{
	int fd = mnl_socket_get_fd(nl->sock);

	for (;;) {
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		ssize_t n = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC);

		if (n > (ssize_t)nl->rx_size) {
			char *rx = realloc(nl->rx, n);

			if (!rx)
				return -ENOMEM;
			nl->rx = rx;
			nl->rx_size = n;
		}
		if (n >= 0)
			n = recvfrom(fd, nl->rx, nl->rx_size, 0, (struct sockaddr *)&from,
				     &from_len);
		if (n < 0 && errno != EINTR)
			return -errno;
		/* Port 0 is the kernel; other privileged processes may write to us, too. */
		if (n >= 0 && from.nl_pid == 0)
			return n;
	}
}

static void keep_text(struct nl *nl, const struct nlmsghdr *nlh, size_t header_len)
{
	const struct nlattr *tb[NLMSGERR_ATTR_MSG + 1] = { 0 };

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS) || mnl_nlmsg_get_payload_len(nlh) < header_len)
		return;
	nl_attrs(nlh, header_len, tb, NLMSGERR_ATTR_MSG);
	if (tb[NLMSGERR_ATTR_MSG])
		snprintf(nl->error, sizeof(nl->error), "%.*s",
			 (int)mnl_attr_get_payload_len(tb[NLMSGERR_ATTR_MSG]),
			 (const char *)mnl_attr_get_payload(tb[NLMSGERR_ATTR_MSG]));
}

/* The verdict in a message that ends an answer: 0 or -errno. */
static int verdict(struct nl *nl, const struct nlmsghdr *nlh)
{
	size_t len = nlh->nlmsg_type == NLMSG_ERROR ? sizeof(struct nlmsgerr) : sizeof(int);
	size_t skip = len;
	int err;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(err))
		return nlh->nlmsg_type == NLMSG_ERROR ? -EBADMSG : 0;
	memcpy(&err, mnl_nlmsg_get_payload(nlh), sizeof(err));
	/* Without NETLINK_CAP_ACK an error quotes our whole request before the attributes. */
	if (nlh->nlmsg_type == NLMSG_ERROR && err && !(nlh->nlmsg_flags & NLM_F_CAPPED)) {
		const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

		if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(*e))
			skip += e->msg.nlmsg_len - sizeof(e->msg);
	}
	keep_text(nl, nlh, skip);
	return err < 0 ? err : 0;
}

int nl_run(struct nl *nl, nl_cb cb, void *data)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)nl->tx;
	int err = 0, len;
	bool intr = false;

	nl->error[0] = '\0';
	nlh->nlmsg_seq = ++nl->seq;
	if (mnl_socket_sendto(nl->sock, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		len = read_datagram(nl);
		if (len < 0)
			return len;
		for (nlh = (struct nlmsghdr *)nl->rx; mnl_nlmsg_ok(nlh, len);
		     nlh = mnl_nlmsg_next(nlh, &len)) {
			if (nlh->nlmsg_seq != nl->seq)
				continue;
			if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
				intr = true;
			if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE) {
				int v = verdict(nl, nlh);

				return v ? v : err ? err : intr ? -EINTR : 0;
			}
			if (nlh->nlmsg_type >= NLMSG_MIN_TYPE && cb && !err)
				err = cb(nlh, data);
		}
	}
}

int nl_list_add(struct nl_list *list, const void *item)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 16;
		void *items = reallocarray(list->items, cap, list->size);

		if (!items)
			return -ENOMEM;
		list->items = items;
		list->cap = cap;
	}
	memcpy((char *)list->items + list->n++ * list->size, item, list->size);
	return 0;
}

int nl_dump(struct nl *nl, nl_cb cb, struct nl_list *list)
{
	int err = -EINTR;

	for (int i = 0; i < DUMP_TRIES && err == -EINTR; i++) {
		list->n = 0;
		err = nl_run(nl, cb, list);
	}
	if (err) {
		free(list->items);
		list->items = NULL;
		list->n = list->cap = 0;
	}
	return err == -EINTR ? -EAGAIN : err;
}

void nl_attrs(const struct nlmsghdr *nlh, size_t header_len, const struct nlattr **tb, uint16_t max)
{
	const struct nlattr *attr;

	mnl_attr_for_each (attr, nlh, header_len) {
		if (mnl_attr_get_type(attr) <= max)
			tb[mnl_attr_get_type(attr)] = attr;
	}
}

void nl_nested(const struct nlattr *nest, const struct nlattr **tb, uint16_t max)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, nest) {
		if (mnl_attr_get_type(attr) <= max)
			tb[mnl_attr_get_type(attr)] = attr;
	}
}

uint32_t nl_u32(const struct nlattr *attr, uint32_t absent)
{
	return attr && mnl_attr_get_payload_len(attr) >= 4 ? mnl_attr_get_u32(attr) : absent;
}

uint8_t nl_u8(const struct nlattr *attr, uint8_t absent)
{
	return attr && mnl_attr_get_payload_len(attr) >= 1 ? mnl_attr_get_u8(attr) : absent;
}
