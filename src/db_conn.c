/*
 * Life of one connection: closed, connecting, ready, closed again.
 */
#include "db_internal.h"

#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "log.h"
#include "text.h"

static void
enter_state(struct db_conn *c, enum conn_state state)
{
	c->state = state;
	c->since_us = monotonic_us();
}

static void
event_drop(struct event **ev)
{
	if (*ev)
		event_free(*ev);
	*ev = NULL;
}

void
db_conn_close(struct db_conn *c)
{
	event_drop(&c->read);
	event_drop(&c->write);
	event_drop(&c->timer);
	PQfinish(db_connect_end(c->connecting));
	c->connecting = NULL;
	PQfinish(c->pg);
	c->pg = NULL;
	free(c->prepared);
	c->prepared = NULL;
	c->broken = false;
}

/* libpq may have closed the socket already: the next client to be accepted
 * would get its number, and not be heard as long as our events hold it. */
void
db_conn_break(struct db_conn *c)
{
	c->broken = true;
	event_drop(&c->read);
	event_drop(&c->write);
	event_active(c->pool->wake, EV_TIMEOUT, 0);
}

static void
on_backoff(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	db_conn_start(arg);
}

/* Full jitter: processes that lost the server together do not come back
 * together. */
static void
plan_reconnect(struct db_conn *c)
{
	uint32_t bound = BACKOFF_MIN_MS << (c->attempt < 7 ? c->attempt : 7);
	uint32_t r;
	struct timeval tv;

	if (bound > BACKOFF_MAX_MS)
		bound = BACKOFF_MAX_MS;
	evutil_secure_rng_get_bytes(&r, sizeof(r));
	r %= bound + 1;
	tv = (struct timeval){ .tv_sec = r / 1000, .tv_usec = r % 1000 * 1000 };
	c->attempt++;
	c->pool->reconnects++;
	c->timer = evtimer_new(c->pool->base, on_backoff, c);
	event_add(c->timer, &tv);
}

void
db_conn_drop(struct db_conn *c, const char *why)
{
	struct job_list lost = { 0 };
	struct db_job *job;
	bool was_ready = c->state == CONN_READY;

	log_event(LOG_WARN_, "database_disconnected", "%s: %s", why,
		  c->pg ? PQerrorMessage(c->pg) : "");
	db_pipe_take_jobs(c, &lost);
	/* One that breaks as soon as it is ready keeps backing off. */
	if ((was_ready || c->state == CONN_RETIRING) &&
	    monotonic_us() - c->since_us > BACKOFF_MAX_MS * 1000)
		c->attempt = 0;
	db_conn_close(c);
	enter_state(c, CONN_CLOSED);
	plan_reconnect(c);
	if (was_ready)
		db_ready_changed(c->pool, -1);
	while ((job = db_list_pop(&lost)))
		db_deliver(job, DB_LOST, NULL, NULL);
}

static void
conn_ready(struct db_conn *c)
{
	enter_state(c, CONN_READY);
	db_ready_changed(c->pool, 1);
	db_dispatch_waiting(c->pool);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct db_conn *c = arg;

	(void)fd;
	(void)what;
	if (!PQconsumeInput(c->pg)) {
		db_conn_drop(c, "connection lost");
		return;
	}
	db_pipe_read(c);
	db_dispatch_waiting(c->pool);
	/* libpq flushes while reading; what is left must still go out. */
	if (c->pg && !c->broken)
		db_conn_flush(c);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	db_conn_flush(arg);
}

void
db_conn_flush(struct db_conn *c)
{
	int left = c->broken ? 0 : PQflush(c->pg);

	if (left > 0)
		event_add(c->write, NULL);
	else if (left < 0)
		db_conn_break(c);
}

static void
conn_connected(struct db_conn *c)
{
	evutil_socket_t fd = PQsocket(c->pg);
	const char *fault = db_session_fault(c->pg);

	if (fault) {
		db_conn_drop(c, fault);
		return;
	}
	c->read = event_new(c->pool->base, fd, EV_READ | EV_PERSIST,
			    on_readable, c);
	c->write = event_new(c->pool->base, fd, EV_WRITE, on_writable, c);
	event_add(c->read, NULL);
	c->prepared = xmalloc(db_statement_count * sizeof(*c->prepared));
	if (PQsetnonblocking(c->pg, 1) == 0 && PQenterPipelineMode(c->pg))
		conn_ready(c);
	else
		db_conn_drop(c, "no pipeline mode");
}

static void
on_connected(evutil_socket_t fd, short what, void *arg)
{
	struct db_conn *c = arg;

	(void)fd;
	(void)what;
	event_drop(&c->read);
	c->pg = db_connect_end(c->connecting);
	c->connecting = NULL;
	if (!c->pg || PQstatus(c->pg) != CONNECTION_OK) {
		db_conn_drop(c, "cannot connect");
		return;
	}
	PQsetNoticeReceiver(c->pg, db_pipe_notice, c);
	conn_connected(c);
}

void
db_conn_start(struct db_conn *c)
{
	int fd;

	event_drop(&c->timer);
	enter_state(c, CONN_CONNECTING);
	c->connecting = db_connect_start(c->pool, &fd);
	if (!c->connecting) {
		db_conn_drop(c, "cannot start a thread to connect");
		return;
	}
	c->read = event_new(c->pool->base, fd, EV_READ, on_connected, c);
	event_add(c->read, NULL);
}

void
db_conn_tick(struct db_conn *c, int64_t now)
{
	switch (c->state) {
	case CONN_READY:
	case CONN_RETIRING:
		if (!db_pipe_expire(c, now))
			db_conn_drop(c, "no answer before the deadline");
		break;
	case CONN_CONNECTING:
	case CONN_CLOSED:
		break;
	}
}
