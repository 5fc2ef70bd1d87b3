/*
 * A worker's connections. evhttp keeps its list to itself, so each connection
 * is caught when evhttp asks for its bufferevent and let go in its closecb.
 */
#include "conn.h"

#include <event2/bufferevent.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "arena.h"
#include "guard_conn.h"
#include "peer.h"
#include "supervise.h"
#include "text.h"
#include "tls.h"

struct conn {
	struct conn *next, **at; /* at: what points to this one */
	struct conns *owner;
	struct bufferevent *bev;
	struct evhttp_connection *http;
	struct guard_conn *guard;
};

struct conns {
	struct event *bind;
	struct guards *guards;
	struct conn *fresh; /* evhttp has not named its connection yet */
	struct conn *known;
	struct conn **by_fd;
	size_t by_fd_size;
	atomic_int *count;
};

static void
conn_link(struct conn **list, struct conn *c)
{
	c->next = *list;
	c->at = list;
	if (c->next)
		c->next->at = &c->next;
	*list = c;
}

static void
conn_unlink(struct conn *c)
{
	*c->at = c->next;
	if (c->next)
		c->next->at = c->at;
}

static struct conn **
conn_slot(struct conns *cs, struct bufferevent *bev)
{
	size_t fd = (size_t)bufferevent_getfd(bev), size = cs->by_fd_size;

	if (fd >= size) {
		size = fd * 2 + 64;
		cs->by_fd = xrealloc(cs->by_fd, size * sizeof(*cs->by_fd));
		for (size_t i = cs->by_fd_size; i < size; i++)
			cs->by_fd[i] = NULL;
		cs->by_fd_size = size;
	}
	return &cs->by_fd[fd];
}

static void
conn_closed(struct evhttp_connection *http, void *arg)
{
	struct conn *c = arg;

	(void)http;
	guard_conn_free(c->guard);
	tls_goodbye(c->bev);
	*conn_slot(c->owner, c->bev) = NULL;
	conn_unlink(c);
	atomic_fetch_sub(c->owner->count, 1);
	free(c);
}

/* Runs right after the accept that made them: evhttp has by then put its
 * connection into the bufferevent as the callbacks' argument. */
static void
conns_bind(evutil_socket_t fd, short what, void *arg)
{
	struct conns *cs = arg;
	struct conn *c;
	void *http;

	(void)fd;
	(void)what;
	while ((c = cs->fresh)) {
		bufferevent_getcb(c->bev, NULL, NULL, NULL, &http);
		conn_unlink(c);
		conn_link(&cs->known, c);
		c->http = http;
		*conn_slot(cs, c->bev) = c;
		evhttp_connection_set_closecb(c->http, conn_closed, c);
		guard_conn_bind(c->guard, c->http);
	}
}

struct bufferevent *
conns_accept(struct event_base *base, void *arg)
{
	struct conns *cs = arg;
	struct conn *c = xmalloc(sizeof(*c));

	c->owner = cs;
	c->bev = tls_on() ? tls_accept(base)
			  : bufferevent_socket_new(base, -1, 0);
	if (!c->bev)
		abort();
	c->guard = guard_conn_new(cs->guards, c->bev);
	conn_link(&cs->fresh, c);
	atomic_fetch_add(cs->count, 1);
	event_active(cs->bind, EV_TIMEOUT, 1);
	return c->bev;
}

void
conns_request(struct conns *cs, struct evhttp_request *ev)
{
	struct bufferevent *bev = evhttp_connection_get_bufferevent(
		evhttp_request_get_connection(ev));
	struct conn *c = *conn_slot(cs, bev);

	if (c)
		guard_conn_request(c->guard, ev);
}

/* A request that has come and not been read yet: it would be lost. */
static bool
has_input(const struct conn *c)
{
	char byte;

	return recv(bufferevent_getfd(c->bev), &byte, 1,
		    MSG_PEEK | MSG_DONTWAIT) > 0;
}

void
conns_close_idle(struct conns *cs, int64_t quiet_us)
{
	int64_t since = monotonic_us() - quiet_us;
	struct conn *c, *next;

	for (c = cs->known; c; c = next) {
		next = c->next;
		if (guard_conn_idle(c->guard, since) && !has_input(c))
			evhttp_connection_free(c->http);
	}
}

struct conns *
conns_new(struct event_base *base, const struct contract *contract,
	  struct shared *shared, int worker)
{
	struct conns *cs = xmalloc(sizeof(*cs));

	cs->bind = event_new(base, -1, 0, conns_bind, cs);
	if (!cs->bind)
		abort();
	cs->guards = guards_new(base, contract, shared);
	cs->count = &shared->workers[worker].connections;
	atomic_store(cs->count, 0);
	peer_attach(worker);
	return cs;
}

void
conns_free(struct conns *cs)
{
	event_free(cs->bind);
	guards_free(cs->guards);
	free(cs->by_fd);
	free(cs);
}
