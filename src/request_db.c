/*
 * From a checked request to one pipeline segment and back: who is asking
 * (core.enter), the query's statements, and for a request with an
 * Idempotency-Key the reply's row stored in the same transaction.
 *
 * An error with a key may mean that the first attempt already succeeded; so
 * before it is answered the stored reply is looked for, under the same key.
 */
#include <event2/keyvalq_struct.h>
#include <string.h>

#include "config.h"
#include "encode.h"
#include "log.h"
#include "request_internal.h"
#include "supervise.h"

#define MAX_RETRIES 3

static size_t enter_statement, write_statement, early_statement,
	settle_statement, idem_check_statement, trace_statement;

void
request_register(void)
{
	enter_statement = db_register(
		"core_enter",
		"/* core: enter */ select core.enter($1::uuid, $2::text)");
	write_statement = db_register(
		"core_hold", "/* core: enter */ select core.hold($3::uuid), "
			     "core.enter($1::uuid, $2::text)");
	early_statement = db_register(
		"core_early", "/* core: enter */ select set_config("
			      "'synchronous_commit', 'off', true), "
			      "core.hold($3::uuid), "
			      "core.enter($1::uuid, $2::text)");
	settle_statement = db_register(
		"core_settle", "/* core: settle */ select core.settle()");
	idem_check_statement = db_register(
		"core_idem_check",
		"/* core: idem_check */ select core.idem_check($1, $2)");
	trace_statement = db_register(
		"core_trace", "/* core: trace */ select set_config("
			      "'application_name', $1, true)");
}

static struct db_call *
next_call(struct request *rq, size_t statement)
{
	struct db_call *call = &rq->job.calls[rq->job.call_count++];

	memset(call, 0, sizeof(*call));
	call->statement = statement;
	return call;
}

/* A prepared statement cannot carry a comment of each request's; the name of
 * the application shows in log_line_prefix (%a) and pg_stat_activity. */
static void
call_trace(struct request *rq)
{
	struct db_call *call;

	if (!config.trace_database)
		return;
	call = next_call(rq, trace_statement);
	call->param_count = 1;
	call->params[0] = arena_printf(rq->arena, "linlid %s", rq->trace.id);
}

static void
call_enter(struct request *rq, bool early)
{
	bool reads = strcmp(rq->op->method, "GET") == 0;
	struct db_call *call;

	if (!rq->has_actor)
		return;
	call = next_call(rq, early ? early_statement
			 : reads ? enter_statement : write_statement);
	call->params[call->param_count++] = rq->actor.session;
	call->params[call->param_count++] = rq->actor.claim;
	if (early || !reads)
		call->params[call->param_count++] = rq->actor.account;
}

static void
call_query(struct request *rq, const struct query *q)
{
	for (size_t i = 0; i < q->statement_count; i++) {
		const struct statement *st = &q->statements[i];
		bool stores = rq->idem_key && i + 1 == q->statement_count &&
			      st->idem_bind_count;
		size_t n = stores ? st->idem_bind_count : st->bind_count;
		struct db_call *call = next_call(
			rq, stores ? st->db_index_idem : st->db_index);

		call->binary = st->binary && !stores;
		call->param_count = (int)n;
		for (size_t j = 0; j < n; j++)
			call->params[j] = request_text(rq, &st->binds[j]);
	}
}

static bool
is_given(const struct request *rq, const struct bind *b)
{
	const json_t *v = rq->param_values[b->index];

	return v && !json_is_null(v) && !json_is_false(v);
}

/* "-- for:" of query.h. */
static bool
case_fits(const struct request *rq, const struct query *q)
{
	if (!rq->has_actor || !(q->roles & role_bit(rq->actor.role)))
		return false;
	for (size_t i = 0; i < q->absent_count; i++)
		if (is_given(rq, &q->absent[i]))
			return false;
	return true;
}

