/*
 * XLSX by libxlsxwriter in its constant memory mode: rows go to a file without
 * a name beside the target. Texts are written as texts, whatever they begin
 * with.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xlsxwriter.h>

#include "arena.h"
#include "memory.h"
#include "table_out.h"

struct xlsx {
	lxw_workbook *book;
	lxw_worksheet *sheet;
	lxw_row_t row;
	lxw_col_t column;
	lxw_error error; /* the first */
	char *path, *folder;
};

static bool
touch(const char *path)
{
	int fd =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		     0600);

	return fd >= 0 && close(fd) == 0;
}

/* On A4 across, as wide as the sheet; columns, title and page on each page. */
static void
set_pages(lxw_worksheet *sheet, const char *title)
{
	char header[LXW_HEADER_FOOTER_MAX] = "&C";
	size_t len = 2;

	for (; *title && len + 3 < sizeof(header); title++) {
		header[len++] = *title;
		if (*title == '&') /* else a code of theirs */
			header[len++] = '&';
	}
	worksheet_freeze_panes(sheet, 1, 0);
	worksheet_repeat_rows(sheet, 0, 0);
	worksheet_set_landscape(sheet);
	worksheet_set_paper(sheet, 9);
	worksheet_fit_to_pages(sheet, 1, 0);
	worksheet_set_header(sheet, header);
	worksheet_set_footer(sheet, "&C&P/&N");
}

static void *
xlsx_open(const char *path, const char *title)
{
	lxw_workbook_options options = { .constant_memory = LXW_TRUE };
	struct xlsx *x;

	if (!touch(path))
		return NULL;
	x = xmalloc(sizeof(*x));
	*x = (struct xlsx){ .path = xstrdup(path), .folder = xstrdup(path) };
	*strrchr(x->folder, '/') = '\0';
	options.tmpdir = x->folder;
	x->book = workbook_new_opt(x->path, &options);
	if (!x->book)
		abort();
	x->sheet = workbook_add_worksheet(x->book, NULL);
	if (!x->sheet)
		abort();
	set_pages(x->sheet, title);
	return x;
}

static void
note(struct xlsx *x, lxw_error error)
{
	if (error == LXW_ERROR_MEMORY_MALLOC_FAILED)
		abort();
	if (!x->error)
		x->error = error;
	x->column++;
}

static void
xlsx_text(void *table, const char *s)
{
	struct xlsx *x = table;

	note(x,
	     *s ? worksheet_write_string(x->sheet, x->row, x->column, s, NULL)
		: LXW_NO_ERROR);
}

static void
xlsx_number(void *table, double n, const char *s)
{
	struct xlsx *x = table;

	(void)s;
	note(x, worksheet_write_number(x->sheet, x->row, x->column, n, NULL));
}

static void
xlsx_end_row(void *table)
{
	struct xlsx *x = table;

	x->row++;
	x->column = 0;
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
xlsx_close(void *table)
{
	struct xlsx *x = table;
	bool done = false;

	errno = 0;
	if (x->error)
		lxw_workbook_free(x->book);
	else if (workbook_close(x->book) == LXW_NO_ERROR)
		done = sync_file(x->path);
	else
		memory_check();
	free(x->path);
	free(x->folder);
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
