/*
 * Parameters: those of the path first, in the order of the template, so that
 * the n-th value of a route belongs to the n-th of them.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "contract_internal.h"

/* If-Match → if_match; NULL when no query could name it. */
static char *
bind_name(struct arena *a, const char *name)
{
	char *bind = arena_strdup(a, name);

	for (char *c = bind; *c; c++) {
		*c = (char)(*c == '-' ? '_' : tolower((unsigned char)*c));
		if (!islower((unsigned char)*c) && *c != '_' &&
		    !(isdigit((unsigned char)*c) && c != bind))
			return NULL;
	}
	return *bind ? bind : NULL;
}

static bool
read_in(struct loader *l, struct param *p, const char *in)
{
	static const char *const places[] = {
		[IN_PATH] = "path", [IN_QUERY] = "query", [IN_HEADER] = "header"
	};

	for (int i = IN_PATH; i <= IN_HEADER; i++) {
		p->in = (enum param_in)i;
		if (in && strcmp(in, places[i]) == 0)
			return true;
	}
	contract_fault(l, "parameter '%s' in '%s'", p->name, in ? in : "?");
	return false;
}

/* Two parameters of one :name, wherever they stand. */
static void
check_twice(struct loader *l, const struct param *p)
{
	for (const struct param *q = l->op->params; q < p; q++)
		if (strcmp(p->bind, q->bind) == 0)
			contract_fault(l, "parameter '%s' twice", p->name);
}

/* In a query our lists are "a,b", which OpenAPI calls explode: false. */
static void
check_style(struct loader *l, const struct param *p, json_t *node)
{
	json_t *style = json_object_get(node, "style");
	json_t *explode = json_object_get(node, "explode");
	const char *expected = p->in == IN_QUERY ? "form" : "simple";

	if (style && (!json_is_string(style) ||
		      strcmp(json_string_value(style), expected) != 0))
		contract_fault(l, "parameter '%s': style must be %s", p->name,
			       expected);
	if (p->in == IN_QUERY && p->schema && schema_items(p->schema) &&
	    !json_is_false(explode))
		contract_fault(l, "parameter '%s': a list needs explode: false",
			       p->name);
}

static void
note_header(struct loader *l, const struct param *p)
{
	static const char *const taken[] = { "Accept", "Content-Type",
					     "Authorization" };

	if (strcasecmp(p->name, "Idempotency-Key") == 0)
		l->op->idempotent = true;
	if (strcasecmp(p->name, "If-Match") == 0)
		l->op->conditional = p->required;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (strcasecmp(p->name, taken[i]) == 0)
			contract_fault(l, "header %s is no parameter", p->name);
}

static const char *
pointer_of(struct loader *l, const struct param *p)
{
	static const char marks[] = { [IN_PATH] = ':',
				      [IN_QUERY] = '?',
				      [IN_HEADER] = '@' };

	return arena_printf(l->contract->arena, "%c%s", marks[p->in], p->name);
}

static void
add_param(struct loader *l, json_t *node)
{
	static const char *const known[] = {
		"name",	  "in",	     "description", "required",
		"schema", "example", "examples",    "deprecated",
		"style",  "explode", NULL,
	};
	struct param *p = &l->op->params[l->op->param_count];
	const char *in, *name;

	node = contract_deref(l, node);
	if (!node)
		return;
	name = json_string_value(json_object_get(node, "name"));
	in = json_string_value(json_object_get(node, "in"));
	p->name = name ? name : "?";
	p->bind = bind_name(l->contract->arena, p->name);
	if (!p->bind)
		contract_fault(l, "parameter '%s' cannot be a :name", p->name);
	contract_members(l, node, p->name, known);
	if (!p->bind || !read_in(l, p, in))
		return;
	p->pointer = pointer_of(l, p);
	p->required = json_is_true(json_object_get(node, "required"));
	p->schema =
		contract_schema(l, json_object_get(node, "schema"), p->name);
	check_twice(l, p);
	check_style(l, p, node);
	if (p->in == IN_HEADER)
		note_header(l, p);
	l->op->param_count++;
}

static struct param *
find_path_param(struct operation *op, const char *name, size_t n)
{
	for (size_t i = 0; i < op->param_count; i++) {
		struct param *p = &op->params[i];

		if (p->in == IN_PATH && strlen(p->name) == n &&
		    memcmp(p->name, name, n) == 0)
			return p;
	}
	return NULL;
}

/* Moves p to place i, the ones between up by one. */
static void
move_to(struct operation *op, struct param *p, size_t i)
{
	struct param moved = *p;

	memmove(&op->params[i + 1], &op->params[i],
		(size_t)(p - &op->params[i]) * sizeof(*p));
	op->params[i] = moved;
}

/* Every {name} has its parameter, every path parameter its {name}. */
static void
match_template(struct loader *l)
{
	struct operation *op = l->op;
	size_t found = 0, declared = 0;

	for (const char *s = strchr(op->path, '{'); s; s = strchr(s, '{')) {
		size_t n = strcspn(++s, "}");
		struct param *p = find_path_param(op, s, n);

		if (!p)
			contract_fault(l, "no parameter for {%.*s}", (int)n, s);
		else if (p < &op->params[found])
			contract_fault(l, "{%.*s} twice in the path", (int)n,
				       s);
		else
			move_to(op, p, found++);
	}
	for (size_t i = 0; i < op->param_count; i++) {
		const struct param *p = &op->params[i];

		declared += p->in == IN_PATH;
		if (p->in == IN_PATH && !p->required)
			contract_fault(l,
				       "path parameter '%s' must be "
				       "required",
				       p->name);
		if (p->in == IN_PATH && declared > found)
			contract_fault(l, "parameter '%s' is not in the path",
				       p->name);
	}
}

void
contract_params(struct loader *l)
{
	json_t *own = json_object_get(l->node, "parameters");
	json_t *shared = json_object_get(l->path_item, "parameters");
	json_t *node;
	size_t i;

	l->op->params =
		arena_alloc(l->contract->arena,
			    (json_array_size(own) + json_array_size(shared)) *
				    sizeof(*l->op->params));
	json_array_foreach(shared, i, node) add_param(l, node);
	json_array_foreach(own, i, node) add_param(l, node);
	match_template(l);
}
