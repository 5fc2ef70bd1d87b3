/*
 * The supervisor: holds the listening socket, starts the children and starts
 * them again, passes signals on. It touches no client's bytes, so that what
 * kills a worker leaves this process alone.
 */
#include "supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "child.h"
#include "config.h"
#include "listen.h"
#include "log.h"
#include "metrics.h"
#include "peer.h"
#include "takeover.h"
#include "text.h"
#include "tls.h"

#define SECOND_US ((int64_t)1000000)
/* A database that went away right after the check must not hold back
 * systemd's notice for ever. */
#define READY_PATIENCE_US (5 * SECOND_US)

static struct {
	struct contract *contract;
	struct shared *shared;
	struct listener listener;
	int metrics_fd; /* -1 = none */
	struct children children;
	int signals; /* signalfd */
	pid_t next;  /* who is to take over, 0 = nobody */
	bool announced, stopping;
	int64_t begun_us, kill_us;
	int64_t watchdog_us, fed_us; /* 0 = none */
	int code;
} super;

void
slot_set(struct shared *shared, atomic_int *field, int value)
{
	const uint64_t one = 1;

	atomic_store(field, value);
	(void)!write(shared->notify, &one, sizeof(one));
}

/* Runs in the child. */
static int
child_main(int index)
{
	close(super.signals);
	if (index >= 0 && super.metrics_fd >= 0)
		close(super.metrics_fd);
	if (index >= 0)
		return worker_main(super.contract, super.shared, index,
				   super.listener.fd);
	close(super.listener.fd);
	return job_main(super.shared, super.metrics_fd);
}

static void
stop(int code)
{
	if (super.stopping)
		return;
	super.stopping = true;
	super.code = code;
	super.kill_us = monotonic_us() +
			(config.drain_seconds + 5) * SECOND_US;
	if (!super.next)
		sd_notify(0, "STOPPING=1");
	log_event(LOG_INFO_, "stopping", "finishing what is in flight");
	atomic_store(&super.shared->draining, 1);
	listen_quiesce(&super.listener);
	children_signal(&super.children, SIGTERM);
	if (!super.listener.adopted)
		listen_close(&super.listener);
}

/* ---- signals and readiness ---- */

static void
reload(void)
{
	char *why = NULL;

	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
		   (long long)monotonic_us());
	if (config_reload())
		log_open("main", config.log_level);
	else
		log_event(LOG_ERROR_, "reload_failed", "the settings stay");
	/* For the workers that are started from now on. */
	if (tls_on() &&
	    !tls_load(config.tls_certificate, config.tls_key, &why))
		log_event(LOG_ERROR_, "tls", "%s", why);
	free(why);
	children_signal(&super.children, SIGHUP);
	sd_notify(0, "READY=1");
}

/* It serves on our socket: all we have left is what we began. */
static void
hand_over(void)
{
	super.listener.adopted = true;
	atomic_store(&super.shared->adopted, 1);
	sd_notifyf(0, "MAINPID=%d", (int)super.next);
	stop(0);
}

static void
reap(void)
{
	if (children_reap(&super.children, super.stopping))
		stop(1);
	if (!super.next || super.stopping || kill(super.next, 0) == 0)
		return;
	log_event(LOG_ERROR_, "takeover_failed",
		  "process %d ended; all stays as it was", (int)super.next);
	super.next = 0;
}

static void
on_signals(void)
{
	struct signalfd_siginfo info;

	while (read(super.signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD) {
			reap();
		} else if (info.ssi_signo == SIGHUP) {
			reload();
		} else if (info.ssi_signo == SIGUSR2) {
			if (!super.next && !super.stopping)
				super.next = takeover_start(&super.listener);
		} else if (info.ssi_signo == TAKEOVER_SIGNAL) {
			if (super.next && (pid_t)info.ssi_pid == super.next)
				hand_over();
		} else if (super.stopping) {
			/* Asked twice: end at once. */
			super.code = 1;
			children_signal(&super.children, SIGKILL);
		} else {
			stop(0);
		}
	}
}

