/*
 * The pool against a real server: PGTEST names a superuser of a throw-away
 * cluster. First the traps of pipeline mode, then losing the server.
 */
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

static void
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

static void
add_sql(struct outcome *o, const char *sql)
{
	o->job.calls[o->job.call_count++].sql = sql;
}

static void
add_call(struct outcome *o, size_t statement, const char *param)
{
	struct db_call *call = &o->job.calls[o->job.call_count++];

	call->statement = statement;
	call->params[0] = param;
	call->param_count = param ? 1 : 0;
}

static void
submit(struct outcome *o)
{
	o->job.done = job_done;
	o->job.data = o;
	open_jobs++;
	in_submit = true;
	db_submit(pool, &o->job);
	in_submit = false;
}

static void
submit_sql(struct outcome *o, const char *sql)
{
	add_sql(o, sql);
	submit(o);
}

/* Turns the loop until *value is as wanted; 15 s are a failure. */
static void
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

static void
finish(void)
{
	turn_until(&open_jobs, 0);
}

static struct outcome
run(const char *sql)
{
	struct outcome o = { 0 };

	submit_sql(&o, sql);
	finish();
	assert_int_equal(o.done, 1);
	return o;
}

/* Runs on a connection of its own, outside the pool. */
static void
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

static void
on_change(bool ready, void *arg)
{
	(void)arg;
	if (ready)
		ups++;
	else
		downs++;
}

static void
open_pool(const char *conninfo, int connections, long statement_timeout_ms)
{
	ups = downs = 0;
	pool = db_pool_new(base, conninfo, connections, statement_timeout_ms);
	db_on_change(pool, on_change, NULL);
}

static int
pool_setup(void **state)
{
	(void)state;
	open_pool(superuser, 1, 5000);
	return 0;
}

static int
pool_teardown(void **state)
{
	(void)state;
	db_pool_free(pool);
	pool = NULL;
	return open_jobs;
}

static unsigned long
reconnects(void)
{
	struct db_pool_stats s;

	db_stats(pool, &s);
	return s.reconnects;
}

static int
queued(void)
{
	struct db_pool_stats s;

	db_stats(pool, &s);
	return s.queued;
}

/* Pipeline mode ------------------------------------------------------------ */

static void
test_one_row(void **state)
{
	struct outcome o = { 0 };

	(void)state;
	add_call(&o, st_one, "7");
	submit(&o); /* before the connection is ready: waits for it */
	assert_false(db_ready(pool));
	assert_int_equal(queued(), 1);
	finish();
	assert_true(db_ready(pool));
	assert_int_equal(o.as, DB_OK);
	assert_string_equal(o.value, "7");
	assert_true(o.us > 0);
	assert_int_equal(queued(), 0);
	assert_int_equal(ups, 1);
	assert_int_equal(downs, 0);
}

static void
test_last_answers(void **state)
{
	struct outcome o = { 0 };

	(void)state;
	add_sql(&o, "select 'first'");
	add_sql(&o, "select set_config('test.x', 'set', true)");
	add_sql(&o, "select current_setting('test.x')");
	submit(&o);
	finish();
	assert_int_equal(o.as, DB_OK);
	assert_string_equal(o.value, "set");
	/* transaction-local: gone, and then '' rather than NULL */
	o = run("select '<' || current_setting('test.x', true) || '>'");
	assert_string_equal(o.value, "<>");
}

static void
test_error_undoes_all(void **state)
{
	struct outcome o = { 0 };

	(void)state;
	add_sql(&o, "insert into item (id) values (1)");
	add_sql(&o, "select 1/0");
	add_sql(&o, "insert into item (id) values (2)");
	submit(&o);
	finish();
	assert_int_equal(o.as, DB_ERROR);
	assert_string_equal(o.value, "22012");
	assert_string_equal(run("select count(*) from item").value, "0");
	assert_int_equal(reconnects(), 0);
}

static void
test_command_ok_is_not_commit(void **state)
{
	struct outcome o = { 0 }, after = { 0 };

	(void)state;
	/* A deferred constraint: every statement is fine, the commit is not. */
	add_sql(&o, "insert into child (item_id) values (99)");
	add_sql(&o, "select 'all is well'");
	submit(&o);
	submit_sql(&after, "select 'next'");
	finish();
	assert_int_equal(o.as, DB_ERROR);
	assert_string_equal(o.value, "23503");
	assert_string_equal(after.value, "next");
	assert_string_equal(run("select count(*) from child").value, "0");
}

