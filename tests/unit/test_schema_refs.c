/* References, branches and defaults. */
#include "schema_unit.h"

#define VARIANTS                                                               \
	"{\"A\":{\"type\":\"object\",\"required\":[\"kind\"],\"properties\":{" \
	"\"kind\":{\"const\":\"a\"},\"x\":{\"type\":\"integer\"}}},"           \
	"\"B\":{\"type\":\"object\",\"required\":[\"kind\"],\"properties\":{"  \
	"\"kind\":{\"type\":\"string\"},\"y\":{\"type\":\"integer\"}}}}"

static void
test_one_of(void **state)
{
	static const char text[] =
		"{\"oneOf\":[{\"$ref\":\"#/c/A\"},{\"$ref\":\"#/c/B\"}],"
		"\"discriminator\":{\"propertyName\":\"kind\","
		"\"mapping\":{\"b\":\"#/c/B\",\"bb\":\"#/c/B\"}}}";
	static const char *const cases[][2] = {
		{ "{\"kind\":\"a\",\"x\":1}", "" },
		{ "{\"kind\":\"b\",\"y\":1}", "" },
		{ "{\"kind\":\"bb\",\"y\":1}", "" },
		{ "{\"kind\":\"a\",\"y\":1}", "/y unknown_field" },
		{ "{\"kind\":\"b\",\"y\":\"\"}", "/y type(integer)" },
		{ "{\"kind\":\"c\"}", "/kind one_of" },
		{ "{\"kind\":1}", "/kind one_of" },
		{ "{\"x\":1}", "/kind required" },
		{ "[]", " type(object)" },
		{ "null", " null(object)" },
	};
	struct schema *s = must_compile(text, VARIANTS);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *v = parse(cases[i][0]);

		assert_string_equal(render(schema_check(s, &v, arena)),
				    cases[i][1]);
		json_decref(v);
	}
}

static void
test_nullable_ref(void **state)
{
	struct schema *s = must_compile(
		"{\"oneOf\":[{\"$ref\":\"#/c/A\"},{\"type\":\"null\"}]}",
		"{\"A\":{\"type\":\"integer\",\"x-note\":1}}");
	static const char *const cases[][2] = { { "null", "" },
						{ "1", "" },
						{ "\"\"", " type(integer)" } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *v = parse(cases[i][0]);

		assert_string_equal(render(schema_check(s, &v, arena)),
				    cases[i][1]);
		json_decref(v);
	}
	assert_true(schema_has_type(s, "null"));
	assert_true(schema_has_type(s, "integer"));
	assert_false(schema_has_type(s, "number"));
	assert_non_null(schema_extension(s, "x-note"));
}

static void
test_refs(void **state)
{
	static const char tree[] =
		"{\"T\":{\"type\":\"object\",\"properties\":{"
		"\"v\":{\"type\":\"integer\"},\"kids\":{\"type\":\"array\","
		"\"items\":{\"$ref\":\"#/c/T\"}}}},"
		"\"a/b~c\":{\"type\":\"string\"}}";
	struct schema *s = must_compile("{\"$ref\":\"#/c/T\"}", tree);
	json_t *v = parse("{\"kids\":[{\"v\":1},{\"kids\":[{\"v\":\"\"}]}]}");

	(void)state;
	assert_string_equal(render(schema_check(s, &v, arena)),
			    "/kids/1/kids/0/v type(integer)");
	json_decref(v);
	s = must_compile("{\"$ref\":\"#/c/a~1b~0c\",\"description\":\"d\"}",
			 tree);
	assert_true(schema_has_type(s, "string"));
}

/* A recursive schema and an instance nested beyond the limit. */
static void
test_depth(void **state)
{
	struct schema *s = must_compile(
		"{\"$ref\":\"#/c/L\"}",
		"{\"L\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/c/L\"}}}");
	char text[301];
	json_t *v;
	struct fault *f;

	(void)state;
	memset(text, '[', 65);
	memset(text + 65, ']', 65);
	text[130] = '\0';
	v = parse(text);
	assert_null(schema_check(s, &v, arena));
	json_decref(v);
	memset(text, '[', 150);
	memset(text + 150, ']', 150);
	text[300] = '\0';
	v = parse(text);
	f = schema_check(s, &v, arena);
	assert_non_null(f);
	assert_string_equal(f->code, "too_deep");
	assert_null(f->next);
	json_decref(v);
}

static void
test_defaults(void **state)
{
	struct schema *s = must_compile(
		"{\"type\":\"object\",\"properties\":{"
		"\"limit\":{\"type\":\"integer\",\"default\":20},"
		"\"tags\":{\"type\":\"array\",\"items\":{},\"default\":[]},"
		"\"in\":{\"type\":\"object\",\"default\":{},\"properties\":{"
		"\"x\":{\"type\":\"boolean\",\"default\":true}}},"
		"\"by\":{\"$ref\":\"#/c/D\"}}}",
		"{\"D\":{\"type\":\"string\",\"default\":\"d\"}}");
	json_t *v = parse("{}"), *w = parse("{}"), *expected;

	(void)state;
	assert_null(schema_check(s, &v, arena));
	expected = parse("{\"limit\":20,\"tags\":[],\"in\":{\"x\":true},"
			 "\"by\":\"d\"}");
	assert_true(json_equal(v, expected));
	/* each instance has copies of its own */
	json_array_append_new(json_object_get(v, "tags"), json_true());
	assert_null(schema_check(s, &w, arena));
	assert_true(json_equal(w, expected));
	json_decref(v);
	v = parse("{\"limit\":5,\"in\":{}}");
	assert_null(schema_check(s, &v, arena));
	assert_int_equal(json_integer_value(json_object_get(v, "limit")), 5);
	assert_true(
		json_is_true(json_object_get(json_object_get(v, "in"), "x")));
	json_decref(v);
	json_decref(w);
	json_decref(expected);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_of),
		cmocka_unit_test(test_nullable_ref),
		cmocka_unit_test(test_refs),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_defaults),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
