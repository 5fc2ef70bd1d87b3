/*
 * Holds what a query gives against what the contract promises, by the columns
 * PostgreSQL describes; and writes the statement that reads a stored reply
 * back with those same columns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"
#include "encode.h"
#include "memory.h"
#include "query_internal.h"
#include "request.h"

/* Types a reply may have. */
static const struct {
	Oid oid;             /* pg_type's, the same in every server */
	const char *sql;     /* to get the column back from json */
	const char *json[2]; /* what it may be in a schema */
} types[] = {
	{ 16, "boolean", { "boolean" } },
	{ 20, "bigint", { "integer", "number" } },
	{ 21, "smallint", { "integer", "number" } },
	{ 23, "integer", { "integer", "number" } },
	{ 700, "real", { "number" } },
	{ 701, "double precision", { "number" } },
	{ 1700, "numeric", { "number" } },
	{ 25, "text", { "string" } },
	{ 1043, "text", { "string" } },
	{ 2950, "uuid", { "string" } },
	{ 1184, "timestamptz", { "string" } },
	{ 1082, "date", { "string" } },
	{ 5069, "xid8", { "string" } },
	{ 114, "json", { "object", "array" } },
	{ 3802, "jsonb", { "object", "array" } },
};
#define TEXT_OID 25
#define TYPE_COUNT (sizeof(types) / sizeof(types[0]))

struct check {
	const PGresult *columns;
	const struct query *query;
	const struct operation *op;
};

/* The operation whose answer a statement is, and the query it is of. */
static bool
answered_by(struct check *k, const struct contract *c, size_t index)
{
	for (size_t i = 0; i < c->operation_count; i++) {
		const struct query *q = c->operations[i].query;

		for (; q; q = q->next_case) {
			k->op = &c->operations[i];
			k->query = q;
			if (index ==
			    q->statements[q->statement_count - 1].db_index)
				return true;
		}
	}
	return false;
}

static bool
is_meta(const char *column)
{
	return column[0] == '_';
}

static bool
has_column(const PGresult *columns, const char *name)
{
	for (int i = 0; i < PQnfields(columns); i++)
		if (strcmp(PQfname(columns, i), name) == 0)
			return true;
	return false;
}

static bool
type_fits(Oid oid, const struct schema *s)
{
	for (size_t i = 0; i < TYPE_COUNT; i++) {
		if (types[i].oid != oid)
			continue;
		for (size_t j = 0; j < 2 && types[i].json[j]; j++)
			if (schema_has_type(s, types[i].json[j]))
				return true;
	}
	return false;
}

static bool
check_column(const struct check *k, int i, const struct schema *shape)
{
	const char *name = PQfname(k->columns, i);
	const struct schema *s = schema_property(shape, name);

	for (int j = 0; j < i; j++)
		if (strcmp(PQfname(k->columns, j), name) == 0)
			return query_fault(k->query, "column %s comes twice",
					   name);
	if (is_meta(name))
		return true;
	if (!s)
		return query_fault(k->query, "column %s is not in the reply of "
				   "%s (%s)", name, k->op->id, k->op->source);
	if (!type_fits(PQftype(k->columns, i), s))
		return query_fault(k->query, "column %s has a type (oid %u) "
				   "other than the reply of %s (%s) says", name,
				   PQftype(k->columns, i), k->op->id,
				   k->op->source);
	return true;
}

static bool
takes_after(const struct operation *op)
{
	for (size_t i = 0; i < op->param_count; i++)
		if (strcmp(op->params[i].bind, "after") == 0)
			return true;
	return false;
}

static bool
check_shape(const struct check *k, const struct schema *shape)
{
	bool ok = true;

	if (PQnfields(k->columns) > ENCODE_MAX_COLUMNS)
		return query_fault(k->query, "more than %d columns",
				   ENCODE_MAX_COLUMNS);
	for (int i = 0; i < PQnfields(k->columns); i++)
		if (!check_column(k, i, shape))
			ok = false;
	for (size_t i = 0; i < schema_property_count(shape); i++) {
		const char *name = schema_property_name(shape, i);

		if (!has_column(k->columns, name))
			ok = query_fault(k->query, "no column %s, which the "
					 "reply of %s (%s) has", name,
					 k->op->id, k->op->source);
	}
	if (k->op->reply_list && takes_after(k->op) &&
	    !has_column(k->columns, "_cursor") &&
	    !has_column(k->columns, "_cursor_by"))
		ok = query_fault(k->query, "no column _cursor, although %s "
				 "(%s) takes \"after\"", k->op->id,
				 k->op->source);
	return ok;
}

static const char *
sql_type(Oid oid)
{
	for (size_t i = 0; i < TYPE_COUNT; i++)
		if (types[i].oid == oid)
			return types[i].sql;
	return "text";
}

static void
add_replay(struct query *q, const PGresult *columns)
{
	char *text = NULL, *name, *comment = query_comment(q, " replay");
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		abort();
	fprintf(out, "%sselect x.* from core.idempotency i cross join lateral "
		"json_to_record(i.reply) as x(", comment);
	for (int i = 0; i < PQnfields(columns); i++)
		fprintf(out, "%s\"%s\" %s", i ? ", " : "", PQfname(columns, i),
			sql_type(PQftype(columns, i)));
	fputs(") where i.street_id = core.street() and i.actor_id = "
	      "core.actor() and i.key = $1::text and i.created_at > core.now() "
	      "- interval '24 hours'", out);
	memory_stream_end(out, &text);
	free(comment);
	q->replay_sql = text;
	name = xprintf("%s_replay", q->name);
	db_register(name, text);
	free(name);
}

static bool
is_text_for_us(const char *column)
{
	static const char *const read[] = { "_etag", "_location", "_cursor",
					    "_cursor_by" };

	for (size_t i = 0; i < sizeof(read) / sizeof(read[0]); i++)
		if (strcmp(column, read[i]) == 0)
			return true;
	return false;
}

/* What the encoder alone reads may come in PostgreSQL's own format. */
static void
take_binary(const struct query *q, const PGresult *columns)
{
	bool known = true;

	for (int i = 0; i < PQnfields(columns); i++) {
		Oid type = PQftype(columns, i);

		if (!encode_knows_binary(type) ||
		    (is_text_for_us(PQfname(columns, i)) && type != TEXT_OID))
			known = false;
	}
	q->statements[q->statement_count - 1].binary = known;
}

bool
query_check_reply(const PGresult *describe, size_t index, void *contract)
{
	struct contract *c = contract;
	struct check k = { .columns = describe };

	if (!answered_by(&k, c, index))
		return true;
	if (k.op->idempotent && !k.query->replay_sql)
		add_replay((struct query *)query_find(k.op->id), describe);
	/* Such a hook makes the reply itself. */
	if (!k.op->reply || (k.op->hook && k.op->hook->reply))
		return true;
	take_binary(k.query, describe);
	return check_shape(&k, k.op->reply_list ? k.op->reply_item
						: k.op->reply);
}