static void
test_open_transaction(void **state)
{
	struct outcome o, ok;

	(void)state;
	run("select 1");
	o = run("begin"); /* looks fine, is not committed */
	assert_int_equal(o.as, DB_LOST);
	assert_int_equal(downs, 1);
	ok = run("select 'again'");
	assert_int_equal(ok.as, DB_OK);
	assert_int_equal(reconnects(), 1);
}

static void
test_session(void **state)
{
	(void)state;
	assert_string_equal(run("show TimeZone").value, "UTC");
	assert_string_equal(run("show DateStyle").value, "ISO, MDY");
	assert_string_equal(run("show statement_timeout").value, "5s");
	assert_string_equal(run("show client_encoding").value, "UTF8");
	assert_string_equal(run("show application_name").value, "linlid");
}

static void
test_statement_timeout(void **state)
{
	struct outcome o;

	(void)state;
	db_pool_free(pool);
	open_pool(superuser, 1, 200);
	o = run("select pg_sleep(30)");
	assert_int_equal(o.as, DB_ERROR);
	assert_string_equal(o.value, "57014");
	assert_int_equal(reconnects(), 0);
}

static void
test_large(void **state)
{
	/* More than any socket buffer, both ways, and others behind it. */
	size_t n = 4 << 20;
	char *big = malloc(n + 1);
	struct outcome first = { 0 }, second = { 0 };

	(void)state;
	memset(big, 'x', n);
	big[n] = '\0';
	run("select 1");
	add_call(&first, st_one, big);
	submit(&first);
	add_sql(&second, "select length(repeat($1, 2))");
	second.job.calls[0].params[0] = big;
	second.job.calls[0].param_count = 1;
	submit(&second);
	finish();
	free(big);
	assert_int_equal(first.as, DB_OK);
	assert_int_equal(strlen(first.value), sizeof(first.value) - 1);
	assert_string_equal(second.value, "8388608");
}

static PGresult *taken;

static void
take_done(struct db_job *job)
{
	taken = db_take(job);
	assert_null(job->last);
	open_jobs--;
}

static void
test_take(void **state)
{
	struct outcome o = { 0 };

	(void)state;
	add_sql(&o, "select 'mine'");
	o.job.done = take_done;
	open_jobs++;
	db_submit(pool, &o.job);
	finish();
	run("select 'other'");
	assert_string_equal(PQgetvalue(taken, 0, 0), "mine");
	PQclear(taken);
}

static void
again_done(struct db_job *job)
{
	struct outcome *o = job->data;

	if (++o->done < 4) {
		db_submit(pool, job);
		return;
	}
	o->as = job->outcome;
	open_jobs--;
}

static void
test_submit_again(void **state)
{
	struct outcome o = { 0 };

	(void)state;
	add_sql(&o, "select 1/0"); /* as a serialization failure would be */
	o.job.done = again_done;
	o.job.data = &o;
	open_jobs++;
	db_submit(pool, &o.job);
	finish();
	assert_int_equal(o.done, 4);
	assert_int_equal(o.as, DB_ERROR);
}

static void
free_done(struct db_job *job)
{
	open_jobs--;
	free(job);
}

static void
test_job_freed_in_done(void **state)
{
	struct db_job *job = calloc(1, sizeof(*job));

	(void)state;
	job->calls[0].sql = "select 1";
	job->call_count = 1;
	job->done = free_done;
	open_jobs++;
	db_submit(pool, job);
	finish();
}

static void
test_shortest_queue(void **state)
{
	struct outcome slow = { 0 }, quick[4] = { 0 };

	(void)state;
	db_pool_free(pool);
	open_pool(superuser, 2, 5000);
	run("select 1");
	while (1) { /* until both are prepared */
		struct db_pool_stats s;

		db_stats(pool, &s);
		if (s.ready == 2)
			break;
		event_base_loop(base, EVLOOP_ONCE);
	}
	submit_sql(&slow, "select pg_sleep(1)");
	for (int i = 0; i < 4; i++) {
		submit_sql(&quick[i], "select 1");
		turn_until(&quick[i].done, 1);
	}
	assert_int_equal(slow.done, 0);
	finish();
}