static const struct query *
choose_query(const struct request *rq)
{
	for (const struct query *q = rq->op->query->next_case; q;
	     q = q->next_case)
		if (case_fits(rq, q))
			return q;
	return rq->op->query;
}

static void
job_begin(struct request *rq, void (*done)(struct db_job *), bool early)
{
	rq->job.call_count = 0;
	rq->job.settles = false;
	rq->job.done = done;
	rq->job.data = rq;
	call_trace(rq);
	call_enter(rq, early);
}

/* "numbered" of query.h. */
static void
call_settle(struct request *rq)
{
	next_call(rq, settle_statement);
	rq->job.settles = true;
	rq->job.lane = (unsigned)rq->actor.street;
}

/* The query's answer ------------------------------------------------------- */

static void
add_link(struct request *rq, const char *next)
{
	struct evbuffer *b = evbuffer_new();
	const char *target = rq->target;
	const char *query = strchr(target, '?');
	size_t path_len = query ? (size_t)(query - target) : strlen(target);
	char mark = '?';

	evbuffer_add_printf(b, "<%.*s", (int)path_len, target);
	for (query = query ? query + 1 : ""; *query;) {
		size_t n = strcspn(query, "&");

		if (strncmp(query, "after=", 6) != 0) {
			evbuffer_add_printf(b, "%c%.*s", mark, (int)n, query);
			mark = '&';
		}
		query += n + (query[n] == '&');
	}
	evbuffer_add_printf(b, "%cafter=%s>; rel=\"next\"", mark, next);
	evbuffer_add(b, "", 1);
	reply_header(rq, "Link", (const char *)evbuffer_pullup(b, -1));
	evbuffer_free(b);
}

static int
answer_list(struct request *rq, const PGresult *res)
{
	json_t *limit = arg_json(rq, "limit");
	char *next = NULL;

	encode_list(rq->out, res,
		    limit ? (int)json_integer_value(limit) : PQntuples(res),
		    rq->op->reply_sealed, &next);
	if (next)
		add_link(rq, next);
	free(next);
	return reply_send(rq, rq->op->status, rq->op->reply_media,
			  rq->out);
}

static int
answer_object(struct request *rq, const PGresult *res)
{
	const char *etag = encode_meta(res, "_etag");
	const char *location = encode_meta(res, "_location");
	bool twice;
	const char *known = request_header(rq, "If-None-Match", &twice);
	char *quoted;

	if (etag) {
		quoted = arena_printf(rq->arena, "\"%s\"", etag);
		reply_header(rq, "ETag", quoted);
		if (strcmp(rq->op->method, "GET") == 0 &&
		    reply_not_modified(rq, known, quoted))
			return reply_empty(rq, 304);
	}
	if (location)
		reply_header(rq, "Location", location);
	if (rq->op->status == 204)
		return reply_empty(rq, 204);
	encode_row(rq->out, res, 0, rq->op->reply_sealed);
	return reply_send(rq, rq->op->status, rq->op->reply_media,
			  rq->out);
}

static int
answer(struct request *rq, PGresult *res)
{
	const struct hook *hook = rq->op->hook;

	if (hook && hook->reply && !rq->replaying)
		return hook->reply(rq, res);
	if (!encode_can(res)) {
		log_event(LOG_ERROR_, "reply_type",
			  "%s: a column's type is not what it was at start",
			  rq->op->id);
		return fail(rq, "internal_error");
	}
	if (rq->op->reply_list)
		return answer_list(rq, res);
	if (PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 0)
		return fail(rq, "not_found");
	return answer_object(rq, res);
}

/* Outcomes ----------------------------------------------------------------- */

static void replay(struct request *rq, const struct problem *held);

static int
send_held(struct request *rq, const struct problem *p)
{
	if (p->retry_after)
		reply_header(rq, "Retry-After",
			     arena_printf(rq->arena, "%d", p->retry_after));
	return p->pointer ? fail_at(rq, p->code, p->pointer)
			  : fail(rq, p->code);
}

