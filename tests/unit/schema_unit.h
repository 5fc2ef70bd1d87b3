/* What the unit tests of the schema share. */
#ifndef SCHEMA_UNIT_H
#define SCHEMA_UNIT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "schema.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct arena *arena;

static inline int
setup(void **state)
{
	(void)state;
	arena = arena_new();
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static inline json_t *
parse(const char *text)
{
	json_error_t e;
	json_t *v =
		json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &e);

	if (!v)
		fail_msg("%s: %s", e.text, text);
	return v;
}

/* "pointer code(limit); …", "" when there is none. */
static inline char *
render(const struct fault *f)
{
	char *out = arena_strdup(arena, "");

	for (; f; f = f->next)
		out = arena_printf(
			arena, "%s%s%s %s%s%s%s", out, *out ? "; " : "",
			f->pointer, f->code, f->limit ? "(" : "",
			f->limit ? f->limit : "", f->limit ? ")" : "");
	return out;
}

/* The text's components (a JSON object, or NULL) become the document's. */
static inline struct schema *
compile(const char *text, const char *components, char **error)
{
	json_t *root = json_object(), *node = parse(text);
	struct schema *s;

	if (components)
		json_object_set_new(root, "c", parse(components));
	*error = NULL;
	s = schema_compile(root, node, error);
	json_decref(node);
	json_decref(root);
	return s;
}

static inline struct schema *
must_compile(const char *text, const char *components)
{
	char *error;
	struct schema *s = compile(text, components, &error);

	if (!s)
		fail_msg("%s: %s", text, error);
	return s;
}
#endif