static void
test_queue_full(void **state)
{
	static struct outcome o[300];
	int count[4] = { 0 };

	(void)state;
	memset(o, 0, sizeof(o));
	run("select 1");
	for (int i = 0; i < 300; i++)
		submit_sql(&o[i], "select 1");
	finish();
	for (int i = 0; i < 300; i++) {
		assert_int_equal(o[i].done, 1);
		count[o[i].as]++;
	}
	assert_int_equal(count[DB_OK], 256);
	assert_int_equal(count[DB_AWAY], 44);
}

/* Commit in doubt ---------------------------------------------------------- */

static void
test_warning_is_no_doubt(void **state)
{
	(void)state;
	assert_int_equal(run("do $$ begin raise warning 'x'; end $$").as,
			 DB_OK);
}

static void
test_unreplicated_commit(void **state)
{
	struct outcome o = { 0 };

	(void)state;
	run("select 1");
	admin("alter system set synchronous_standby_names = 'nobody'");
	admin("select pg_reload_conf()");
	/* The server takes the change up between two statements. */
	admin("do $$ begin while current_setting('synchronous_standby_names') "
	      "= '' loop perform pg_sleep(0.01); end loop; end $$");
	submit_sql(&o, "insert into item (id) values (5)");
	for (int i = 0; i < 200 && !o.done; i++) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		admin("select pg_sleep(0.02), pg_cancel_backend(pid) from "
		      "pg_stat_activity where wait_event = 'SyncRep' "
		      "and application_name = 'linlid'");
	}
	admin("alter system reset synchronous_standby_names");
	admin("select pg_reload_conf()");
	assert_int_equal(o.done, 1);
	assert_int_equal(o.as, DB_LOST);
	assert_int_equal(reconnects(), 0);
	finish();
	admin("delete from item");
}

/* Losing the server -------------------------------------------------------- */

static void
kill_backends(void)
{
	admin("select pg_terminate_backend(pid, 5000) from pg_stat_activity "
	      "where application_name = 'linlid'");
}

static void
test_backend_killed(void **state)
{
	struct outcome sent = { 0 }, behind = { 0 }, ok;

	(void)state;
	run("select 1");
	submit_sql(&sent, "select pg_sleep(30)");
	submit_sql(&behind, "select 1");
	event_base_loop(base, EVLOOP_NONBLOCK);
	kill_backends();
	finish();
	assert_int_equal(sent.as, DB_LOST);
	assert_int_equal(behind.as, DB_LOST);
	assert_int_equal(downs, 1);
	assert_false(db_ready(pool));
	ok = run("select 1"); /* waits for the reconnect */
	assert_int_equal(ok.as, DB_OK);
	assert_int_equal(ups, 2);
	assert_int_equal(reconnects(), 1);
}

static void
test_idle_backend_killed(void **state)
{
	(void)state;
	run("select 1");
	kill_backends();
	turn_until(&downs, 1);
	turn_until(&ups, 2);
	assert_int_equal(run("select 1").as, DB_OK);
}

static void
test_deadline(void **state)
{
	struct outcome o = { .job.timeout_us = 200000 };

	(void)state;
	run("select 1");
	submit_sql(&o, "select pg_sleep(4)");
	finish();
	assert_int_equal(o.as, DB_LOST);
	assert_in_range(o.us, 200000, 1000000);
	assert_int_equal(reconnects(), 1);
	assert_int_equal(run("select 1").as, DB_OK);
}

static void
test_deadline_behind_another(void **state)
{
	struct outcome slow = { 0 }, o = { .job.timeout_us = 200000 };

	(void)state;
	run("select 1");
	submit_sql(&slow, "select 'slow' from pg_sleep(0.8)");
	submit_sql(&o, "select 1");
	turn_until(&o.done, 1);
	assert_int_equal(o.as, DB_LOST);
	assert_int_equal(slow.done, 0);
	finish();
	assert_string_equal(slow.value, "slow");
	assert_string_equal(run("select 'right'").value, "right");
	assert_int_equal(reconnects(), 0);
}

static void
test_nobody_there(void **state)
{
	static struct outcome o[300];
	const char *why;

	(void)state;
	memset(o, 0, sizeof(o));
	db_pool_free(pool);
	open_pool("host=/nonexistent dbname=x", 2, 5000);
	for (int i = 0; i < 300; i++)
		submit_sql(&o[i], "select 1");
	finish();
	for (int i = 0; i < 300; i++) {
		assert_int_equal(o[i].done, 1);
		assert_int_equal(o[i].as, DB_AWAY);
	}
	assert_in_range(o[0].us, 900000, 2000000);
	assert_in_range(o[299].us, 0, 500000); /* one too many to wait */
	assert_int_equal(ups, 0);
	assert_int_equal(db_verify("host=/nonexistent dbname=x", NULL, NULL,
				   &why), -1);
	assert_non_null(strstr(why, "/nonexistent"));
}

