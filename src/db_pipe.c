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
				   0);
}

/* Ends a segment: what is sent up to its Sync is one transaction. The job is
 * answered by the one that ends it. */
static void
end_segment(struct db_conn *c, enum segment_kind kind, struct db_job *job,
	    int calls)
{
	bool ends = kind == SEGMENT_WHOLE || kind == SEGMENT_SETTLES;

	c->ring[(c->head + c->count) % RING] = (struct segment){
		.job = ends ? job : NULL,
		.kind = kind,
		.calls = calls,
		.timeout_us = job->deadline_us - job->start_us,
	};
	if (c->count++ == 0) {
		c->head_since_us = job->start_us;
		c->head_deadline_us = job->deadline_us;
	}
	if (PQpipelineSync(c->pg))
		db_conn_flush(c);
	else
		db_conn_break(c);
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
		end_segment(c, SEGMENT_PREPARES, job, n);
	return !c->broken;
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
	end_segment(c, job->settles ? SEGMENT_FIRST : SEGMENT_WHOLE, job,
		    first);
	if (job->settles) {
		if (!send_call(c->pg, &job->calls[first]))
			db_conn_break(c);
		end_segment(c, SEGMENT_SETTLES, job, 1);
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
	const char *from =
		PQresultErrorField(notice, PG_DIAG_SOURCE_FUNCTION);

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
verdict_clear(struct verdict *v)
{
	PQclear(v->last);
	PQclear(v->error);
	*v = (struct verdict){ 0 };
}

/* What is committed may still be lost as long as it has not settled. */
static void
settle(struct db_conn *c, struct verdict *v)
{
	struct verdict second = *v;

	*v = c->kept;
	c->kept = (struct verdict){ 0 };
	if (v->outcome == DB_OK && second.outcome != DB_OK) {
		verdict_clear(v);
		v->outcome = DB_LOST;
	}
	verdict_clear(&second);
}

static void
hand_over(struct db_conn *c, const struct segment *s, struct verdict *v)
{
	if (s->kind == SEGMENT_FIRST) {
		c->kept = *v;
		return;
	}
	if (s->kind == SEGMENT_SETTLES)
		settle(c, v);
	if (s->kind != SEGMENT_PREPARES)
		fault_point("before_reply");
	if (s->job)
		db_deliver(s->job, v->outcome, v->last, v->error);
	else
		verdict_clear(v);
}

/* The head segment's Sync has come. */
static bool
segment_done(struct db_conn *c)
{
	struct segment s = c->ring[c->head];
	PGTransactionStatusType status = PQtransactionStatus(c->pg);
	struct verdict v = {
		.outcome = c->error ? DB_ERROR : c->warned ? DB_LOST : DB_OK,
		.last = c->last,
		.error = c->error,
	};

	/* ACTIVE: the next segment is already under way. */
	if (status != PQTRANS_IDLE && status != PQTRANS_ACTIVE)
		return false;
	if (!v.error && c->seen != s.calls)
		return false;
	c->head = (c->head + 1) % RING;
	c->count--;
	c->last = c->error = NULL;
	c->seen = 0;
	c->warned = false;
	c->locked = c->locked && c->count > 0;
	if (c->count > 0) {
		c->head_since_us = monotonic_us();
		c->head_deadline_us = c->head_since_us +
			c->ring[c->head].timeout_us;
	}
	if (v.outcome != DB_OK) {
		PQclear(v.last);
		v.last = NULL;
	}
	hand_over(c, &s, &v);
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
	return true;
}

void
db_pipe_take_jobs(struct db_conn *c, struct job_list *out)
{
	for (unsigned i = 0; i < c->count; i++) {
		struct db_job *job = c->ring[(c->head + i) % RING].job;

		if (job)
			db_list_push(out, job);
	}
	PQclear(c->last);
	PQclear(c->error);
	c->last = c->error = NULL;
	verdict_clear(&c->kept);
	c->head = c->count = 0;
	c->seen = 0;
	c->warned = c->locked = false;
}
