/* One-time passwords: the vectors of RFC 6238 (appendix B) and RFC 4648. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "totp.h"

#define SECRET "12345678901234567890"

static void
test_vectors(void **state)
{
	static const struct {
		int64_t time;
		const char *code;
	} all[] = {
		{ 59, "94287082" },	    { 1111111109, "07081804" },
		{ 1111111111, "14050471" }, { 1234567890, "89005924" },
		{ 2000000000, "69279037" }, { 20000000000, "65353130" },
	};
	struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		assert_string_equal(totp_code(a, SECRET, 20,
					      all[i].time / TOTP_STEP_S, 8),
				    all[i].code);
	arena_free(a);
}

/* One step of clock difference either way, each step once, never back. */
static void
test_match(void **state)
{
	struct arena *a = arena_new();
	const int64_t now = 1111111109, step = now / 30;

	(void)state;
	for (int64_t off = -2; off <= 2; off++) {
		char *code = totp_code(a, SECRET, 20, step + off, 6);
		int64_t found = off >= -1 && off <= 1 ? step + off : -1;

		assert_int_equal(totp_match(a, SECRET, 20, code, now, 0),
				 found);
		assert_int_equal(totp_match(a, SECRET, 20, code, now,
					    step + off), -1);
		assert_int_equal(totp_match(a, SECRET, 20, code, now,
					    step + off + 1), -1);
	}
	assert_int_equal(totp_match(a, SECRET, 20, "07081804", now, 0), -1);
	assert_int_equal(totp_match(a, SECRET, 20, "", now, 0), -1);
	arena_free(a);
}

static void
test_base32(void **state)
{
	static const char *const all[][2] = {
		{ "", "" },	    { "f", "MY" },	   { "fo", "MZXQ" },
		{ "foo", "MZXW6" }, { "foob", "MZXW6YQ" }, { "fooba",
							     "MZXW6YTB" },
		{ "foobar", "MZXW6YTBOI" },
	};
	struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		assert_string_equal(base32_encode(a, all[i][0],
						  strlen(all[i][0])),
				    all[i][1]);
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_base32),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