/* Never sent, or sent and lost: the two a client must tell apart, since only
 * the second may have happened. A read has no effect to be unsure of. */
static int
answer_unavailable(struct request *rq)
{
	bool read = strcmp(rq->op->method, "GET") == 0;
	bool unknown = rq->job.outcome == DB_LOST && !read;

	reply_header(rq, "Retry-After", "1");
	return fail(rq, unknown ? "outcome_unknown" : "database_unavailable");
}

static void
query_failed(struct request *rq)
{
	struct problem p = problem_of_sql(rq->arena, rq->job.error);

	if (p.retry && rq->retries++ < MAX_RETRIES) {
		request_run(rq);
		return;
	}
	/* What is not checked is not complete: there may be a reply. */
	if (rq->idem_key && !rq->worker->verified)
		answer_unavailable(rq);
	else if (rq->idem_key && rq->op->query->replay_sql)
		replay(rq, &p);
	else
		send_held(rq, &p);
}

static void
query_done(struct db_job *job)
{
	struct request *rq = job->data;

	rq->db_us += job->db_us;
	request_breaker_note(rq);
	switch (job->outcome) {
	case DB_OK:
		answer(rq, job->last);
		return;
	case DB_ERROR:
		query_failed(rq);
		return;
	case DB_AWAY:
	case DB_LOST:
		answer_unavailable(rq);
	}
}

static void
replay_done(struct db_job *job)
{
	struct request *rq = job->data;
	struct problem p;

	rq->db_us += job->db_us;
	if (job->outcome == DB_OK && PQntuples(job->last) == 1) {
		answer(rq, job->last);
	} else if (job->outcome == DB_OK) {
		send_held(rq, rq->held);
	} else if (job->outcome == DB_ERROR) {
		p = problem_of_sql(rq->arena, job->error);
		send_held(rq, &p);
	} else {
		answer_unavailable(rq);
	}
}

static void
replay(struct request *rq, const struct problem *held)
{
	struct db_call *call;

	rq->held = arena_alloc(rq->arena, sizeof(*held));
	*rq->held = *held;
	rq->replaying = true;
	job_begin(rq, replay_done, false);
	call = next_call(rq, idem_check_statement);
	call->param_count = 2;
	call->params[0] = rq->idem_key;
	call->params[1] = rq->idem_hash;
	call = next_call(rq, 0);
	call->sql = rq->op->query->replay_sql;
	call->param_count = 1;
	call->params[0] = rq->idem_key;
	db_submit(rq->worker->db, &rq->job);
}

int
request_run(struct request *rq)
{
	const struct query *q;

	if (!rq->op->query)
		return fail(rq, "internal_error");
	/* The check is made as soon as there is a connection; it failed. */
	if (!rq->worker->verified && db_ready(rq->worker->db))
		return answer_unavailable(rq);
	if (request_breaker(rq))
		return DONE;
	q = choose_query(rq);
	job_begin(rq, query_done, q->numbered);
	call_query(rq, q);
	if (q->numbered)
		call_settle(rq);
	db_submit(rq->worker->db, &rq->job);
	return PENDING;
}

static void
helper_done(struct db_job *job)
{
	struct request *rq = job->data;
	struct problem p;

	rq->db_us += job->db_us;
	if (job->outcome == DB_OK) {
		rq->then(rq, job->last);
		return;
	}
	if (job->outcome == DB_ERROR) {
		p = problem_of_sql(rq->arena, job->error);
		send_held(rq, &p);
	} else {
		answer_unavailable(rq);
	}
	/* The hook drops what it holds; the arena's clean-ups are enough. */
}

int
request_query(struct request *rq, const char *name,
	      int (*then)(struct request *rq, PGresult *res))
{
	const struct query *q = query_find(name);

	if (!q)
		return fail(rq, "internal_error");
	rq->then = then;
	job_begin(rq, helper_done, false);
	call_query(rq, q);
	db_submit(rq->worker->db, &rq->job);
	return PENDING;
}
