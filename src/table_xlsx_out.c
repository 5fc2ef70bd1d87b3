/*
 * XLSX: the sheet's XML goes to a file without a name beside the target as the
 * rows come, and into the zip at the end. Texts are written as texts, whatever
 * they begin with.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "arena.h"
#include "memory.h"
#include "table_out.h"
#include "text.h"

/* What spreadsheets hold. */
#define ROWS 1048576
#define COLUMNS 702 /* ZZ; they go on, we do not */
#define TEXT 32767

#define XML "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n"
#define TYPES "application/vnd.openxmlformats-"
#define OPEN_XML "http://schemas.openxmlformats.org/"
#define MAIN "xmlns=\"" OPEN_XML "spreadsheetml/2006/main\""
#define PACKAGE OPEN_XML "package/2006/"
#define RELATION OPEN_XML "officeDocument/2006/relationships"

static const struct part {
	const char *name, *text;
} parts[] = {
	{ "[Content_Types].xml",
	  XML "<Types xmlns=\"" PACKAGE "content-types\">"
	  "<Default Extension=\"rels\" ContentType=\"" TYPES
	  "package.relationships+xml\"/>"
	  "<Default Extension=\"xml\" ContentType=\"application/xml\"/>"
	  "<Override PartName=\"/xl/workbook.xml\" ContentType=\"" TYPES
	  "officedocument.spreadsheetml.sheet.main+xml\"/>"
	  "<Override PartName=\"/xl/worksheets/sheet1.xml\" "
	  "ContentType=\"" TYPES
	  "officedocument.spreadsheetml.worksheet+xml\"/></Types>" },
	{ "_rels/.rels",
	  XML "<Relationships xmlns=\"" PACKAGE "relationships\">"
	  "<Relationship Id=\"rId1\" Type=\"" RELATION "/officeDocument\" "
	  "Target=\"xl/workbook.xml\"/></Relationships>" },
	/* The first row again on each page. */
	{ "xl/workbook.xml",
	  XML "<workbook " MAIN " xmlns:r=\"" RELATION "\">"
	  "<bookViews><workbookView/></bookViews><sheets>"
	  "<sheet name=\"Sheet1\" sheetId=\"1\" r:id=\"rId1\"/></sheets>"
	  "<definedNames><definedName name=\"_xlnm.Print_Titles\" "
	  "localSheetId=\"0\">Sheet1!$1:$1</definedName></definedNames>"
	  "</workbook>" },
	{ "xl/_rels/workbook.xml.rels",
	  XML "<Relationships xmlns=\"" PACKAGE "relationships\">"
	  "<Relationship Id=\"rId1\" Type=\"" RELATION "/worksheet\" "
	  "Target=\"worksheets/sheet1.xml\"/></Relationships>" },
};

/* The first row stays in sight. */
static const char sheet_head[] =
	XML "<worksheet " MAIN ">"
	"<sheetPr><pageSetUpPr fitToPage=\"1\"/></sheetPr>"
	"<sheetViews><sheetView workbookViewId=\"0\"><pane ySplit=\"1\" "
	"topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/>"
	"</sheetView></sheetViews><sheetData>";

struct xlsx {
	char *path, *title;
	FILE *sheet;
	int row, column;
	bool begun;    /* the row has a cell */
	bool too_much; /* for a spreadsheet */
};

static void
escape(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '&')
			fputs("&amp;", out);
		else if (*s == '<')
			fputs("&lt;", out);
		else if (*s == '>')
			fputs("&gt;", out);
		else if (*s == '\r')
			fputs("&#13;", out); /* else a line end */
		else if ((unsigned char)*s < ' ' && *s != '\t' && *s != '\n')
			fprintf(out, "_x%04X_", *s); /* as Excel does */
		else
			putc(*s, out);
	}
}

/* Its name goes at once: what is left of a crash is no file. */
static FILE *
nameless(const char *path)
{
	char *name = xprintf("%s.sheet", path);
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		      0600);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w+");

	if (fd >= 0)
		unlink(name);
	if (fd >= 0 && !file)
		close(fd);
	free(name);
	return file;
}

static bool
touch(const char *path)
{
	int fd =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		     0600);

	return fd >= 0 && close(fd) == 0;
}

