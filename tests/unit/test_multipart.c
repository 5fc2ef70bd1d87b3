#include "multipart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define TYPE "multipart/form-data; boundary=xYz"
#define PHOTO "Content-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n"
/* One part around which most cases are built. */
#define PART(headers, body) "--xYz\r\n" headers "\r\n" body "\r\n"
#define END "--xYz--"
#define NAMED(header) PART("Content-Disposition: form-data; " header "\r\n", "b")

static struct arena *a;
static struct part parts[MULTIPART_MAX];
static size_t count;
static const char *why;

static int
setup(void **state)
{
	(void)state;
	a = arena_new();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(a);
	return 0;
}

/* From a copy of exact size: reading past the end is caught. */
static bool
parse_bytes(const char *type, const char *body, size_t len)
{
	unsigned char *exact = malloc(len ? len : 1);
	bool done;

	memcpy(exact, body, len);
	done = multipart_parse(a, type, exact, len, parts, &count, &why);
	/* What the parts point at must lie inside. */
	for (size_t i = 0; done && i < count; i++) {
		assert_true(parts[i].bytes >= exact);
		assert_true(parts[i].bytes + parts[i].len <= exact + len);
		parts[i].bytes = memcpy(arena_alloc(a, parts[i].len + 1),
					parts[i].bytes, parts[i].len);
	}
	free(exact);
	return done;
}

static bool
parse(const char *body)
{
	return parse_bytes(TYPE, body, strlen(body));
}

static void
refused(const char *body)
{
	if (parse(body))
		fail_msg("accepted: %s", body);
	assert_string_equal(why, "bad_multipart");
}

static void
part_is(size_t i, const char *name, const char *filename, const char *type,
	const char *body)
{
	assert_true(i < count);
	assert_string_equal(parts[i].name, name);
	assert_true(!filename == !parts[i].filename);
	if (filename)
		assert_string_equal(parts[i].filename, filename);
	assert_true(!type == !parts[i].content_type);
	if (type)
		assert_string_equal(parts[i].content_type, type);
	assert_int_equal(parts[i].len, strlen(body));
	assert_memory_equal(parts[i].bytes, body, strlen(body));
}

static void
test_form(void **state)
{
	(void)state;
	assert_true(parse(PART("Content-Disposition: form-data; name=\"note\"\r\n",
			       "two\r\nlines")
			  PART(PHOTO "Content-Type: image/jpeg\r\n", "\xff\xd8")
			  END "\r\n"));
	assert_int_equal(count, 2);
	part_is(0, "note", NULL, NULL, "two\r\nlines");
	part_is(1, "file", "a.jpg", "image/jpeg", "\xff\xd8");
}

static void
test_bodies(void **state)
{
	static const char binary[] = PART(PHOTO, "a\0b\r\n--xY\r\n-xYz") END;

	(void)state;
	assert_true(parse_bytes(TYPE, binary, sizeof(binary) - 1));
	assert_int_equal(parts[0].len, 15);
	assert_memory_equal(parts[0].bytes, "a\0b\r\n--xY\r\n-xYz", 15);
	assert_true(parse(PART(PHOTO, "") END));
	assert_int_equal(parts[0].len, 0);
	assert_true(parse(PART(PHOTO, "--xYz") END) == false);
	assert_true(parse(PART(PHOTO, "\r\n") END));
	part_is(0, "file", "a.jpg", NULL, "\r\n");
}

