/*
 * One operation: its path and who may call it.
 */
#include <ctype.h>
#include <string.h>

#include "contract_internal.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool
is_literal(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr("-._~", s[i]))
			return false;
	return n > 0;
}

static void
add_segment(struct loader *l, const char *s, size_t n)
{
	struct operation *op = l->op;
	bool is_param = n > 2 && s[0] == '{' && s[n - 1] == '}';

	if (op->segment_count == COUNT(op->segments)) {
		contract_fault(l, "more than %zu segments in the path",
			       COUNT(op->segments));
		return;
	}
	if (!is_literal(s + is_param, n - 2 * is_param))
		contract_fault(l, "bad segment '%.*s' in the path", (int)n, s);
	op->segments[op->segment_count++] =
		is_param ? NULL : arena_strndup(l->contract->arena, s, n);
}

static void
read_path(struct loader *l)
{
	const char *s = l->op->path;

	if (strcmp(s, "/") == 0)
		return;
	do {
		size_t n;

		if (*s != '/') {
			contract_fault(l, "the path must begin with /");
			return;
		}
		n = strcspn(++s, "/");
		add_segment(l, s, n);
		s += n;
	} while (*s && l->ok);
}

/* {jwt: [role]}; several of them mean "one of these roles". */
static void
add_requirement(struct loader *l, json_t *requirement)
{
	json_t *names = json_object_get(requirement, "jwt");
	const char *name = json_string_value(json_array_get(names, 0));
	unsigned bit;

	if (json_object_size(requirement) != 1 || !name ||
	    json_array_size(names) != 1) {
		contract_fault(l, "security must be a list of {jwt: [role]}");
		return;
	}
	bit = role_bit(name);
	if (!bit)
		contract_fault(l, "unknown role '%s'", name);
	if (l->op->roles & bit)
		contract_fault(l, "role '%s' twice", name);
	l->op->roles |= bit;
}

static void
read_security(struct loader *l)
{
	json_t *list = json_object_get(l->node, "security"), *requirement;
	size_t i;

	if (!json_is_array(list)) {
		contract_fault(l, "no security: say [] for a public one");
		return;
	}
	l->op->public_ = json_array_size(list) == 0;
	l->op->personal = !l->op->public_;
	json_array_foreach(list, i, requirement)
		add_requirement(l, requirement);
}

static void
read_max_body(struct loader *l)
{
	json_t *max = json_object_get(l->node, "x-max-body");

	if (!max)
		return;
	if (json_integer_value(max) <= 0)
		contract_fault(l, "x-max-body must be a number of bytes");
	else
		l->op->max_body = (size_t)json_integer_value(max);
}

static void
read_limit(struct loader *l)
{
	static const char *const names[] = {
		[OP_LIMIT_CALLER] = "caller",
		[OP_LIMIT_LOGIN] = "login",
		[OP_LIMIT_NONE] = "none",
	};
	json_t *limit = json_object_get(l->node, "x-limit");
	const char *text = json_string_value(limit);

	for (size_t i = 0; text && i < COUNT(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			l->op->limit = (enum op_limit)i;
			return;
		}
	}
	if (limit)
		contract_fault(l, "x-limit must be caller, login or none");
}

static void
read_secret(struct loader *l)
{
	json_t *secret = json_object_get(l->node, "x-secret");

	l->op->secret = json_is_true(secret);
	if (secret && !json_is_boolean(secret))
		contract_fault(l, "x-secret must be true or false");
}

/* One of schema ClientScope, the only list of them. */
static void
read_scope(struct loader *l)
{
	json_t *scope = json_object_get(l->node, "x-scope"), *known, *list;
	size_t i;

	list = json_object_get(l->contract->doc, "components");
	list = json_object_get(json_object_get(list, "schemas"), "ClientScope");
	json_array_foreach(json_object_get(list, "enum"), i, known)
		if (scope && json_equal(scope, known))
			l->op->scope = json_string_value(scope);
	if (scope && !l->op->scope)
		contract_fault(l, "x-scope is not one of ClientScope");
	if (scope && !(l->op->roles & ROLE_CLIENT))
		contract_fault(l, "x-scope without the role client");
}

void
contract_operation(struct loader *l)
{
	static const char *const known[] = {
		"operationId", "summary",    "description", "tags",
		"security",    "parameters", "requestBody", "responses",
		"deprecated",  NULL,
	};

	contract_members(l, l->node, "the operation", known);
	read_path(l);
	read_security(l);
	read_max_body(l);
	read_limit(l);
	read_secret(l);
	read_scope(l);
	contract_params(l);
	contract_body(l);
	contract_reply(l);
}
