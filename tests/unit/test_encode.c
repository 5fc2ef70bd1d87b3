/* Rows as JSON: what PostgreSQL can send and JSON cannot take comes first. */
#include "encode.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "log.h"
#include "seal.h"

enum { BOOL = 16, INT8 = 20, TEXT = 25, JSON = 114, FLOAT8 = 701,
       DATE = 1082, TIME = 1184, NUMERIC = 1700, UUID = 2950 };

struct cell {
	const char *name;
	Oid type;
	const char *value;
};

/* A result of one row. */
static PGresult *
result_of(const struct cell *cells, int n)
{
	PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc *attrs = calloc((size_t)n + 1, sizeof(*attrs));

	for (int i = 0; i < n; i++) {
		attrs[i].name = (char *)cells[i].name;
		attrs[i].typid = cells[i].type;
	}
	assert_true(PQsetResultAttrs(res, n, attrs));
	free(attrs);
	for (int i = 0; i < n; i++)
		assert_true(PQsetvalue(res, 0, i, (char *)cells[i].value,
				       cells[i].value
					       ? (int)strlen(cells[i].value)
					       : -1));
	return res;
}

static char *
text_of(struct evbuffer *b)
{
	size_t n = evbuffer_get_length(b);
	char *text = malloc(n + 1);

	evbuffer_remove(b, text, n);
	text[n] = '\0';
	evbuffer_free(b);
	return text;
}

static void
row_gives(const struct cell *cells, int n, const char *json)
{
	PGresult *res = result_of(cells, n);
	struct evbuffer *b = evbuffer_new();
	char *text;

	encode_row(b, res, 0, NULL);
	text = text_of(b);
	assert_string_equal(text, json);
	free(text);
	PQclear(res);
}

static void
value_gives(Oid type, const char *value, const char *json)
{
	struct cell cell = { "x", type, value };
	char wanted[256];

	snprintf(wanted, sizeof(wanted), "{\"x\":%s}", json);
	row_gives(&cell, 1, wanted);
}

static void
test_numbers(void **state)
{
	(void)state;
	value_gives(INT8, "-9223372036854775808", "-9223372036854775808");
	value_gives(NUMERIC, "12.50", "12.50");
	value_gives(FLOAT8, "1e+20", "1e+20");
	value_gives(FLOAT8, "-0", "-0");
	value_gives(NUMERIC, "NaN", "null");
	value_gives(NUMERIC, "Infinity", "null");
	value_gives(FLOAT8, "-Infinity", "null");
	value_gives(INT8, NULL, "null");
}

static void
test_times(void **state)
{
	(void)state;
	value_gives(TIME, "2026-11-22 06:43:14.123456+00",
		     "\"2026-11-22T06:43:14.123456Z\"");
	value_gives(TIME, "2026-11-22 06:43:14+00",
		     "\"2026-11-22T06:43:14Z\"");
	value_gives(TIME, "infinity", "null");
	value_gives(TIME, "-infinity", "null");
	value_gives(TIME, "0044-03-15 12:00:00+00 BC", "null");
	value_gives(TIME, "10000-01-01 00:00:00+00", "null");
	value_gives(TIME, "2026-11-22 06:43:14+08", "null");
	value_gives(DATE, "2026-11-22", "\"2026-11-22\"");
}

static void
test_text(void **state)
{
	(void)state;
	value_gives(TEXT, "", "\"\"");
	value_gives(TEXT, NULL, "null");
	value_gives(TEXT, "null", "\"null\"");
	value_gives(TEXT, "say \"hi\"", "\"say \\\"hi\\\"\"");
	value_gives(TEXT, "C:\\x", "\"C:\\\\x\"");
	value_gives(TEXT, "\x01\x1f\b\t\n\f\r\x7f",
		     "\"\\u0001\\u001f\\b\\t\\n\\f\\r\x7f\"");
	value_gives(TEXT, "化粪池堵塞，\n请处理", "\"化粪池堵塞，\\n请处理\"");
	value_gives(UUID, "0191d3a0-0000-8001-8000-000000000001",
		     "\"0191d3a0-0000-8001-8000-000000000001\"");
}

/* Every byte at every place of the eight that are looked at together. */
static void
test_escapes_everywhere(void **state)
{
	(void)state;
	for (int c = 1; c < 0x80; c++) {
		for (int at = 0; at < 20; at++) {
			char s[21] = "xxxxxxxxxxxxxxxxxxxx";
			struct evbuffer *b = evbuffer_new();
			char *text;
			json_t *back;

			s[at] = (char)c;
			encode_string(b, s, 20);
			text = text_of(b);
			if (c >= 0x20 && c != '"' && c != '\\')
				assert_int_equal(strlen(text), 22);
			back = json_loads(text, JSON_DECODE_ANY, NULL);
			assert_non_null(back);
			assert_string_equal(json_string_value(back), s);
			json_decref(back);
			free(text);
		}
	}
}

static void
test_much_to_escape(void **state)
{
	size_t n = 100000;
	char *s = malloc(n + 1), *text;
	struct cell cell = { "x", TEXT, s };
	PGresult *res;
	struct evbuffer *b = evbuffer_new();
	json_t *back;

	(void)state;
	memset(s, '\x02', n);
	s[n] = '\0';
	res = result_of(&cell, 1);
	evbuffer_add(b, "[", 1);
	encode_row(b, res, 0, NULL);
	evbuffer_add(b, "]", 1);
	text = text_of(b);
	assert_int_equal(strlen(text), 2 + strlen("{\"x\":\"\"}") + 6 * n);
	back = json_loads(text, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(back, 0), "x")), s);
	json_decref(back);
	free(text);
	free(s);
	PQclear(res);
}