static void
test_free_answers_all(void **state)
{
	struct outcome sent = { 0 }, waiting = { 0 };

	(void)state;
	run("select 1");
	submit_sql(&sent, "select pg_sleep(30)");
	db_pool_free(pool);
	assert_int_equal(sent.done, 1);
	assert_int_equal(sent.as, DB_LOST);
	open_pool(superuser, 1, 5000);
	submit_sql(&waiting, "select 1");
	db_pool_free(pool);
	assert_int_equal(waiting.done, 1);
	assert_int_equal(waiting.as, DB_AWAY);
	open_pool(superuser, 1, 5000);
}

/* A migration under our feet ----------------------------------------------- */

static void
test_outdated_statement(void **state)
{
	struct outcome o = { 0 };

	(void)state;
	add_call(&o, st_star, NULL);
	submit(&o);
	finish();
	assert_int_equal(o.as, DB_OK);
	admin("alter table star add column extra int");
	submit(&o);
	finish();
	assert_int_equal(o.as, DB_ERROR);
	assert_string_equal(o.value, "0A000");
	submit(&o); /* prepared anew */
	finish();
	assert_int_equal(o.as, DB_OK);
	assert_int_equal(reconnects(), 1);
}

static bool
each(const PGresult *describe, size_t index, void *arg)
{
	int *calls = arg;

	++*calls;
	if (index == st_one) {
		assert_int_equal(PQnfields(describe), 1);
		assert_string_equal(PQfname(describe, 0), "one");
	}
	if (index == st_add && *calls < 100)
		db_register("late", "select 1");
	return index != st_star || *calls < 100;
}

static bool
refuse(const PGresult *describe, size_t index, void *arg)
{
	(void)describe;
	(void)arg;
	return index != st_add;
}

static void
test_verify(void **state)
{
	int calls = 0;
	const char *why;

	(void)state;
	assert_int_equal(db_verify(superuser, each, &calls, &why), 1);
	assert_int_equal(calls, 4); /* the late one too */
	assert_int_equal(db_verify(superuser, refuse, NULL, &why), 0);
}

/* Last: what is registered stays. */
static void
test_does_not_prepare(void **state)
{
	struct outcome o;
	const char *why;

	(void)state;
	db_register("bad", "select nothing from nowhere");
	assert_int_equal(db_verify(superuser, NULL, NULL, &why), 0);
	o = run("select 1");
	assert_int_equal(o.as, DB_AWAY);
	assert_int_equal(ups, 0);
}

static int
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

static int
group_teardown(void **state)
{
	(void)state;
	event_base_free(base);
	libevent_global_shutdown();
	return 0;
}

#define POOL_TEST(f) cmocka_unit_test_setup_teardown(f, pool_setup, pool_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		POOL_TEST(test_one_row),
		POOL_TEST(test_last_answers),
		POOL_TEST(test_error_undoes_all),
		POOL_TEST(test_command_ok_is_not_commit),
		POOL_TEST(test_open_transaction),
		POOL_TEST(test_session),
		POOL_TEST(test_statement_timeout),
		POOL_TEST(test_large),
		POOL_TEST(test_take),
		POOL_TEST(test_submit_again),
		POOL_TEST(test_job_freed_in_done),
		POOL_TEST(test_shortest_queue),
		POOL_TEST(test_queue_full),
		POOL_TEST(test_warning_is_no_doubt),
		POOL_TEST(test_unreplicated_commit),
		POOL_TEST(test_backend_killed),
		POOL_TEST(test_idle_backend_killed),
		POOL_TEST(test_deadline),
		POOL_TEST(test_deadline_behind_another),
		POOL_TEST(test_nobody_there),
		POOL_TEST(test_free_answers_all),
		POOL_TEST(test_outdated_statement),
		cmocka_unit_test(test_verify),
		POOL_TEST(test_does_not_prepare),
	};

	superuser = getenv("PGTEST");
	if (!superuser) {
		fputs("PGTEST must name a superuser of a throw-away cluster\n",
		      stderr);
		return 1;
	}
	log_open("test", "error");
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