static void
test_boundaries(void **state)
{
	static const char *const good[] = {
		TYPE, "Multipart/Form-Data;BOUNDARY=xYz",
		"multipart/form-data; boundary=\"xYz\"",
		"multipart/form-data ; charset=utf-8 ; boundary=xYz ",
	};
	static const char *const bad[] = {
		"", "multipart/form-data", "multipart/form-data;",
		"multipart/mixed; boundary=xYz", "text/plain; boundary=xYz",
		"multipart/form-datax; boundary=xYz",
		"multipart/form-data boundary=xYz",
		"multipart/form-data; boundary=", "multipart/form-data; boundary",
		"multipart/form-data; boundary=\"\"",
		"multipart/form-data; boundary=\"xYz",
		"multipart/form-data; boundary=\"xYz \"",
		"multipart/form-data; boundary=xYz; boundary=xYz",
		"multipart/form-data; boundary=xYz, boundary=abc",
		"multipart/form-data; boundary=xYz x",
		"multipart/form-data; boundary=\"xYz{\"",
		"multipart/form-data; boundary= xYz",
		"multipart/form-data; boundary=xyz",
	};
	char *type, *body, seventy[72];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (!parse_bytes(good[i], NAMED("name=n") END,
				 strlen(NAMED("name=n") END)))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (parse_bytes(bad[i], NAMED("name=n") END,
				strlen(NAMED("name=n") END)))
			fail_msg("accepted: %s", bad[i]);
	body = "--a \r\n" PHOTO "\r\nb\r\n--a --";
	assert_false(parse_bytes("multipart/form-data; boundary=\"a \"", body,
				 strlen(body)));
	body = "--a b\r\n" PHOTO "\r\nb\r\n--a b--";
	assert_true(parse_bytes("multipart/form-data; boundary=\"a b\"", body,
				strlen(body)));
	memset(seventy, 'b', sizeof(seventy));
	for (int n = 70; n <= 71; n++) {
		type = arena_printf(a, "multipart/form-data; boundary=%.*s", n,
				    seventy);
		body = arena_printf(a, "--%.*s\r\n" PHOTO "\r\nx\r\n--%.*s--", n,
				    seventy, n, seventy);
		assert_int_equal(parse_bytes(type, body, strlen(body)), n == 70);
	}
}

static void
test_framing(void **state)
{
	(void)state;
	refused("");
	refused(END);
	refused("--xYz");
	refused("--xYz\r\n");
	refused("preamble\r\n" NAMED("name=n") END);
	refused(NAMED("name=n"));
	refused(NAMED("name=n") "--xYz");
	refused(NAMED("name=n") "--xYz-");
	refused(NAMED("name=n") "--xYz--epilogue");
	refused(NAMED("name=n") END "\r\n" END);
	refused(NAMED("name=n") "--xYz \r\n");
	refused(NAMED("name=n") "--xYzz--");
	refused("--xYz\n" PHOTO "\r\nb\r\n" END);
	refused("--xYz\r\n" PHOTO "\r\nb\n" END);
	refused("--xYz\r\n" PHOTO END);
	refused("--xYz\r\n" PHOTO "\r\n" END);
	refused("--xYz\r\n" PHOTO "b\r\n" END);
	refused("--xYz\r\n\r\nb\r\n" END);
	/* An empty line before the first delimiter is one old client's habit. */
	assert_true(parse("\r\n" NAMED("name=n") END));
}

static void
test_headers(void **state)
{
	(void)state;
	assert_true(parse(PART("content-disposition:form-data;name=n \r\n"
			       "X-Other: anything;\tgoes\r\n"
			       "Content-Length: 1\r\n", "b") END));
	part_is(0, "n", NULL, NULL, "b");
	assert_true(parse(PART(PHOTO "Content-Transfer-Encoding: BINARY\r\n",
			       "b") END));
	refused(PART("Content-Type: text/plain\r\n", "b"));
	refused(PART("Content-Disposition : form-data; name=n\r\n", "b") END);
	refused(PART("Content-Disposition: form-data;\r\n name=n\r\n", "b") END);
	refused(PART("Content-Disposition: form-data; name=n\n", "b") END);
	refused(PART("Content-Disposition: attachment; name=n\r\n", "b") END);
	refused(PART(PHOTO PHOTO, "b") END);
	refused(PART("Content-Disposition: form-data; name=n\r\n"
		     "Content-Disposition: form-data; filename=f\r\n", "b") END);
	refused(PART(PHOTO "no colon\r\n", "b") END);
	refused(PART(PHOTO ": no name\r\n", "b") END);
	refused(PART(PHOTO "X: a\rb\r\n", "b") END);
	refused(PART(PHOTO "X: a\x01" "b\r\n", "b") END);
	refused(PART(PHOTO "Content-Type: a/b\r\nContent-Type: a/b\r\n", "b") END);
	refused(PART(PHOTO "Content-Type:\r\n", "b") END);
	refused(PART(PHOTO "Content-Type: multipart/mixed; boundary=q\r\n", "b")
		END);
	refused(PART(PHOTO "Content-Transfer-Encoding: base64\r\n", "Yg==") END);
	refused(PART(PHOTO "Content-Transfer-Encoding: binaryx\r\n", "b") END);
}

