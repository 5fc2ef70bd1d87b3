/*
 * An API worker: one event loop, evhttp on the shared listening socket, a
 * few database connections. What a request does stands in request.c.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "child.h"
#include "config.h"
#include "conn.h"
#include "log.h"
#include "metrics.h"
#include "offload.h"
#include "outbound.h"
#include "proxy.h"
#include "secret.h"
#include "supervise.h"
#include "text.h"
#include "tls.h"
#include "verify.h"

#define BEAT_MS 1000
#define DRAIN_TICK_MS 50
/* New connections are already kept out; this lets handshakes finish. */
#define DRAIN_ACCEPT_MS 100
#define IDLE_GRACE_US (1000 * 1000)
#define OFFLOAD_QUEUE 64

static struct timeval
milliseconds(long ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	return tv;
}

static void
timer(struct worker *w, struct event **ev, long ms, event_callback_fn fn,
      short flags)
{
	struct timeval tv = milliseconds(ms);

	*ev = event_new(w->base, -1, flags, fn, w);
	if (!*ev || event_add(*ev, &tv) != 0)
		abort();
}

void
worker_request_begun(struct worker *w)
{
	w->inflight++;
	atomic_store_explicit(&w->slot->inflight, w->inflight,
			      memory_order_relaxed);
	atomic_fetch_add_explicit(&w->slot->requests, 1, memory_order_relaxed);
}

void
worker_request_done(struct worker *w)
{
	w->inflight--;
	atomic_store_explicit(&w->slot->inflight, w->inflight,
			      memory_order_relaxed);
}

/* ---- drain ---- */

static void
stop_accepting(struct worker *w)
{
	evhttp_del_accept_socket(w->http, w->socket);
	w->socket = NULL;
	atomic_store(&w->slot->serving, 0);
}

static void
drain_tick(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	int64_t waited = monotonic_us() - w->drain_us;
	int left;

	(void)fd;
	(void)what;
	if (w->socket && waited >= DRAIN_ACCEPT_MS * 1000)
		stop_accepting(w);
	if (!w->socket)
		conns_close_idle(w->conns, IDLE_GRACE_US);
	left = atomic_load(&w->slot->connections);
	if (!w->socket && left == 0 && w->inflight == 0) {
		event_base_loopbreak(w->base);
	} else if (waited >= config.drain_seconds * 1000000) {
		log_event(LOG_WARN_, "drain_cut",
			  "%d requests and %d connections were still open",
			  w->inflight, left);
		event_base_loopbreak(w->base);
	}
}

static void
drain_begin(evutil_socket_t sig, short what, void *arg)
{
	static struct event *tick; /* one worker a process */
	struct worker *w = arg;

	(void)sig;
	(void)what;
	if (w->draining)
		return;
	w->draining = true;
	w->drain_us = monotonic_us();
	/* A socket of systemd's keeps what comes for the next of us. */
	if (atomic_load(&w->shared->adopted))
		stop_accepting(w);
	timer(w, &tick, DRAIN_TICK_MS, drain_tick, EV_PERSIST);
}

/* ---- database ---- */

/* The database was away at start: what the start could not check is checked
 * before the first request uses it, in each process, since it also completes
 * the queries (query_reply.c). It may go away again meanwhile. */
static void
catch_up(struct worker *w)
{
	const char *why = NULL;
	int fits;

	if (w->verified)
		return;
	fits = verify_database(w->contract, &why);
	if (fits == 0) {
		log_event(LOG_ERROR_, "mismatch",
			  "the database does not fit this program");
		_Exit(CHILD_UNFIT);
	}
	w->verified = fits > 0;
	log_event(fits > 0 ? LOG_INFO_ : LOG_WARN_,
		  fits > 0 ? "verified" : "unverified", "%s",
		  fits > 0 ? "the database fits" : why);
}

static void
database_changed(bool ready, void *arg)
{
	struct worker *w = arg;

	if (ready)
		catch_up(w);
	log_event(ready ? LOG_INFO_ : LOG_WARN_,
		  ready ? "database_ready" : "database_away", "%s",
		  ready ? "connected" : "no connection; requests get 503");
	slot_set(w->shared, &w->slot->ready, ready && w->verified);
}

