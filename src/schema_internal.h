/* A compiled schema, shared by the schema_*.c files. */
#ifndef LINLI_SCHEMA_INTERNAL_H
#define LINLI_SCHEMA_INTERNAL_H
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "schema.h"

enum {
	TYPE_NULL = 1,
	TYPE_BOOLEAN = 2,
	TYPE_INTEGER = 4,
	TYPE_NUMBER = 8,
	TYPE_STRING = 16,
	TYPE_ARRAY = 32,
	TYPE_OBJECT = 64,
};

#define SCHEMA_MAX_DEPTH 64    /* of a schema's text and of an instance */
#define SCHEMA_MAX_FAULTS 50   /* in one reply */
#define SCHEMA_MAX_UNIQUE 1000 /* items compared pair by pair */

/* A bound and its text for faults; unset while text is NULL. */
struct bound {
	json_t *value;
	size_t count; /* of the length keywords */
	char *text;
};

struct property {
	const char *name;
	const struct schema *schema;
	bool required;
};

/* One branch of a oneOf, taken when the discriminator has this value. */
struct variant {
	const char *value;
	const struct schema *schema;
};

struct schema {
	json_t *root, *node;  /* references held: both live as long as we do */
	struct schema *older; /* all ever compiled, newest first */
	bool building;
	int level; /* properties and items entered when it was begun */

	const struct schema *target; /* behind $ref or "X or null" */
	bool nullable;

	unsigned types; /* 0 = any */
	const char *type_text;
	json_t *constant, *enumeration, *default_;
	char *constant_text, *enumeration_text;
	struct bound minimum, maximum, above, below, multiple;
	struct bound min_length, max_length, min_items, max_items;
	pcre2_code *pattern;
	const char *pattern_text;
	bool (*format)(const char *text, size_t n);
	const char *format_name;
	const struct schema *items;
	bool unique;

	size_t property_count;
	struct property *properties;
	bool open;			 /* additionalProperties: true */
	const struct schema *additional; /* … or a schema */

	const char *discriminator;
	size_t variant_count;
	struct variant *variants;
};

/* One call of schema_compile(). */
struct compile {
	json_t *root;
	int level, depth;
	size_t path_len;
	char path[512]; /* JSON pointer, below the node given */
};

/* schema_compile.c */
struct schema *schema_child(struct compile *c, const char *step, json_t *node);
bool schema_refuse(struct compile *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
size_t schema_enter(struct compile *c, const char *step);
void schema_leave(struct compile *c, size_t mark);
unsigned schema_types_of(const json_t *value);
unsigned schema_type_bit(const char *name);

/* schema_keywords.c: every keyword of one node but $ref. */
bool schema_keywords(struct compile *c, struct schema *s);

/* schema_oneof.c */
bool schema_one_of(struct compile *c, struct schema *s, json_t *branches);

/* schema_check.c: schema_check() with a prefix to every fault's pointer */
struct fault *schema_check_at(const struct schema *s, json_t **value,
			      const char *pointer, struct arena *a);

/* schema_format.c */
pcre2_code *schema_pattern_compile(const char *text, char why[128]);
bool schema_pattern_match(const pcre2_code *code, const char *text, size_t n);

/* What an instance is held to once $ref and nullable are seen through. */
static inline const struct schema *
schema_target(const struct schema *s)
{
	while (s->target)
		s = s->target;
	return s;
}
#endif
