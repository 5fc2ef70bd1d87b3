/* Lines of JSON into a table, one line in memory at a time. */
#include "table_out.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"

static const struct table_format *const formats[] = { &table_csv_out,
						      &table_xlsx_out };

const struct table_format *
table_format(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
		if (strcmp(formats[i]->name, name) == 0)
			return formats[i];
	return NULL;
}

static void
write_cell(const struct table_format *f, void *table, const json_t *cell)
{
	char text[32];

	if (json_is_integer(cell)) {
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT,
			 json_integer_value(cell));
		f->number(table, json_number_value(cell), text);
	} else if (json_is_number(cell)) {
		snprintf(text, sizeof(text), "%.15g", json_number_value(cell));
		f->number(table, json_number_value(cell), text);
	} else {
		f->text(table,
			json_is_string(cell) ? json_string_value(cell) : "");
	}
}

static bool
write_line(const struct table_format *f, void *table, const char *line)
{
	json_t *cells = json_loads(line, 0, NULL), *cell;
	size_t i;

	if (!json_is_array(cells)) {
		json_decref(cells);
		return false;
	}
	json_array_foreach(cells, i, cell) write_cell(f, table, cell);
	f->end_row(table);
	json_decref(cells);
	return true;
}

static const char *
write_lines(const struct table_format *f, void *table, FILE *lines,
	    bool (*stop)(void))
{
	const char *why = NULL;
	char *line = NULL;
	size_t size = 0;

	errno = 0;
	while (!why && getline(&line, &size, lines) >= 0) {
		if (stop())
			why = "stopped";
		else if (!write_line(f, table, line))
			why = "a line is no JSON array";
	}
	memory_check(); /* getline() would pass it off as the end */
	if (!why && ferror(lines))
		why = strerror(errno);
	free(line);
	return why;
}

bool
table_write(const struct table_format *format, const char *path,
	    const char *title, const char *head, FILE *lines,
	    bool (*stop)(void), const char **why)
{
	void *table;

	*why = NULL;
	errno = 0;
	table = format->open(path, title);
	if (!table) {
		memory_check();
		*why = strerror(errno);
		return false;
	}
	if (!write_line(format, table, head))
		*why = "no head";
	if (!*why)
		*why = write_lines(format, table, lines, stop);
	if (!format->close(table) && !*why)
		*why = "not written";
	if (!*why)
		return true;
	unlink(path);
	return false;
}
