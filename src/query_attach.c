/*
 * Ties queries to operations: where each :name comes from, and the second
 * form of statements whose reply is stored under an Idempotency-Key.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"
#include "query_internal.h"
#include "request.h"

/* In the order of enum context; the last two have no name of their own. */
static const char *const context_names[] = {
	[CTX_ACTOR] = "actor",     [CTX_SESSION] = "session",
	[CTX_STREET] = "street",   [CTX_ROLE] = "role",
	[CTX_BODY] = "body",       [CTX_NEW_ID] = "new_id",
	[CTX_NEW_ID2] = "new_id2", [CTX_REQUEST_ID] = "request_id",
	[CTX_ADDRESS] = "client_address",
};
#define CONTEXT_COUNT (sizeof(context_names) / sizeof(context_names[0]))

static bool
find_param(struct bind *b, const struct operation *op)
{
	for (size_t i = 0; i < op->param_count; i++) {
		if (strcmp(op->params[i].bind, b->name) == 0) {
			b->from = BIND_PARAM;
			b->index = i;
			return true;
		}
	}
	return false;
}

/* A personal field reaches SQL only as what is made of it: sealed, masked, as
 * a blind index; of an ID number also the day of birth and the sex. */
static bool
find_personal(struct bind *b, const struct operation *op)
{
	static const struct {
		const char *suffix;
		int from;
	} forms[] = { { "", BIND_SEALED },
		      { "_mask", BIND_MASK },
		      { "_index", BIND_BLIND },
		      { "_born", BIND_BORN },
		      { "_sex", BIND_SEX } };
	size_t len = strlen(b->name);

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t tail = strlen(forms[i].suffix);
		const struct schema *s;
		char *field;

		if (len <= tail || strcmp(b->name + len - tail,
					  forms[i].suffix) != 0)
			continue;
		field = xprintf("%.*s", (int)(len - tail), b->name);
		s = schema_property(op->body, field);
		if (s && schema_extension(s, "x-personal")) {
			free(b->name);
			b->name = field;
			b->from = forms[i].from;
			return true;
		}
		free(field);
	}
	return false;
}

static bool
find_body(struct bind *b, const struct operation *op)
{
	if (!op->body)
		return false;
	if (find_personal(b, op))
		return true;
	b->from = BIND_BODY;
	return schema_property(op->body, b->name);
}

static bool
find_hook(struct bind *b, const struct operation *op)
{
	size_t max = sizeof(op->hook->binds) / sizeof(op->hook->binds[0]);

	b->from = BIND_HOOK;
	for (size_t i = 0; op->hook && i < max && op->hook->binds[i]; i++)
		if (strcmp(op->hook->binds[i], b->name) == 0)
			return true;
	return false;
}

static bool
find_context(struct bind *b)
{
	for (size_t i = 0; i < CONTEXT_COUNT; i++) {
		if (strcmp(context_names[i], b->name) == 0) {
			b->from = BIND_CONTEXT;
			b->index = i;
			return true;
		}
	}
	return false;
}

static bool
is_identity(const struct bind *b)
{
	return b->from == BIND_CONTEXT &&
	       (b->index == CTX_ACTOR || b->index == CTX_SESSION ||
		b->index == CTX_STREET || b->index == CTX_ROLE);
}

static bool
resolve(const struct query *q, struct bind *b, const struct operation *op)
{
	struct bind as_body = { .name = xstrdup(b->name) }, context = *b;
	bool in_param = find_param(b, op), in_body = find_body(&as_body, op);
	bool in_context = find_context(&context);
	/* A client that could set :street would choose what it may see. */
	bool taken = (in_param || in_body) && in_context && !op->public_;

	if (in_body && !in_param && !taken) {
		free(b->name);
		*b = as_body;
	} else {
		free(as_body.name);
	}
	if (in_param && in_body)
		return query_fault(q, ":%s is a parameter and a body field",
				   b->name);
	if (taken)
		return query_fault(q, ":%s is the context's; name the field "
				   "of %s (%s) otherwise", b->name, op->id,
				   op->source);
	if (in_param || in_body || find_hook(b, op))
		return true;
	if (!in_context)
		return query_fault(q, ":%s is no parameter, body field, hook's "
				   "name or context of %s (%s)", b->name,
				   op->id, op->source);
	*b = context;
	/* The whole body would carry a personal field past its seal. */
	if (b->index == CTX_BODY &&
	    (!op->body || schema_any_extension(op->body, "x-personal")))
		return query_fault(q, ":body: %s (%s) has none, or a personal "
				   "field in it", op->id, op->source);
	if (op->public_ && is_identity(b))
		return query_fault(q, ":%s is unknown in %s (%s), which is "
				   "public", b->name, op->id, op->source);
	return true;
}

