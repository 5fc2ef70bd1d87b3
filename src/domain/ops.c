/*
 * What the operator and every client asks of the server itself: is it alive,
 * is it ready, what is its contract, with which keys does it sign.
 */
#include <stdlib.h>

#include "linli.h"

#define LAG_S 300

static int
health_before(struct request *rq)
{
	return reply_json(rq, 200, json_pack("{s:s}", "status", "ok"));
}

/* Ready = this worker can use the database and the job process is turning.
 * A job that fails or lags behind is degraded: people must look, while
 * requests are served as well as ever. */
static int
ready_before(struct request *rq)
{
	struct db_pool_stats db;
	struct metrics_jobs work;
	struct slot *job = &rq->worker->shared->job;
	bool database, jobs, late;

	db_stats(rq->worker->db, &db);
	metrics_jobs(&work);
	database = rq->worker->verified && db_ready(rq->worker->db);
	jobs = clock_ms() - atomic_load(&job->beat_ms) < 30 * 1000;
	late = work.failing || work.lag_s > LAG_S || work.backlog_s > LAG_S;
	return reply_json(
		rq, database && jobs ? 200 : 503,
		json_pack("{s:s, s:b, s:b, s:i, s:i, s:i, s:i, s:i}", "status",
			  !database || !jobs ? "not_ready"
			  : late	     ? "degraded"
					     : "ready",
			  "database", database, "jobs", jobs,
			  "database_connections", db.ready, "database_queue",
			  db.queued, "jobs_failing", work.failing,
			  "jobs_lag_seconds", (int)work.lag_s,
			  "backlog_lag_seconds", (int)work.backlog_s));
}

static int
contract_before(struct request *rq)
{
	const struct contract *c = rq->worker->contract;
	static struct fixed document;

	document.bytes = c->text;
	document.len = c->text_len;
	reply_header(rq, "Cache-Control", "public, max-age=60");
	return reply_fixed(rq, 200, "application/json", &document);
}

static int
jwks_before(struct request *rq)
{
	size_t len;
	const char *jwks = keys_jwks(&len);

	reply_header(rq, "Cache-Control", "public, max-age=300");
	return reply_bytes(rq, 200, "application/jwk-set+json", jwks, len);
}

static void
backlog_seen(const PGresult *res)
{
	for (int i = 0; i < PQntuples(res); i++)
		metrics_backlog(PQgetvalue(res, i, 0),
				atol(PQgetvalue(res, i, 1)),
				atof(PQgetvalue(res, i, 2)));
}

const struct job_hook ops_job_hooks[] = {
	{ .query = "jobLookAtBacklog", .every_s = 15, .done = backlog_seen },
	{ 0 },
};

const struct hook ops_hooks[] = {
	{ .operation = "getHealth", .before = health_before },
	{ .operation = "getReadiness", .before = ready_before },
	{ .operation = "getContract", .before = contract_before },
	{ .operation = "getKeys", .before = jwks_before },
	{ 0 },
};
