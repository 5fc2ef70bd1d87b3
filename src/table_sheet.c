/*
 * What stands in the parts of an XLSX: SAX, so that a sheet of any length
 * needs the memory of some rows.
 */
#include "table_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

#define SHARED_MAX ((size_t)128 << 20) /* bytes of shared texts */
#define SHARED_COUNT 4000000

void
text_add(struct text *t, const char *bytes, size_t n)
{
	if (t->len + n + 1 > t->room) {
		t->room = 2 * (t->len + n + 1);
		t->bytes = xrealloc(t->bytes, t->room);
	}
	memcpy(t->bytes + t->len, bytes, n);
	t->len += n;
	t->bytes[t->len] = '\0';
}

void
sheet_stop(struct xlsx *f, const char *why)
{
	f->why = why;
	XML_StopParser(f->xml, XML_FALSE);
}

void
text_clear(struct text *t)
{
	t->len = 0;
	text_add(t, "", 0);
}

/* Some writers give every name a prefix. */
static const char *
local(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon ? colon + 1 : name;
}

static bool
is(const char *name, const char *what)
{
	return strcmp(local(name), what) == 0;
}

static const char *
attribute(const char **pairs, const char *name)
{
	for (; *pairs; pairs += 2)
		if (strcmp(*pairs, name) == 0)
			return pairs[1];
	return NULL;
}

/* Text of all kinds -------------------------------------------------------- */

void XMLCALL
sheet_text(void *arg, const char *s, int n)
{
	struct xlsx *f = arg;

	if (!f->in_text || f->in_phonetic)
		return;
	text_add(&f->cell, s, (size_t)n);
	if (f->cell.len > 4 * TABLE_CELL)
		sheet_stop(f, "import_cell_too_long");
}

static void
text_begin(struct xlsx *f, const char *name)
{
	/* <rPh> holds how a text is read aloud. */
	if (is(name, "rPh"))
		f->in_phonetic = true;
	f->in_text = is(name, "t") || is(name, "v");
}

static void
text_end(struct xlsx *f, const char *name)
{
	if (is(name, "rPh"))
		f->in_phonetic = false;
	f->in_text = false;
}

/* Shared texts ------------------------------------------------------------- */

static void XMLCALL
shared_begin(void *arg, const char *name, const char **pairs)
{
	struct xlsx *f = arg;

	(void)pairs;
	if (is(name, "si"))
		text_clear(&f->cell);
	text_begin(f, name);
}

static void XMLCALL
shared_end(void *arg, const char *name)
{
	struct xlsx *f = arg;

	text_end(f, name);
	if (!is(name, "si"))
		return;
	if (f->start_count == f->start_room) {
		f->start_room = 2 * f->start_room + 64;
		f->starts = xrealloc(f->starts,
				     f->start_room * sizeof(*f->starts));
	}
	f->starts[f->start_count++] = f->shared.len;
	text_add(&f->shared, f->cell.bytes, f->cell.len + 1);
	if (f->shared.len > SHARED_MAX || f->start_count > SHARED_COUNT)
		sheet_stop(f, "import_unpacks_too_large");
}

/* The workbook ------------------------------------------------------------- */

static void XMLCALL
workbook_begin(void *arg, const char *name, const char **pairs)
{
	struct xlsx *f = arg;
	const char *v = attribute(pairs, "date1904");

	if (is(name, "workbookPr") && v)
		f->days_1904 = strcmp(v, "1") == 0 || strcmp(v, "true") == 0;
}

static void XMLCALL
nothing_end(void *arg, const char *name)
{
	(void)arg;
	(void)name;
}

/* The sheet ---------------------------------------------------------------- */

/* "AB12" is column 27. */
static int
column_of(const char *ref)
{
	int n = 0;

	for (; *ref >= 'A' && *ref <= 'Z' && n < 1 << 20; ref++)
		n = n * 26 + (*ref - 'A' + 1);
	return n - 1;
}

