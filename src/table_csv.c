/*
 * CSV as offices send it: RFC 4180 quotes, commas, semicolons or tabs between
 * the cells, any line ends; UTF-8 with or without its mark, else GB18030.
 */
#include "table_internal.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "memory.h"
#include "text.h"

struct csv {
	char *text; /* all of it as UTF-8, NUL-terminated */
	char *at, *end;
	int line;
	char delimiter;
};

/* GCC's analyzer takes the -1 of a failed iconv_open() for a descriptor. */
#pragma GCC diagnostic push
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif
/* GB18030 grows by half at most: two bytes become three. */
static char *
from_gb18030(const unsigned char *bytes, size_t len, size_t *made)
{
	size_t room = len + len / 2 + 4, left = room;
	char *in = (char *)bytes, *text, *out;
	iconv_t cd;

	errno = 0;
	cd = iconv_open("UTF-8", "GB18030");
	if ((intptr_t)cd == -1) {
		memory_check();
		return NULL;
	}
	out = text = xmalloc(room + 1);
	if (iconv(cd, &in, &len, &out, &left) == (size_t)-1 || len) {
		free(text);
		text = NULL;
	}
	iconv_close(cd);
	*made = room - left;
	return text;
}
#pragma GCC diagnostic pop

static char *
as_utf8(const unsigned char *bytes, size_t len, size_t *made)
{
	char *text;

	if (len >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0)
		bytes += 3, len -= 3;
	if (memchr(bytes, 0, len))
		return NULL; /* UTF-16, or no text at all */
	if (!utf8_valid((const char *)bytes, len))
		return from_gb18030(bytes, len, made);
	text = xmalloc(len + 1);
	memcpy(text, bytes, len);
	*made = len;
	return text;
}

/* Whichever of the three stands most often in the first line. */
static char
find_delimiter(const char *text)
{
	size_t n = strcspn(text, "\r\n"), most = 0;
	char found = ',';

	for (const char *d = ",;\t"; *d; d++) {
		size_t count = 0;

		for (size_t i = 0; i < n; i++)
			count += text[i] == *d;
		if (count > most) {
			most = count;
			found = *d;
		}
	}
	return found;
}

static void *
csv_open(const unsigned char *bytes, size_t len, const char **why)
{
	size_t n = 0;
	char *text = as_utf8(bytes, len, &n);
	struct csv *f;

	if (!text) {
		*why = "import_encoding";
		return NULL;
	}
	f = xmalloc(sizeof(*f));
	f->text = f->at = text;
	f->end = text + n;
	f->line = 1;
	f->delimiter = find_delimiter(text);
	return f;
}

/* In place: what is between the quotes moves to the cell's begin. */
static bool
take_quoted(struct csv *f, char **cell)
{
	char *to = *cell = ++f->at;

	while (f->at < f->end) {
		if (*f->at == '"' && *++f->at != '"') {
			*to = '\0';
			return true;
		}
		f->line += *f->at == '\n';
		*to++ = *f->at++;
	}
	return false;
}

/* Is it the end of a line? Then past it. */
static bool
take_end(struct csv *f)
{
	char c = *f->at;

	if (f->at == f->end)
		return true;
	if (c != '\n' && c != '\r')
		return false;
	*f->at++ = '\0';
	if (c == '\r' && *f->at == '\n')
		f->at++;
	f->line++;
	return true;
}

static bool
take_cell(struct csv *f, char **cell)
{
	if (*f->at == '"')
		return take_quoted(f, cell) &&
		       (f->at == f->end || *f->at == f->delimiter ||
			*f->at == '\n' || *f->at == '\r');
	*cell = f->at;
	while (f->at < f->end && *f->at != f->delimiter && *f->at != '\n' &&
	       *f->at != '\r')
		f->at++;
	return true;
}

static int
csv_next(void *file, struct table_row *row, const char **why)
{
	struct csv *f = file;
	char *cell;

	row->line = f->line;
	if (f->at == f->end)
		return 0;
	for (;;) {
		*why = "import_csv_quotes";
		if (!take_cell(f, &cell))
			return -1;
		*why = "import_too_wide";
		if (row->count == TABLE_COLUMNS)
			return -1;
		row->cells[row->count++] = cell;
		if (take_end(f))
			break;
		*f->at++ = '\0';
	}
	*why = "import_cell_too_long";
	for (int i = 0; i < row->count; i++) {
		row->cells[i] = table_trim((char *)row->cells[i]);
		if (strlen(row->cells[i]) > TABLE_CELL)
			return -1;
	}
	return 1;
}

static enum table_days
csv_days(const void *file)
{
	(void)file;
	return TABLE_DAYS_1900;
}

static void
csv_close(void *file)
{
	struct csv *f = file;

	free(f->text);
	free(f);
}

const struct table_kind table_csv = { csv_open, csv_next, csv_days, csv_close };
