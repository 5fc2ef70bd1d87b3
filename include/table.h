/* Rows of a table somebody sent: CSV (UTF-8 or GB18030) or XLSX (the first
 * sheet). Read row by row; memory does not grow with the file, but for the
 * texts an XLSX shares between its cells. Blocking: call from a thread. */
#ifndef LINLI_TABLE_H
#define LINLI_TABLE_H
#include <stdbool.h>
#include <stddef.h>

#define TABLE_COLUMNS 64
#define TABLE_CELL 1024 /* bytes of one cell, as UTF-8 */

struct table_row {
	int line; /* as a person counts: the first one is 1 */
	int count;
	/* UTF-8, without space around; "" for nothing. Good until the next. */
	const char *cells[TABLE_COLUMNS];
};

struct table;

/* Looks at what the bytes are; they must outlive the table. NULL with *why =
 * problem code. */
struct table *table_open(const unsigned char *bytes, size_t len,
			 const char **why);
/* The next row with anything in it: 1, at the end 0, -1 with *why. */
int table_next(struct table *t, struct table_row *row, const char **why);
/* A number where a day should be counts days since: */
enum table_days { TABLE_DAYS_1900, TABLE_DAYS_1904 };
enum table_days table_days(const struct table *t);
void table_close(struct table *t);
#endif
