/*
 * Deadlines. Every list has one time limit for all in it and is kept in the
 * order of arrival, so a tick looks at the first few only.
 */
#include <stdlib.h>

#include "config.h"
#include "guard_conn_internal.h"
#include "text.h"

#define TICK_US (200 * 1000)
#define CLOSE_US (5 * 1000 * 1000)
#define SECOND_US (1000 * 1000)

void
guard_wait_move(struct guard_conn *gc, enum wait wait)
{
	struct guard_list *lists = gc->owner->waiting;

	if (gc->wait != WAIT_NONE)
		TAILQ_REMOVE(&lists[gc->wait], gc, in_waiting);
	gc->wait = wait;
	if (wait == WAIT_NONE)
		return;
	TAILQ_INSERT_TAIL(&lists[wait], gc, in_waiting);
	gc->since_us = monotonic_us();
	gc->moved = 0;
}

static int64_t
limit_us(enum wait wait)
{
	switch (wait) {
	case WAIT_REQUEST:
		return config.idle_timeout_s * (int64_t)SECOND_US;
	case WAIT_HEAD:
		return config.head_timeout_s * (int64_t)SECOND_US;
	case WAIT_BODY:
	case WAIT_REPLY:
		return config.body_timeout_s * (int64_t)SECOND_US;
	default:
		return CLOSE_US;
	}
}

/* A large body over a thin line gets more time as long as it flows; who takes
 * a reply byte by byte would hold it in our memory for ever. */
static bool
flows(const struct guard_conn *gc)
{
	return gc->moved >=
	       (uint64_t)(config.body_timeout_s * config.body_min_rate);
}

static void
expire(struct guard_conn *gc)
{
	switch (gc->wait) {
	case WAIT_HEAD:
		guard_conn_refuse(gc, "request_timeout", "head");
		break;
	case WAIT_BODY:
		if (flows(gc))
			guard_wait_move(gc, WAIT_BODY);
		else
			guard_conn_refuse(gc, "request_timeout", "body");
		break;
	case WAIT_REPLY:
		if (flows(gc)) {
			guard_wait_move(gc, WAIT_REPLY);
			break;
		}
		/* fall through */
	default:
		evhttp_connection_free(gc->http);
	}
}

static void
tick(evutil_socket_t fd, short what, void *arg)
{
	struct guards *gs = arg;
	int64_t now = monotonic_us();
	struct guard_conn *gc;

	(void)fd;
	(void)what;
	for (enum wait w = 0; w < WAIT_COUNT; w++)
		while ((gc = TAILQ_FIRST(&gs->waiting[w])) && gc->http &&
		       now - gc->since_us >= limit_us(w))
			expire(gc);
}

void
guard_wait_open(struct guards *gs)
{
	const struct timeval every = { 0, TICK_US };

	for (enum wait w = 0; w < WAIT_COUNT; w++)
		TAILQ_INIT(&gs->waiting[w]);
	gs->tick = event_new(gs->base, -1, EV_PERSIST, tick, gs);
	if (!gs->tick || event_add(gs->tick, &every) != 0)
		abort();
}

void
guard_wait_close(struct guards *gs)
{
	event_free(gs->tick);
}
