#include "child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "peer.h"
#include "text.h"

#define SECOND_US ((int64_t)1000000)
#define FIRST_PAUSE_US (SECOND_US / 10)
#define LONGEST_PAUSE_US (5 * SECOND_US)

void
children_add(struct children *cs, struct slot *slot, int index)
{
	cs->list[cs->count++] = (struct child){ .slot = slot, .index = index };
}

/* SIGHUP would be the end of a child that has no handler yet. */
static void
mask_hup(int how)
{
	sigset_t hup;

	sigemptyset(&hup);
	sigaddset(&hup, SIGHUP);
	sigprocmask(how, &hup, NULL);
}

static _Noreturn void
child_run(const struct children *cs, const struct child *c, pid_t parent)
{
	/* Without its supervisor a child drains and goes. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(0);
	/* Ctrl-C reaches the whole group; only the supervisor heeds it. */
	signal(SIGINT, SIG_IGN);
	mask_hup(SIG_SETMASK);
	exit(cs->run(c->index));
}

void
child_hears(void)
{
	mask_hup(SIG_UNBLOCK);
}

static void
child_start(const struct children *cs, struct child *c)
{
	pid_t parent = getpid();

	atomic_store(&c->slot->beat_ms, clock_ms());
	c->started_us = monotonic_us();
	c->pid = fork();
	if (c->pid == 0)
		child_run(cs, c, parent);
	if (c->pid < 0) {
		log_event(LOG_ERROR_, "fork_failed", "%s", strerror(errno));
		c->pid = 0;
		c->due_us = c->started_us + SECOND_US;
		return;
	}
	atomic_store(&c->slot->pid, c->pid);
}

void
children_start_due(struct children *cs, int64_t now)
{
	for (int i = 0; i < cs->count; i++)
		if (!cs->list[i].pid && cs->list[i].due_us <= now)
			child_start(cs, &cs->list[i]);
}

/* At once, unless it lived less than a second: then ever later. */
static void
child_schedule(struct child *c)
{
	int64_t now = monotonic_us();

	if (now - c->started_us >= SECOND_US)
		c->pause_us = 0;
	else if (c->pause_us == 0)
		c->pause_us = FIRST_PAUSE_US;
	else if (c->pause_us < LONGEST_PAUSE_US)
		c->pause_us *= 2;
	c->due_us = now + c->pause_us;
	atomic_fetch_add(&c->slot->restarts, 1);
}

static void
child_say(const struct child *c, int status)
{
	char name[32] = "job";
	bool killed = WIFSIGNALED(status);

	if (c->index >= 0)
		snprintf(name, sizeof(name), "worker-%d", c->index);
	log_event(LOG_ERROR_, "child_died", "%s: %s %d", name,
		  killed ? "signal" : "exit code",
		  killed ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void
child_ended(struct child *c, int status, bool stopping)
{
	c->pid = 0;
	atomic_store(&c->slot->pid, 0);
	atomic_store(&c->slot->serving, 0);
	atomic_store(&c->slot->ready, 0);
	atomic_store(&c->slot->connections, 0);
	atomic_store(&c->slot->inflight, 0);
	if (c->index >= 0)
		peer_forget(c->index);
	if (!stopping || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		child_say(c, status);
	child_schedule(c);
}

bool
children_reap(struct children *cs, bool stopping)
{
	bool unfit = false;
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		unfit |= WIFEXITED(status) &&
			 WEXITSTATUS(status) == CHILD_UNFIT;
		for (int i = 0; i < cs->count; i++)
			if (cs->list[i].pid == pid)
				child_ended(&cs->list[i], status, stopping);
	}
	return unfit;
}

void
children_signal(const struct children *cs, int sig)
{
	for (int i = 0; i < cs->count; i++)
		if (cs->list[i].pid)
			kill(cs->list[i].pid, sig);
}

int
children_alive(const struct children *cs)
{
	int n = 0;

	for (int i = 0; i < cs->count; i++)
		n += cs->list[i].pid != 0;
	return n;
}

int64_t
children_next_due(const struct children *cs, int64_t now)
{
	int64_t next = now + 3600 * SECOND_US;

	for (int i = 0; i < cs->count; i++)
		if (!cs->list[i].pid && cs->list[i].due_us < next)
			next = cs->list[i].due_us;
	return next;
}
