/* Counting: every request once and in its bucket, over processes that die,
 * without two of them in each other's way. */
#include <sys/wait.h>

#include "contract_unit.h"
#include "metrics.h"
#include "supervise.h"
#include "text.h"

#define MANY 200000

static struct contract *contract;
static struct shared shared;
static char *page;

static int
open_metrics(void **state)
{
	(void)state;
	contract = must_load("/v1/things/{id}", "get", "{}");
	shared.worker_count = 2;
	metrics_open(contract, 2);
	return 0;
}

static int
close_metrics(void **state)
{
	(void)state;
	free(page);
	page = NULL;
	contract_free(contract);
	return 0;
}

static void
write_page(void)
{
	struct evbuffer *out = evbuffer_new();
	size_t n;

	metrics_write(out, &shared);
	n = evbuffer_get_length(out);
	free(page);
	page = calloc(1, n + 1);
	evbuffer_remove(out, page, n);
	evbuffer_free(out);
}

/* What stands behind the series, which must be there once. */
static double
value(const char *series)
{
	char line[256];
	const char *at;

	snprintf(line, sizeof(line), "\n%s ", series);
	at = strstr(page, line);
	if (!at || strstr(at + 1, line))
		fail_msg("%s: %s", series, at ? "twice" : "none");
	return atof(at + strlen(line));
}

static void
test_buckets_have_sharp_edges(void **state)
{
	static const int64_t us[] = { 0, 250, 251, 30000000, 30000001 };
	const struct operation *op = &contract->operations[0];

	(void)state;
	metrics_attach(0);
	for (size_t i = 0; i < COUNT(us); i++)
		metrics_request(op, 200, us[i], us[i] / 2);
	write_page();
#define D "linli_request_duration_seconds"
	assert_true(value(D "_bucket{operation=\"getThing\",le=\"0.00025\"}") ==
		    2);
	assert_true(value(D "_bucket{operation=\"getThing\",le=\"0.0005\"}") ==
		    3);
	assert_true(value(D "_bucket{operation=\"getThing\",le=\"10\"}") == 3);
	assert_true(value(D "_bucket{operation=\"getThing\",le=\"30\"}") == 4);
	assert_true(value(D "_bucket{operation=\"getThing\",le=\"+Inf\"}") ==
		    5);
	assert_true(value(D "_count{operation=\"getThing\"}") == 5);
	assert_float_equal(value(D "_sum{operation=\"getThing\"}"), 60.000502,
			   1e-9);
	assert_float_equal(value("linli_request_database_seconds_total"
				 "{operation=\"getThing\"}"),
			   30.00025, 1e-4);
}

static void
test_statuses(void **state)
{
	const struct operation *op = &contract->operations[0];

	(void)state;
	metrics_attach(1);
	metrics_request(op, 404, 1, 0);
	metrics_request(op, 299, 1, 0);
	metrics_request(op, 0, 1, 0);
	metrics_request(op, -1, 1, 0);
	metrics_request(op, 600, 1, 0);
	metrics_request(NULL, 404, 1, 0);
	write_page();
#define R "linli_requests_total{operation="
	assert_true(value(R "\"getThing\",status=\"404\"}") == 1);
	assert_true(value(R "\"getThing\",status=\"200\"}") == 0);
	assert_true(value(R "\"getThing\",status=\"other\"}") == 4);
	assert_true(value(R "\"none\",status=\"404\"}") == 1);
}

static void
in_child(int index)
{
	pid_t pid = fork();

	if (pid)
		return;
	metrics_attach(index);
	for (int i = 0; i < MANY; i++) {
		metrics_request(&contract->operations[0], 200, i % 1000, 1);
		metrics_problem("not_found");
		metrics_token(TOKEN_CACHED);
	}
	_exit(0);
}

static void
test_processes_count_side_by_side(void **state)
{
	int status;

	(void)state;
	for (int round = 1; round <= 2; round++) {
		in_child(0);
		in_child(1);
		for (int i = 0; i < 2; i++) {
			assert_true(wait(&status) > 0);
			assert_int_equal(status, 0);
		}
		write_page();
		assert_true(value(R "\"getThing\",status=\"200\"}") ==
			    2.0 * MANY * round);
		assert_true(value(D "_count{operation=\"getThing\"}") ==
			    2.0 * MANY * round);
		assert_true(value("linli_problems_total{code=\"not_found\"}") ==
			    2.0 * MANY * round);
		assert_true(value("linli_tokens_total{result=\"cached\"}") ==
			    2.0 * MANY * round);
	}
}

static void
test_unknown_codes_are_no_series(void **state)
{
	(void)state;
	metrics_attach(0);
	metrics_problem("never_heard_of");
	metrics_refused("not_found");
	write_page();
	assert_null(strstr(page, "never_heard_of"));
	assert_null(strstr(page, "linli_problems_total{"));
	assert_true(value("linli_guard_refusals_total{code=\"not_found\"}") ==
		    1);
}

static void
test_labels_are_escaped(void **state)
{
	struct evbuffer *out = evbuffer_new();

	(void)state;
	metrics_label(out, "name", "a\"b\\c\nd 网格");
	evbuffer_add(out, "", 1);
	assert_string_equal((char *)evbuffer_pullup(out, -1),
			    "name=\"a\\\"b\\\\c\\nd 网格\"");
	evbuffer_free(out);
}

static void
test_backlogs(void **state)
{
	struct metrics_jobs jobs;
	char name[48];
	int count = 0;

	(void)state;
	metrics_attach(-1);
	metrics_jobs(&jobs);
	assert_true(jobs.backlog_s == 0 && jobs.failing == 0);
	metrics_backlog("one", 3, 1.5);
	metrics_backlog("two", 0, 7.25);
	metrics_backlog("one", 4, 0);
	/* more than there is room for, and longer */
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "q%030d%d", 0, i);
		metrics_backlog(name, 1, 1);
	}
	write_page();
	assert_true(value("linli_backlog{queue=\"one\"}") == 4);
	assert_true(value("linli_backlog_lag_seconds{queue=\"two\"}") == 7.25);
	for (const char *at = page; (at = strstr(at, "linli_backlog{")); at++)
		count++;
	assert_int_equal(count, 16);
	metrics_jobs(&jobs);
	assert_true(jobs.backlog_s == 7.25);
}

/* A hundred times what it takes on a busy machine under sanitizers. */
static void
test_counting_costs_nothing(void **state)
{
	int64_t from;
	double each;

	(void)state;
	metrics_attach(0);
	from = monotonic_us();
	for (int i = 0; i < MANY; i++)
		metrics_request(&contract->operations[0], 200, i % 3000, 1);
	each = (double)(monotonic_us() - from) / MANY;
	printf("metrics_request: %.3f us\n", each);
	assert_true(each < 5);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_metrics, close_metrics)
	const struct CMUnitTest tests[] = {
		T(test_buckets_have_sharp_edges),
		T(test_statuses),
		T(test_processes_count_side_by_side),
		T(test_unknown_codes_are_no_series),
		T(test_labels_are_escaped),
		T(test_backlogs),
		T(test_counting_costs_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
