#include "offload.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

struct job {
	pthread_t worked_on;
	int done;
	bool loop_thread;
};

static struct event_base *base;
static pthread_t loop;
static atomic_int running, most_running, worked;
static int finished, wanted;
static atomic_bool gate_shut; /* work waits while it is */

static int
setup(void **state)
{
	(void)state;
	base = event_base_new();
	loop = pthread_self();
	running = most_running = worked = 0;
	finished = 0;
	wanted = -1;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	offload_stop();
	event_base_free(base);
	return 0;
}

static void
work(void *arg)
{
	struct job *job = arg;
	int now = atomic_fetch_add(&running, 1) + 1;

	while (now > atomic_load(&most_running))
		atomic_store(&most_running, now);
	while (atomic_load(&gate_shut))
		sched_yield();
	job->worked_on = pthread_self();
	atomic_fetch_sub(&running, 1);
	atomic_fetch_add(&worked, 1);
}

static void
done(void *arg)
{
	struct job *job = arg;

	job->done++;
	job->loop_thread = pthread_equal(pthread_self(), loop);
	if (++finished == wanted)
		event_base_loopbreak(base);
}

/* The loop, until n are done; never longer than a generous while. */
static void
run_until(int n)
{
	struct timeval limit = {20, 0};

	wanted = n;
	event_base_loopexit(base, &limit);
	event_base_dispatch(base);
	assert_int_equal(finished, n);
}

static void
test_all_done_on_the_loop(void **state)
{
	struct job jobs[100] = {0};

	(void)state;
	assert_true(offload_start(base, 3, 100));
	for (int i = 0; i < 100; i++)
		assert_true(offload(work, done, &jobs[i]));
	run_until(100);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(jobs[i].done, 1);
		assert_true(jobs[i].loop_thread);
		assert_false(pthread_equal(jobs[i].worked_on, loop));
	}
	assert_true(most_running <= 3);
}

static void
wait_for_running(int n)
{
	while (atomic_load(&running) < n)
		sched_yield();
}

static void
test_bounded(void **state)
{
	struct job jobs[5] = {0};

	(void)state;
	assert_true(offload_start(base, 1, 3));
	atomic_store(&gate_shut, true);
	assert_true(offload(work, done, &jobs[0]));
	wait_for_running(1);
	for (int i = 1; i < 4; i++)
		assert_true(offload(work, done, &jobs[i]));
	assert_false(offload(work, done, &jobs[4]));
	atomic_store(&gate_shut, false);
	run_until(4);
	assert_int_equal(jobs[4].done, 0);
	/* and there is room again */
	assert_true(offload(work, done, &jobs[4]));
	run_until(5);
	assert_int_equal(most_running, 1);
}

static void *
open_gate(void *unused)
{
	static struct job late;

	(void)unused;
	/* offload_stop() first refuses, then waits for what runs: as long as
	 * the gate is shut it must not return. */
	while (offload(work, done, &late))
		sched_yield();
	atomic_store(&gate_shut, false);
	return NULL;
}

static void
test_stop(void **state)
{
	struct job jobs[2] = {0};
	pthread_t opener;

	(void)state;
	assert_true(offload_start(base, 2, 1000000));
	atomic_store(&gate_shut, true);
	for (int i = 0; i < 2; i++)
		assert_true(offload(work, done, &jobs[i]));
	wait_for_running(2);
	pthread_create(&opener, NULL, open_gate, NULL);
	offload_stop();
	assert_false(gate_shut);
	pthread_join(opener, NULL);
	/* What ran was waited for; nothing reaches the loop any more. */
	assert_int_equal(running, 0);
	assert_true(worked >= 2);
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(finished, 0);
	assert_false(offload(work, done, &jobs[0]));
	offload_stop();
}

static void
offload_again(void *arg)
{
	done(arg);
	if (finished < 5)
		assert_true(offload(work, offload_again, arg));
}

static void
test_done_may_offload(void **state)
{
	struct job job = {0};

	(void)state;
	assert_true(offload_start(base, 1, 1));
	assert_true(offload(work, offload_again, &job));
	run_until(5);
	assert_int_equal(job.done, 5);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_done_on_the_loop), TEST(test_bounded),
		TEST(test_stop), TEST(test_done_may_offload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
