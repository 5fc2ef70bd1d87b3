/* A table of persons (人房): which of its columns is what, and its rows as
 * JSON for transfer.stage(), phones and ID numbers sealed. */
#ifndef LINLI_ROSTER_H
#define LINLI_ROSTER_H
#include <event2/buffer.h>
#include <jansson.h>
#include "arena.h"
#include "table.h"

#define ROSTER_FIELDS 16

struct roster {
	enum table_days days;
	int column[ROSTER_FIELDS]; /* of the field; -1 = none */
};

/* Reads the line of headers. given: {"header": "field"|null} goes before what
 * the headers say by themselves; NULL = nothing. NULL when it is good, else
 * the problem code, with what it is about in *detail. */
const char *roster_headers(struct roster *r, const struct table_row *row,
			   const json_t *given, const char **detail);
/* {"姓名": "name", "备注": null}: what was made of the headers. */
json_t *roster_mapping(const struct roster *r, const struct table_row *row);
/* Appends one row as a JSON object: what it holds, or its "field" at fault
 * and the "code" of what is wrong, and then nothing of the person. */
void roster_row(const struct roster *r, const struct table_row *row,
		struct arena *a, struct evbuffer *out);
/* "name" …: is it a field one may map a header to? */
int roster_field(const char *name); /* -1 = no */
#endif