/* ---- life ---- */

static void
beat(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	atomic_store(&w->slot->beat_ms, clock_ms());
	metrics_sample(w->db);
	if (!w->verified && db_ready(w->db)) {
		catch_up(w);
		slot_set(w->shared, &w->slot->ready, w->verified);
	}
}

static bool
keys_open(void)
{
	char *why = NULL;

	if (secret_load_all(config.keys_dir, &why))
		return true;
	log_event(LOG_ERROR_, "keys", "%s", why);
	free(why);
	return false;
}

/* What is kept in another form than config's. */
static void
settings_taken(void)
{
	proxy_trust(config.trusted_proxies);
}

/* A worker starts with what the supervisor has loaded. */
static bool
tls_renew(void)
{
	char *why = NULL;

	if (!tls_on() ||
	    tls_load(config.tls_certificate, config.tls_key, &why))
		return true;
	log_event(LOG_ERROR_, "tls", "%s", why);
	free(why);
	return false;
}

static void
reload(evutil_socket_t sig, short what, void *arg)
{
	struct worker *w = arg;
	char name[32];

	(void)sig, (void)what;
	if (!config_reload() || !keys_open() || !tls_renew()) {
		log_event(LOG_ERROR_, "reload_failed", "the old ones stay");
		return;
	}
	settings_taken();
	snprintf(name, sizeof(name), "worker-%d", w->index);
	log_open(name, config.log_level);
	log_event(LOG_INFO_, "reloaded", "settings and keys");
}

static void
on_signal(struct worker *w, struct event **ev, int sig, event_callback_fn fn)
{
	*ev = evsignal_new(w->base, sig, fn, w);
	if (!*ev || event_add(*ev, NULL) != 0)
		abort();
}

/* evhttp turns reading and writing on and off several times a request; a
 * changelist hands the kernel what is left of that before it waits. */
static struct event_base *
base_new(void)
{
	struct event_config *settings = event_config_new();
	struct event_base *base = NULL;

	if (settings &&
	    event_config_set_flag(settings,
				  EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) == 0)
		base = event_base_new_with_config(settings);
	event_config_free(settings);
	return base;
}

static void
worker_open(struct worker *w, int listen_fd)
{
	w->base = base_new();
	if (!w->base || !offload_start(w->base, 1, OFFLOAD_QUEUE) ||
	    !outbound_start(w->base))
		abort();
	log_gather(w->base);
	tls_watch(w->base);
	w->conns = conns_new(w->base, w->contract, w->shared, w->index);
	w->db = db_pool_new(w->base, config.database,
			    (int)config.database_connections,
			    config.statement_timeout_ms);
	db_on_change(w->db, database_changed, w);
	worker_listen(w, listen_fd);
}

int
worker_main(struct contract *contract, struct shared *shared, int index,
	    int listen_fd)
{
	struct worker w = {
		.contract = contract,
		.shared = shared,
		.slot = &shared->workers[index],
		.index = index,
		.verified = shared->verified,
	};
	struct event *beats, *term, *hup;
	char name[32];

	snprintf(name, sizeof(name), "worker-%d", index);
	log_open(name, config.log_level);
	if (!keys_open())
		return CHILD_UNFIT;
	settings_taken();
	metrics_attach(index);
	worker_open(&w, listen_fd);
	on_signal(&w, &term, SIGTERM, drain_begin);
	on_signal(&w, &hup, SIGHUP, reload);
	child_hears();
	timer(&w, &beats, BEAT_MS, beat, EV_PERSIST);
	beat(-1, 0, &w);
	slot_set(shared, &w.slot->serving, 1);
	log_event(LOG_INFO_, "started", "accepting");
	if (atomic_load(&shared->draining))
		drain_begin(SIGTERM, EV_SIGNAL, &w);

	event_base_dispatch(w.base);

	offload_stop();
	outbound_stop();
	db_pool_free(w.db);
	evhttp_free(w.http);
	conns_free(w.conns);
	tls_unwatch();
	event_free(beats);
	event_free(term);
	event_free(hup);
	log_gather(NULL);
	event_base_free(w.base);
	return 0;
}
