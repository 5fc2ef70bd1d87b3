#include "uri.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* "a|b ? x=1|y=2", or "! why" */
static char *
render(struct arena *a, const char *target)
{
	struct uri u;
	const char *why = "unset";
	char *out = arena_strdup(a, "");

	if (!uri_parse(a, target, &u, &why))
		return arena_printf(a, "! %s", why);
	assert_null(why);
	for (size_t i = 0; i < u.segment_count; i++)
		out = arena_printf(a, "%s%s%s", out, i ? "|" : "",
				   u.segments[i]);
	for (size_t i = 0; i < u.param_count; i++)
		out = arena_printf(a, "%s%s%s=%s", out, i ? "|" : " ? ",
				   u.params[i].name, u.params[i].value);
	return out;
}

static const char *const good[][2] = {
	{ "/", "" },
	{ "/v1/tickets", "v1|tickets" },
	{ "/.well-known/jwks.json", ".well-known|jwks.json" },
	{ "/...", "..." },
	{ "/v1/tickets?limit=5", "v1|tickets ? limit=5" },
	{ "/v1/tickets?", "v1|tickets" },
	{ "/a?x=", "a ? x=" },
	{ "/a?x=1&y=2", "a ? x=1|y=2" },
	{ "/a?x=b=c", "a ? x=b=c" },
	{ "/a?x=/?:@", "a ? x=/?:@" },
	{ "/a?X=1&x=2", "a ? X=1|x=2" },
	{ "/a?x=a+b%20c%2B", "a ? x=a+b c+" },
	{ "/a?x=%26%3D%23%25", "a ? x=&=#%" },
	{ "/a?%78=1", "a ? x=1" },
	{ "/a?x=%C2%A0.%C2%BF", "a ? x=\xc2\xa0.\xc2\xbf" },
	{ "/%E9%82%BB?q=%e9%87%8c", "邻 ? q=里" },
	{ "/a%5Cb%3F", "a\\b?" },
	{ "/a;v=1,(x)!$&'*:@~", "a;v=1,(x)!$&'*:@~" },
	{ "http://example.org/v1/x?a=1", "v1|x ? a=1" },
	{ "HTTPS://[::1]:8080/v1", "v1" },
	{ "http://example.org", "" },
	{ "/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g",
	  "1|2|3|4|5|6|7|8|9|a|b|c|d|e|f|g" },
};

