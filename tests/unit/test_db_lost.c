/* The server lost, late, or changed by a migration. */
#include "db_pool.h"

#include <sys/socket.h>
#include <unistd.h>

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
heard(evutil_socket_t fd, short what, void *times)
{
	(void)fd;
	(void)what;
	++*(int *)times;
}

/* Sending to a server that went, libpq closes the socket; whoever is next to
 * open one gets its number, and must be heard. */
static void
test_number_given_out_again(void **state)
{
	struct outcome o[3] = { 0 };
	struct event *ev[2];
	int ends[2], times = 0;

	(void)state;
	run("select 1");
	kill_backends();
	for (int i = 0; i < 3; i++)
		submit_sql(&o[i], "select 1");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	for (int i = 0; i < 2; i++) {
		ev[i] = event_new(base, ends[i], EV_READ, heard, &times);
		event_add(ev[i], NULL);
		assert_int_equal(write(ends[!i], "x", 1), 1);
	}
	turn_until(&times, 2);
	finish();
	assert_int_equal(o[0].as, DB_LOST);
	for (int i = 0; i < 2; i++) {
		event_free(ev[i]);
		close(ends[i]);
	}
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
	assert_in_range(o.us, 200000, 3500000); /* not the four */
	assert_int_equal(reconnects(), 1);
	assert_int_equal(run("select 1").as, DB_OK);
}

static void
test_deadline_behind_another(void **state)
{
	struct outcome slow = { 0 }, o = { .job.timeout_us = 200000 };

	(void)state;
	run("select 1");
	submit_sql(&slow, "select 'slow' from pg_sleep(3)");
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
	assert_in_range(o[0].us, 900000, 5000000);
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

/* A statement is prepared when a job needs it first, whatever becomes of that
 * job, and once. */
static void
test_prepared_at_first_use(void **state)
{
	static const char *const prepared =
		"select string_agg(name, ' ') from pg_prepared_statements";
	struct outcome failing = { 0 }, next = { 0 };

	(void)state;
	assert_string_equal(run(prepared).value, "");
	add_sql(&failing, "select 1/0");
	add_call(&failing, st_one, "never");
	submit(&failing);
	add_call(&next, st_one, "7");
	submit(&next);
	finish();
	assert_string_equal(failing.value, "22012");
	assert_string_equal(next.value, "7");
	assert_string_equal(run(prepared).value, "one");
	assert_int_equal(reconnects(), 0);
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
	struct outcome bad = { 0 }, behind = { 0 };
	const char *why;

	(void)state;
	add_call(&bad, db_register("bad", "select nothing from nowhere"), NULL);
	assert_int_equal(db_verify(superuser, NULL, NULL, &why), 0);
	db_pool_free(pool);
	open_pool(superuser, 1, 5000);
	run("select 1");
	submit(&bad);
	submit_sql(&behind, "select 2");
	finish();
	assert_int_equal(bad.as, DB_ERROR);
	assert_string_equal(bad.value, "26000");
	/* What does not need it goes on, and the next one finds out anew. */
	assert_string_equal(behind.value, "2");
	assert_string_equal(run("select 3").value, "3");
	assert_int_equal(reconnects(), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		POOL_TEST(test_backend_killed),
		POOL_TEST(test_idle_backend_killed),
		POOL_TEST(test_number_given_out_again),
		POOL_TEST(test_deadline),
		POOL_TEST(test_deadline_behind_another),
		POOL_TEST(test_nobody_there),
		POOL_TEST(test_free_answers_all),
		POOL_TEST(test_outdated_statement),
		POOL_TEST(test_prepared_at_first_use),
		cmocka_unit_test(test_verify),
		POOL_TEST(test_does_not_prepare),
	};

	return run_all(tests, sizeof(tests) / sizeof(tests[0]));
}
