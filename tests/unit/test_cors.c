/* Origins: named one by one, compared byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cors.h"

static void
test_lists(void **state)
{
	static const char *const good[] = {
		"", "https://a.example", "https://a.example, http://[::1]:8080",
		" https://a.example:8443\thttps://b.example,",
	};
	static const char *const bad[] = {
		"*", "null", "a.example", "https://", "https://a.example/",
		"https://A.example", "https://*.example", "ftp://a.example",
		"https://a.example, *", "https://a.example;https://b",
		"https://u@a.example",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (cors_list_fault(good[i]))
			fail_msg("%s is a list", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (!cors_list_fault(bad[i]))
			fail_msg("%s is no list", bad[i]);
}

static void
test_listed(void **state)
{
	const char *list = "https://a.example, http://b.example:8080";

	(void)state;
	assert_true(cors_listed(list, "https://a.example"));
	assert_true(cors_listed(list, "http://b.example:8080"));
	assert_false(cors_listed(list, "http://a.example"));
	assert_false(cors_listed(list, "https://a.example:443"));
	assert_false(cors_listed(list, "https://a.example.evil"));
	assert_false(cors_listed(list, "https://a.exampl"));
	assert_false(cors_listed(list, "http://b.example"));
	assert_false(cors_listed(list, "null"));
	assert_false(cors_listed(list, ""));
	assert_false(cors_listed("", "https://a.example"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
