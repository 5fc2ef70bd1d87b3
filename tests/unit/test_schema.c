/* Every keyword, both ways. */
#include "schema_unit.h"

#include "text.h"

struct row {
	const char *schema, *instance, *faults;
};

static void
run(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct schema *s = must_compile(rows[i].schema, NULL);
		json_t *v = parse(rows[i].instance);
		char *got = render(schema_check(s, &v, arena));

		json_decref(v);
		if (strcmp(got, rows[i].faults) != 0)
			fail_msg("%s with %s: '%s', expected '%s'",
				 rows[i].schema, rows[i].instance, got,
				 rows[i].faults);
	}
}

static void
test_types(void **state)
{
	static const struct row rows[] = {
		/* Jansson: 1e2 and 1.0 are reals; no integers of ours */
		{ "{\"type\":\"integer\"}", "5", "" },
		{ "{\"type\":\"integer\"}", "-0", "" },
		{ "{\"type\":\"integer\"}", "9223372036854775807", "" },
		{ "{\"type\":\"integer\"}", "1e2", " type(integer)" },
		{ "{\"type\":\"integer\"}", "1.0", " type(integer)" },
		{ "{\"type\":\"integer\"}", "\"1\"", " type(integer)" },
		{ "{\"type\":\"integer\"}", "true", " type(integer)" },
		{ "{\"type\":\"integer\"}", "null", " null(integer)" },
		{ "{\"type\":\"number\"}", "1", "" },
		{ "{\"type\":\"number\"}", "1.5", "" },
		{ "{\"type\":\"number\"}", "-0.0", "" },
		{ "{\"type\":\"number\"}", "\"1\"", " type(number)" },
		{ "{\"type\":\"boolean\"}", "true", "" },
		{ "{\"type\":\"boolean\"}", "false", "" },
		{ "{\"type\":\"boolean\"}", "0", " type(boolean)" },
		{ "{\"type\":\"string\"}", "\"\"", "" },
		{ "{\"type\":\"string\"}", "7", " type(string)" },
		{ "{\"type\":\"string\"}", "[]", " type(string)" },
		{ "{\"type\":\"null\"}", "null", "" },
		{ "{\"type\":\"null\"}", "0", " type(null)" },
		{ "{\"type\":[\"string\",\"null\"]}", "null", "" },
		{ "{\"type\":[\"null\",\"string\"]}", "\"x\"", "" },
		{ "{\"type\":[\"string\",\"null\"]}", "1", " type(string)" },
		{ "{\"type\":\"object\"}", "{}", "" },
		{ "{\"type\":\"object\"}", "[]", " type(object)" },
		{ "{\"type\":\"array\",\"items\":{}}", "[]", "" },
		{ "{\"type\":\"array\",\"items\":{}}", "{}", " type(array)" },
		{ "{}", "{\"any\":[1,null]}", "" },
	};

	(void)state;
	run(rows, COUNT(rows));
}

static void
test_numbers(void **state)
{
	static const struct row rows[] = {
		{ "{\"type\":\"integer\",\"minimum\":1}", "1", "" },
		{ "{\"type\":\"integer\",\"minimum\":1}", "0", " minimum(1)" },
		{ "{\"type\":\"integer\",\"maximum\":5}", "5", "" },
		{ "{\"type\":\"integer\",\"maximum\":5}", "6", " maximum(5)" },
		{ "{\"type\":\"number\",\"exclusiveMinimum\":0}", "0.1", "" },
		{ "{\"type\":\"number\",\"exclusiveMinimum\":0}", "0",
		  " exclusive_minimum(0)" },
		{ "{\"type\":\"number\",\"exclusiveMaximum\":1.5}", "1.4", "" },
		{ "{\"type\":\"number\",\"exclusiveMaximum\":1.5}", "1.5",
		  " exclusive_maximum(1.5)" },
		/* doubles cannot tell these two apart */
		{ "{\"type\":\"integer\",\"maximum\":9007199254740992}",
		  "9007199254740993", " maximum(9007199254740992)" },
		{ "{\"type\":\"integer\",\"minimum\":0.5}", "1", "" },
		{ "{\"type\":\"integer\",\"multipleOf\":3}", "9", "" },
		{ "{\"type\":\"integer\",\"multipleOf\":3}", "-6", "" },
		{ "{\"type\":\"integer\",\"multipleOf\":3}", "10",
		  " multiple_of(3)" },
		{ "{\"type\":\"integer\",\"multipleOf\":3}",
		  "9223372036854775807", " multiple_of(3)" },
		{ "{\"type\":\"number\",\"multipleOf\":0.01}", "19.99", "" },
		{ "{\"type\":\"number\",\"multipleOf\":0.01}", "0", "" },
		{ "{\"type\":\"number\",\"multipleOf\":0.01}", "1234567.89",
		  "" },
		{ "{\"type\":\"number\",\"multipleOf\":0.01}", "19.995",
		  " multiple_of(0.01)" },
		{ "{\"type\":\"number\",\"multipleOf\":0.01}", "1e308",
		  " multiple_of(0.01)" },
	};

	(void)state;
	run(rows, COUNT(rows));
}

