/* The JSON Schema subset of the contract: compiled once, checked per request.
 *
 * Keywords (the one list; any other is refused by schema_compile): type
 * (name or [name,"null"]), required, properties, additionalProperties (false
 * unless said), enum, const, minimum, maximum, exclusiveMinimum,
 * exclusiveMaximum, multipleOf, minLength, maxLength (characters), pattern
 * (PCRE2, UTF), format (uuid date date-time uri phone resident-id), items,
 * minItems,
 * maxItems, uniqueItems, oneOf + discriminator (or, for "X or null", oneOf:
 * [X, {type: null}]), $ref (only annotations beside it), default (applied to
 * the instance); title, description, example(s), deprecated, readOnly,
 * writeOnly
 * and x-* carry no check. */
#ifndef LINLI_SCHEMA_H
#define LINLI_SCHEMA_H
#include <jansson.h>
#include <stdbool.h>
#include "arena.h"

struct schema;

/* One fault of an instance: where (JSON pointer, "" = the whole) and what. */
struct fault {
	const char *pointer;
	/* required unknown_field type enum const minimum maximum
	 * exclusive_minimum exclusive_maximum multiple_of too_short too_long
	 * pattern format too_few too_many not_unique one_of null too_deep */
	const char *code;
	const char *limit; /* the bound or name concerned, or NULL */
	struct fault *next;
};

/* root: the whole bundle (for $ref). On failure NULL, *error (static buffer)
 * says pointer and keyword. Recursive $ref is allowed only through items or
 * properties. */
struct schema *schema_compile(json_t *root, json_t *node, char **error);

/* Checks and applies defaults in place. NULL = valid; else every fault in
 * document order, at most 50, allocated in a. */
struct fault *schema_check(const struct schema *s, json_t **value,
			   struct arena *a);

/* Path, query and header parameters come as text: converts by the schema's
 * type (integer, number, boolean strictly spelled; arrays comma separated;
 * else string) and checks. pointer is put before the faults' own. */
struct fault *schema_check_text(const struct schema *s, const char *text,
				const char *pointer, json_t **value,
				struct arena *a);

/* Reading a compiled schema, for reply shapes and the start-up check. */
bool schema_has_type(const struct schema *s, const char *type);
const struct schema *schema_property(const struct schema *s, const char *name);
bool schema_property_required(const struct schema *s, const char *name);
size_t schema_property_count(const struct schema *s);
const char *schema_property_name(const struct schema *s, size_t i);
const struct schema *schema_items(const struct schema *s);
/* value of an x- keyword of this node, or NULL (e.g. "x-personal") */
json_t *schema_extension(const struct schema *s, const char *keyword);
/* has a property this keyword */
bool schema_any_extension(const struct schema *s, const char *keyword);
json_t *schema_default(const struct schema *s); /* or NULL */
/* The check of a format ("phone", "resident-id" …), or NULL. */
bool (*schema_format_find(const char *name))(const char *text, size_t n);
#endif
