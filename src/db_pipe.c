/*
 * Segments on one connection: send, collect, hand over at the Sync.
 *
 * COMMAND_OK is not commit: a later statement or a deferred constraint may
 * still undo everything, so nothing is answered before PGRES_PIPELINE_SYNC.
 */
#include "db_internal.h"

#include <errno.h>
#include <string.h>

#include "fault.h"
#include "log.h"
#include "memory.h"
#include "text.h"

static bool
send_call(PGconn *pg, const struct db_call *call)
{
	if (call->sql)
		return PQsendQueryParams(pg, call->sql, call->param_count, NULL,
					 call->params, NULL, NULL, 0);
	return PQsendQueryPrepared(pg, db_statements[call->statement].name,
				   call->param_count, call->params, NULL, NULL,
				   call->binary);
}

/* Ends a segment: what is sent up to its Sync is one transaction. */
static void
end_segment(struct db_conn *c, struct segment s)
{
	c->ring[(c->head + c->count) % RING] = s;
	if (c->count++ == 0) {
		c->head_since_us = monotonic_us();
		c->head_deadline_us = c->head_since_us + s.timeout_us;
	}
	if (PQpipelineSync(c->pg))
		db_conn_flush(c);
	else
		db_conn_break(c);
}

static int64_t
timeout_of(const struct db_job *job)
{
	return job->deadline_us - job->start_us;
}

/* What this connection has not run yet is prepared in a segment ahead of the
 * job's: there another statement's error would skip it, too. */
static bool
send_prepares(struct db_conn *c, struct db_job *job)
{
	int n = 0;

	for (int i = 0; i < job->call_count; i++) {
		const struct db_call *call = &job->calls[i];

		if (call->sql || c->prepared[call->statement])
			continue;
		if (!PQsendPrepare(c->pg, db_statements[call->statement].name,
				   db_statements[call->statement].sql, 0, NULL))
			return false;
		c->prepared[call->statement] = true;
		n++;
	}
	if (n > 0)
		end_segment(c,
			    (struct segment){ .kind = SEGMENT_PREPARES,
					      .calls = n,
					      .timeout_us = timeout_of(job) });
	return !c->broken;
}

/* One at a time: those sent while it is under way share the next. */
static void
send_settle(struct db_conn *c)
{
	c->more_to_settle = c->settling;
	if (c->settling)
		return;
	c->settling = true;
	if (!send_call(c->pg, &c->settle))
		db_conn_break(c);
	end_segment(c, (struct segment){ .kind = SEGMENT_SETTLES,
					 .calls = 1,
					 .timeout_us = c->pool->timeout_us });
}

bool
db_pipe_send(struct db_conn *c, struct db_job *job)
{
	int first = job->call_count - job->settles;
	bool sent;

	fault_point("before_send");
	/* Without its Sync a segment is rolled back when we hang up, so a
	 * failure up to there is "not executed". */
	sent = send_prepares(c, job);
	for (int i = 0; sent && i < first; i++)
		sent = send_call(c->pg, &job->calls[i]);
	if (!sent) {
		db_conn_break(c);
		return false;
	}
	fault_point("before_sync");
	/* From here on the outcome is the server's. */
	end_segment(c, (struct segment){ .kind = job->settles ? SEGMENT_FIRST
							      : SEGMENT_WHOLE,
					 .job = job,
					 .calls = first,
					 .timeout_us = timeout_of(job) });
	if (job->settles) {
		c->settle = job->calls[first];
		send_settle(c);
	}
	fault_point("after_send");
	return true;
}

/* Warnings of class 01000 come at COMMIT when the wait for a synchronous
 * standby was cut short: committed here, perhaps lost with this machine.
 * PL/pgSQL's own RAISE WARNING has the same class and means nothing. */
