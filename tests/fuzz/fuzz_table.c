/*
 * Tables: the bytes as they come, and as the sheet and (behind a NUL) the
 * shared texts of an XLSX, which no mutation of a zip would get to. What is
 * read is UTF-8, within the bounds, in the order of the file; as persons it
 * gives rows of JSON.
 */
#include <jansson.h>
#include <zip.h>

#include "fuzz.h"
#include "roster.h"
#include "seal.h"
#include "table.h"
#include "text.h"

static void
key_once(void)
{
	static bool done;
	char dir[] = "/tmp/linli-fuzz-XXXXXX", *why = NULL, *file;

	if (done)
		return;
	must(mkdtemp(dir) && seal_new(dir, &why) && seal_load(dir, &why));
	file = xprintf("%s/data.key", dir);
	remove(file);
	remove(dir);
	free(file);
	done = true;
}

static void
check_row(const struct table_row *row, int line)
{
	must(row->line > line && row->count > 0 &&
	     row->count <= TABLE_COLUMNS);
	for (int i = 0; i < row->count; i++) {
		size_t n = strlen(row->cells[i]);

		must(n <= TABLE_CELL && utf8_valid(row->cells[i], n));
	}
}

static void
check_person(const struct roster *r, const struct table_row *row)
{
	struct arena *a = arena_new();
	struct evbuffer *out = evbuffer_new();
	size_t n;
	json_t *made;

	roster_row(r, row, a, out);
	n = evbuffer_get_length(out);
	made = json_loadb((char *)evbuffer_pullup(out, -1), n,
			  JSON_REJECT_DUPLICATES, NULL);
	must(json_is_object(made));
	must(!json_object_get(made, "code") == !!json_object_get(made, "digest"));
	json_decref(made);
	evbuffer_free(out);
	arena_free(a);
}

static void
read_table(const uint8_t *bytes, size_t len)
{
	const char *why = NULL, *detail = NULL;
	struct table_row row;
	struct roster r;
	struct table *t = table_open(bytes, len, &why);
	int line = 0, got = -1;
	bool persons = false;

	while (t && (got = table_next(t, &row, &why)) == 1) {
		check_row(&row, line);
		if (persons)
			check_person(&r, &row);
		else if (line == 0)
			persons = !roster_headers(&r, &row, NULL, &detail);
		if (line == 0)
			r.days = table_days(t);
		line = row.line;
	}
	must(got == 0 || (why && strncmp(why, "import_", 7) == 0));
	table_close(t);
}

static void
put(zip_t *zip, const char *name, const uint8_t *bytes, size_t n)
{
	must(zip_file_add(zip, name, zip_source_buffer(zip, bytes, n, 0), 0) >=
	     0);
}

static void
read_sheet(const uint8_t *s, size_t n)
{
	const uint8_t *end = memchr(s, 0, n);
	size_t sheet = end ? (size_t)(end - s) : n;
	zip_source_t *to = zip_source_buffer_create(NULL, 0, 0, NULL);
	zip_t *zip = zip_open_from_source(to, ZIP_CREATE | ZIP_TRUNCATE, NULL);
	uint8_t *bytes = xmalloc(n + 4096);
	zip_int64_t len;

	zip_source_keep(to);
	put(zip, "xl/worksheets/sheet1.xml", s, sheet);
	if (end)
		put(zip, "xl/sharedStrings.xml", end + 1, n - sheet - 1);
	must(zip_close(zip) == 0);
	zip_source_open(to);
	len = zip_source_read(to, bytes, n + 4096);
	zip_source_close(to);
	zip_source_free(to);
	bytes = xrealloc(bytes, (size_t)len);
	read_table(bytes, (size_t)len);
	free(bytes);
}

/* security 51 */
int
LLVMFuzzerTestOneInput(const uint8_t *s, size_t n)
{
	if (n > 65536)
		return 0;
	key_once();
	read_table(s, n);
	if (n && *s == '<')
		read_sheet(s, n);
	return 0;
}
