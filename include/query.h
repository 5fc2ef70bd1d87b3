/* Named queries (sql/queries/<domain>.sql):
 *
 *   -- name: getTicket
 *   select … where id = :id::uuid;
 *
 * A query is one or more statements run in order in one transaction; the
 * last one answers. :name is, in order of look-up, a parameter or body field
 * of the operation, a name of its hook, or of the context: actor session
 * street role limit after body new_id new_id2 request_id address. */
#ifndef LINLI_QUERY_H
#define LINLI_QUERY_H
#include <stdbool.h>
#include <stddef.h>
#include "contract.h"

struct bind {
	enum {
		BIND_PARAM,   /* operation->params[index] */
		BIND_BODY,    /* body field `name` */
		BIND_HOOK,    /* set by the hook with request_bind() */
		BIND_CONTEXT, /* enum context in index */
	} from;
	size_t index;
	char *name;
};

enum context {
	CTX_ACTOR, CTX_SESSION, CTX_STREET, CTX_ROLE, CTX_BODY, CTX_NEW_ID,
	CTX_NEW_ID2, CTX_REQUEST_ID, CTX_ADDRESS, CTX_IDEM_KEY, CTX_IDEM_HASH,
};

struct statement {
	char *sql;   /* with $1…, prefixed by a comment naming file and query */
	char name[64]; /* of the prepared statement: getTicket_1 */
	size_t bind_count;
	struct bind *binds;
	size_t db_index; /* from db_register() */
};

struct query {
	char *name;
	char *source; /* "tickets.sql:12" */
	size_t statement_count;
	struct statement *statements;
	/* Idempotent operations: the last statement also stores its row
	 * (core.idem_put); replay reads it back with the same columns. Both
	 * built by query_attach(), replay after the columns are described. */
	char *replay_sql;
};

/* Parses one embedded file and registers its queries. False: printed. */
bool query_load(const char *file, const char *text, size_t len)
	__attribute__((warn_unused_result));
/* Ties queries to operations, resolves names, registers every statement with
 * db_register(). Any mismatch (query without operation or hook, operation
 * without query or hook, unknown :name) is printed with file:line; false. */
bool query_attach(struct contract *c) __attribute__((warn_unused_result));
const struct query *query_find(const char *name);
#endif