static bool
workers_are(bool database)
{
	for (int i = 0; i < super.shared->worker_count; i++) {
		struct slot *s = &super.shared->workers[i];

		if (!atomic_load(&s->serving) ||
		    (database && !atomic_load(&s->ready)))
			return false;
	}
	return true;
}

static void
announce(int64_t now)
{
	bool patient = super.shared->verified &&
		       now - super.begun_us < READY_PATIENCE_US;

	if (super.announced || super.stopping || !workers_are(patient))
		return;
	super.announced = true;
	log_event(LOG_INFO_, "ready", "%s", super.listener.url);
	takeover_tell();
	sd_notify(0, "READY=1");
}

static void
feed_watchdog(int64_t now)
{
	if (!super.watchdog_us || now - super.fed_us < super.watchdog_us / 2)
		return;
	super.fed_us = now;
	sd_notify(0, "WATCHDOG=1");
}

/* ---- life ---- */

/* Milliseconds until something is due. */
static int
nap(int64_t now)
{
	int64_t until = super.stopping ?
				super.kill_us :
				children_next_due(&super.children, now);

#define SOONER(t) (until = (t) < until ? (t) : until)
	if (super.watchdog_us)
		SOONER(super.fed_us + super.watchdog_us / 2);
	if (now < super.begun_us + READY_PATIENCE_US)
		SOONER(super.begun_us + READY_PATIENCE_US);
#undef SOONER
	return until <= now ? 1 : (int)((until - now) / 1000 + 1);
}

static void
turn(void)
{
	struct pollfd fds[] = {
		{ .fd = super.signals, .events = POLLIN },
		{ .fd = super.shared->notify, .events = POLLIN },
	};
	int64_t now = monotonic_us();
	uint64_t news;

	poll(fds, 2, nap(now));
	(void)!read(super.shared->notify, &news, sizeof(news));
	on_signals();
	now = monotonic_us();
	if (!super.stopping)
		children_start_due(&super.children, now);
	announce(now);
	feed_watchdog(now);
	if (super.stopping && now >= super.kill_us)
		children_signal(&super.children, SIGKILL);
}

static void
open_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, TAKEOVER_SIGNAL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	super.signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (super.signals < 0)
		die("signalfd: %s", strerror(errno));
}

static void
open_shared(bool verified)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	long workers = config.workers ? config.workers : cores;
	struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (s == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	s->notify = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	s->verified = verified;
	s->adopted = super.listener.adopted;
	limit_open(&s->limits, super.begun_us);
	clock_share(&s->clock);
	s->worker_count = workers < 1 ? 1 : workers > 64 ? 64 : (int)workers;
	metrics_open(super.contract, s->worker_count);
	peer_open(s->worker_count, config.max_connections);
	super.shared = s;
	super.children.run = child_main;
	for (int i = -1; i < s->worker_count; i++)
		children_add(&super.children, i < 0 ? &s->job : &s->workers[i],
			     i);
}

static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int
supervise(struct contract *contract, bool verified)
{
	uint64_t usec = 0;
	bool inherited = takeover_open();

	super.contract = contract;
	super.begun_us = monotonic_us();
	listen_open(config.listen, &super.listener);
	super.listener.adopted &= !inherited;
	super.metrics_fd = *config.metrics_listen
				   ? listen_aside(config.metrics_listen)
				   : -1;
	open_shared(verified);
	open_signals();
	raise_descriptor_limit();
	if (sd_watchdog_enabled(0, &usec) > 0)
		super.watchdog_us = (int64_t)usec;
	children_start_due(&super.children, super.begun_us);
	while (!super.stopping || children_alive(&super.children))
		turn();
	log_event(LOG_INFO_, "stopped", "exit code %d", super.code);
	return super.code;
}
