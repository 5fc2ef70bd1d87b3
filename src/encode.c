/*
 * From the PGresult into the reply buffer, without a tree in between.
 *
 * Room is reserved for whole rows at once and written through a pointer;
 * libevent is called only when a reservation is full.
 */
#include "encode.h"

#include <stdlib.h>
#include <string.h>

#include "encode_internal.h"
#include "log.h"
#include "seal.h"
#include "text.h"

#define VALUE_GUESS 20

enum form {
	FORM_TEXT,
	FORM_RAW,    /* JSON already */
	FORM_NUMBER, /* may be NaN */
	FORM_BOOL,
	FORM_TIME,
	FORM_SEALED,
};

struct column {
	int index;
	enum form form;
	bool binary;
	Oid type;
	const char *name;
	size_t name_len;
};

/* What is alike in all rows of a result. */
struct plan {
	int count;
	size_t keys; /* bytes of all names, quotes and commas */
	struct column columns[ENCODE_MAX_COLUMNS];
};

static void
put_sealed(struct writer *w, const char *s, const char *name)
{
	struct arena *a = arena_new();
	const char *text = unseal(a, s, name);

	if (text) {
		encode_put_string(w, text, strlen(text));
	} else {
		log_event(LOG_ERROR_, "unseal", "%s does not open with this "
			  "data key", name);
		put(w, "null", 4);
	}
	arena_free(a);
}

static enum form
form_of(Oid type)
{
	switch (type) {
	case 16:
		return FORM_BOOL;
	case 20: /* int8, int2, int4 */
	case 21:
	case 23:
	case 114: /* json, jsonb */
	case 3802:
		return FORM_RAW;
	case 700: /* float4, float8, numeric */
	case 701:
	case 1700:
		return FORM_NUMBER;
	case 1184:
		return FORM_TIME;
	default:
		return FORM_TEXT;
	}
}

static bool
is_sealed(const struct schema *shape, const char *name)
{
	const struct schema *s = shape ? schema_property(shape, name) : NULL;

	return s && schema_extension(s, "x-personal");
}

static void
plan_make(struct plan *plan, const PGresult *res, const struct schema *shape)
{
	int n = PQnfields(res);

	plan->count = 0;
	plan->keys = 2;
	for (int i = 0; i < n; i++) {
		const char *name = PQfname(res, i);
		struct column *c = &plan->columns[plan->count];

		if (*name == '_')
			continue;
		if (plan->count == ENCODE_MAX_COLUMNS) /* start-up refused it */
			abort();
		c->index = i;
		c->name = name;
		c->name_len = strlen(name);
		c->type = PQftype(res, i);
		c->form = form_of(c->type);
		c->binary = PQfformat(res, i) && !encode_is_plain(c->type);
		if (c->form == FORM_TEXT && is_sealed(shape, name))
			c->form = FORM_SEALED;
		plan->keys += c->name_len + 6;
		plan->count++;
	}
}

static void
put_value(struct writer *w, const struct column *c, const PGresult *res,
	  int row)
{
	const char *s = PQgetvalue(res, row, c->index);
	size_t n = (size_t)PQgetlength(res, row, c->index);
	char plain[ENCODE_PLAIN];

	if (n == 0 && PQgetisnull(res, row, c->index)) {
		put(w, "null", 4);
		return;
	}
	if (c->binary) {
		n = encode_plain(plain, c->type, s, n);
		s = plain;
	}
	switch (c->form) {
	case FORM_TEXT:
		encode_put_string(w, s, n);
		break;
	case FORM_RAW:
		put(w, s, n);
		break;
	case FORM_NUMBER:
		encode_put_number(w, s, n);
		break;
	case FORM_BOOL:
		put(w, *s == 't' ? "true" : "false", *s == 't' ? 4 : 5);
		break;
	case FORM_TIME:
		encode_put_time(w, s, n);
		break;
	case FORM_SEALED:
		put_sealed(w, s, c->name);
		break;
	}
}

/* Names are plain: column names of our own queries. */
static void
put_row(struct writer *w, const struct plan *plan, const PGresult *res,
	int row)
{
	char mark = '{';

	if (plan->count == 0)
		put_byte(w, mark);
	for (int i = 0; i < plan->count; i++) {
		const struct column *c = &plan->columns[i];

		need(w, c->name_len + 4);
		*w->p++ = mark;
		*w->p++ = '"';
		memcpy(w->p, c->name, c->name_len);
		w->p += c->name_len;
		*w->p++ = '"';
		*w->p++ = ':';
		mark = ',';
		put_value(w, c, res, row);
	}
	put_byte(w, '}');
}

