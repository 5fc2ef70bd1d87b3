/* Named queries (sql/queries/<domain>.sql):
 *
 *   -- name: getTicket
 *   select … where id = :id::uuid;
 *
 * A query is one or more statements run in order in one transaction; the
 * last one answers. :name is, in order of look-up, a parameter or body field
 * of the operation, a name of its hook, or of the context: actor session
 * street role body new_id new_id2 request_id client_address. Every :name is
 * cast where it stands.
 *
 * "-- for: resident street without q mine" begins another way to answer the
 * same operation: its statements run instead when the caller has one of these
 * roles and none of these parameters is given, or is true. A plan that serves
 * all of an operation is set up whole by every request; so what most of them
 * ask may have one of its own. The first that fits is taken.
 *
 * "-- name: submitTicket numbered" takes a number (core.next_number), for which
 * the whole street waits until it commits: so it commits early and settles
 * (db.h). Nobody may rely on what he reads before it has settled; the feed,
 * which hands out each event once, settles before it answers.
 *
 * "-- helper: findAccount" instead of "-- name:" belongs to no operation: hooks
 * and the job process run it; its names are theirs or the context's. */
#ifndef LINLI_QUERY_H
#define LINLI_QUERY_H
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include "contract.h"

struct bind {
	enum {
		BIND_PARAM,   /* operation->params[index] */
		BIND_BODY,    /* body field `name` */
		BIND_SEALED,  /* body field with x-personal: sealed, */
		BIND_MASK,    /* … as :name_mask, */
		BIND_BLIND,   /* … as :name_index, to be found by, */
		BIND_BORN,    /* … of an ID number: :name_born */
		BIND_SEX,     /* … and :name_sex */
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
	bool binary;     /* its result is encoded from PostgreSQL's format */
	/* The last statement of an idempotent operation has a second form that
	 * also stores its row (core.idem_put): same binds and two more. */
	size_t idem_bind_count; /* 0 = no such form */
	size_t db_index_idem;
};

struct query {
	char *name;
	char *file;
	int line;
	bool helper;
	bool numbered;
	size_t statement_count;
	struct statement *statements;
	/* Of "-- for:": who (enum role), and which parameters must be absent,
	 * by operation->params index. */
	struct query *next_case;
	unsigned roles;
	size_t absent_count;
	struct bind *absent;
	/* Idempotent operations, after query_check_reply(): reads the stored
	 * row back ($1 = key) with the same columns; else NULL. */
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
const struct query *query_at(size_t i); /* by name; NULL past the last */
/* For db_verify(), arg the struct contract: the last statement's columns must
 * be the reply's properties, of fitting types, both ways. Else both places
 * are printed; false. Completes replay_sql, which it registers too. */
bool query_check_reply(const PGresult *describe, size_t index, void *contract);
#endif
