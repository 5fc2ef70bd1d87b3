/*
 * The values of a request by name: parameters, body fields, what a hook binds,
 * and the context of every query.
 */
#include <stdlib.h>
#include <string.h>

#include "request_internal.h"
#include "text.h"

static const char *
json_text(struct request *rq, json_t *v)
{
	char *dump;
	const char *text;

	switch (json_typeof(v)) {
	case JSON_NULL:
		return NULL;
	case JSON_STRING:
		return json_string_value(v);
	case JSON_TRUE:
		return "true";
	case JSON_FALSE:
		return "false";
	case JSON_INTEGER:
		return arena_printf(rq->arena, "%" JSON_INTEGER_FORMAT,
				    json_integer_value(v));
	default:
		dump = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		text = arena_strdup(rq->arena, dump);
		free(dump);
		return text;
	}
}

static const struct param *
find_param(const struct operation *op, const char *bind)
{
	for (size_t i = 0; op && i < op->param_count; i++)
		if (strcmp(op->params[i].bind, bind) == 0)
			return &op->params[i];
	return NULL;
}

json_t *
arg_json(struct request *rq, const char *name)
{
	const struct param *p = find_param(rq->op, name);

	if (p)
		return rq->param_values[p - rq->op->params];
	return json_object_get(rq->body, name);
}

const char *
arg(struct request *rq, const char *name)
{
	json_t *v = arg_json(rq, name);

	return v ? json_text(rq, v) : NULL;
}

void
request_bind(struct request *rq, const char *name, const char *text)
{
	struct bound *b = arena_alloc(rq->arena, sizeof(*b));

	b->name = name;
	b->text = text ? arena_strdup(rq->arena, text) : NULL;
	b->next = rq->bound;
	rq->bound = b;
}

static const char *
bound_text(const struct request *rq, const char *name)
{
	for (const struct bound *b = rq->bound; b; b = b->next)
		if (strcmp(b->name, name) == 0)
			return b->text;
	return NULL;
}

static const char *
fresh_id(struct request *rq, char id[37])
{
	/* A retry keeps the id: it was never seen by anybody. */
	if (!*id)
		uuid_make(id, (unsigned)rq->actor.street);
	return id;
}

static const char *
context_text(struct request *rq, enum context which)
{
	switch (which) {
	case CTX_ACTOR:
		return rq->has_actor ? rq->actor.account : NULL;
	case CTX_SESSION:
		return rq->has_actor ? rq->actor.session : NULL;
	case CTX_STREET:
		return rq->has_actor ? arena_printf(rq->arena, "%ld",
						    rq->actor.street)
				     : NULL;
	case CTX_ROLE:
		return rq->has_actor ? rq->actor.role : NULL;
	case CTX_BODY:
		return rq->body ? json_text(rq, rq->body) : NULL;
	case CTX_NEW_ID:
		return fresh_id(rq, rq->new_id);
	case CTX_NEW_ID2:
		return fresh_id(rq, rq->new_id2);
	case CTX_REQUEST_ID:
		return rq->id;
	case CTX_ADDRESS:
		return rq->address;
	case CTX_IDEM_KEY:
		return rq->idem_key;
	case CTX_IDEM_HASH:
		return rq->idem_hash;
	}
	return NULL;
}

static const char *
body_text(struct request *rq, const char *name)
{
	json_t *v = json_object_get(rq->body, name);

	return v ? json_text(rq, v) : NULL;
}

/* Personal fields were sealed in the body itself (request_body.c). */
const char *
request_text(struct request *rq, const struct bind *b)
{
	json_t *v;

	switch (b->from) {
	case BIND_PARAM:
		v = rq->param_values[b->index];
		return v ? json_text(rq, v) : NULL;
	case BIND_BODY:
	case BIND_SEALED:
		return body_text(rq, b->name);
	case BIND_MASK:
		return body_text(rq, arena_printf(rq->arena, "%s_mask",
						  b->name));
	case BIND_BLIND:
		return body_text(rq, arena_printf(rq->arena, "%s_index",
						  b->name));
	case BIND_BORN:
		return body_text(rq, arena_printf(rq->arena, "%s_born",
						  b->name));
	case BIND_SEX:
		return body_text(rq, arena_printf(rq->arena, "%s_sex",
						  b->name));
	case BIND_HOOK:
		return bound_text(rq, b->name);
	case BIND_CONTEXT:
		return context_text(rq, (enum context)b->index);
	}
	return NULL;
}