static void
test_strings(void **state)
{
	static const struct row rows[] = {
		{ "{\"type\":\"string\",\"minLength\":2}", "\"邻里\"", "" },
		{ "{\"type\":\"string\",\"minLength\":2}", "\"邻\"",
		  " too_short(2)" },
		{ "{\"type\":\"string\",\"maxLength\":2}", "\"𠮷里\"", "" },
		{ "{\"type\":\"string\",\"maxLength\":2}", "\"abc\"",
		  " too_long(2)" },
		{ "{\"type\":\"string\",\"pattern\":\"b+\"}", "\"abc\"", "" },
		{ "{\"type\":\"string\",\"pattern\":\"(b)(c)\"}", "\"abc\"",
		  "" },
		{ "{\"type\":\"string\",\"pattern\":\"^b+\"}", "\"abc\"",
		  " pattern(^b+)" },
		/* $ is the end, not "before a last newline" */
		{ "{\"type\":\"string\",\"pattern\":\"^[a-z]+$\"}",
		  "\"abc\\n\"", " pattern(^[a-z]+$)" },
		{ "{\"type\":\"string\",\"pattern\":\"^.$\"}", "\"邻\"", "" },
		{ "{\"type\":\"string\",\"pattern\":\"^[\\\\p{Han}]+$\"}",
		  "\"邻里\"", "" },
		{ "{\"type\":\"string\",\"enum\":[\"a\",\"b\"]}", "\"b\"", "" },
		{ "{\"type\":\"string\",\"enum\":[\"a\",\"b\"]}", "\"c\"",
		  " enum(a, b)" },
		{ "{\"enum\":[1,null,\"x\"]}", "null", "" },
		{ "{\"enum\":[1,null,\"x\"]}", "1.0", " enum(1, null, x)" },
		{ "{\"const\":{\"a\":[1]}}", "{\"a\":[1]}", "" },
		{ "{\"const\":\"x\"}", "\"y\"", " const(x)" },
	};

	(void)state;
	run(rows, COUNT(rows));
}

