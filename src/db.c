/*
 * The pool: who waits, who is answered when, and which connection is next.
 */
#include "db_internal.h"

#include <stdlib.h>

#include "arena.h"
#include "text.h"

/* The result done() is looking at, so that db_take() can keep it although the
 * job itself may be freed or submitted again inside done(). */
static PGresult **in_hand;

void
db_list_push(struct job_list *l, struct db_job *job)
{
	job->next = NULL;
	if (!l->first)
		l->last = &l->first;
	*l->last = job;
	l->last = &job->next;
	l->count++;
}

struct db_job *
db_list_pop(struct job_list *l)
{
	struct db_job *job = l->first;

	if (job) {
		l->first = job->next;
		l->count--;
	}
	return job;
}

struct job_list
db_list_late(struct job_list *l, int64_t now, int64_t age_us)
{
	struct job_list all = *l, late = { 0 };
	struct db_job *job;

	*l = (struct job_list){ 0 };
	while ((job = db_list_pop(&all))) {
		if (now > job->deadline_us || now - job->start_us > age_us)
			db_list_push(&late, job);
		else
			db_list_push(l, job);
	}
	return late;
}

void
db_deliver(struct db_job *job, enum db_outcome outcome, PGresult *last,
	   PGresult *error)
{
	job->outcome = outcome;
	job->last = last;
	job->error = error;
	job->db_us = monotonic_us() - job->start_us;
	in_hand = &last;
	job->done(job); /* job may be gone now */
	in_hand = NULL;
	PQclear(last);
	PQclear(error);
}

PGresult *
db_take(struct db_job *job)
{
	PGresult *res = job->last;

	if (in_hand)
		*in_hand = NULL;
	job->last = NULL;
	return res;
}

/* Behind a statement that waits for a lock, or just takes long, nobody else is
 * queued: it must not hold up those that have nothing to do with it. */
static bool
is_slow(const struct db_conn *c, int64_t now)
{
	return c->locked || (c->count > 0 && now > c->head_since_us + SLOW_US);
}

static bool
takes_jobs(const struct db_conn *c, int64_t now)
{
	return c->state == CONN_READY && !c->broken && !is_slow(c, now) &&
	       c->count < QUEUE_MAX;
}

static struct db_conn *
shortest_queue(struct db_pool *p)
{
	int64_t now = monotonic_us();
	struct db_conn *best = NULL;

	for (int i = 0; i < p->count; i++) {
		struct db_conn *c = &p->conns[i];

		if (takes_jobs(c, now) && (!best || c->count < best->count))
			best = c;
	}
	return best;
}

/* Those after one lock would wake each other in vain, again and again, on
 * several connections: a new ticket cost PostgreSQL half as much again. */
static struct db_conn *
choose(struct db_pool *p, const struct db_job *job)
{
	struct db_conn *c = &p->conns[job->lane % (unsigned)p->count];

	return job->settles && takes_jobs(c, monotonic_us())
		       ? c
		       : shortest_queue(p);
}

static void
refuse_later(struct db_pool *p, struct db_job *job)
{
	db_list_push(&p->refused, job);
	event_active(p->wake, EV_TIMEOUT, 0);
}

/* One that breaks before the Sync has executed nothing: on to the next. */
static bool
send_somewhere(struct db_pool *p, struct db_job *job)
{
	struct db_conn *c;

	while ((c = choose(p, job)))
		if (db_pipe_send(c, job))
			return true;
	return false;
}

/* Not when all queues are just full. */
static bool
may_wait(const struct db_pool *p)
{
	int64_t now = monotonic_us();

	for (int i = 0; i < p->count; i++)
		if (p->conns[i].state == CONN_READY &&
		    !is_slow(&p->conns[i], now))
			return false;
	return true;
}

void
db_submit(struct db_pool *p, struct db_job *job)
{
	job->last = job->error = NULL;
	job->start_us = monotonic_us();
	job->deadline_us = job->start_us +
			   (job->timeout_us ? job->timeout_us : p->timeout_us);
	if (!send_somewhere(p, job)) {
		if (may_wait(p) && p->waiting.count < WAIT_MAX)
			db_list_push(&p->waiting, job);
		else
			refuse_later(p, job);
	}
	db_tick_start(p);
}

