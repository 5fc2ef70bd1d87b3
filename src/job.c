/*
 * The job process: runs each query named job… (a "-- helper:" in
 * sql/queries), one after another, a transaction each, then rests. The first
 * column of the first row says how much there was to do; or the rows are for
 * a hook, when something outside the database follows.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "child.h"
#include "config.h"
#include "db.h"
#include "log.h"
#include "metrics.h"
#include "offload.h"
#include "query.h"
#include "supervise.h"
#include "text.h"

#define BEAT_MS 1000
#define STATEMENT_TIMEOUT_MS 60000
#define SECOND_US ((int64_t)1000000)
#define TIMEOUT_US (90 * SECOND_US)
#define LONGEST_PAUSE_US (60 * SECOND_US)
#define EAGER_US SECOND_US

struct job {
	const struct query *query;
	const struct job_hook *hook; /* NULL: the query was all */
	int64_t pause_us, due_us; /* after a failure */
};

struct runner {
	struct event_base *base;
	struct event *next; /* the round's timer */
	struct db_pool *db;
	struct shared *shared;
	struct job *jobs;
	size_t count, at;
	struct db_job call;
	bool running, stopping, breathing;
	bool soon;	       /* no rest after this round */
	int64_t eager_until_us; /* 0 = its first time in this round */
};

static struct runner *turning; /* job_soon() */

static void job_next(struct runner *r);

const struct job_hook *
job_hook_find(const char *query)
{
	for (size_t i = 0; all_job_hooks[i]; i++)
		for (const struct job_hook *h = all_job_hooks[i]; h->query; h++)
			if (strcmp(h->query, query) == 0)
				return h;
	return NULL;
}

static void
jobs_collect(struct runner *r)
{
	const struct query *q;

	for (size_t i = 0; (q = query_at(i)); i++) {
		if (!q->helper || strncmp(q->name, "job", 3) != 0)
			continue;
		r->jobs = xrealloc(r->jobs, (r->count + 1) * sizeof(*r->jobs));
		r->jobs[r->count++] = (struct job){
			.query = q, .hook = job_hook_find(q->name) };
	}
}

static bool
more(const struct runner *r)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct job *j = &r->jobs[i];

		if (j->hook && j->hook->more && !j->pause_us && j->hook->more())
			return true;
	}
	return false;
}

static void
rest(struct runner *r)
{
	long ms = r->soon || more(r) ? 0 : config.job_interval_ms;
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	if (r->at == r->count && db_ready(r->db))
		metrics_round();
	r->at = 0;
	r->soon = false;
	event_add(r->next, &tv);
}

void
job_soon(void)
{
	const struct timeval now = { 0, 0 };

	if (event_pending(turning->next, EV_TIMEOUT, NULL) &&
	    !turning->breathing)
		event_add(turning->next, &now);
	else
		turning->soon = true;
}

/* Some work comes in pieces, each a transaction: one after another, but not
 * for so long that the rest of the jobs, or SIGTERM, would wait for it. */
static bool
again(struct runner *r, const struct job *j, long n)
{
	int64_t now = monotonic_us();

	if (!j->hook || !j->hook->eager || n <= 0)
		return false;
	if (!r->eager_until_us)
		r->eager_until_us = now + EAGER_US;
	if (now < r->eager_until_us)
		return true;
	r->soon = true;
	return false;
}

static void
take_breath(struct runner *r, int64_t worked_us)
{
	int64_t us = worked_us / 4;
	struct timeval tv = { us / SECOND_US, us % SECOND_US };

	r->breathing = true;
	event_add(r->next, &tv);
}

static void
job_failed(struct job *j, const struct db_job *call)
{
	int64_t first = config.job_interval_ms * 2000;

	j->pause_us = j->pause_us ? j->pause_us * 2 : first;
	if (j->pause_us > LONGEST_PAUSE_US)
		j->pause_us = LONGEST_PAUSE_US;
	j->due_us = monotonic_us() + j->pause_us;
	metrics_job(j->query->name, -1, call->db_us);
	log_event(LOG_ERROR_, "job_failed", "%s: %s", j->query->name,
		  /* Detail and context may quote somebody's row. */
		  call->outcome == DB_ERROR ?
			  PQresultErrorField(call->error,
					     PG_DIAG_MESSAGE_PRIMARY) :
			  "the database went away or took too long");
}

