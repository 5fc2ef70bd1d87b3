#include "log.h"

#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

static void
expect(const char *s, size_t n, const char *quoted)
{
	char out[256];
	size_t len = log_quote(out, sizeof(out), s, n);

	assert_int_equal(len, strlen(quoted));
	assert_memory_equal(out, quoted, len);
}

static void
test_quote(void **state)
{
	(void)state;
	expect("plain", 5, "\"plain\"");
	expect("", 0, "\"\"");
	expect("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
	expect("a\r\nb\tc", 6, "\"a\\u000d\\u000ab\\u0009c\"");
	expect("a\0b", 3, "\"a\\u0000b\"");
	expect("\x1b[2J\x7f", 5, "\"\\u001b[2J\\u007f\"");
	expect("邻里🏠", strlen("邻里🏠"), "\"邻里🏠\"");
	expect("a\xe2\x80\xa8z\xe2\x80\xa9", 8, "\"a\\u2028z\\u2029\"");
	/* their neighbours are ordinary */
	expect("\xe2\x80\xa7\xe2\x80\xaa", 6,
	       "\"\xe2\x80\xa7\xe2\x80\xaa\"");
	expect("\xff\xe9\x82", 3, "\"\\ufffd\\ufffd\\ufffd\"");
	expect("\xed\xa0\x80", 3, "\"\\ufffd\\ufffd\\ufffd\"");
	expect("\xc0\xaf", 2, "\"\\ufffd\\ufffd\"");
}

/* However small the room, what is written is a whole string. */
static void
test_quote_cap(void **state)
{
	const char *s = "a邻\n\"z";
	char out[64];

	(void)state;
	assert_int_equal(log_quote(out, 0, s, strlen(s)), 0);
	assert_int_equal(log_quote(out, 1, s, strlen(s)), 0);
	for (size_t cap = 2; cap < 32; cap++) {
		size_t len = log_quote(out, cap, s, strlen(s));
		json_t *v = json_loadb(out, len, JSON_DECODE_ANY, NULL);

		assert_true(len <= cap);
		assert_non_null(v);
		assert_true(strncmp(json_string_value(v), s,
				    json_string_length(v)) == 0);
		json_decref(v);
	}
}

/* What fn writes to stderr. */
static size_t
captured(void (*fn)(void), char *out, size_t cap)
{
	int fds[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe(fds), 0);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	dup2(fds[1], STDERR_FILENO);
	fn();
	dup2(saved, STDERR_FILENO);
	n = read(fds[0], out, cap);
	close(fds[0]);
	close(fds[1]);
	close(saved);
	return n < 0 ? 0 : (size_t)n;
}

static void
say_hostile(void)
{
	log_open("worker-3", "info");
	log_event(LOG_WARN_, "try", "one\n{\"level\":\"error\"}%s",
		  "\xe2\x80\xa8\x1b[31m");
}

static void
test_event(void **state)
{
	char line[4096];
	size_t n = captured(say_hostile, line, sizeof(line));
	json_t *v;

	(void)state;
	assert_true(n > 0 && line[n - 1] == '\n');
	assert_ptr_equal(memchr(line, '\n', n), line + n - 1);
	v = json_loadb(line, n, 0, NULL);
	assert_non_null(v);
	assert_string_equal(json_string_value(json_object_get(v, "level")),
			    "warn");
	assert_string_equal(json_string_value(json_object_get(v, "process")),
			    "worker-3");
	assert_string_equal(json_string_value(json_object_get(v, "event")),
			    "try");
	assert_int_equal(json_integer_value(json_object_get(v, "pid")),
			 getpid());
	assert_string_equal(json_string_value(json_object_get(v, "message")),
			    "one\n{\"level\":\"error\"}\xe2\x80\xa8\x1b[31m");
	json_decref(v);
}

/* One turn's lines are one write: a datagram each. */
static int
datagrams(void (*say)(void), char got[3][512])
{
	int pair[2], saved = dup(STDERR_FILENO), n = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0,
				    pair), 0);
	dup2(pair[1], STDERR_FILENO);
	say();
	dup2(saved, STDERR_FILENO);
	for (ssize_t len; n < 3 && (len = read(pair[0], got[n], 511)) > 0; n++)
		got[n][len] = '\0';
	close(saved);
	close(pair[0]);
	close(pair[1]);
	return n;
}

static void
say_gathered(void)
{
	struct event_base *base = event_base_new();

	log_open("worker-3", "info");
	log_gather(base);
	log_raw("1", 1);
	log_raw("2", 1);
	event_base_loop(base, EVLOOP_NONBLOCK);
	log_raw("3", 1);
	log_event(LOG_WARN_, "try", "at once");
	log_raw("4", 1);
	log_gather(NULL);
	event_base_free(base);
}

static void
test_gather(void **state)
{
	char got[3][512];

	(void)state;
	assert_int_equal(datagrams(say_gathered, got), 3);
	assert_string_equal(got[0], "1\n2\n");
	assert_true(strncmp(got[1], "3\n{", 3) == 0);
	assert_string_equal(got[2], "4\n");
}

static void
say_long(void)
{
	static char text[20000];

	memset(text, '\n', sizeof(text) - 1);
	log_open("main", "info");
	log_event(LOG_ERROR_, "long", "%s", text);
}

static void
test_long_event(void **state)
{
	char line[16384];
	size_t n = captured(say_long, line, sizeof(line));
	json_t *v = json_loadb(line, n, 0, NULL);

	(void)state;
	assert_non_null(v);
	json_decref(v);
}

static void
say_below_threshold(void)
{
	log_open("main", "warn");
	log_event(LOG_INFO_, "quiet", "not said");
	log_event(LOG_DEBUG_, "quiet", "not said");
}

static void
test_level(void **state)
{
	char line[4096];

	(void)state;
	assert_int_equal(captured(say_below_threshold, line, sizeof(line)), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quote),
		cmocka_unit_test(test_quote_cap),
		cmocka_unit_test(test_event),
		cmocka_unit_test(test_gather),
		cmocka_unit_test(test_long_event),
		cmocka_unit_test(test_level),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
