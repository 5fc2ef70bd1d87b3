/* Entity tags: If-None-Match weakly and in lists, If-Match strictly, packed
 * and plain replies of one version alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "etag.h"

static void
test_match(void **state)
{
	static const struct {
		const char *known;
		enum etag_match match;
	} cases[] = {
		{ NULL, ETAG_OTHER },
		{ "", ETAG_OTHER },
		{ "\"7\"", ETAG_SAME },
		{ "W/\"7\"", ETAG_SAME },
		{ "*", ETAG_SAME },
		{ "\"7-gzip\"", ETAG_SAME_PACKED },
		{ "W/\"7-gzip\"", ETAG_SAME_PACKED },
		{ "\"1\", \"7\"", ETAG_SAME },
		{ " \"1\",W/\"2\" , \"7-gzip\"", ETAG_SAME_PACKED },
		{ "7", ETAG_OTHER },
		{ "\"7", ETAG_OTHER },
		{ "\"", ETAG_OTHER },
		{ "W/", ETAG_OTHER },
		{ "w/\"7\"", ETAG_OTHER },
		{ "\"70\"", ETAG_OTHER },
		{ "\"7-br\"", ETAG_OTHER },
		{ "\"-gzip\"", ETAG_OTHER },
		{ "\"\"", ETAG_OTHER },
		{ "\"1\", \"2\"", ETAG_OTHER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (etag_match(cases[i].known, "\"7\"") != cases[i].match)
			fail_msg("%s", cases[i].known ? cases[i].known : "-");
}

static void
expect_version(const char *if_match, const char *version)
{
	struct arena *a = arena_new();
	const char *found = etag_version(a, if_match);

	if (version)
		assert_string_equal(found, version);
	else
		assert_null(found);
	arena_free(a);
}

static void
test_version(void **state)
{
	(void)state;
	expect_version("\"7\"", "7");
	expect_version("\"7-gzip\"", "7");
	expect_version("\"-gzip\"", "-gzip");
	expect_version("W/\"7\"", NULL);
	expect_version("7", NULL);
	expect_version("\"\"", NULL);
	expect_version("\"7\", \"8\"", NULL);
	expect_version("\"", NULL);
}

static void
test_packed(void **state)
{
	struct arena *a = arena_new();

	(void)state;
	assert_string_equal(etag_packed(a, "\"7\""), "\"7-gzip\"");
	assert_string_equal(etag_packed(a, "W/\"7\""), "W/\"7\"");
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_packed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
