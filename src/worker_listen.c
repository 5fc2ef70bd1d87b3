/*
 * A worker's listening: evhttp on the socket all workers share, each taking
 * its turn, none spinning when there is nothing to be had.
 */
#include <errno.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "log.h"
#include "request.h"
#include "supervise.h"

#define ACCEPT_PAUSE_MS 200
#define TURN_MS 1

/* For the one callback evhttp leaves us no argument of. */
static struct worker *self;

static void
on_request(struct evhttp_request *ev, void *arg)
{
	struct worker *w = arg;

	conns_request(w->conns, ev);
	request_begin(ev, w);
}

static void
listener_resume(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	if (w->socket)
		evconnlistener_enable(evhttp_bound_socket_get_listener(w->socket));
}

static void
listener_pause(struct evconnlistener *listener, long ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	evconnlistener_disable(listener);
	event_base_once(self->base, -1, EV_TIMEOUT, listener_resume, self, &tv);
}

static bool
ahead_of_others(const struct worker *w)
{
	int mine = atomic_load(&w->slot->connections);

	for (int i = 0; i < w->shared->worker_count; i++) {
		struct slot *s = &w->shared->workers[i];

		if (atomic_load(&s->serving) &&
		    atomic_load(&s->connections) < mine - 1)
			return true;
	}
	return false;
}

/* Whoever wakes first would take a whole burst of connections, and keep-alive
 * would keep it so: one that is ahead lets the others have their turn. */
static struct bufferevent *
on_accept(struct event_base *base, void *arg)
{
	struct worker *w = arg;
	struct bufferevent *bev = conns_accept(base, w->conns);

	if (!w->draining && ahead_of_others(w))
		listener_pause(evhttp_bound_socket_get_listener(w->socket),
			       TURN_MS);
	return bev;
}

/* Out of descriptors the loop would spin on the same waiting connection. */
static void
listener_failed(struct evconnlistener *listener, void *http)
{
	(void)http;
	log_event(LOG_WARN_, "accept_failed", "%s", strerror(errno));
	listener_pause(listener, ACCEPT_PAUSE_MS);
}

static void
listener_open(struct worker *w, int fd)
{
	struct evconnlistener *listener = evconnlistener_new(
		w->base, NULL, NULL,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);

	if (!listener)
		abort();
	w->socket = evhttp_bind_listener(w->http, listener);
	evconnlistener_set_error_cb(listener, listener_failed);
}

static void
http_open(struct worker *w)
{
	w->http = evhttp_new(w->base);
	if (!w->http)
		abort();
	evhttp_set_bevcb(w->http, on_accept, w);
	evhttp_set_gencb(w->http, on_request, w);
	/* The guard's are tighter, and its answers are ours. */
	evhttp_set_max_headers_size(w->http, -1);
	evhttp_set_max_body_size(w->http, -1);
	evhttp_set_default_content_type(w->http, NULL);
	/* All that evhttp knows: our 405 answers those we do not serve. */
	evhttp_set_allowed_methods(
		w->http,
		EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
			EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
			EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH |
			EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT);
}

void
worker_listen(struct worker *w, int fd)
{
	self = w;
	http_open(w);
	listener_open(w, fd);
}
