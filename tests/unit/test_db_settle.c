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

/* Both connections, so that who goes where is no accident. */
static void
wait_for_both(void)
{
	struct db_pool_stats s = { 0 };

	while (s.ready < 2) {
		event_base_loop(base, EVLOOP_ONCE);
		db_stats(pool, &s);
	}
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

	(void)state;
	wait_for_both();
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

/* Who comes while another settles shares the next: of five that come at once
 * the first settles alone. One that is refused is in nobody's way. */
static void
test_together(void **state)
{
	struct outcome o[5] = { 0 };

	(void)state;
	wait_for_both();
	admin("create sequence if not exists times; "
	      "alter sequence times restart");
	for (int i = 0; i < 5; i++)
		submit_early(&o[i],
			     i == 3 ? "select 1/0"
				    : "insert into item select count(*) "
				      "from item returning id",
			     "select pg_logical_emit_message(true, 'settle', "
			     "''), nextval('times')");
	finish();
	for (int i = 0; i < 5; i++) {
		assert_int_equal(o[i].done, 1);
		assert_int_equal(o[i].as, i == 3 ? DB_ERROR : DB_OK);
	}
	assert_string_equal(o[0].value, "0");
	assert_string_equal(o[4].value, "3");
	assert_string_equal(run("select last_value from times").value, "2");
	assert_int_equal(reconnects(), 0);
	admin("delete from item");
}

/* None of them is known to be on disk, and none is forgotten. */
static void
test_lost_together(void **state)
{
	struct outcome o[5] = { 0 };

	(void)state;
	wait_for_both();
	for (int i = 0; i < 5; i++)
		submit_early(&o[i], "insert into item select count(*) from "
				    "item", i == 0 ? SETTLE : "select 1/0");
	finish();
	assert_int_equal(o[0].as, DB_OK);
	for (int i = 1; i < 5; i++) {
		assert_int_equal(o[i].done, 1);
		assert_int_equal(o[i].as, DB_LOST);
	}
	assert_string_equal(run("select count(*) from item").value, "5");
	admin("delete from item");
}

/* Committed, and past its deadline before it has settled: whoever asked is
 * told, and the connection goes on. */
static void
test_late(void **state)
{
	struct outcome o = { 0 }, behind = { 0 };

	(void)state;
	wait_for_both();
	o.job.timeout_us = 1500000;
	submit_early(&o, "insert into item (id) values (1)",
		     "select pg_sleep(4)");
	turn_until(&o.done, 1);
	assert_int_equal(o.as, DB_LOST);
	submit_early(&behind, "select 'next'", SETTLE);
	finish();
	assert_string_equal(behind.value, "next");
	assert_int_equal(o.done, 1);
	assert_int_equal(reconnects(), 0);
	admin("delete from item");
}

static void
test_lanes(void **state)
{
	struct outcome o[8] = { 0 };

	(void)state;
	wait_for_both();
	for (unsigned i = 0; i < 8; i++) {
		o[i].job.lane = 6 + i / 4;
		submit_early(&o[i], "select pg_backend_pid()", SETTLE);
	}
	finish();
	assert_string_not_equal(o[0].value, o[4].value);
	for (int i = 0; i < 8; i++)
		assert_string_equal(o[i].value, o[i / 4 * 4].value);
}

/* What waits for a lock waits alone, also in its lane. */
static void
test_lane_held_up(void **state)
{
	int64_t end = monotonic_us() + 400000;
	struct outcome o = { 0 }, behind = { 0 };

	(void)state;
	wait_for_both();
	submit_early(&o, "select pg_sleep(4)", SETTLE);
	while (monotonic_us() < end) {
		struct outcome quick = { 0 };

		submit_sql(&quick, "select 1");
		turn_until(&quick.done, 1);
	}
	submit_early(&behind, "select 'past'", SETTLE);
	turn_until(&behind.done, 1);
	assert_string_equal(behind.value, "past");
	assert_int_equal(o.done, 0);
	finish();
	assert_int_equal(o.as, DB_OK);
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
		SETTLE_TEST(test_together),
		SETTLE_TEST(test_lost_together),
		SETTLE_TEST(test_late),
		SETTLE_TEST(test_lanes),
		SETTLE_TEST(test_lane_held_up),
	};

	return run_all(tests, sizeof(tests) / sizeof(tests[0]));
}