static void
job_done(struct db_job *call)
{
	struct runner *r = call->data;
	struct job *j = &r->jobs[r->at];
	long n = 0;

	r->running = false;
	if (call->outcome == DB_OK) {
		const PGresult *res = call->last;

		n = PQntuples(res);
		if (j->hook && j->hook->done)
			j->hook->done(res);
		else if (n > 0 && PQnfields(res) > 0)
			n = atol(PQgetvalue(res, 0, 0));
		j->pause_us = 0;
		j->due_us = j->hook && j->hook->every_s
				    ? monotonic_us() +
					      j->hook->every_s * SECOND_US
				    : 0;
		metrics_job(j->query->name, n, call->db_us);
		if (n > 0 && !(j->hook && j->hook->every_s))
			log_event(LOG_INFO_, "job", "%s: %ld", j->query->name,
				  n);
	} else if (call->outcome != DB_AWAY) {
		job_failed(j, call);
	}
	if (!again(r, j, n)) {
		r->at++;
		r->eager_until_us = 0;
	}
	if (n > 0 && j->hook && j->hook->gentle)
		take_breath(r, call->db_us);
	else
		job_next(r);
}

/* False: nothing to do in this round. */
static bool
job_submit(struct runner *r, const struct job *j)
{
	bool binds = j->hook && j->hook->bind;
	const char *text = binds ? j->hook->bind() : NULL;
	const struct query *q = j->query;
	struct db_job *call = &r->call;

	if (binds && !text)
		return false;
	memset(call, 0, sizeof(*call));
	call->calls[0].param_count = binds;
	call->calls[0].params[0] = text;
	for (size_t i = 0; i < q->statement_count && i < DB_MAX_CALLS; i++)
		call->calls[call->call_count++].statement =
			q->statements[i].db_index;
	call->timeout_us = TIMEOUT_US;
	call->done = job_done;
	call->data = r;
	r->running = true;
	db_submit(r->db, call);
	return true;
}

static void
job_next(struct runner *r)
{
	int64_t now = monotonic_us();

	if (r->stopping) {
		event_base_loopbreak(r->base);
		return;
	}
	for (; r->at < r->count && db_ready(r->db); r->at++)
		if (r->jobs[r->at].due_us <= now &&
		    job_submit(r, &r->jobs[r->at]))
			return;
	rest(r);
}

static void
on_round(evutil_socket_t fd, short what, void *arg)
{
	struct runner *r = arg;

	(void)fd;
	(void)what;
	r->breathing = false;
	job_next(r);
}

/* The statement in flight may finish: its transaction is small. */
static void
on_term(evutil_socket_t sig, short what, void *arg)
{
	struct runner *r = arg;

	(void)sig;
	(void)what;
	r->stopping = true;
	if (!r->running)
		event_base_loopbreak(r->base);
}

static void
on_hup(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	(void)arg;
	if (config_reload())
		log_open("job", config.log_level);
	else
		log_event(LOG_ERROR_, "reload_failed", "the settings stay");
}

static void
on_beat(evutil_socket_t fd, short what, void *arg)
{
	struct runner *r = arg;

	(void)fd;
	(void)what;
	atomic_store(&r->shared->job.beat_ms, clock_ms());
	metrics_sample(r->db);
}

static void
database_changed(bool ready, void *arg)
{
	struct runner *r = arg;

	slot_set(r->shared, &r->shared->job.ready, ready);
}

static struct event *
event_open(struct runner *r, int sig, short flags, event_callback_fn fn)
{
	struct event *ev = event_new(r->base, sig, flags, fn, r);

	if (!ev)
		abort();
	return ev;
}

int
job_main(struct shared *shared, int metrics_fd)
{
	struct runner r = { .shared = shared };
	const struct timeval second = { BEAT_MS / 1000, 0 };
	struct event *term, *hup, *beat;
	struct evhttp *http = NULL;

	metrics_attach(-1);
	log_open("job", config.log_level);
	jobs_collect(&r);
	turning = &r;
	r.base = event_base_new();
	if (!r.base || !offload_start(r.base, 1, 8))
		abort();
	term = event_open(&r, SIGTERM, EV_SIGNAL | EV_PERSIST, on_term);
	hup = event_open(&r, SIGHUP, EV_SIGNAL | EV_PERSIST, on_hup);
	beat = event_open(&r, -1, EV_PERSIST, on_beat);
	r.next = event_open(&r, -1, 0, on_round);
	event_add(term, NULL);
	event_add(hup, NULL);
	child_hears();
	event_add(beat, &second);
	if (metrics_fd >= 0)
		http = metrics_serve(r.base, metrics_fd, shared);
	r.db = db_pool_new(r.base, config.database_jobs, 1,
			   STATEMENT_TIMEOUT_MS);
	db_on_change(r.db, database_changed, &r);
	slot_set(shared, &shared->job.serving, 1);
	log_event(LOG_INFO_, "started", "%zu jobs", r.count);
	rest(&r);

	if (!atomic_load(&shared->draining))
		event_base_dispatch(r.base);

	offload_stop();
	if (http)
		evhttp_free(http);
	db_pool_free(r.db);
	event_free(term);
	event_free(hup);
	event_free(beat);
	event_free(r.next);
	event_base_free(r.base);
	free(r.jobs);
	return 0;
}