/* Bytes that rows of so many columns mostly have: what to reserve first. */
static size_t
guess(const struct plan *plan, int rows)
{
	return (plan->keys + VALUE_GUESS * (size_t)plan->count) * (size_t)rows;
}

void
encode_row(struct evbuffer *out, const PGresult *res, int row,
	   const struct schema *shape)
{
	struct writer w = { .out = out };
	struct plan plan;

	plan_make(&plan, res, shape);
	encode_reserve(&w, guess(&plan, 1));
	put_row(&w, &plan, res, row);
	encode_commit(&w);
}

static int
column_find(const PGresult *res, const char *name)
{
	/* PQfnumber() copies the name each time and folds its case. */
	for (int i = 0; i < PQnfields(res); i++)
		if (strcmp(PQfname(res, i), name) == 0)
			return i;
	return -1;
}

static const char *
text_at(struct arena *a, const PGresult *res, int row, int i)
{
	char *text;
	size_t n;

	if (i < 0 || PQgetisnull(res, row, i))
		return "";
	if (!PQfformat(res, i) || encode_is_plain(PQftype(res, i)))
		return PQgetvalue(res, row, i);
	text = arena_alloc(a, ENCODE_PLAIN + 1);
	n = encode_plain(text, PQftype(res, i), PQgetvalue(res, row, i),
			 (size_t)PQgetlength(res, row, i));
	text[n] = '\0';
	return text;
}

/* The values of the columns that _cursor_by names, with ':' between. */
static char *
cursor_by(const PGresult *res, int row, const char *names)
{
	struct arena *a = arena_new();
	char *rest = arena_strdup(a, names), *name;
	char *text = arena_strdup(a, "");
	const char *between = "";

	while ((name = strsep(&rest, ","))) {
		text = arena_printf(a, "%s%s%s", text, between,
				    text_at(a, res, row,
					    column_find(res, name)));
		between = ":";
	}
	text = xstrdup(text);
	arena_free(a);
	return text;
}

static char *
cursor_of(const PGresult *res, int row)
{
	int i = column_find(res, "_cursor");
	int by = column_find(res, "_cursor_by");
	char *plain, *text;
	size_t n;

	if (row < 0 || (by < 0 && (i < 0 || PQgetisnull(res, row, i))))
		return NULL;
	plain = by < 0 ? xstrdup(PQgetvalue(res, row, i))
		       : cursor_by(res, row, PQgetvalue(res, row, by));
	n = strlen(plain);
	text = xmalloc(4 * ((n + 2) / 3) + 1);
	base64url_encode(text, plain, n);
	free(plain);
	return text;
}

/* Steals cursor, handing it on to *next. */
static void
encode_page(struct evbuffer *out, const PGresult *res, int rows,
	    const struct schema *shape, char *cursor, char **next)
{
	struct writer w = { .out = out };
	struct plan plan;

	plan_make(&plan, res, shape);
	encode_reserve(&w, guess(&plan, rows) + 64);
	put(&w, "{\"items\":[", 10);
	for (int row = 0; row < rows; row++) {
		if (row)
			put_byte(&w, ',');
		put_row(&w, &plan, res, row);
	}
	put(&w, "],\"next\":", 9);
	if (cursor)
		encode_put_string(&w, cursor, strlen(cursor));
	else
		put(&w, "null", 4);
	put_byte(&w, '}');
	encode_commit(&w);
	if (next)
		*next = cursor;
	else
		free(cursor);
}

void
encode_list(struct evbuffer *out, const PGresult *res, int limit,
	    const struct schema *shape, char **next)
{
	int rows = PQntuples(res);
	bool more = rows > limit;

	encode_page(out, res, more ? limit : rows, shape,
		    more ? cursor_of(res, limit - 1) : NULL, next);
}

void
encode_feed(struct evbuffer *out, const PGresult *res,
	    const struct schema *shape)
{
	int rows = PQntuples(res);

	encode_page(out, res, rows, shape, cursor_of(res, rows - 1), NULL);
}

const char *
encode_meta(const PGresult *res, const char *column)
{
	int i = PQntuples(res) > 0 ? column_find(res, column) : -1;

	return i < 0 || PQgetisnull(res, 0, i) ? NULL : PQgetvalue(res, 0, i);
}

void
encode_string(struct evbuffer *out, const char *s, size_t n)
{
	struct writer w = { .out = out };

	encode_reserve(&w, n + 2);
	encode_put_string(&w, s, n);
	encode_commit(&w);
}
