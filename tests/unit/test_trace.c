/* traceparent: taken as W3C writes it, or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "trace.h"

#define ID "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static void
test_good(void **state)
{
	static const char *const all[] = {
		"00-" ID "-" PARENT "-01", "00-" ID "-" PARENT "-00",
		"00-" ID "-" PARENT "-ff", "cc-" ID "-" PARENT "-01",
		"cc-" ID "-" PARENT "-01-", "fe-" ID "-" PARENT "-01-x.y",
	};
	struct trace t;

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		memset(&t, 0, sizeof(t));
		if (!trace_parse(all[i], &t))
			fail_msg("%s", all[i]);
		assert_string_equal(t.id, ID);
		assert_string_equal(t.parent, PARENT);
	}
}

static void
test_every_other_byte_is_refused(void **state)
{
	const char *good = "00-" ID "-" PARENT "-01";
	size_t len = strlen(good), taken = 0;
	struct trace t = { "kept", "kept" };
	char s[64];

	(void)state;
	for (size_t i = 0; i < len; i++) {
		strcpy(s, good);
		for (int c = 1; c < 256; c++) {
			bool digit = strchr("0123456789abcdef", c);
			bool dash = good[i] == '-';

			s[i] = (char)c;
			if (trace_parse(s, &t) != (dash ? c == '-' : digit) &&
			    i > 1)
				fail_msg("%zu: %s", i, s);
			taken += i < 2 && trace_parse(s, &t);
		}
	}
	/* 00 … f0 and 00 … 0f: no other than ff is refused */
	assert_int_equal(taken, 32);
	strcpy(t.id, "kept");
	for (size_t i = 0; i < len; i++) {
		strcpy(s, good);
		s[i] = '\0';
		assert_false(trace_parse(s, &t));
	}
	assert_string_equal(t.id, "kept");
}

static void
test_refused(void **state)
{
	static const char *const all[] = {
		"", "-", "ff-" ID "-" PARENT "-01",
		"00-00000000000000000000000000000000-" PARENT "-01",
		"00-" ID "-0000000000000000-01", "00-" ID "-" PARENT "-01-",
		"00-" ID "-" PARENT "-011", "01-" ID "-" PARENT "-01x",
		" 00-" ID "-" PARENT "-01", "00-" ID "-" PARENT "-01 ",
	};
	struct trace t;

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (trace_parse(all[i], &t))
			fail_msg("%s", all[i]);
}

static void
test_begin(void **state)
{
	struct trace t;

	(void)state;
	trace_begin("01a20419-d003-8000-8298-5b4a7d92d72d", &t);
	assert_string_equal(t.id, "01a20419d003800082985b4a7d92d72d");
	assert_string_equal(t.parent, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_every_other_byte_is_refused),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
