/* A pool on a real server around each test: PGTEST names a superuser of a
 * throw-away cluster. */
#ifndef DB_POOL_H
#define DB_POOL_H
#include "db.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "log.h"
#include "text.h"

struct outcome {
	struct db_job job;
	int done;
	enum db_outcome as;
	char value[64]; /* first field, or the error's SQLSTATE */
	int64_t us;
};

static const char *superuser;
static struct event_base *base;
static struct db_pool *pool;
static bool in_submit;
static int open_jobs, ups, downs;
static size_t st_one, st_add, st_star;

static inline void
job_done(struct db_job *job)
{
	struct outcome *o = job->data;
	const char *text = "";

	assert_false(in_submit);
	o->done++;
	o->as = job->outcome;
	o->us = job->db_us;
	if (job->outcome == DB_OK && PQntuples(job->last) > 0)
		text = PQgetvalue(job->last, 0, 0);
	if (job->outcome == DB_ERROR)
		text = PQresultErrorField(job->error, PG_DIAG_SQLSTATE);
	snprintf(o->value, sizeof(o->value), "%s", text);
	open_jobs--;
}

static inline void
add_sql(struct outcome *o, const char *sql)
{
	o->job.calls[o->job.call_count++].sql = sql;
}

static inline void
add_call(struct outcome *o, size_t statement, const char *param)
{
	struct db_call *call = &o->job.calls[o->job.call_count++];

	call->statement = statement;
	call->params[0] = param;
	call->param_count = param ? 1 : 0;
}

static inline void
submit(struct outcome *o)
{
	o->job.done = job_done;
	o->job.data = o;
	open_jobs++;
	in_submit = true;
	db_submit(pool, &o->job);
	in_submit = false;
}

static inline void
submit_sql(struct outcome *o, const char *sql)
{
	add_sql(o, sql);
	submit(o);
}

/* Turns the loop until *value is as wanted; 15 s are a failure. */
static inline void
turn_until(const int *value, int wanted)
{
	struct timeval slice = { .tv_usec = 20000 };
	int64_t end = monotonic_us() + 15000000;

	while (*value != wanted) {
		assert_true(monotonic_us() < end);
		event_base_loopexit(base, &slice);
		event_base_loop(base, EVLOOP_ONCE);
	}
}

static inline void
finish(void)
{
	turn_until(&open_jobs, 0);
}

static inline struct outcome
run(const char *sql)
{
	struct outcome o = { 0 };

	submit_sql(&o, sql);
	finish();
	assert_int_equal(o.done, 1);
	return o;
}

/* Runs on a connection of its own, outside the pool. */
static inline void
admin(const char *sql)
{
	PGconn *pg = PQconnectdb(superuser);
	PGresult *r = PQexec(pg, sql);

	if (PQresultStatus(r) != PGRES_COMMAND_OK &&
	    PQresultStatus(r) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(pg));
	PQclear(r);
	PQfinish(pg);
}

static inline void
on_change(bool ready, void *arg)
{
	(void)arg;
	if (ready)
		ups++;
	else
		downs++;
}

static inline void
open_pool(const char *conninfo, int connections, long statement_timeout_ms)
{
	ups = downs = 0;
	pool = db_pool_new(base, conninfo, connections, statement_timeout_ms);
	db_on_change(pool, on_change, NULL);
}

static inline int
pool_setup(void **state)
{
	(void)state;
	open_pool(superuser, 1, 5000);
	return 0;
}

static inline int
pool_teardown(void **state)
{
	(void)state;
	db_pool_free(pool);
	pool = NULL;
	return open_jobs;
}

static inline unsigned long
reconnects(void)
{
	struct db_pool_stats s;

	db_stats(pool, &s);
	return s.reconnects;
}

static inline int
queued(void)
{
	struct db_pool_stats s;

	db_stats(pool, &s);
	return s.queued;
}

static inline int
group_setup(void **state)
{
	(void)state;
	base = event_base_new();
	admin("drop table if exists child, item, star");
	admin("create table item (id int primary key)");
	admin("create table star (id int)");
	admin("create table child (item_id int references item "
	      "deferrable initially deferred)");
	st_one = db_register("one", "select $1::text as one");
	st_add = db_register("add", "select $1::int + 1 as sum");
	st_star = db_register("star", "select * from star");
	return 0;
}

static inline int
group_teardown(void **state)
{
	(void)state;
	event_base_free(base);
	libevent_global_shutdown();
	return 0;
}

#define POOL_TEST(f) \
	cmocka_unit_test_setup_teardown(f, pool_setup, pool_teardown)

static inline int
run_all(const struct CMUnitTest *tests, size_t count)
{
	superuser = getenv("PGTEST");
	if (!superuser) {
		fputs("PGTEST must name a superuser of a throw-away cluster\n",
		      stderr);
		return 1;
	}
	log_open("test", "error");
	return _cmocka_run_group_tests("db", tests, count, group_setup,
				       group_teardown);
}
#endif
