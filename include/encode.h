/* Rows of a PGresult straight into the reply buffer as JSON.
 *
 * Column name = field name; the column's type decides the form: bool, int,
 * float and numeric as they are, json/jsonb passed through, timestamptz as
 * RFC 3339 UTC ("2026-11-22T06:43:14.123456Z"), date as text, everything else
 * escaped text; NULL is null. Columns starting with '_' are not fields.
 * Fields whose schema says x-personal: sealed are opened with the data key. */
#ifndef LINLI_ENCODE_H
#define LINLI_ENCODE_H
#include <event2/buffer.h>
#include <libpq-fe.h>
#include <stdbool.h>

/* One object, row i. */
void encode_row(struct evbuffer *out, const PGresult *res, int row);
/* {"items":[…],"next":…}: at most limit rows; when there are more, next is
 * the base64url of the last written row's _cursor, else null. *next (may be
 * NULL) receives a malloc'd copy for the Link header, or NULL. */
void encode_list(struct evbuffer *out, const PGresult *res, int limit,
		 char **next);
/* Value of an underscore column of row 0, or NULL. */
const char *encode_meta(const PGresult *res, const char *column);
/* Appends s[0..n) as a JSON string literal. */
void encode_string(struct evbuffer *out, const char *s, size_t n);
#endif
