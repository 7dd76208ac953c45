/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Waiting to be confirmed. A process of its own, because what has to be undone may be the very
 * change that cut off the operator's session, and not a daemon, because penstock has none that must
 * run: this one lives for the length of one wait and holds nothing but the pending file's lock.
 *
 * It is made at the beginning, when the program is small, and told later what to wait for; it keeps
 * the network namespace and the environment, and no lock and no map. It looks every second whether
 * its file is still there, which is how `confirm` and `rollback` end it.
 *
 * Rejected: at(1) or a systemd timer (not everywhere, and not in the namespace), a fork at the end
 * (it would keep a copy of a million routes for the length of the wait).
 */
#include "config/waiter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "config/apply.h"
#include "config/state.h"

#define LOOK_MS 1000
#define TRIES 60 /* of getting the lock, each of which waits as long as the lock is waited for */
#define TRY_S 1

struct order {
	char instance[PS_NAME_LEN];
	struct pending p;
};

/* --- the process ------------------------------------------------------------------------- */

static int give_back(struct store *st, const struct order *o, int held, struct error *err)
{
	struct config c = { 0 };
	struct apply a = { .kind = APPLY_RETURN, .want = &c, .held = held };
	int r = state_load(o->instance, o->p.state, &c, err);

	if (!r)
		r = config_apply(st, &a, err);
	config_free(&c);
	return r;
}

/* 0: done. -ESTALE: no longer wanted. Else there is an error. */
static int try_return(const struct order *o, int held, struct error *err)
{
	struct store *st;
	int r = store_open(&st, o->instance, true, err);

	if (r == -ENOENT)
		return -ESTALE; /* unloaded */
	if (r)
		return r;
	r = store_id(st) == o->p.id ? give_back(st, o, held, err) : -ESTALE;
	store_close(st);
	return r;
}

static void return_to(const struct order *o, int held)
{
	struct error err = { "", false };
	int i, r = -EBUSY;

	/* Busy with the lock, that is; a route that is in the way stays there. */
	for (i = 0; i < TRIES && r == -EBUSY && !err.usage; i++) {
		if (i)
			sleep(TRY_S);
		r = try_return(o, held, &err);
	}
	openlog("penstock", LOG_PID, LOG_DAEMON);
	if (!r)
		syslog(LOG_WARNING,
		       "instance %s: the apply was not confirmed in time; returned to state %lu",
		       o->instance, o->p.state);
	else if (r != -ESTALE)
		syslog(LOG_ERR,
		       "instance %s: the apply was not confirmed in time, and the return to "
		       "state %lu failed: %s",
		       o->instance, o->p.state, err.text);
	/* After a failure the file stays, and `status` says that nobody waits. */
	if (r == -ESTALE && pending_holds(o->instance, held))
		pending_remove(o->instance);
}

static void wait_and_return(const struct order *o, int held)
{
	uint64_t now;

	while ((now = boottime_ms()) < o->p.deadline_ms) {
		uint64_t left = o->p.deadline_ms - now;

		poll(NULL, 0, left < LOOK_MS ? (int)left : LOOK_MS);
		if (!pending_holds(o->instance, held))
			return;
	}
	return_to(o, held);
}

static void waiter_main(int sock)
{
	struct order o;
	int held, null = open("/dev/null", O_RDWR), fd;

	for (fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	/* What the parent's parent left open is nothing to keep. */
	if (sock > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, (unsigned int)sock - 1, 0);
	close_range((unsigned int)sock + 1, ~0u, 0);
	if (chdir("/") || recv(sock, &o, sizeof(o), MSG_WAITALL) != sizeof(o))
		return;
	held = pending_hold(o.instance);
	if (send(sock, &held, sizeof(held), MSG_NOSIGNAL) != sizeof(held) || held < 0)
		return;
	close(sock);
	wait_and_return(&o, held);
}

/* --- its parent -------------------------------------------------------------------------- */

/* In the child: leaves a grandchild that belongs to nobody, whose pid goes down the socket. */
static void detach(int sock)
{
	int pid;

	if (setsid() < 0)
		return;
	pid = fork();
	if (pid)
		return;
	pid = getpid();
	if (send(sock, &pid, sizeof(pid), MSG_NOSIGNAL) == sizeof(pid))
		waiter_main(sock);
}

int waiter_start(struct error *err)
{
	int sock[2], pid, status;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock))
		return error_system(err, errno, "cannot make a socket: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		close(sock[0]);
		detach(sock[1]);
		_exit(0); /* leaves the buffers of stdio to the parent */
	}
	close(sock[1]);
	if (pid < 0) {
		pid = errno;
		close(sock[0]);
		return error_system(err, pid, "cannot start a process: %s", strerror(pid));
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return sock[0];
}

int waiter_pid(int sock)
{
	int pid;

	return recv(sock, &pid, sizeof(pid), MSG_WAITALL) == sizeof(pid) ? pid : 0;
}

int waiter_go(int sock, const char *instance, const struct pending *p, struct error *err)
{
	struct order o = { .p = *p };
	int held;

	memcpy(o.instance, instance, strnlen(instance, sizeof(o.instance) - 1));
	if (send(sock, &o, sizeof(o), MSG_NOSIGNAL) == sizeof(o) &&
	    recv(sock, &held, sizeof(held), MSG_WAITALL) == sizeof(held) && held >= 0)
		return 0;
	return error_system(err, ESRCH,
			    "the process that waits for `confirm` has died; nothing "
			    "was changed");
}