static void
test_row(void **state)
{
	static const struct cell cells[] = {
		{ "_etag", TEXT, "3" },
		{ "id", UUID, "a" },
		{ "mine", BOOL, "t" },
		{ "closed", BOOL, "f" },
		{ "actions", JSON, "[\"accept\", 1]" },
		{ "none", JSON, NULL },
		{ "_idem", 2278, "" },
	};

	(void)state;
	row_gives(cells, 7, "{\"id\":\"a\",\"mine\":true,\"closed\":false,"
		   "\"actions\":[\"accept\", 1],\"none\":null}");
	row_gives(cells, 1, "{}");
}

static PGresult *
list_of(int rows, const char *last_cursor)
{
	static const struct cell row[] = {
		{ "n", INT8, "0" }, { "_cursor", TEXT, "2026|a" },
	};
	PGresult *res = result_of(row, 2);

	for (int i = 1; i < rows; i++) {
		char n[12];

		snprintf(n, sizeof(n), "%d", i);
		PQsetvalue(res, i, 0, n, (int)strlen(n));
		PQsetvalue(res, i, 1, (char *)last_cursor,
			   last_cursor ? (int)strlen(last_cursor) : -1);
	}
	return res;
}

static void
list_gives(PGresult *res, int limit, const char *json, const char *cursor)
{
	struct evbuffer *b = evbuffer_new();
	char *next, *text;

	encode_list(b, res, limit, NULL, &next);
	text = text_of(b);
	assert_string_equal(text, json);
	if (cursor)
		assert_string_equal(next, cursor);
	else
		assert_null(next);
	free(next);
	free(text);
	PQclear(res);
}

static void
test_list(void **state)
{
	PGresult *none = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

	(void)state;
	list_gives(none, 2, "{\"items\":[],\"next\":null}", NULL);
	list_gives(list_of(2, "x"), 2,
		    "{\"items\":[{\"n\":0},{\"n\":1}],\"next\":null}", NULL);
	/* The cursor is the last written row's, not the one left out. */
	list_gives(list_of(3, "b?>"), 2,
		    "{\"items\":[{\"n\":0},{\"n\":1}],\"next\":\"Yj8-\"}",
		    "Yj8-");
	list_gives(list_of(2, "x"), 1,
		    "{\"items\":[{\"n\":0}],\"next\":\"MjAyNnxh\"}",
		    "MjAyNnxh");
	list_gives(list_of(3, NULL), 2,
		    "{\"items\":[{\"n\":0},{\"n\":1}],\"next\":null}", NULL);
}

/* _cursor_by names the columns whose values make the cursor. */
static void
test_cursor_by(void **state)
{
	static const struct cell row[] = {
		{ "at", TIME, "2026-11-22 08:00:00.5+00" }, { "id", TEXT, "a" },
		{ "_cursor_by", TEXT, "at,id" },
	};
	PGresult *res = result_of(row, 3);
	struct evbuffer *b = evbuffer_new();
	char *next;

	(void)state;
	for (int i = 0; i < 3; i++)
		PQsetvalue(res, 1, i, (char *)"z", 1);
	encode_list(b, res, 1, NULL, &next);
	/* 2026-11-22 08:00:00.5+00:a */
	assert_string_equal(next, "MjAyNi0xMS0yMiAwODowMDowMC41KzAwOmE");
	free(next);
	evbuffer_free(b);
	PQclear(res);
}

static void
test_meta(void **state)
{
	static const struct cell cells[] = {
		{ "_etag", TEXT, "3" }, { "_location", TEXT, NULL },
	};
	PGresult *res = result_of(cells, 2);
	PGresult *none = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

	(void)state;
	assert_string_equal(encode_meta(res, "_etag"), "3");
	assert_null(encode_meta(res, "_location"));
	assert_null(encode_meta(res, "_ETAG"));
	assert_null(encode_meta(none, "_etag"));
	PQclear(res);
	PQclear(none);
}

static void
test_sealed(void **state)
{
	char dir[] = "/tmp/linli-unit-XXXXXX", file[64], *why, *text;
	struct arena *a = arena_new();
	json_t *node = json_loads(
		"{\"type\":\"object\",\"properties\":{"
		"\"phone\":{\"type\":[\"string\",\"null\"],"
		"\"x-personal\":\"phone\"},"
		"\"plain\":{\"type\":\"string\"}}}", 0, NULL);
	const struct schema *shape = schema_compile(node, node, &why);
	struct evbuffer *b = evbuffer_new();

	(void)state;
	assert_non_null(shape);
	assert_non_null(mkdtemp(dir));
	assert_true(seal_new(dir, &why));
	assert_true(seal_load(dir, &why));
	struct cell cells[] = {
		{ "phone", TEXT, seal(a, "13812345678", "phone") },
		{ "plain", TEXT, "x" },
		{ "phone", TEXT, seal(a, "13812345678", "other") },
		{ "phone", TEXT, NULL },
	};
	for (int i = 0; i < 4; i++) {
		PGresult *res = result_of(&cells[i], 1);

		encode_row(b, res, 0, shape);
		PQclear(res);
	}
	text = text_of(b);
	/* One sealed for another field is not shown. */
	assert_string_equal(text, "{\"phone\":\"13812345678\"}"
			    "{\"plain\":\"x\"}{\"phone\":null}"
			    "{\"phone\":null}");
	free(text);
	json_decref(node);
	arena_free(a);
	snprintf(file, sizeof(file), "%s/data.key", dir);
	unlink(file);
	rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_escapes_everywhere),
		cmocka_unit_test(test_much_to_escape),
		cmocka_unit_test(test_row),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_cursor_by),
		cmocka_unit_test(test_meta),
		cmocka_unit_test(test_sealed),
	};

	log_open("test", "error");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