static void
test_names(void **state)
{
	static const char *const cases[][2] = {
		{"name=\"n\"; filename=\"a%22b.jpg\"", "a\"b.jpg"},
		{"name=\"n\"; filename=\"a\\\"b.jpg\"", "a\"b.jpg"},
		{"name=\"n\"; filename=\"C:\\dir\\a.jpg\"", "C:\\dir\\a.jpg"},
		{"name=\"n\"; filename=\"a\\\\\"", "a\\"},
		{"name=\"n\"; filename=\"100%25.jpg\"", "100%25.jpg"},
		{"name=\"n\"; filename=\"照片;.jpg\"", "照片;.jpg"},
		{"name=\"n\"; filename=\"\"", ""},
		{"filename=a.jpg; name=\"n\"", "a.jpg"},
		{"name=n; filename*=UTF-8''b.jpg; filename=a.jpg", "a.jpg"},
	};
	static const char *const bad[] = {
		"", "name", "name=", "name=\"\"", "name=\"n", "name=\"n\" x",
		"filename=\"a.jpg\"", "name=\"n\"; name=\"m\"", "name=n m",
		"name=\"n\"; filename=a; filename=b", "name=\"n\"x=y",
		"name=\"a\x01\"", "name=\"a\x7f\"", "name=\"\xff\"",
		"name=\"n\";", "name=\"\xed\xa0\x80\"", "name='n'; =",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *body = arena_printf(
			a, "--xYz\r\nContent-Disposition: form-data; %s\r\n\r\n"
			   "b\r\n" END, cases[i][0]);

		if (!parse(body))
			fail_msg("refused: %s", cases[i][0]);
		part_is(0, "n", cases[i][1], NULL, "b");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refused(arena_printf(
			a, "--xYz\r\nContent-Disposition: form-data; %s\r\n\r\n"
			   "b\r\n" END, bad[i]));
}

static char *
many(int n)
{
	char *body = arena_strdup(a, "");

	for (int i = 0; i < n; i++)
		body = arena_printf(a, "%s%s", body, NAMED("name=n"));
	return arena_printf(a, "%s" END, body);
}

static void
test_limits(void **state)
{
	char *long_line = arena_alloc(a, 5001);

	(void)state;
	assert_true(parse(many(16)));
	assert_int_equal(count, 16);
	assert_false(parse(many(17)));
	assert_string_equal(why, "too_many_parts");
	memset(long_line, 'x', 3900);
	assert_true(parse(arena_printf(a, "--xYz\r\n" PHOTO "X: %s\r\n\r\nb\r\n"
				       END, long_line)));
	memset(long_line, 'x', 5000);
	refused(arena_printf(a, "--xYz\r\n" PHOTO "X: %s\r\n\r\nb\r\n" END,
			     long_line));
}

/* Every beginning, and every byte replaced: no reading outside, no accepting
 * of less than the whole. */
static void
test_mutations(void **state)
{
	static const char whole[] = PART(PHOTO "Content-Type: image/jpeg\r\n",
					 "body") NAMED("name=\"n%22\"") END;
	static const char bytes[] = "\0\r\n-\";:=%\\x\xff";
	size_t n = sizeof(whole) - 1;
	char copy[sizeof(whole)];

	(void)state;
	for (size_t i = 0; i < n; i++)
		assert_false(parse_bytes(TYPE, whole, i));
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < sizeof(bytes) - 1; j++) {
			memcpy(copy, whole, sizeof(whole));
			copy[i] = bytes[j];
			if (parse_bytes(TYPE, copy, n))
				assert_true(count >= 1 && count <= 2);
		}
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_form),    TEST(test_bodies),  TEST(test_boundaries),
		TEST(test_framing), TEST(test_headers), TEST(test_names),
		TEST(test_limits),  TEST(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
