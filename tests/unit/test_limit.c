/* Rate limits: the rate and the burst exactly, also when processes count in
 * the same table at once; bounded, and forgiving rather than unjust. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "limit.h"
#include "text.h"

#define SECOND ((int64_t)1000 * 1000)
#define START (77 * SECOND)

static struct limit_table *table;

static int
open_table(void **state)
{
	(void)state;
	table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(table != MAP_FAILED);
	limit_open(table, START);
	return 0;
}

static int
close_table(void **state)
{
	(void)state;
	return munmap(table, sizeof(*table));
}

static struct limit_answer
take(const struct limit_rate *rate, const char *who, int64_t at)
{
	return limit_take(table, rate, who, strlen(who), START + at);
}

/* How many of n are let through at one moment. */
static long
taken(const struct limit_rate *rate, const char *who, long n, int64_t at)
{
	long count = 0;

	while (n--)
		count += take(rate, who, at).allowed;
	return count;
}

static void
test_burst_then_rate(void **state)
{
	struct limit_rate rate = limit_rate(60, 5);

	(void)state;
	assert_int_equal(taken(&rate, "a", 50, 0), 5);
	assert_int_equal(taken(&rate, "a", 50, SECOND - 1), 0);
	assert_int_equal(taken(&rate, "a", 50, SECOND), 1);
	assert_int_equal(taken(&rate, "a", 50, 4 * SECOND), 3);
	/* never more than the burst, however long it was quiet */
	assert_int_equal(taken(&rate, "a", 50, 3600 * SECOND), 5);
}

static void
test_a_minute_brings_the_minutes_worth(void **state)
{
	static const long minutes[] = { 1, 7, 60, 600, 6000, 1000000 };

	(void)state;
	for (size_t i = 0; i < sizeof(minutes) / sizeof(*minutes); i++) {
		struct limit_rate rate = limit_rate(minutes[i], 10);
		int64_t step = rate.interval_us / 4;
		char who[16];
		long count = 0, burst;

		snprintf(who, sizeof(who), "m%zu", i);
		burst = taken(&rate, who, 100, 0);
		assert_int_equal(burst, 10);
		for (int64_t at = step; at <= 60 * SECOND; at += step)
			count += take(&rate, who, at).allowed;
		assert_in_range(count, minutes[i], minutes[i] + 1);
	}
}

static void
test_answers_say_what_is_left(void **state)
{
	struct limit_rate rate = limit_rate(60, 3);
	struct limit_answer a = take(&rate, "b", 0);

	(void)state;
	assert_true(a.allowed && a.left == 2 && a.full_us == SECOND);
	assert_int_equal(a.wait_us, 0);
	take(&rate, "b", 0);
	a = take(&rate, "b", 0);
	assert_true(a.allowed && a.left == 0 && a.full_us == 3 * SECOND);
	a = take(&rate, "b", SECOND / 4);
	assert_true(!a.allowed && a.left == 0);
	assert_int_equal(a.wait_us, SECOND * 3 / 4);
	/* waiting just so long is enough, and refusals cost nothing */
	a = take(&rate, "b", SECOND / 4 + a.wait_us);
	assert_true(a.allowed);
}

static void
test_callers_do_not_share(void **state)
{
	struct limit_rate rate = limit_rate(60, 2);
	long others = 0;

	(void)state;
	assert_int_equal(taken(&rate, "flood", 100, 0), 2);
	for (int i = 0; i < 20000; i++) {
		char who[16];

		snprintf(who, sizeof(who), "c%d", i);
		others += taken(&rate, who, 2, 0);
	}
	/* 20,000 in 2^31: hardly two share an allowance */
	assert_in_range(others, 39990, 40000);
}

/* More callers than the table holds: it forgets, it never refuses one that
 * has not asked before. */
static void
test_overfull_table_forgives(void **state)
{
	struct limit_rate rate = limit_rate(1, 1);
	long allowed = 0, n = 2L * LIMIT_SETS * LIMIT_WAYS;

	(void)state;
	for (long i = 0; i < n; i++)
		allowed += limit_take(table, &rate, &i, sizeof(i), START)
				   .allowed;
	assert_in_range(allowed, n - n / 500, n);
}

static void
test_time_standing_still_or_stepping_back(void **state)
{
	struct limit_rate rate = limit_rate(60, 2);

	(void)state;
	assert_int_equal(taken(&rate, "d", 9, 10 * SECOND), 2);
	/* another worker's reading may be a little older */
	assert_int_equal(taken(&rate, "d", 9, 10 * SECOND - 50), 0);
	assert_int_equal(taken(&rate, "d", 9, 11 * SECOND), 1);
	/* eight years on */
	assert_int_equal(taken(&rate, "d", 9, 8 * 365 * 86400 * SECOND), 2);
}

static void
test_zero_is_no_limit(void **state)
{
	(void)state;
	assert_int_equal(limit_rate(0, 5).interval_us, 0);
}

/* Takes all it can get, up to the very end. */
static void
count_as_one_of_many(const struct limit_rate *rate, int64_t until, int out)
{
	bool allowed;
	long count = 0;
	int64_t now;

	do {
		now = monotonic_us();
		now = now < until ? now : until;
		allowed = limit_take(table, rate, "shared", 6, now).allowed;
		count += allowed;
	} while (now < until || allowed);
	_exit(write(out, &count, sizeof(count)) != sizeof(count));
}

static void
test_processes_share_one_allowance(void **state)
{
	struct limit_rate rate = limit_rate(6000000, 50000);
	long sum = 0, one;
	int64_t begun = monotonic_us(), until = begun + SECOND / 2;
	int fds[2], status;

	(void)state;
	limit_open(table, begun);
	/* a full allowance would not grow while they start */
	for (int i = 0; i < 50000; i++)
		assert_true(limit_take(table, &rate, "shared", 6, begun).allowed);
	assert_int_equal(pipe(fds), 0);
	for (int i = 0; i < 4; i++)
		if (fork() == 0)
			count_as_one_of_many(&rate, until, fds[1]);
	for (int i = 0; i < 4; i++) {
		assert_true(wait(&status) > 0 && status == 0);
		assert_int_equal(read(fds[0], &one, sizeof(one)), sizeof(one));
		sum += one;
	}
	close(fds[0]);
	close(fds[1]);
	/* one each 10 µs for half a second */
	assert_in_range(sum, 49999, 50001);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_then_rate),
		cmocka_unit_test(test_a_minute_brings_the_minutes_worth),
		cmocka_unit_test(test_answers_say_what_is_left),
		cmocka_unit_test(test_callers_do_not_share),
		cmocka_unit_test(test_overfull_table_forgives),
		cmocka_unit_test(test_time_standing_still_or_stepping_back),
		cmocka_unit_test(test_zero_is_no_limit),
		cmocka_unit_test(test_processes_share_one_allowance),
	};

	return cmocka_run_group_tests(tests, open_table, close_table);
}