void
db_pipe_notice(void *arg, const PGresult *notice)
{
	struct db_conn *c = arg;
	const char *state = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
	const char *level =
		PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *from = PQresultErrorField(notice, PG_DIAG_SOURCE_FUNCTION);

	if (!level || strcmp(level, "WARNING") != 0)
		return;
	if (state && strcmp(state, "01000") == 0 &&
	    !(from && strcmp(from, "exec_stmt_raise") == 0))
		c->warned = true;
	log_event(LOG_WARN_, "database_warning", "%s",
		  PQresultErrorMessage(notice));
}

/* Errors after which this connection would only give more of them: prepared
 * statements gone or outdated by a migration, a server turned read-only. */
static bool
is_worn_out(const PGresult *error)
{
	const char *state = PQresultErrorField(error, PG_DIAG_SQLSTATE);
	const char *from = PQresultErrorField(error, PG_DIAG_SOURCE_FUNCTION);

	if (!state)
		return false;
	if (strcmp(state, "0A000") == 0)
		return from && strcmp(from, "RevalidateCachedQuery") == 0;
	return strcmp(state, "26000") == 0 || strcmp(state, "25006") == 0;
}

static bool
lock_not_available(const PGresult *error)
{
	const char *state = PQresultErrorField(error, PG_DIAG_SQLSTATE);

	return state && strcmp(state, "55P03") == 0;
}

static void
keep_error(struct db_conn *c, PGresult *error)
{
	if (c->state == CONN_READY &&
	    (c->ring[c->head].kind == SEGMENT_PREPARES || is_worn_out(error))) {
		log_event(LOG_WARN_, "database_retire", "%s",
			  PQresultErrorMessage(error));
		c->state = CONN_RETIRING;
		db_ready_changed(c->pool, -1);
	}
	/* Those that follow may be after the same lock. */
	if (lock_not_available(error))
		c->locked = true;
	if (c->error)
		PQclear(error);
	else
		c->error = error;
}

static void
lose(struct job_list *jobs)
{
	struct db_job *job;

	while ((job = db_list_pop(jobs))) {
		PQclear(job->last);
		db_deliver(job, DB_LOST, NULL, NULL);
	}
}

/* What is committed may still be lost as long as it has not settled: then
 * nobody knows. */
static void
settled(struct db_conn *c, enum db_outcome outcome)
{
	struct job_list kept = c->kept;
	struct db_job *job;

	c->kept = (struct job_list){ 0 };
	c->settling = false;
	if (c->more_to_settle)
		send_settle(c);
	fault_point("before_reply");
	if (outcome != DB_OK)
		lose(&kept);
	while ((job = db_list_pop(&kept)))
		db_deliver(job, DB_OK, job->last, NULL);
}

static void
hand_over(struct db_conn *c, const struct segment *s, enum db_outcome outcome,
	  PGresult *last, PGresult *error)
{
	if (s->kind == SEGMENT_SETTLES) {
		settled(c, outcome);
	} else if (s->job && s->kind == SEGMENT_FIRST && outcome == DB_OK) {
		s->job->last = last;
		db_list_push(&c->kept, s->job);
		return;
	} else if (s->job) {
		fault_point("before_reply");
		db_deliver(s->job, outcome, last, error);
		return;
	}
	PQclear(last);
	PQclear(error);
}

/* The head segment's Sync has come. */
static bool
segment_done(struct db_conn *c)
{
	struct segment s = c->ring[c->head];
	PGTransactionStatusType status = PQtransactionStatus(c->pg);
	enum db_outcome outcome = c->error    ? DB_ERROR
				  : c->warned ? DB_LOST
					      : DB_OK;
	PGresult *last = c->last, *error = c->error;

	/* ACTIVE: the next segment is already under way. */
	if (status != PQTRANS_IDLE && status != PQTRANS_ACTIVE)
		return false;
	if (!error && c->seen != s.calls)
		return false;
	c->head = (c->head + 1) % RING;
	c->count--;
	c->last = c->error = NULL;
	c->seen = 0;
	c->warned = false;
	c->locked = c->locked && c->count > 0;
	if (c->count > 0) {
		c->head_since_us = monotonic_us();
		c->head_deadline_us =
			c->head_since_us + c->ring[c->head].timeout_us;
	}
	if (outcome != DB_OK) {
		PQclear(last);
		last = NULL;
	}
	hand_over(c, &s, outcome, last, error);
	return true;
}

