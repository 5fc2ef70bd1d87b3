/*
 * JSON Schema, compiled once at start: every mistake in the contract is met
 * here, none in a request.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema_internal.h"

/* Components already compiled, so that a $ref is compiled once a contract.
 * Compiled schemas live as long as the process. */
struct known {
	struct known *older;
	struct schema *schema;
};

static struct known *known;
static struct schema *newest;
static char error_text[640];

static const struct {
	const char *name;
	unsigned bit;
} type_names[] = {
	{ "null", TYPE_NULL },	     { "boolean", TYPE_BOOLEAN },
	{ "integer", TYPE_INTEGER }, { "number", TYPE_NUMBER },
	{ "string", TYPE_STRING },   { "array", TYPE_ARRAY },
	{ "object", TYPE_OBJECT },
};

unsigned
schema_type_bit(const char *name)
{
	for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++)
		if (strcmp(type_names[i].name, name) == 0)
			return type_names[i].bit;
	return 0;
}

/* An integer is a number too; 1.0 and 1e2 are no integers. */
unsigned
schema_types_of(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_NULL:
		return TYPE_NULL;
	case JSON_TRUE:
	case JSON_FALSE:
		return TYPE_BOOLEAN;
	case JSON_INTEGER:
		return TYPE_INTEGER | TYPE_NUMBER;
	case JSON_REAL:
		return TYPE_NUMBER;
	case JSON_STRING:
		return TYPE_STRING;
	case JSON_ARRAY:
		return TYPE_ARRAY;
	case JSON_OBJECT:
		return TYPE_OBJECT;
	}
	return 0;
}

bool
schema_refuse(struct compile *c, const char *fmt, ...)
{
	int n = snprintf(error_text, sizeof(error_text),
			 "%s: ", c->path_len ? c->path : "(top)");
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error_text + n, sizeof(error_text) - (size_t)n, fmt, ap);
	va_end(ap);
	return false;
}

/* The path is for people only: a very long one is cut. */
size_t
schema_enter(struct compile *c, const char *step)
{
	size_t mark = c->path_len, room = sizeof(c->path) - mark;
	int n = *step ? snprintf(c->path + mark, room, "/%s", step) : 0;

	c->path_len += (size_t)n < room ? (size_t)n : room - 1;
	return mark;
}

void
schema_leave(struct compile *c, size_t mark)
{
	c->path_len = mark;
	c->path[mark] = '\0';
}

static struct schema *
schema_new(struct compile *c, json_t *node)
{
	struct schema *s = xmalloc(sizeof(*s));

	s->root = json_incref(c->root);
	s->node = json_incref(node);
	s->building = true;
	s->level = c->level;
	s->older = newest;
	return newest = s;
}

/* The member a $ref names, or NULL. */
static json_t *
resolve(json_t *root, const char *ref)
{
	char step[128];

	if (strncmp(ref, "#/", 2) != 0)
		return NULL;
	for (ref++; root && *ref == '/';) {
		size_t n = 0;

		for (ref++; *ref && *ref != '/'; ref++) {
			if (n + 1 == sizeof(step))
				return NULL;
			step[n++] = *ref;
			if (ref[0] == '~' && (ref[1] == '0' || ref[1] == '1'))
				step[n - 1] = *++ref == '0' ? '~' : '/';
		}
		step[n] = '\0';
		root = json_object_get(root, step);
	}
	return root;
}

static struct schema *
find_known(const json_t *root, const json_t *node)
{
	for (struct known *k = known; k; k = k->older)
		if (k->schema->node == node && k->schema->root == root)
			return k->schema;
	return NULL;
}

static bool
compile_into(struct compile *c, struct schema *s)
{
	bool ok;

	if (!json_is_object(s->node))
		return schema_refuse(c, "a schema must be an object");
	if (++c->depth > SCHEMA_MAX_DEPTH)
		return schema_refuse(c, "nested too deep");
	ok = schema_keywords(c, s);
	c->depth--;
	s->building = false;
	return ok;
}

static const struct schema *
compile_ref(struct compile *c, const char *ref)
{
	json_t *node = resolve(c->root, ref);
	struct schema *s;
	struct known *k;

	if (!node) {
		schema_refuse(c, "$ref to %s, which does not exist", ref);
		return NULL;
	}
	s = find_known(c->root, node);
	if (s && s->building && s->level == c->level) {
		schema_refuse(c, "$ref to %s never ends", ref);
		return NULL;
	}
	if (s)
		return s;
	s = schema_new(c, node);
	k = xmalloc(sizeof(*k));
	k->schema = s;
	k->older = known;
	known = k;
	return compile_into(c, s) ? s : NULL;
}

/* What may stand beside a $ref: nothing that is checked. */
static bool
beside_ref(const char *key)
{
	static const char *const allowed[] = {
		"$ref",	    "title",	  "description", "default",   "example",
		"examples", "deprecated", "readOnly",	 "writeOnly",
	};

	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		if (strcmp(key, allowed[i]) == 0)
			return true;
	return strncmp(key, "x-", 2) == 0;
}

static struct schema *
compile_with_ref(struct compile *c, json_t *node, const char *ref)
{
	struct schema *s = schema_new(c, node);
	const char *key;
	json_t *value;

	json_object_foreach(node, key, value)
	{
		if (!beside_ref(key)) {
			schema_refuse(c, "'%s' beside $ref", key);
			return NULL;
		}
	}
	s->default_ = json_object_get(node, "default");
	s->target = compile_ref(c, ref);
	s->building = false;
	return s->target ? s : NULL;
}

static struct schema *
compile_node(struct compile *c, json_t *node)
{
	json_t *ref = json_object_get(node, "$ref");
	struct schema *s;

	if (json_is_string(ref))
		return compile_with_ref(c, node, json_string_value(ref));
	s = schema_new(c, node);
	return compile_into(c, s) ? s : NULL;
}

struct schema *
schema_child(struct compile *c, const char *step, json_t *node)
{
	size_t mark = schema_enter(c, step);
	struct schema *s = compile_node(c, node);

	if (s)
		schema_leave(c, mark);
	return s;
}

/* A default that its own schema refuses would turn up as a server fault. What
 * is kept of it has the defaults of its own members filled in: children are
 * newer than their parents, so theirs are ready when a parent's turn comes. */
static bool
check_defaults(struct compile *c, const struct schema *until)
{
	struct arena *a = arena_new();
	const char *faulty = NULL;
	struct fault *f;

	for (struct schema *s = newest; s != until && !faulty; s = s->older) {
		json_t *copy;

		if (!s->default_)
			continue;
		copy = json_deep_copy(s->default_);
		f = schema_check(s, &copy, a);
		faulty = f ? f->code : NULL;
		s->default_ = copy;
	}
	if (faulty)
		schema_refuse(c, "a default fails its own schema: %s", faulty);
	arena_free(a);
	return !faulty;
}

struct schema *
schema_compile(json_t *root, json_t *node, char **error)
{
	struct known *known_before = known;
	struct schema *before = newest, *s;
	struct compile c = { .root = root };

	s = compile_node(&c, node);
	if (s && check_defaults(&c, before))
		return s;
	/* Half-built components must not be found by the next caller. */
	while (known != known_before) {
		struct known *k = known;

		known = k->older;
		free(k);
	}
	*error = error_text;
	return NULL;
}
