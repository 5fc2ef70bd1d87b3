#include "table_out.h"

#include <sys/stat.h>

#include "table.h"
#include "temp_dir.h"

static int left; /* lines until somebody wants it to stop */

static int
setup(void **state)
{
	(void)state;
	make_dir();
	left = 1000;
	return 0;
}

static bool
stop(void)
{
	return left-- == 0;
}

static bool
write_it(const char *format, const char *lines, const char **why)
{
	FILE *in = fmemopen((void *)(uintptr_t)lines, strlen(lines), "r");
	bool done =
		table_write(table_format(format), arena_printf(a, "%s/t", dir),
			    "表", "[\"题\",\"n\"]", in, stop, why);

	fclose(in);
	return done;
}

static const char *
content(void)
{
	char *bytes = arena_alloc(a, 1 << 16);
	FILE *f = fopen(arena_printf(a, "%s/t", dir), "r");

	assert_non_null(f);
	bytes[fread(bytes, 1, (1 << 16) - 1, f)] = '\0';
	fclose(f);
	return bytes;
}

/* security 30 */
static void
test_csv(void **state)
{
	static const struct {
		const char *json, *csv;
	} cells[] = {
		{ "\"张三\"", "张三" },
		{ "\"a,b\"", "\"a,b\"" },
		{ "\"a b\"", "\"a b\"" },
		{ "\"a\\\"b\"", "\"a\"\"b\"" },
		{ "\"a\\nb\"", "\"a\nb\"" },
		{ "null", "" },
		{ "\"\"", "" },
		{ "12", "12" },
		{ "-3", "-3" },
		{ "89.5", "89.5" },
		{ "\"=1\"", "\"'=1\"" },
		{ "\"+1\"", "\"'+1\"" },
		{ "\"-1\"", "\"'-1\"" },
		{ "\"@x\"", "\"'@x\"" },
		{ "\"\\tx\"", "\"'\tx\"" },
		{ "\"\\rx\"", "\"'\rx\"" },
		{ "\"＝1\"", "\"'＝1\"" },
		{ "\"＋1\"", "\"'＋1\"" },
		{ "\"－1\"", "\"'－1\"" },
		{ "\"＠x\"", "\"'＠x\"" },
		{ "\"'=1\"", "\"''=1\"" },
		{ "\"a=1\"", "a=1" },
	};
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(cells) / sizeof(*cells); i++) {
		assert_true(write_it("csv",
				     arena_printf(a, "[%s,1]\n", cells[i].json),
				     &why));
		assert_string_equal(content(),
				    arena_printf(a,
						 "\xef\xbb\xbf题,n\r\n%s,1\r\n",
						 cells[i].csv));
		assert_int_equal(unlink(arena_printf(a, "%s/t", dir)), 0);
	}
}

static void
test_xlsx(void **state)
{
	static const char *const told[] = { "a & <b> \"c\" 'd'", "12",
					    "=1+1 ＝2", "-3.5", "x\ry\nz" };
	unsigned char *bytes = arena_alloc(a, 1 << 16);
	struct table_row row;
	struct table *t;
	const char *why;
	FILE *f;
	size_t n;

	(void)state;
	assert_true(write_it("xlsx",
			     "[\"a & <b> \\\"c\\\" 'd'\", 12, null]\n[]\n"
			     "[\"\", \"=1+1 ＝2\", -3.5, \"x\\ry\\nz\"]\n",
			     &why));
	f = fopen(arena_printf(a, "%s/t", dir), "r");
	n = fread(bytes, 1, 1 << 16, f);
	fclose(f);
	t = table_open(bytes, n, &why);
	assert_non_null(t);
	assert_int_equal(table_next(t, &row, &why), 1);
	assert_string_equal(row.cells[0], "题");
	assert_int_equal(table_next(t, &row, &why), 1);
	assert_int_equal(row.line, 2);
	assert_int_equal(row.count, 2);
	for (int i = 0; i < 2; i++)
		assert_string_equal(row.cells[i], told[i]);
	assert_int_equal(table_next(t, &row, &why), 1);
	assert_int_equal(row.line, 4);
	assert_string_equal(row.cells[0], "");
	for (int i = 1; i < 4; i++)
		assert_string_equal(row.cells[i], told[i + 1]);
	assert_int_equal(table_next(t, &row, &why), 0);
	table_close(t);
}

static void
test_made_or_not_there(void **state)
{
	struct stat st;
	const char *why;
	const char *path = arena_printf(a, "%s/t", dir);

	(void)state;
	for (int xlsx = 0; xlsx < 2; xlsx++) {
		const char *format = xlsx ? "xlsx" : "csv";

		assert_false(write_it(format, "[1]\n{}\n", &why));
		assert_string_equal(why, "a line is no JSON array");
		assert_false(write_it(format, "[1]\n[", &why));
		left = 1;
		assert_false(write_it(format, "[1]\n[2]\n[3]\n", &why));
		assert_string_equal(why, "stopped");
		assert_int_equal(access(path, F_OK), -1);
		left = 1000;
		assert_true(write_it(format, "[1]\n[2]\n[3]\n", &why));
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
		assert_memory_equal(content(), xlsx ? "PK" : "\xef\xbb", 2);
		assert_false(write_it(format, "[1]\n", &why)); /* taken */
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(dir), 0); /* nothing beside it */
	assert_null(table_format("ods"));
}

static void
test_a_text_too_long_for_a_cell(void **state)
{
	char *line = arena_alloc(a, 40000);
	const char *why;

	(void)state;
	memset(line, 'x', 39998);
	memcpy(line, "[\"", 2);
	strcpy(line + 39990, "\"]\n");
	assert_true(write_it("csv", line, &why));
	assert_int_equal(unlink(arena_printf(a, "%s/t", dir)), 0);
	assert_false(write_it("xlsx", line, &why));
	assert_int_equal(access(arena_printf(a, "%s/t", dir), F_OK), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_csv, setup, teardown),
		cmocka_unit_test_setup_teardown(test_xlsx, setup, teardown),
		cmocka_unit_test_setup_teardown(test_made_or_not_there, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_text_too_long_for_a_cell,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