void
db_dispatch_waiting(struct db_pool *p)
{
	struct db_job *job;

	while (p->waiting.first && shortest_queue(p)) {
		job = db_list_pop(&p->waiting);
		if (!send_somewhere(p, job))
			refuse_later(p, job);
	}
}

void
db_ready_changed(struct db_pool *p, int by)
{
	bool was = p->ready > 0, is;

	p->ready += by;
	is = p->ready > 0;
	if (was != is && p->changed)
		p->changed(is, p->changed_arg);
}

/* What db_submit() may not do itself. */
static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct db_pool *p = arg;
	struct job_list refused = p->refused;
	struct db_job *job;

	(void)fd;
	(void)what;
	p->refused = (struct job_list){ 0 };
	while ((job = db_list_pop(&refused)))
		db_deliver(job, DB_AWAY, NULL, NULL);
	for (int i = 0; i < p->count; i++)
		if (p->conns[i].broken)
			db_conn_drop(&p->conns[i], "sending failed");
}

static void
expire_waiting(struct db_pool *p, int64_t now)
{
	struct job_list late = db_list_late(&p->waiting, now, WAIT_US);
	struct db_job *job;

	while ((job = db_list_pop(&late)))
		db_deliver(job, DB_AWAY, NULL, NULL);
}

static bool
needs_tick(const struct db_pool *p)
{
	for (int i = 0; i < p->count; i++)
		if (p->conns[i].count > 0)
			return true;
	return p->waiting.first;
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct db_pool *p = arg;
	int64_t now = monotonic_us();

	(void)fd;
	(void)what;
	p->ticking = false;
	for (int i = 0; i < p->count; i++)
		db_conn_tick(&p->conns[i], now);
	expire_waiting(p, now);
	if (needs_tick(p))
		db_tick_start(p);
}

void
db_tick_start(struct db_pool *p)
{
	struct timeval tv = { .tv_usec = TICK_US };

	if (p->ticking)
		return;
	p->ticking = true;
	event_add(p->tick, &tv);
}

struct db_pool *
db_pool_new(struct event_base *base, const char *conninfo, int connections,
	    long statement_timeout_ms)
{
	struct db_pool *p = xmalloc(sizeof(*p));

	p->base = base;
	p->params = db_params_new(conninfo, statement_timeout_ms);
	p->timeout_us = statement_timeout_ms * 1000 + GRACE_US;
	p->wake = event_new(base, -1, 0, on_wake, p);
	p->tick = event_new(base, -1, 0, on_tick, p);
	p->count = connections;
	p->conns = xmalloc((size_t)connections * sizeof(*p->conns));
	for (int i = 0; i < connections; i++) {
		p->conns[i].pool = p;
		db_conn_start(&p->conns[i]);
	}
	return p;
}

bool
db_ready(const struct db_pool *p)
{
	return p->ready > 0;
}

void
db_stats(const struct db_pool *p, struct db_pool_stats *out)
{
	*out = (struct db_pool_stats){
		.connections = p->count,
		.ready = p->ready,
		.queued = p->waiting.count + p->refused.count,
		.reconnects = p->reconnects,
	};
	for (int i = 0; i < p->count; i++)
		out->queued += (int)p->conns[i].count;
}

void
db_on_change(struct db_pool *p, void (*fn)(bool ready, void *arg), void *arg)
{
	p->changed = fn;
	p->changed_arg = arg;
}

void
db_pool_free(struct db_pool *p)
{
	struct job_list sent = { 0 };
	struct db_job *job;

	if (!p)
		return;
	p->changed = NULL;
	for (int i = 0; i < p->count; i++) {
		db_pipe_take_jobs(&p->conns[i], &sent);
		db_conn_close(&p->conns[i]);
	}
	/* No connection is left, so a done() that submits again only adds to
	 * the lists emptied here. */
	while ((job = db_list_pop(&sent)))
		db_deliver(job, DB_LOST, NULL, NULL);
	while ((job = db_list_pop(&p->waiting)) ||
	       (job = db_list_pop(&p->refused)))
		db_deliver(job, DB_AWAY, NULL, NULL);
	event_free(p->wake);
	event_free(p->tick);
	db_params_free(p->params);
	free(p->conns);
	free(p);
}
