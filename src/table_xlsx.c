/*
 * The first sheet of an XLSX: a zip of XML, read as it unpacks. What unpacks
 * to more than any table of ours needs is refused, and so is a document type,
 * where entities are made.
 */
#include "table_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "memory.h"

#define PIECE (32 * 1024)
#define UNPACKED_MAX ((size_t)1 << 30)

static void XMLCALL
on_doctype(void *arg, const char *name, const char *sys, const char *pub,
	   int internal)
{
	(void)name;
	(void)sys;
	(void)pub;
	(void)internal;
	sheet_stop(arg, "import_unreadable");
}

static bool
part_open(struct xlsx *f, const char *name, const struct sheet_part *p)
{
	errno = 0;
	f->part = zip_fopen(f->zip, name, 0);
	if (!f->part) {
		memory_check();
		return false;
	}
	f->xml = XML_ParserCreate(NULL);
	if (!f->xml)
		abort();
	XML_SetUserData(f->xml, f);
	XML_SetElementHandler(f->xml, p->begin, p->end);
	XML_SetCharacterDataHandler(f->xml, sheet_text);
	XML_SetStartDoctypeDeclHandler(f->xml, on_doctype);
	f->unpacked = 0;
	f->in_text = f->in_phonetic = false;
	text_clear(&f->cell);
	return true;
}

static void
part_close(struct xlsx *f)
{
	if (f->xml)
		XML_ParserFree(f->xml);
	if (f->part)
		zip_fclose(f->part);
	f->xml = NULL;
	f->part = NULL;
}

/* Expat says so too of a name or text that is longer than it counts. */
static const char *
parse_fault(const struct xlsx *f)
{
	if (XML_GetErrorCode(f->xml) != XML_ERROR_NO_MEMORY)
		return "import_unreadable";
	memory_check();
	return "import_unpacks_too_large";
}

/* One more piece: 1, 0 at the part's end, -1 with f->why. */
static int
part_more(struct xlsx *f)
{
	char piece[PIECE];
	zip_int64_t n;

	errno = 0;
	n = zip_fread(f->part, piece, sizeof(piece));
	if (n < 0) {
		memory_check();
		f->why = "import_unreadable";
		return -1;
	}
	f->unpacked += (size_t)n;
	if (f->unpacked > UNPACKED_MAX)
		f->why = "import_unpacks_too_large";
	else if (XML_Parse(f->xml, piece, (int)n, n == 0) == XML_STATUS_ERROR &&
		 !f->why)
		f->why = parse_fault(f);
	return f->why ? -1 : n > 0;
}

/* A part read whole; false with f->why. One that is not there is empty. */
static bool
part_read(struct xlsx *f, const char *name, const struct sheet_part *p)
{
	int got = 0;

	if (part_open(f, name, p))
		while ((got = part_more(f)) == 1)
			;
	part_close(f);
	return got == 0;
}

/* sheet1.xml, or whichever is left of those somebody deleted. */
static const char *
first_sheet(struct xlsx *f)
{
	static const char folder[] = "xl/worksheets/";
	zip_int64_t n = zip_get_num_entries(f->zip, 0);
	const char *found = NULL;

	for (zip_int64_t i = 0; i < n; i++) {
		const char *name = zip_get_name(f->zip, (zip_uint64_t)i, 0);

		if (!name || strncmp(name, folder, strlen(folder)) != 0 ||
		    strchr(name + strlen(folder), '/'))
			continue;
		if (!found || strlen(name) < strlen(found) ||
		    (strlen(name) == strlen(found) && strcmp(name, found) < 0))
			found = name;
	}
	return found;
}

static void
xlsx_close(void *file)
{
	struct xlsx *f = file;

	part_close(f);
	if (f->zip)
		zip_discard(f->zip);
	free(f->cell.bytes);
	free(f->shared.bytes);
	free(f->starts);
	free(f->rows);
	free(f->row_text.bytes);
	free(f->rows_text.bytes);
	free(f);
}

static bool
begin(struct xlsx *f)
{
	const char *sheet = first_sheet(f);

	if (!sheet)
		f->why = "import_unreadable";
	return sheet &&
	       part_read(f, "xl/workbook.xml", &sheet_workbook) &&
	       part_read(f, "xl/sharedStrings.xml", &sheet_shared) &&
	       part_open(f, sheet, &sheet_rows);
}

static void *
xlsx_open(const unsigned char *bytes, size_t len, const char **why)
{
	struct xlsx *f = xmalloc(sizeof(*f));
	zip_source_t *source;

	errno = 0;
	source = zip_source_buffer_create(bytes, len, 0, NULL);
	f->zip = source ? zip_open_from_source(source, ZIP_RDONLY, NULL) : NULL;
	if (!f->zip) {
		memory_check();
		zip_source_free(source);
	}
	if (f->zip && begin(f))
		return f;
	*why = f->why ? f->why : "import_unreadable";
	xlsx_close(f);
	return NULL;
}

/* Until a row is whole, or the sheet ends. */
static bool
fill(struct xlsx *f)
{
	int got;

	f->row_count = f->row_at = 0;
	text_clear(&f->rows_text);
	while (!f->ended && !f->row_count) {
		got = part_more(f);
		if (got < 0)
			return false;
		f->ended = got == 0;
	}
	return true;
}

static int
xlsx_next(void *file, struct table_row *row, const char **why)
{
	struct xlsx *f = file;
	const struct sheet_row *q;

	if (f->row_at == f->row_count && !fill(f)) {
		*why = f->why;
		return -1;
	}
	if (!f->row_count)
		return 0;
	q = &f->rows[f->row_at++];
	row->line = q->line;
	row->count = q->count;
	for (int i = 0; i < q->count; i++)
		row->cells[i] = q->cells[i] ? f->rows_text.bytes + q->cells[i]
					    : "";
	return 1;
}

static enum table_days
xlsx_days(const void *file)
{
	const struct xlsx *f = file;

	return f->days_1904 ? TABLE_DAYS_1904 : TABLE_DAYS_1900;
}

const struct table_kind table_xlsx = { xlsx_open, xlsx_next, xlsx_days,
				       xlsx_close };
