/* The traps of pipeline mode, on a real server. */
#include "db_pool.h"

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
transaction_control(const char *sql)
{
	struct outcome o = { 0 }, behind = { 0 };

	run("select 1");
	submit_sql(&o, sql);
	submit_sql(&behind, "insert into item (id) "
		   "select count(*) + 10 from item");
	finish();
	assert_int_equal(o.as, DB_LOST);
	assert_int_equal(behind.as, DB_LOST);
	assert_int_equal(run("select 1").as, DB_OK);
}

static void
test_transaction_control(void **state)
{
	(void)state;
	/* These look fine, and so does what follows, but nothing is kept. */
	transaction_control("begin");
	transaction_control("start transaction");
	assert_string_equal(run("select count(*) from item").value, "0");
	transaction_control("commit");
	transaction_control("rollback");
	assert_int_equal(reconnects(), 4);
	admin("delete from item");
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
	while (1) { /* until both are there */
		struct db_pool_stats s;

		db_stats(pool, &s);
		if (s.ready == 2)
			break;
		event_base_loop(base, EVLOOP_ONCE);
	}
	submit_sql(&slow, "select pg_sleep(3)");
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
	/* The cluster of the tests does not wait for its disk; this one does. */
	submit_sql(&o, "insert into item (id) select 5 "
		       "where set_config('synchronous_commit', 'on', true) <> ''");
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		POOL_TEST(test_one_row),
		POOL_TEST(test_last_answers),
		POOL_TEST(test_error_undoes_all),
		POOL_TEST(test_command_ok_is_not_commit),
		POOL_TEST(test_transaction_control),
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
	};

	return run_all(tests, sizeof(tests) / sizeof(tests[0]));
}