static void
test_formats(void **state)
{
	static const struct {
		const char *format, *good[12], *bad[36];
	} rows[] = {
		{ "uuid",
		  { "0193a0b0-0000-8abc-b400-000000000000",
		    "0193A0B0-0000-8ABC-B400-000000000000" },
		  { "", "0193a0b0-0000-8abc-b400-00000000000",
		    "{0193a0b0-0000-8abc-b400-0000000000}",
		    "0193a0b000008abcb400000000000000",
		    "0193a0b0-0000-8abc-b400-00000000000g" } },
		{ "date",
		  { "2026-11-22", "2024-02-29", "2000-02-29", "0001-01-01",
		    "9999-12-31", "2026-04-30" },
		  { "", "2026-02-29", "1900-02-29", "2026-04-31", "2026-00-10",
		    "2026-13-01", "2026-01-00", "2026-01-32", "0000-01-01",
		    "2026-1-1", "26-01-01", "2026/01-01", "2026-01/01",
		    "2026-11-22 ", "+026-11-22", "2026-11-2x",
		    "２０26-01-01" } },
		{ "date-time",
		  { "2026-11-22T06:43:14Z", "2026-11-22T06:43:14.123456+08:00",
		    "2026-11-22t06:43:14z", "2016-12-31T23:59:60Z",
		    "2017-01-01T07:59:60+08:00", "2026-11-22T06:43:14-03:30",
		    "2016-12-31T15:59:60.5-08:00", "2026-11-22T00:00:00Z",
		    "2026-11-22T23:59:59.123456789+15:59",
		    "2026-11-22T01:00:00-00:00" },
		  { "",
		    "2026-11-22",
		    "2026-11-22T06:43:14",
		    "2026-11-22 06:43:14Z",
		    "2026-02-30T06:43:14Z",
		    "2026-11-22T24:00:00Z",
		    "2026-11-22T06:60:00Z",
		    "2026-11-22T06:43:60Z",
		    "2026-11-22T06:43:61Z",
		    "2026-11-22T06:43:14.Z",
		    "2026-11-22T06:43:14.1234567890Z",
		    "2026-11-22T06:43:14+0800",
		    "2026-11-22T06:43:14+8:00",
		    "2026-11-22T06:43:14+16:00",
		    "2026-11-22T06:43:14+08:60",
		    "2026-11-22T06:43:14ZZ",
		    "2026-11-22T06:43Z",
		    "2026-11-22T0６:43:14Z",
		    "2026-11-22T06:43:14.",
		    "2026-11-22T06:43:14+08:0x",
		    "2017-01-01T08:59:60+08:00",
		    "2026-11-22T06-43:14Z",
		    "2026-11-22T06:43-14Z",
		    "2026-11-22T-1:43:14Z",
		    "2026-11-22T06:-1:14Z",
		    "2026-11-22T06:43:-1Z",
		    "2026-11-22T06:43:14 08:00",
		    "2026-11-22T06:43:14+08-00",
		    "2026-11-22T06:43:14+0x:00" } },
		{ "uri",
		  { "https://example.org/a?b=c#d", "tel:+8613812345678",
		    "urn:x:y", "a+b-c.1:%E9%82%BB" },
		  { "", "example.org", "//example.org", "http:", ":x", "1a:x",
		    "http://a b", "http://a/%zz", "http://a/%4", "http://a/%",
		    "http://邻里/", "http://a/<x>", "http://a\\b", "a\nb:c" } },
		{ "phone",
		  { "13812345678", "19900000000", "028-85551234", "010-2345678",
		    "0816-2345678", "0816-23456789" },
		  { "", "12812345678", "1381234567", "138123456789",
		    "+8613812345678", "138 1234 5678", "02885551234",
		    "28-85551234", "028-8555123456", "028-855512", "028-",
		    "000-85551234", "028-05551234", "1381234567x",
		    "028-8555123x", "02x-85551234", "08165-2345678",
		    "0816-234567" } },
		{ "resident-id",
		  { "11010519491231002X", "11010519491231002x",
		    "440524188001010014" },
		  { "", "110105194912310021", "11010519491231002",
		    "11010519491231002XX", "110105194913310027",
		    "11010519490229002X", "010105194912310024",
		    "1101051949123100aX", "110105 9491231002X" } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *f = rows[i].format;
		struct schema *s = must_compile(
			arena_printf(arena,
				     "{\"type\":\"string\",\"format\":\"%s\"}",
				     f),
			NULL);

		for (size_t j = 0; rows[i].good[j]; j++) {
			json_t *v = json_string(rows[i].good[j]);

			if (schema_check(s, &v, arena))
				fail_msg("%s refused %s", f, rows[i].good[j]);
			json_decref(v);
		}
		for (size_t j = 0; rows[i].bad[j]; j++) {
			json_t *v = json_string(rows[i].bad[j]);
			struct fault *got = schema_check(s, &v, arena);

			if (!got || strcmp(got->code, "format") != 0)
				fail_msg("%s took '%s'", f, rows[i].bad[j]);
			json_decref(v);
		}
	}
}

#define OBJECT                                                                 \
	"{\"type\":\"object\",\"required\":[\"title\"],\"properties\":{"       \
	"\"title\":{\"type\":\"string\"},\"n\":{\"type\":\"integer\"}}"

static void
test_objects(void **state)
{
	static const struct row rows[] = {
		{ OBJECT "}", "{\"title\":\"x\",\"n\":1}", "" },
		{ OBJECT "}", "{\"n\":1}", "/title required" },
		{ OBJECT "}", "{\"title\":null}", "/title null(string)" },
		{ OBJECT "}", "{\"title\":\"x\",\"role\":1}",
		  "/role unknown_field" },
		{ OBJECT ",\"additionalProperties\":false}",
		  "{\"title\":\"x\",\"role\":1}", "/role unknown_field" },
		{ OBJECT ",\"additionalProperties\":true}",
		  "{\"title\":\"x\",\"role\":1}", "" },
		{ OBJECT ",\"additionalProperties\":{\"type\":\"integer\"}}",
		  "{\"title\":\"x\",\"a\":1,\"b\":\"\"}", "/b type(integer)" },
		{ "{\"type\":\"object\",\"additionalProperties\":true}",
		  "{\"free\":{\"x\":[1]}}", "" },
		{ "{\"type\":\"object\"}", "{\"x\":1}", "/x unknown_field" },
		/* all faults, document order, then what is missing */
		{ OBJECT "}", "{\"z\":1,\"n\":\"1\",\"a/b\":1,\"m~n\":2}",
		  "/z unknown_field; /n type(integer); /a~1b unknown_field; "
		  "/m~0n unknown_field; /title required" },
		{ "{\"type\":\"object\",\"properties\":{\"a\":" OBJECT "}}}",
		  "{\"a\":{\"n\":\"\",\"title\":1}}",
		  "/a/n type(integer); /a/title type(string)" },
	};

	(void)state;
	run(rows, COUNT(rows));
}

static void
test_arrays(void **state)
{
	static const struct row rows[] = {
		{ "{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}",
		  "[1,\"2\",3,null]", "/1 type(integer); /3 null(integer)" },
		{ "{\"type\":\"array\",\"items\":{},\"minItems\":1}", "[1]",
		  "" },
		{ "{\"type\":\"array\",\"items\":{},\"minItems\":1}", "[]",
		  " too_few(1)" },
		{ "{\"type\":\"array\",\"items\":{},\"maxItems\":1}", "[1]",
		  "" },
		{ "{\"type\":\"array\",\"items\":{},\"maxItems\":1}", "[1,2]",
		  " too_many(1)" },
		{ "{\"type\":\"array\",\"items\":{},\"maxItems\":9,"
		  "\"uniqueItems\":true}",
		  "[1,\"1\",{\"a\":1},1.0]", "" },
		{ "{\"type\":\"array\",\"items\":{},\"maxItems\":9,"
		  "\"uniqueItems\":true}",
		  "[{\"a\":1,\"b\":2},1,{\"b\":2,\"a\":1},1]",
		  "/2 not_unique; /3 not_unique" },
		{ "{\"type\":\"array\",\"items\":{},\"maxItems\":1000,"
		  "\"minItems\":0,\"uniqueItems\":true}",
		  "[]", "" },
		{ "{\"type\":\"array\",\"items\":{},\"uniqueItems\":false}",
		  "[1,1]", "" },
	};

	(void)state;
	run(rows, COUNT(rows));
}

static void
test_at_most_fifty(void **state)
{
	struct schema *s = must_compile(
		"{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}", NULL);
	json_t *v = json_array();
	int n = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		json_array_append_new(v, json_true());
	for (struct fault *f = schema_check(s, &v, arena); f; f = f->next)
		n++;
	assert_int_equal(n, 50);
	json_decref(v);
}

/* (a+)+$ on a long near miss would take 2^40 steps without a limit. */
static void
test_pattern_is_bounded(void **state)
{
	struct schema *s = must_compile(
		"{\"type\":\"string\",\"pattern\":\"^(a+)+$\"}", NULL);
	char text[64];
	json_t *v;
	int64_t start = monotonic_us();

	(void)state;
	memset(text, 'a', 40);
	strcpy(text + 40, "!");
	v = json_string(text);
	assert_string_equal(render(schema_check(s, &v, arena)),
			    " pattern(^(a+)+$)");
	assert_true(monotonic_us() - start < 1000000);
	json_decref(v);
}

/* An ordinary pattern on a long text must not run into those limits. */
static void
test_pattern_on_long_text(void **state)
{
	struct schema *s = must_compile("{\"type\":\"string\",\"pattern\":"
					"\"^(?:[a-z]|邻)*$\"}",
					NULL);
	char *text = arena_alloc(arena, 20001);
	json_t *v;

	(void)state;
	memset(text, 'a', 20000);
	v = json_string(text);
	assert_null(schema_check(s, &v, arena));
	json_decref(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_arrays),
		cmocka_unit_test(test_at_most_fifty),
		cmocka_unit_test(test_pattern_is_bounded),
		cmocka_unit_test(test_pattern_on_long_text),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
