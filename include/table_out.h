/* Tables written as files that people open: CSV or XLSX, in bounded memory,
 * and never a formula in them. */
#ifndef LINLI_TABLE_OUT_H
#define LINLI_TABLE_OUT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A kind of file. open() makes it, mode 0600, and fails when there is one of
 * that name; what goes wrong after that, close() tells: true = durable. The
 * title stands on each page where the kind knows of pages. */
struct table_format {
	const char *name; /* the file's suffix */
	const char *media_type;
	void *(*open)(const char *path, const char *title);
	void (*text)(void *table, const char *s);
	void (*number)(void *table, double n, const char *s); /* s: as told */
	void (*end_row)(void *table);
	bool (*close)(void *table);
};

extern const struct table_format table_csv_out, table_xlsx_out;

/* By name; NULL = no such format. */
const struct table_format *table_format(const char *name);

/* Makes path out of lines, each a JSON array of texts, numbers and nulls, head
 * being the first. False: there is no file; stop() said so, or with *why. */
bool table_write(const struct table_format *format, const char *path,
		 const char *title, const char *head, FILE *lines,
		 bool (*stop)(void), const char **why);
#endif
