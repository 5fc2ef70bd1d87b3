/*
 * The change feed, and its long poll: a request that finds nothing new is
 * parked, and asks again once its street has new events.
 *
 * One small query a quarter second and worker, whoever many wait, tells which
 * streets changed (changesMark). NOTIFY would be quicker still, but neither
 * passes a connection pooler nor spans shards.
 */
#include <event2/bufferevent.h>
#include <poll.h>
#include <string.h>

#include "linli.h"

#define TICK_US (250 * 1000)

struct parked {
	struct request *rq;
	struct parked *next;
	int64_t deadline_us;
	unsigned long polls_seen; /* started when this one's query was sent */
	bool waiting, wake;
};

static struct {
	struct worker *worker;
	struct event *tick;
	struct parked *first;
	struct db_job job;
	char mark[32]; /* what the last poll had seen; "" = nothing yet */
	unsigned long polls; /* started so far */
	bool polling;
} feed;

static void
unpark(struct parked *p)
{
	struct parked **at = &feed.first;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	p->waiting = false;
}

static int
reply_nothing(struct request *rq)
{
	const char *after = arg(rq, "after");
	size_t room = after ? strlen(after) * 2 + 8 : 1;
	char *cursor = arena_alloc(rq->arena, room);

	if (after)
		base64url_encode(cursor, after, strlen(after));
	return reply_json(rq, 200,
			  json_pack("{s:[], s:s?}", "items", "next",
				    after ? cursor : NULL));
}

/* Has the client gone? Asked, not waited for: libevent tells of a reset to
 * readers and writers only, and epoll tells it again at once, for ever. */
static bool
hung_up(const struct parked *p)
{
	struct bufferevent *bev =
		evhttp_connection_get_bufferevent(p->rq->conn);
	struct pollfd fd = { bufferevent_getfd(bev), POLLRDHUP, 0 };

	return poll(&fd, 1, 0) > 0;
}

static void
wake(struct parked *p)
{
	struct request *rq = p->rq;

	unpark(p);
	p->polls_seen = feed.polls;
	request_resume(rq);
}

static bool
street_changed(const PGresult *res, long street)
{
	for (int i = 0; i < PQntuples(res); i++)
		if (!PQgetisnull(res, i, 0) &&
		    atol(PQgetvalue(res, i, 0)) == street)
			return true;
	return false;
}

static void
poll_done(struct db_job *job)
{
	struct parked *p, *next;
	const char *mark;
	bool all = !*feed.mark;

	feed.polling = false;
	if (job->outcome != DB_OK)
		return;
	mark = encode_meta(job->last, "_mark");
	for (p = feed.first; p; p = next) {
		next = p->next;
		if (all || street_changed(job->last, p->rq->actor.street))
			wake(p);
	}
	if (mark)
		snprintf(feed.mark, sizeof(feed.mark), "%s", mark);
}

static void
poll_start(void)
{
	const struct query *q = query_find("changesMark");

	feed.polling = true;
	feed.polls++;
	feed.job.call_count = 1;
	memset(&feed.job.calls[0], 0, sizeof(feed.job.calls[0]));
	feed.job.calls[0].statement = q->statements[0].db_index;
	feed.job.calls[0].param_count = 1;
	feed.job.calls[0].params[0] = *feed.mark ? feed.mark : NULL;
	feed.job.done = poll_done;
	db_submit(feed.worker->db, &feed.job);
}

static void
tick(evutil_socket_t fd, short what, void *arg_)
{
	struct timeval again = { 0, TICK_US };
	int64_t now = monotonic_us();
	struct parked *p, *next;

	(void)fd;
	(void)what;
	(void)arg_;
	for (p = feed.first; p; p = next) {
		next = p->next;
		/* What is written to one who went is lost; evhttp cleans up. */
		if (p->deadline_us <= now || feed.worker->draining ||
		    hung_up(p)) {
			unpark(p);
			reply_nothing(p->rq);
		} else if (p->wake) {
			p->wake = false;
			wake(p);
		}
	}
	if (feed.first && !feed.polling)
		poll_start();
	if (feed.first)
		event_add(feed.tick, &again);
}

static void
park(struct request *rq, struct parked *p)
{
	struct timeval soon = { 0, TICK_US };

	feed.worker = rq->worker;
	if (!feed.tick)
		feed.tick = evtimer_new(rq->worker->base, tick, NULL);
	p->waiting = true;
	/* A poll begun after our query may have reported what we missed. */
	p->wake = p->polls_seen != feed.polls;
	p->next = feed.first;
	feed.first = p;
	if (!evtimer_pending(feed.tick, NULL))
		event_add(feed.tick, &soon);
}

static int
changes_before(struct request *rq)
{
	struct parked *p = arena_alloc(rq->arena, sizeof(*p));
	json_t *wait = arg_json(rq, "wait");

	p->rq = rq;
	p->polls_seen = feed.polls;
	p->deadline_us = rq->start_us + json_integer_value(wait) * 1000000;
	rq->hook_data = p;
	return NEXT;
}

static int
changes_reply(struct request *rq, PGresult *res)
{
	struct parked *p = rq->hook_data;

	if (PQntuples(res) > 0) {
		encode_feed(rq->out, res, rq->op->reply_sealed);
		return reply_buffer(rq, 200);
	}
	if (p->deadline_us <= monotonic_us() || rq->worker->draining)
		return reply_nothing(rq);
	park(rq, p);
	return PENDING;
}

const struct hook changes_hooks[] = {
	{ .operation = "listChanges",
	  .before = changes_before,
	  .reply = changes_reply },
	{ 0 },
};