/* A segment is one transaction: what opens or ends one inside it would leave
 * the next segments uncommitted, or half of this one committed. */
static bool
is_transaction_control(const char *tag)
{
	static const char *const tags[] = { "BEGIN", "START TRANSACTION",
					    "COMMIT", "ROLLBACK",
					    "PREPARE TRANSACTION" };

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (strcmp(tag, tags[i]) == 0)
			return true;
	return false;
}

/* Not the server's verdict: it may have committed. */
static bool
is_libpq_own(const PGresult *error)
{
	return !PQresultErrorField(error, PG_DIAG_SQLSTATE);
}

static bool
take_result(struct db_conn *c, PGresult *r)
{
	switch (PQresultStatus(r)) {
	case PGRES_COMMAND_OK:
		if (is_transaction_control(PQcmdStatus(r))) {
			PQclear(r);
			return false;
		}
		/* fall through */
	case PGRES_TUPLES_OK:
		PQclear(c->last);
		c->last = r;
		c->seen++;
		return true;
	case PGRES_FATAL_ERROR:
		if (is_libpq_own(r)) {
			PQclear(r);
			return false;
		}
		keep_error(c, r);
		return true;
	case PGRES_PIPELINE_ABORTED:
		PQclear(r);
		return true;
	case PGRES_PIPELINE_SYNC:
		PQclear(r);
		return segment_done(c);
	default:
		PQclear(r);
		return false;
	}
}

/* Parses what has come. libpq skips what it has no memory for, a row or the
 * hint of an error, and goes on. */
static bool
is_busy(PGconn *pg)
{
	bool busy;

	errno = 0;
	busy = PQisBusy(pg);
	memory_check();
	return busy;
}

void
db_pipe_read(struct db_conn *c)
{
	int nulls = 0; /* one ends each statement's results; two: no more */

	/* is_busy() first: it also parses what comes unasked when idle. */
	while (!is_busy(c->pg) && c->count > 0 && !c->broken && nulls < 2) {
		PGresult *r = PQgetResult(c->pg);

		nulls = r ? 0 : nulls + 1;
		if (r && !take_result(c, r)) {
			db_conn_drop(c, "unexpected state after a segment");
			return;
		}
	}
	if (c->state == CONN_RETIRING && c->count == 0)
		db_conn_drop(c, "worn out");
}

bool
db_pipe_expire(struct db_conn *c, int64_t now)
{
	struct job_list late;

	if (c->count > 0 && now > c->head_deadline_us)
		return false;
	/* Those that have waited behind others for too long are answered, but
	 * the connection works: their results are skipped when they come. */
	for (unsigned i = 0; i < c->count; i++) {
		struct segment *s = &c->ring[(c->head + i) % RING];
		struct db_job *job = s->job;

		if (job && now > job->deadline_us) {
			s->job = NULL;
			db_deliver(job, DB_LOST, NULL, NULL);
		}
	}
	late = db_list_late(&c->kept, now, INT64_MAX);
	lose(&late);
	return true;
}

void
db_pipe_take_jobs(struct db_conn *c, struct job_list *out)
{
	struct db_job *job;

	for (unsigned i = 0; i < c->count; i++) {
		job = c->ring[(c->head + i) % RING].job;
		if (job)
			db_list_push(out, job);
	}
	while ((job = db_list_pop(&c->kept))) {
		PQclear(job->last);
		db_list_push(out, job);
	}
	PQclear(c->last);
	PQclear(c->error);
	c->last = c->error = NULL;
	c->head = c->count = 0;
	c->seen = 0;
	c->warned = c->locked = c->settling = c->more_to_settle = false;
}
