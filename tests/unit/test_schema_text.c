/* Parameters as text, and reading a compiled schema. */
#include "schema_unit.h"

static void
test_check_text(void **state)
{
	static const struct {
		const char *schema, *text, *value, *faults;
	} rows[] = {
		{ "{\"type\":\"integer\"}", "42", "42", "" },
		{ "{\"type\":\"integer\"}", "-0", "0", "" },
		{ "{\"type\":\"integer\"}", "007", NULL, "?p type(integer)" },
		{ "{\"type\":\"integer\"}", "+5", NULL, "?p type(integer)" },
		{ "{\"type\":\"integer\"}", " 5", NULL, "?p type(integer)" },
		{ "{\"type\":\"integer\"}", "5 ", NULL, "?p type(integer)" },
		{ "{\"type\":\"integer\"}", "", NULL, "?p type(integer)" },
		{ "{\"type\":\"integer\"}", "-", NULL, "?p type(integer)" },
		{ "{\"type\":\"integer\"}", "0x1", NULL, "?p type(integer)" },
		{ "{\"type\":\"integer\"}", "1e2", NULL, "?p type(integer)" },
		{ "{\"type\":\"integer\"}", "1.0", NULL, "?p type(integer)" },
		{ "{\"type\":\"integer\"}", "9223372036854775807",
		  "9223372036854775807", "" },
		{ "{\"type\":\"integer\"}", "9223372036854775808", NULL,
		  "?p type(integer)" },
		{ "{\"type\":\"integer\",\"maximum\":100}", "101", NULL,
		  "?p maximum(100)" },
		{ "{\"type\":\"number\"}", "30.67", "30.67", "" },
		{ "{\"type\":\"number\"}", "-1.5e-3", "-0.0015", "" },
		{ "{\"type\":\"number\"}", "7", "7", "" },
		{ "{\"type\":\"number\"}", "1E+2", "100.0", "" },
		{ "{\"type\":\"number\"}", "25e-1", "2.5", "" },
		{ "{\"type\":\"number\"}", "1e+", NULL, "?p type(number)" },
		{ "{\"type\":\"number\"}", ".5", NULL, "?p type(number)" },
		{ "{\"type\":\"number\"}", "5.", NULL, "?p type(number)" },
		{ "{\"type\":\"number\"}", "1e", NULL, "?p type(number)" },
		{ "{\"type\":\"number\"}", "nan", NULL, "?p type(number)" },
		{ "{\"type\":\"number\"}", "inf", NULL, "?p type(number)" },
		{ "{\"type\":\"number\"}", "1e400", NULL, "?p type(number)" },
		{ "{\"type\":\"boolean\"}", "true", "true", "" },
		{ "{\"type\":\"boolean\"}", "false", "false", "" },
		{ "{\"type\":\"boolean\"}", "True", NULL, "?p type(boolean)" },
		{ "{\"type\":\"boolean\"}", "1", NULL, "?p type(boolean)" },
		{ "{\"type\":\"boolean\"}", "", NULL, "?p type(boolean)" },
		{ "{\"type\":\"string\"}", "", "\"\"", "" },
		{ "{\"type\":\"string\"}", "1", "\"1\"", "" },
		{ "{\"type\":\"string\",\"format\":\"date\"}", "2026-02-30",
		  NULL, "?p format(date)" },
		{ "{\"type\":\"string\"}", "\xff", NULL, "?p type(string)" },
		{ "{\"type\":[\"integer\",\"null\"]}", "5", "5", "" },
		{ "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}",
		  "a,b,,c", "[\"a\",\"b\",\"\",\"c\"]", "" },
		{ "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}", "",
		  "[]", "" },
		{ "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}", "a,",
		  "[\"a\",\"\"]", "" },
		{ "{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}",
		  "1,x,2,", NULL, "?p/1 type(integer)" },
		{ "{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}",
		  "1,2,", NULL, "?p/2 type(integer)" },
		{ "{\"type\":\"array\",\"items\":{\"type\":\"integer\","
		  "\"maximum\":5},\"maxItems\":2}",
		  "1,9", NULL, "?p/1 maximum(5)" },
		{ "{\"type\":\"array\",\"items\":{\"type\":\"integer\"},"
		  "\"maxItems\":2}",
		  "1,2,3", NULL, "?p too_many(2)" },
		{ "{\"$ref\":\"#/c/N\",\"description\":\"d\"}", "5", "5", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct schema *s = must_compile(
			rows[i].schema, "{\"N\":{\"type\":\"integer\"}}");
		json_t *v = NULL;
		char *got = render(
			schema_check_text(s, rows[i].text, "?p", &v, arena));
		json_t *expected = rows[i].value ? parse(rows[i].value) : NULL;

		if (strcmp(got, rows[i].faults) != 0 ||
		    (expected ? !json_equal(v, expected) : v != NULL))
			fail_msg("%s with '%s': '%s'", rows[i].schema,
				 rows[i].text, got);
		json_decref(v);
		json_decref(expected);
	}
}

static void
test_absent_whole(void **state)
{
	struct schema *s =
		must_compile("{\"type\":\"integer\",\"default\":3}", NULL);
	json_t *v = NULL;

	(void)state;
	assert_null(schema_check(s, &v, arena));
	assert_int_equal(json_integer_value(v), 3);
	json_decref(v);
	v = NULL;
	s = must_compile("{\"type\":\"integer\"}", NULL);
	assert_string_equal(render(schema_check(s, &v, arena)), " required");
}

static void
test_reading(void **state)
{
	struct schema *s = must_compile(
		"{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{"
		"\"a\":{\"type\":\"string\",\"x-personal\":\"phone\"},"
		"\"b\":{\"type\":[\"integer\",\"null\"],\"default\":1},"
		"\"c\":{\"type\":\"array\",\"items\":{\"type\":\"boolean\"}},"
		"\"d\":{\"$ref\":\"#/c/P\",\"x-personal\":\"id\"}}}",
		"{\"P\":{\"type\":\"string\",\"x-personal\":\"phone\","
		"\"x-also\":true}}");
	const struct schema *d = schema_property(s, "d");

	(void)state;
	assert_int_equal(schema_property_count(s), 4);
	assert_string_equal(schema_property_name(s, 1), "b");
	assert_true(schema_property_required(s, "a"));
	assert_false(schema_property_required(s, "b"));
	assert_false(schema_property_required(s, "zz"));
	assert_null(schema_property(s, "zz"));
	assert_true(schema_has_type(schema_property(s, "b"), "null"));
	assert_true(schema_has_type(schema_property(s, "b"), "integer"));
	assert_false(schema_has_type(schema_property(s, "a"), "null"));
	assert_false(schema_has_type(s, "nonsense"));
	assert_int_equal(
		json_integer_value(schema_default(schema_property(s, "b"))), 1);
	assert_null(schema_default(schema_property(s, "a")));
	assert_true(schema_has_type(schema_items(schema_property(s, "c")),
				    "boolean"));
	assert_null(schema_items(s));
	assert_string_equal(json_string_value(schema_extension(
				    schema_property(s, "a"), "x-personal")),
			    "phone");
	/* what stands beside a $ref is nearer than what it names */
	assert_string_equal(
		json_string_value(schema_extension(d, "x-personal")), "id");
	assert_true(json_is_true(schema_extension(d, "x-also")));
	assert_null(schema_extension(d, "x-none"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_text),
		cmocka_unit_test(test_absent_whole),
		cmocka_unit_test(test_reading),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
