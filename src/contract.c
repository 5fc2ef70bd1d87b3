/*
 * The OpenAPI bundle, read once: what it says is what linlid does, so what
 * linlid could not do is refused here.
 */
#include "contract.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "contract_internal.h"

static const struct {
	const char *name;
	unsigned bit;
} roles[] = {
	{ "resident", ROLE_RESIDENT },
	{ "grid_lead", ROLE_GRID_LEAD },
	{ "community", ROLE_COMMUNITY },
	{ "street", ROLE_STREET },
	{ "visitor", ROLE_VISITOR },
	{ "department", ROLE_DEPARTMENT },
	{ "merchant", ROLE_MERCHANT },
	{ "client", ROLE_CLIENT },
};

#define ROLES (sizeof(roles) / sizeof(roles[0]))

unsigned
role_bit(const char *name)
{
	for (size_t i = 0; i < ROLES; i++)
		if (strcmp(roles[i].name, name) == 0)
			return roles[i].bit;
	return 0;
}

const char *
role_name(unsigned bit)
{
	for (size_t i = 0; i < ROLES; i++)
		if (roles[i].bit == bit)
			return roles[i].name;
	return NULL;
}

void
contract_fault(struct loader *l, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: %s: ", l->op->source, l->op->id);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	l->ok = false;
}

/* Components are referred to as #/components/<kind>/<name>. */
json_t *
contract_deref(struct loader *l, json_t *node)
{
	const char *ref = json_string_value(json_object_get(node, "$ref"));
	const char *kind, *name;
	char buffer[64];
	json_t *target;

	if (!ref)
		return node;
	kind = strncmp(ref, "#/components/", 13) == 0 ? ref + 13 : "";
	name = strchr(kind, '/');
	if (!name || (size_t)(name - kind) >= sizeof(buffer))
		target = NULL;
	else {
		memcpy(buffer, kind, (size_t)(name - kind));
		buffer[name - kind] = '\0';
		target = json_object_get(l->contract->doc, "components");
		target = json_object_get(json_object_get(target, buffer),
					 name + 1);
	}
	if (!target)
		contract_fault(l, "$ref to %s, which does not exist", ref);
	else if (json_object_get(target, "$ref"))
		contract_fault(l, "%s is a $ref itself", ref);
	return target;
}

const struct schema *
contract_schema(struct loader *l, json_t *node, const char *what)
{
	struct schema *s;
	char *error;

	if (!node) {
		contract_fault(l, "%s has no schema", what);
		return NULL;
	}
	s = schema_compile(l->contract->doc, node, &error);
	if (!s)
		contract_fault(l, "%s: %s", what, error);
	return s;
}

void
contract_members(struct loader *l, json_t *node, const char *what,
		 const char *const known[])
{
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach(node, key, value)
	{
		for (i = 0; known[i] && strcmp(known[i], key) != 0;)
			i++;
		if (!known[i] && strncmp(key, "x-", 2) != 0)
			contract_fault(l, "%s has unknown member '%s'", what,
				       key);
	}
}

/* The method's name in capitals, or NULL for what is no operation. HEAD and
 * OPTIONS are answered without one. */
static const char *
method_of(const char *key)
{
	static const char *const methods[][2] = {
		{ "get", "GET" },     { "post", "POST" },     { "put", "PUT" },
		{ "patch", "PATCH" }, { "delete", "DELETE" },
	};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(methods[i][0], key) == 0)
			return methods[i][1];
	return NULL;
}

static bool
is_annotation(const char *key)
{
	return strcmp(key, "parameters") == 0 || strcmp(key, "summary") == 0 ||
	       strcmp(key, "description") == 0 || strncmp(key, "x-", 2) == 0;
}

static bool
add_operation(struct contract *c, const char *path, json_t *item,
	      const char *key, json_t *node)
{
	struct operation *op = &c->operations[c->operation_count];
	struct loader l = { c, item, node, op, true };
	const char *source, *id;

	source = json_string_value(json_object_get(node, "x-source"));
	id = json_string_value(json_object_get(node, "operationId"));
	op->source = source ? source : "openapi.json";
	op->id = id ? id : "?";
	op->path = path;
	op->method = method_of(key);
	op->index = c->operation_count++;
	if (!id)
		contract_fault(&l, "no operationId");
	else if (contract_find(c, id) != op)
		contract_fault(&l, "operationId used twice");
	if (!op->method)
		contract_fault(&l, "unknown method '%s'", key);
	else
		contract_operation(&l);
	return l.ok;
}

static bool
add_path(struct contract *c, const char *path, json_t *item)
{
	const char *key;
	json_t *node;
	bool ok = true;

	json_object_foreach(item, key, node)
	{
		if (!is_annotation(key) &&
		    !add_operation(c, path, item, key, node))
			ok = false;
	}
	return ok;
}

static bool
add_paths(struct contract *c)
{
	json_t *paths = json_object_get(c->doc, "paths"), *item;
	const char *path;
	size_t most = 0;
	bool ok = true;

	json_object_foreach(paths, path, item) most += json_object_size(item);
	c->operations = arena_alloc(c->arena, most * sizeof(*c->operations));
	json_object_foreach(paths, path, item)
	{
		if (!add_path(c, path, item))
			ok = false;
	}
	if (!most)
		fprintf(stderr, "openapi.json: no paths\n");
	return ok && most;
}

static bool
check_problems(struct contract *c)
{
	json_t *problems = json_object_get(c->doc, "x-problems"), *p;
	const char *code, *zh, *en;
	bool ok = true;
	int status;

	json_object_foreach(problems, code, p)
	{
		if (!contract_problem(c, code, &status, "zh", &zh) ||
		    !contract_problem(c, code, &status, "en", &en) ||
		    status < 400 || status > 599) {
			fprintf(stderr,
				"problems.yaml: %s: needs status, zh "
				"and en\n",
				code);
			ok = false;
		}
	}
	return ok;
}

struct contract *
contract_load(const char *text, size_t len)
{
	struct arena *a = arena_new();
	struct contract *c = arena_alloc(a, sizeof(*c));
	json_error_t error;
	bool ok;

	c->arena = a;
	c->text = text;
	c->text_len = len;
	c->doc = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!c->doc) {
		fprintf(stderr, "openapi.json:%d: %s\n", error.line,
			error.text);
		contract_free(c);
		return NULL;
	}
	ok = add_paths(c);
	ok = check_problems(c) && ok;
	if (ok && route_build(c))
		return c;
	contract_free(c);
	return NULL;
}

void
contract_free(struct contract *c)
{
	if (!c)
		return;
	json_decref(c->doc);
	arena_free(c->arena);
}

const struct operation *
contract_find(const struct contract *c, const char *id)
{
	for (size_t i = 0; i < c->operation_count; i++)
		if (strcmp(c->operations[i].id, id) == 0)
			return &c->operations[i];
	return NULL;
}

bool
contract_problem(const struct contract *c, const char *code, int *status,
		 const char *lang, const char **sentence)
{
	json_t *p =
		json_object_get(json_object_get(c->doc, "x-problems"), code);

	*status = (int)json_integer_value(json_object_get(p, "status"));
	*sentence = json_string_value(
		json_object_get(p, strcmp(lang, "en") == 0 ? "en" : "zh"));
	return p && *status && *sentence;
}
