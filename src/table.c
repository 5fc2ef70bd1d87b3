/*
 * What kind of table the bytes are, and what holds of all kinds.
 */
#include "table_internal.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"

struct table {
	const struct table_kind *kind;
	void *file;
};

char *
table_trim(char *text)
{
	size_t n = strlen(text);

	for (;;) {
		/* U+3000, the space of Chinese typesetting, and NBSP */
		if (n && strchr(" \t\r\n", text[n - 1]))
			n--;
		else if (n >= 3 && memcmp(text + n - 3, "\u3000", 3) == 0)
			n -= 3;
		else if (n >= 2 && memcmp(text + n - 2, "\u00a0", 2) == 0)
			n -= 2;
		else
			break;
	}
	text[n] = '\0';
	for (;;) {
		if (*text && strchr(" \t\r\n", *text))
			text++;
		else if (strncmp(text, "\u3000", 3) == 0)
			text += 3;
		else if (strncmp(text, "\u00a0", 2) == 0)
			text += 2;
		else
			return text;
	}
}

struct table *
table_open(const unsigned char *bytes, size_t len, const char **why)
{
	static const unsigned char zip[] = { 'P', 'K', 3, 4 };
	static const unsigned char ole[] = { 0xD0, 0xCF, 0x11, 0xE0 };
	const struct table_kind *kind = &table_csv;
	struct table *t;
	void *file;

	*why = "import_unreadable";
	if (len >= 4 && memcmp(bytes, ole, 4) == 0) {
		*why = "import_old_excel"; /* or one with a password */
		return NULL;
	}
	if (len >= 4 && memcmp(bytes, zip, 4) == 0)
		kind = &table_xlsx;
	file = kind->open(bytes, len, why);
	if (!file)
		return NULL;
	t = xmalloc(sizeof(*t));
	t->kind = kind;
	t->file = file;
	return t;
}

static bool
is_empty(const struct table_row *row)
{
	for (int i = 0; i < row->count; i++)
		if (*row->cells[i])
			return false;
	return true;
}

int
table_next(struct table *t, struct table_row *row, const char **why)
{
	int got;

	do {
		row->count = 0;
		got = t->kind->next(t->file, row, why);
	} while (got == 1 && is_empty(row));
	return got;
}

enum table_days
table_days(const struct table *t)
{
	return t->kind->days(t->file);
}

void
table_close(struct table *t)
{
	if (!t)
		return;
	t->kind->close(t->file);
	free(t);
}