static void *
xlsx_open(const char *path, const char *title)
{
	struct xlsx *x;
	FILE *sheet;

	if (!touch(path))
		return NULL;
	sheet = nameless(path);
	if (!sheet)
		return NULL;
	x = xmalloc(sizeof(*x));
	*x = (struct xlsx){ .path = xstrdup(path),
			    .title = xstrdup(title),
			    .sheet = sheet };
	fputs(sheet_head, sheet);
	return x;
}

/* Begins the next cell; columns are A … Z, AA …. */
static void
cell(struct xlsx *x, const char *type)
{
	int n = x->column++;

	if (!x->begun)
		fprintf(x->sheet, "<row r=\"%d\">", x->row + 1);
	x->begun = true;
	fputs("<c r=\"", x->sheet);
	if (n >= 26)
		putc('A' + n / 26 - 1, x->sheet);
	fprintf(x->sheet, "%c%d\"%s>", 'A' + n % 26, x->row + 1, type);
	x->too_much = x->too_much || x->row >= ROWS || n >= COLUMNS;
}

static void
xlsx_text(void *table, const char *s)
{
	struct xlsx *x = table;

	if (!*s) {
		x->column++;
		return;
	}
	x->too_much = x->too_much || utf8_length(s, strlen(s)) > TEXT;
	cell(x, " t=\"inlineStr\"");
	fputs("<is><t xml:space=\"preserve\">", x->sheet);
	escape(x->sheet, s);
	fputs("</t></is></c>", x->sheet);
}

static void
xlsx_number(void *table, double n, const char *s)
{
	struct xlsx *x = table;

	(void)n;
	cell(x, "");
	fprintf(x->sheet, "<v>%s</v></c>", s);
}

static void
xlsx_end_row(void *table)
{
	struct xlsx *x = table;

	if (x->begun)
		fputs("</row>", x->sheet);
	x->begun = false;
	x->row++;
	x->column = 0;
}

/* On A4 across, as wide as the sheet; title and page on each page. */
static void
end_sheet(struct xlsx *x)
{
	fputs("</sheetData><pageSetup paperSize=\"9\" fitToHeight=\"0\" "
	      "orientation=\"landscape\"/><headerFooter>"
	      "<oddHeader>&amp;C", x->sheet);
	for (const char *s = x->title; *s; s++) {
		char c[] = { *s, '\0' };

		escape(x->sheet, *s == '&' ? "&&" : c); /* else a code */
	}
	fputs("</oddHeader><oddFooter>&amp;C&amp;P/&amp;N</oddFooter>"
	      "</headerFooter></worksheet>", x->sheet);
}

static bool
add(zip_t *zip, const char *name, zip_source_t *source)
{
	if (source && zip_file_add(zip, name, source, 0) >= 0)
		return true;
	zip_source_free(source);
	return false;
}

/* The file of the sheet is the zip's from here on. */
static bool
pack(struct xlsx *x, zip_t *zip)
{
	zip_source_t *sheet = zip_source_filep(zip, x->sheet, 0, -1);
	bool done = true;

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		done = done && add(zip, parts[i].name,
				   zip_source_buffer(zip, parts[i].text,
						     strlen(parts[i].text), 0));
	return add(zip, "xl/worksheets/sheet1.xml", sheet) && done;
}

static bool
sync_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	return done;
}

static bool
make_zip(struct xlsx *x)
{
	zip_t *zip;
	bool done;

	errno = 0;
	zip = zip_open(x->path, ZIP_CREATE | ZIP_TRUNCATE, NULL);
	done = zip && pack(x, zip) && zip_close(zip) == 0;
	if (done)
		return sync_file(x->path);
	memory_check();
	if (zip)
		zip_discard(zip);
	else
		fclose(x->sheet);
	return false;
}

static bool
xlsx_close(void *table)
{
	struct xlsx *x = table;
	bool done;

	end_sheet(x);
	/* libzip reads on from where the file stands */
	done = fseek(x->sheet, 0, SEEK_SET) == 0 && !ferror(x->sheet) &&
	       !x->too_much;
	if (done)
		done = make_zip(x);
	else
		fclose(x->sheet);
	free(x->path);
	free(x->title);
	free(x);
	return done;
}

const struct table_format table_xlsx_out = {
	.name = "xlsx",
	.media_type = "application/vnd.openxmlformats-officedocument."
		      "spreadsheetml.sheet",
	.open = xlsx_open,
	.text = xlsx_text,
	.number = xlsx_number,
	.end_row = xlsx_end_row,
	.close = xlsx_close,
};
