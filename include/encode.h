/* Rows of a PGresult straight into the reply buffer as JSON.
 *
 * Column name = field name; the column's type decides the form: bool, int,
 * float and numeric as they are (NaN and infinities are null), json/jsonb
 * passed through, timestamptz as RFC 3339 UTC ("2026-11-22T06:43:14.123456Z"),
 * date as text, everything else escaped text; NULL is null. Columns starting
 * with '_' are not fields. A field whose schema says x-personal was sealed
 * under its own name and is opened with the data key.
 *
 * Relies on the session settings of db.c: UTF8, DateStyle ISO, TimeZone UTC.
 * A result may be in PostgreSQL's binary format if encode_can() says so, which
 * is cheaper for both sides; the reply is the same. */
#ifndef LINLI_ENCODE_H
#define LINLI_ENCODE_H
#include <event2/buffer.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include "schema.h"

#define ENCODE_MAX_COLUMNS 128

/* One object, row i. shape: schema of it, or NULL when nothing is sealed. */
void encode_row(struct evbuffer *out, const PGresult *res, int row,
		const struct schema *shape);
/* {"items":[…],"next":…}: at most limit rows; when there are more, next is
 * the base64url of the last written row's _cursor, or of the values of the
 * columns that its _cursor_by names ("created_at,id"), joined by ':': so that
 * only one cursor is made; else null. *next (may be NULL) receives a malloc'd
 * copy for the Link header, or NULL. shape is the items'. */
void encode_list(struct evbuffer *out, const PGresult *res, int limit,
		 const struct schema *shape, char **next);
/* The same for a feed, which has no last page: all rows, and next is always the
 * last row's _cursor. */
void encode_feed(struct evbuffer *out, const PGresult *res,
		 const struct schema *shape);
/* Value of an underscore column of row 0, or NULL. */
const char *encode_meta(const PGresult *res, const char *column);
bool encode_knows_binary(Oid type);
/* All its columns are text, or of types known in binary. */
bool encode_can(const PGresult *res);
/* Appends s[0..n) as a JSON string literal. */
void encode_string(struct evbuffer *out, const char *s, size_t n);
#endif
