/* Tables of strangers: what is in the cells, and what is refused. */
#include "table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "arena.h"

/* All cells: "a|b/c|d", or the problem. From a copy of exact size. */
static const char *
cells(const void *bytes, size_t len)
{
	static char out[4096];
	unsigned char *exact = malloc(len ? len : 1);
	const char *why = NULL;
	struct table_row row;
	struct table *t;
	int got = 0;

	memcpy(exact, bytes, len);
	*out = '\0';
	t = table_open(exact, len, &why);
	while (t && (got = table_next(t, &row, &why)) == 1) {
		if (*out)
			strcat(out, "/");
		sprintf(out + strlen(out), "%d:", row.line);
		for (int i = 0; i < row.count; i++)
			sprintf(out + strlen(out), "%s%s", i ? "|" : "",
				row.cells[i]);
	}
	table_close(t);
	free(exact);
	return t && got == 0 ? out : why;
}

static const char *
csv(const char *text)
{
	return cells(text, strlen(text));
}

static void
test_csv_cells(void **state)
{
	(void)state;
	assert_string_equal(csv("a,b\r\nc,d\n"), "1:a|b/2:c|d");
	assert_string_equal(csv("a,b\rc,"), "1:a|b/2:c|");
	assert_string_equal(csv("\xEF\xBB\xBF" "a;b,c;d"), "1:a|b,c|d");
	assert_string_equal(csv("a\tb"), "1:a|b");
	assert_string_equal(csv("\" a \"\"b\"\"\nc \",d\ne"),
			    "1:a \"b\"\nc|d/3:e");
	assert_string_equal(csv("a\n\n,\n \t\nb"), "1:a/5:b");
	assert_string_equal(csv("　张三　,\xC2\xA0x"), "1:张三|x");
	assert_string_equal(csv("a\"b,c"), "1:a\"b|c");
	assert_string_equal(csv(""), "");
}

static void
test_csv_encodings(void **state)
{
	(void)state;
	assert_string_equal(csv("\xD5\xC5\xC8\xFD,b"), "1:张三|b");
	assert_string_equal(csv("\x81\x30\x81\x30x"), "1:\xC2\x80x");
	assert_string_equal(csv("\xD5"), "import_encoding");
	assert_string_equal(cells("\xFF\xFE" "a\0", 4), "import_encoding");
}

static void
test_csv_refused(void **state)
{
	char wide[TABLE_COLUMNS + 1], tall[TABLE_CELL + 2];

	(void)state;
	assert_string_equal(csv("\"a"), "import_csv_quotes");
	assert_string_equal(csv("\"a\"b"), "import_csv_quotes");
	memset(wide, ',', TABLE_COLUMNS);
	wide[TABLE_COLUMNS] = '\0';
	assert_string_equal(csv(wide), "import_too_wide");
	wide[TABLE_COLUMNS - 1] = '\0';
	assert_string_equal(csv(wide), "");
	memset(tall, 'x', TABLE_CELL + 1);
	tall[TABLE_CELL + 1] = '\0';
	assert_string_equal(csv(tall), "import_cell_too_long");
	tall[TABLE_CELL] = '\0';
	assert_int_equal(strlen(csv(tall)), TABLE_CELL + 2);
	assert_string_equal(csv("\xD0\xCF\x11\xE0...."), "import_old_excel");
}

static void
put(zip_t *zip, const char *name, const char *text)
{
	zip_source_t *s = zip_source_buffer(zip, text, strlen(text), 0);

	assert_true(zip_file_add(zip, name, s, 0) >= 0);
}

/* An XLSX of these parts; NULL: without it. */
static const char *
xlsx(const char *sheet, const char *shared, const char *workbook)
{
	char bytes[8192];
	zip_error_t error;
	zip_source_t *s = zip_source_buffer_create(NULL, 0, 0, &error);
	zip_t *zip = zip_open_from_source(s, ZIP_CREATE | ZIP_TRUNCATE, &error);
	zip_int64_t n;

	zip_source_keep(s);
	if (sheet)
		put(zip, "xl/worksheets/sheet1.xml", sheet);
	if (shared)
		put(zip, "xl/sharedStrings.xml", shared);
	if (workbook)
		put(zip, "xl/workbook.xml", workbook);
	put(zip, "[Content_Types].xml", "<Types/>");
	assert_int_equal(zip_close(zip), 0);
	zip_source_open(s);
	n = zip_source_read(s, bytes, sizeof(bytes));
	zip_source_close(s);
	zip_source_free(s);
	return cells(bytes, (size_t)n);
}

#define SHEET(rows) "<worksheet><sheetData>" rows "</sheetData></worksheet>"

static void
test_xlsx_cells(void **state)
{
	(void)state;
	assert_string_equal(
		xlsx(SHEET("<row r=\"2\"><c r=\"A2\" t=\"s\"><v>1</v></c>"
			   "<c r=\"C2\" t=\"inlineStr\"><is><t>b</t><rPh><t>x"
			   "</t></rPh><r><t>c</t></r></is></c></row>"
			   "<row><c><v>1.3812345678E10</v></c><c><v>0.5</v></c>"
			   "<c t=\"str\"><f>A1</f><v> d </v></c></row><row/>"
			   "<row r=\"9\"><c r=\"AB9\" t=\"b\"><v>1</v></c></row>"),
		     "<sst><si><t>x</t></si><si><r><t>张</t></r><r><t>三</t>"
		     "</r></si></sst>", NULL),
		"2:张三||bc/3:13812345678|0.5|d/"
		"9:|||||||||||||||||||||||||||1");
	assert_string_equal(xlsx("<x:worksheet xmlns:x=\"u\"><x:row><x:c t=\""
				 "str\"><x:v>a</x:v></x:c></x:row>"
				 "</x:worksheet>", NULL, NULL), "1:a");
}

static void
test_xlsx_refused(void **state)
{
	(void)state;
	assert_string_equal(xlsx(NULL, NULL, NULL), "import_unreadable");
	assert_string_equal(xlsx("<worksheet>", NULL, NULL),
			    "import_unreadable");
	assert_string_equal(xlsx(SHEET("<row><c t=\"s\"><v>0</v></c></row>"),
				 NULL, NULL), "import_unreadable");
	assert_string_equal(xlsx(SHEET("<row><c r=\"BM1\"><v>1</v></c></row>"),
				 NULL, NULL), "import_too_wide");
	assert_string_equal(xlsx("<!DOCTYPE a [<!ENTITY b \"c\">]><worksheet/>",
				 NULL, NULL), "import_unreadable");
	assert_string_equal(cells("PK\3\4....", 8), "import_unreadable");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_csv_cells),
		cmocka_unit_test(test_csv_encodings),
		cmocka_unit_test(test_csv_refused),
		cmocka_unit_test(test_xlsx_cells),
		cmocka_unit_test(test_xlsx_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
