/* Jobs that commit early and settle, on a real server. */
#include "db_pool.h"

#define RELAX "select set_config('synchronous_commit', 'off', true)"
#define SETTLE_TEST(f) \
	cmocka_unit_test_setup_teardown(f, wait_setup, pool_teardown)
#define SETTLE "select pg_logical_emit_message(true, 'settle', '')"

static void
submit_early(struct outcome *o, const char *work, const char *settle)
{
	add_sql(o, RELAX);
	add_sql(o, work);
	add_sql(o, settle);
	o->job.settles = true;
	submit(o);
}

/* Where a commit waits for the log, as in a server that is not a test's. */
static int
wait_setup(void **state)
{
	char conninfo[512];

	(void)state;
	snprintf(conninfo, sizeof(conninfo),
		 "%s options='-c synchronous_commit=on'", superuser);
	open_pool(conninfo, 2, 5000);
	return 0;
}

static void
test_first_answers(void **state)
{
	struct outcome o = { 0 }, behind = { 0 };

	(void)state;
	submit_early(&o, "insert into item (id) values (1) returning 'one'",
		     SETTLE);
	submit_sql(&behind, "select count(*) from item");
	finish();
	assert_int_equal(o.done, 1);
	assert_int_equal(o.as, DB_OK);
	assert_string_equal(o.value, "one");
	assert_string_equal(behind.value, "1");
	assert_string_equal(run("show synchronous_commit").value, "on");
	assert_int_equal(reconnects(), 0);
	admin("delete from item");
}

/* Answered is on disk, or whoever pulls the plug takes it back. */
static void
test_answered_is_flushed(void **state)
{
	struct outcome o = { 0 };
	char sql[160];

	(void)state;
	submit_early(&o, "with x as (insert into item select generate_series(1,"
		     " 1000) returning 1), y as (select count(*) from x) "
		     "select pg_current_wal_insert_lsn() from y", SETTLE);
	finish();
	assert_int_equal(o.as, DB_OK);
	snprintf(sql, sizeof(sql), "select pg_current_wal_flush_lsn() >= '%s'",
		 o.value);
	assert_string_equal(run(sql).value, "t");
	admin("delete from item");
}

static void
test_first_refused(void **state)
{
	struct outcome o = { 0 }, behind = { 0 };

	(void)state;
	submit_early(&o, "select 1/0", SETTLE);
	submit_sql(&behind, "select 'next'");
	finish();
	assert_int_equal(o.as, DB_ERROR);
	assert_string_equal(o.value, "22012");
	assert_string_equal(behind.value, "next");
	assert_int_equal(reconnects(), 0);
}

/* It is committed, and may be gone after a crash: nobody knows. */
static void
test_not_settled(void **state)
{
	static const char *const how[] = {
		"select 1/0", "select pg_terminate_backend(pg_backend_pid())"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		struct outcome o = { 0 };

		submit_early(&o, "insert into item (id) values (1)", how[i]);
		finish();
		assert_int_equal(o.as, DB_LOST);
		assert_string_equal(run("select count(*) from item").value,
				    "1");
		admin("delete from item");
	}
}

/* What is kept of the first half goes with the connection. */
static void
test_freed_between(void **state)
{
	struct outcome o = { 0 }, count;
	struct db_pool_stats s = { 0 };

	(void)state;
	while (s.ready < 2) {
		event_base_loop(base, EVLOOP_ONCE);
		db_stats(pool, &s);
	}
	submit_early(&o, "insert into item (id) values (1) returning id",
		     "select pg_sleep(30)");
	do {
		count = (struct outcome){ 0 };
		submit_sql(&count, "select count(*) from item");
		turn_until(&count.done, 1);
	} while (strcmp(count.value, "1") != 0);
	assert_int_equal(o.done, 0);
	db_pool_free(pool);
	pool = NULL;
	assert_int_equal(o.as, DB_LOST);
	admin("delete from item");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SETTLE_TEST(test_first_answers),
		SETTLE_TEST(test_answered_is_flushed),
		SETTLE_TEST(test_first_refused),
		SETTLE_TEST(test_not_settled),
		SETTLE_TEST(test_freed_between),
	};

	return run_all(tests, sizeof(tests) / sizeof(tests[0]));
}