static void
row_begin(struct xlsx *f, const char **pairs)
{
	const char *r = attribute(pairs, "r");
	int line = f->row.line;

	memset(&f->row, 0, sizeof(f->row));
	f->row.line = r && atoi(r) > line ? atoi(r) : line + 1;
	f->column = -1;
	text_clear(&f->row_text);
	text_add(&f->row_text, "", 1);
}

static void
row_end(struct xlsx *f)
{
	struct sheet_row *q;

	if (f->row_count == f->row_room) {
		f->row_room = 2 * f->row_room + 64;
		f->rows = xrealloc(f->rows, f->row_room * sizeof(*f->rows));
	}
	q = &f->rows[f->row_count++];
	*q = f->row;
	for (int i = 0; i < q->count; i++)
		if (q->cells[i])
			q->cells[i] += f->rows_text.len;
	text_add(&f->rows_text, f->row_text.bytes, f->row_text.len);
}

static void
cell_begin(struct xlsx *f, const char **pairs)
{
	const char *ref = attribute(pairs, "r"), *t = attribute(pairs, "t");

	f->column = ref ? column_of(ref) : f->column + 1;
	f->type = 't';
	if (!t || strcmp(t, "n") == 0)
		f->type = 'n';
	else if (strcmp(t, "s") == 0 || strcmp(t, "b") == 0)
		f->type = t[0];
	text_clear(&f->cell);
}

static void XMLCALL
sheet_begin(void *arg, const char *name, const char **pairs)
{
	struct xlsx *f = arg;

	if (is(name, "row"))
		row_begin(f, pairs);
	else if (is(name, "c"))
		cell_begin(f, pairs);
	text_begin(f, name);
}

/* A long number is written 1.3812345678E10 by some: all its digits, please. */
static void
plain_number(struct xlsx *f)
{
	char *end, digits[32];
	double v;

	if (!strpbrk(f->cell.bytes, ".eE"))
		return;
	v = strtod(f->cell.bytes, &end);
	if (*end || !(v > -1e15 && v < 1e15) || v != (double)(long long)v)
		return;
	snprintf(digits, sizeof(digits), "%.0f", v);
	text_clear(&f->cell);
	text_add(&f->cell, digits, strlen(digits));
}

static void
shared_text(struct xlsx *f)
{
	char *end;
	unsigned long i = strtoul(f->cell.bytes, &end, 10);

	if (end == f->cell.bytes || *end || i >= f->start_count) {
		sheet_stop(f, "import_unreadable");
		return;
	}
	text_clear(&f->cell);
	text_add(&f->cell, f->shared.bytes + f->starts[i],
	    strlen(f->shared.bytes + f->starts[i]));
}

static void
cell_keep(struct xlsx *f, const char *text)
{
	if (f->column < 0 || f->column >= TABLE_COLUMNS) {
		sheet_stop(f, "import_too_wide");
		return;
	}
	if (strlen(text) > TABLE_CELL) {
		sheet_stop(f, "import_cell_too_long");
		return;
	}
	f->row.cells[f->column] = f->row_text.len;
	if (f->column >= f->row.count)
		f->row.count = f->column + 1;
	text_add(&f->row_text, text, strlen(text) + 1);
}

static void
cell_end(struct xlsx *f)
{
	const char *text;

	if (!f->cell.len || !f->row_text.len)
		return;
	if (f->type == 's')
		shared_text(f);
	else if (f->type == 'n')
		plain_number(f);
	text = table_trim(f->cell.bytes);
	if (*text && !f->why)
		cell_keep(f, text);
}

static void XMLCALL
sheet_end(void *arg, const char *name)
{
	struct xlsx *f = arg;

	text_end(f, name);
	if (is(name, "c"))
		cell_end(f);
	else if (is(name, "row") && f->row_text.len)
		row_end(f);
}

const struct sheet_part sheet_workbook = { workbook_begin, nothing_end };
const struct sheet_part sheet_shared = { shared_begin, shared_end };
const struct sheet_part sheet_rows = { sheet_begin, sheet_end };
