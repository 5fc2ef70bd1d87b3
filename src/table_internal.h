/* Between table.c and the two kinds of file, and within that of XLSX. */
#ifndef LINLI_TABLE_INTERNAL_H
#define LINLI_TABLE_INTERNAL_H
#include <expat.h>
#include <zip.h>

#include "table.h"

struct table_kind {
	void *(*open)(const unsigned char *bytes, size_t len, const char **why);
	int (*next)(void *file, struct table_row *row, const char **why);
	enum table_days (*days)(const void *file);
	void (*close)(void *file);
};
extern const struct table_kind table_csv, table_xlsx;

/* Cuts the space around text off in place. */
char *table_trim(char *text);

/* XLSX: table_xlsx.c unpacks, table_sheet.c understands. */
struct text {
	char *bytes;
	size_t len, room;
};

struct sheet_row {
	int line, count;
	size_t cells[TABLE_COLUMNS]; /* where in the text, 0 = nothing */
};

struct xlsx {
	zip_t *zip;
	zip_file_t *part;
	XML_Parser xml;
	size_t unpacked;
	const char *why; /* what stopped the parser */
	/* the cell being read: */
	struct text cell; /* of <v>, <t> */
	bool in_text, in_phonetic;
	char type;  /* s(hared), t(ext), n(umber), b(oolean) */
	int column; /* from 0 */
	/* the row being read, and its cells behind a NUL */
	struct sheet_row row;
	struct text row_text;
	/* those read whole and not yet taken */
	struct sheet_row *rows;
	size_t row_count, row_room, row_at;
	struct text rows_text;
	bool ended;
	struct text shared;
	size_t *starts, start_count, start_room;
	bool days_1904;
};

void text_add(struct text *t, const char *bytes, size_t n);
void text_clear(struct text *t);

struct sheet_part {
	XML_StartElementHandler begin;
	XML_EndElementHandler end;
};
extern const struct sheet_part sheet_workbook, sheet_shared, sheet_rows;
void XMLCALL sheet_text(void *xlsx, const char *s, int n);
void sheet_stop(struct xlsx *f, const char *why);
#endif
