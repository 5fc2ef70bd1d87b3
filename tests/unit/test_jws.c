/* Key sets of clients: what is public and strong is taken, nothing weak is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "jws.h"

static const char *
fault_of(const char *exponent)
{
	struct arena *a = arena_new();
	char n[343], *text;
	const char *why;
	json_t *jwks;

	memset(n, 'w', sizeof(n) - 1);
	n[sizeof(n) - 1] = '\0';
	text = arena_printf(a, "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"_%s\","
			       "\"e\":\"%s\"}]}", n + 1, exponent);
	jwks = json_loads(text, 0, NULL);
	assert_non_null(jwks);
	why = jws_set_fault(a, jwks);
	json_decref(jwks);
	arena_free(a);
	return why;
}

/* security 17: whatever is signed with the exponent 1 is its own signature. */
static void
test_exponents(void **state)
{
	(void)state;
	assert_null(fault_of("AQAB"));
	assert_null(fault_of("Aw"));
	assert_string_equal(fault_of("AQ"), "jwks_invalid");
	assert_string_equal(fault_of("AAAB"), "jwks_invalid");
	assert_string_equal(fault_of("AA"), "jwks_invalid");
	assert_string_equal(fault_of("AQAA"), "jwks_invalid");
	assert_string_equal(fault_of(""), "jwks_invalid");
	assert_string_equal(fault_of("AQAAAAE"), "jwks_invalid");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exponents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