static void
resolve_helper(struct bind *b)
{
	if (!find_context(b))
		b->from = BIND_HOOK;
}

/* A helper belongs to no operation. */
static bool
resolve_all(struct query *q, const struct operation *op)
{
	bool ok = true;

	for (size_t i = 0; i < q->statement_count; i++) {
		struct statement *st = &q->statements[i];

		for (size_t j = 0; j < st->bind_count; j++) {
			if (!op)
				resolve_helper(&st->binds[j]);
			else if (!resolve(q, &st->binds[j], op))
				ok = false;
		}
	}
	return ok;
}

/* The reply's row goes into the transaction it reports. */
static bool
add_idem_form(struct query *q, const struct operation *op)
{
	struct statement *st = &q->statements[q->statement_count - 1];
	size_t n = st->bind_count;
	char *sql, *name, *comment;

	if (op->public_ || op->reply_list)
		return query_fault(q, "%s (%s) cannot take an Idempotency-Key: "
				   "it is %s", op->id, op->source,
				   op->public_ ? "public" : "a list");
	comment = query_comment(q, "");
	st->binds = xrealloc(st->binds, (n + 2) * sizeof(*st->binds));
	st->binds[n] = (struct bind){ .from = BIND_CONTEXT,
				      .index = CTX_IDEM_KEY,
				      .name = xstrdup("idem_key") };
	st->binds[n + 1] = (struct bind){ .from = BIND_CONTEXT,
					  .index = CTX_IDEM_HASH,
					  .name = xstrdup("idem_hash") };
	st->idem_bind_count = n + 2;
	sql = xprintf(
		"%swith r as materialized (%s) select r.*, "
		"core.idem_put($%zu::text, $%zu::text, %d, row_to_json(r)) "
		"as _idem from r", comment, st->sql + strlen(comment), n + 1,
		n + 2, op->status);
	name = xprintf("%s_idem", q->name);
	st->db_index_idem = db_register(name, sql);
	free(name);
	free(sql);
	free(comment);
	return true;
}

static bool
attach_query(struct query *q, struct contract *c)
{
	const struct operation *op = NULL;

	if (!q->helper) {
		op = contract_find(c, q->name);
		if (!op)
			return query_fault(q, "no such operation");
		if (!q->roles)
			c->operations[op->index].query = q;
	}
	if (q->roles && !query_case_attach(q, op))
		return false;
	if (op && q->numbered &&
	    (op->public_ || strcmp(op->method, "POST") != 0))
		return query_fault(q, "numbered: %s (%s) is public, or no POST",
				   op->id, op->source);
	if (!resolve_all(q, op))
		return false;
	for (size_t i = 0; i < q->statement_count; i++)
		q->statements[i].db_index = db_register(q->statements[i].name,
							q->statements[i].sql);
	return !op || !op->idempotent || add_idem_form(q, op);
}

bool
query_attach(struct contract *c)
{
	bool ok = true;

	for (size_t i = 0; i < query_count; i++)
		for (struct query *q = query_all[i]; q; q = q->next_case)
			if (!attach_query(q, c))
				ok = false;
	for (size_t i = 0; i < c->operation_count; i++) {
		const struct operation *op = &c->operations[i];

		if (op->query || (op->hook && op->hook->before))
			continue;
		fprintf(stderr, "%s: %s has neither query nor hook\n",
			op->source, op->id);
		ok = false;
	}
	return ok;
}
