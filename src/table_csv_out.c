/*
 * CSV after RFC 4180, in UTF-8 with the mark that tells spreadsheets so.
 *
 * A spreadsheet takes a cell for a formula by its first character. Such a cell
 * gets an apostrophe in front, and so does one that begins with an apostrophe:
 * a reader that takes one off gets back what was written.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "table_out.h"

struct csv {
	FILE *out;
	bool begun; /* the row has a cell */
};

static void *
csv_open(const char *path, const char *title)
{
	int fd =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		     0600);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	struct csv *c;

	(void)title;
	if (!out) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	c = xmalloc(sizeof(*c));
	*c = (struct csv){ .out = out };
	fputs("\xef\xbb\xbf", out);
	return c;
}

/* Could it begin a formula? The full-width ones do in Chinese spreadsheets. */
static bool
is_guarded(const char *s)
{
	static const char *const wide[] = { "＝", "＋", "－", "＠" };

	if (*s && strchr("=+-@\t\r\n'", *s))
		return true;
	for (size_t i = 0; i < sizeof(wide) / sizeof(*wide); i++)
		if (strncmp(s, wide[i], strlen(wide[i])) == 0)
			return true;
	return false;
}

static void
separate(struct csv *c)
{
	if (c->begun)
		putc(',', c->out);
	c->begun = true;
}

static void
csv_text(void *table, const char *s)
{
	struct csv *c = table;
	bool guarded = is_guarded(s);

	separate(c);
	if (!guarded && !s[strcspn(s, ",\"\r\n ")]) {
		fputs(s, c->out);
		return;
	}
	putc('"', c->out);
	if (guarded)
		putc('\'', c->out);
	for (; *s; s++) {
		if (*s == '"')
			putc('"', c->out);
		putc(*s, c->out);
	}
	putc('"', c->out);
}

static void
csv_number(void *table, double n, const char *s)
{
	struct csv *c = table;

	(void)n;
	separate(c);
	fputs(s, c->out);
}

static void
csv_end_row(void *table)
{
	struct csv *c = table;

	fputs("\r\n", c->out);
	c->begun = false;
}

static bool
csv_close(void *table)
{
	struct csv *c = table;
	bool done = !ferror(c->out) && fflush(c->out) == 0 &&
		    fsync(fileno(c->out)) == 0;

	done = fclose(c->out) == 0 && done;
	free(c);
	return done;
}

const struct table_format table_csv_out = {
	.name = "csv",
	.media_type = "text/csv; charset=utf-8",
	.open = csv_open,
	.text = csv_text,
	.number = csv_number,
	.end_row = csv_end_row,
	.close = csv_close,
};