static const char *const bad[][2] = {
	/* what evhttp lets through or cuts (measured) */
	{ "/a?x=1%00y", "bad_uri" },
	{ "/a%00", "bad_uri" },
	{ "/a?x=%zz", "bad_uri" },
	{ "/a?x", "bad_query" },
	{ "/a?x=1&x=2", "repeated_parameter" },
	{ "/a?x=1&%78=2", "repeated_parameter" },
	{ "//host/path", "bad_uri" },
	{ "/a b", "bad_uri" },
	{ "/\xe9\x82\xbb", "bad_uri" },
	{ "/a?x=\xe9\x82\xbb", "bad_uri" },
	/* escapes */
	{ "/a%", "bad_uri" },
	{ "/a%4", "bad_uri" },
	{ "/a%4g", "bad_uri" },
	{ "/a%g4", "bad_uri" },
	{ "/a?x=%", "bad_uri" },
	{ "/a?x=%4&y=1", "bad_uri" },
	{ "/a?%=1", "bad_uri" },
	/* paths that other software reads otherwise */
	{ "/a//b", "bad_uri" },
	{ "/a/", "bad_uri" },
	{ "/a/?x=1", "bad_uri" },
	{ "//", "bad_uri" },
	{ "/./a", "bad_uri" },
	{ "/a/..", "bad_uri" },
	{ "/a/../b", "bad_uri" },
	{ "/%2e", "bad_uri" },
	{ "/a/%2E%2e/b", "bad_uri" },
	{ "/a/.%2e", "bad_uri" },
	{ "/a%2Fb", "bad_uri" },
	{ "/a%2fb", "bad_uri" },
	{ "/a\\b", "bad_uri" },
	{ "/a#b", "bad_uri" },
	{ "/a?x=1#b", "bad_uri" },
	{ "/a<b>", "bad_uri" },
	{ "/a\"", "bad_uri" },
	{ "/a^`{|}", "bad_uri" },
	{ "/a?x=[1]", "bad_uri" },
	/* bytes */
	{ "/a%ff", "bad_uri" },
	{ "/a%c0%af", "bad_uri" },
	{ "/a%ed%a0%80", "bad_uri" },
	{ "/a%E9%82", "bad_uri" },
	{ "/a?x=%E9%82&y=%BB", "bad_uri" },
	{ "/a%0d%0ab", "bad_uri" },
	{ "/a?x=%0A", "bad_uri" },
	{ "/a?x=%1b%5B", "bad_uri" },
	{ "/a?x=%7f", "bad_uri" },
	{ "/a?x=%C2%85", "bad_uri" },
	{ "/a\x7f", "bad_uri" },
	{ "/a\tb", "bad_uri" },
	/* queries */
	{ "/a?=1", "bad_query" },
	{ "/a?&x=1", "bad_query" },
	{ "/a?x=1&", "bad_query" },
	{ "/a?x=1&&y=2", "bad_query" },
	{ "/a?x=1&y", "bad_query" },
	/* other forms of a target */
	{ "", "bad_uri" },
	{ "*", "bad_uri" },
	{ "a", "bad_uri" },
	{ "?x=1", "bad_uri" },
	{ "example.org:443", "bad_uri" },
	{ "ftp://example.org/a", "bad_uri" },
	{ "http:/a", "bad_uri" },
	{ "http:///a", "bad_uri" },
	{ "http://user@host/a", "bad_uri" },
	{ "http://ho st/a", "bad_uri" },
	{ "http://host?x=1", "bad_uri" },
	{ "http://host//a", "bad_uri" },
	{ "/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g/h", "bad_uri" },
};

static void
test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct arena *a = arena_new();

		assert_string_equal(render(a, good[i][0]), good[i][1]);
		arena_free(a);
	}
}

static void
test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct arena *a = arena_new();
		char *got = render(a, bad[i][0]);

		if (got[0] != '!' || strcmp(got + 2, bad[i][1]) != 0)
			fail_msg("'%s' gave '%s'", bad[i][0], got);
		arena_free(a);
	}
}

static void
test_no_target(void **state)
{
	struct arena *a = arena_new();

	(void)state;
	assert_string_equal(render(a, NULL), "! bad_uri");
	arena_free(a);
}

static void
test_many_parameters(void **state)
{
	struct arena *a = arena_new();
	char *target = arena_strdup(a, "/a?p0=");
	struct uri u;
	const char *why;

	(void)state;
	for (int i = 1; i < 32; i++)
		target = arena_printf(a, "%s&p%d=%d", target, i, i);
	assert_true(uri_parse(a, target, &u, &why));
	assert_int_equal(u.param_count, 32);
	assert_string_equal(u.params[31].value, "31");
	target = arena_printf(a, "%s&p32=", target);
	assert_false(uri_parse(a, target, &u, &why));
	assert_string_equal(why, "too_many_parameters");
	arena_free(a);
}

/* Any byte anywhere: either refused or decoded to clean text. */
static void
test_every_byte(void **state)
{
	(void)state;
	for (int byte = 1; byte < 256; byte++) {
		struct arena *a = arena_new();
		char raw[] = "/a?x=?", escaped[16];
		struct uri u;
		const char *why;
		int graphic = byte > 0x20 && byte < 0x7f &&
			      !strchr("\"#<>[\\]^`{|}%&", byte);

		raw[5] = (char)byte;
		assert_int_equal(uri_parse(a, raw, &u, &why), graphic);
		snprintf(escaped, sizeof(escaped), "/a?x=%%%02X", byte);
		assert_int_equal(uri_parse(a, escaped, &u, &why),
				 byte >= 0x20 && byte < 0x7f);
		if (!why)
			assert_int_equal(u.params[0].value[0], byte);
		arena_free(a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_no_target),
		cmocka_unit_test(test_many_parameters),
		cmocka_unit_test(test_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
