/*
 * The keywords of one schema node: the table below is the whole list, and
 * what is not in it is refused.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "schema_internal.h"

#define NUMERIC (TYPE_INTEGER | TYPE_NUMBER)

struct keyword {
	const char *name;
	unsigned types; /* one of these must be in "type"; 0 = any node */
	bool (*compile)(struct compile *c, struct schema *s, json_t *value);
	/* or, for a bound, how to read it and where it goes */
	bool (*read)(struct compile *c, struct bound *b, json_t *value);
	size_t bound;
};

#define BOUND(read, member) NULL, read, offsetof(struct schema, member)

static char *
text_of(const json_t *value)
{
	char *text;

	if (json_is_string(value))
		return xstrdup(json_string_value(value));
	text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT |
					 JSON_REAL_PRECISION(15));
	if (!text)
		abort();
	return text;
}

static bool
add_type(struct compile *c, struct schema *s, json_t *name)
{
	unsigned bit = json_is_string(name)
			       ? schema_type_bit(json_string_value(name))
			       : 0;

	if (!bit)
		return schema_refuse(c, "unknown type");
	s->types |= bit;
	if (bit != TYPE_NULL || !s->type_text)
		s->type_text = json_string_value(name);
	return true;
}

/* A name, or [name, "null"] */
static bool
compile_type(struct compile *c, struct schema *s, json_t *value)
{
	if (!json_is_array(value))
		return add_type(c, s, value);
	if (json_array_size(value) != 2 ||
	    !add_type(c, s, json_array_get(value, 0)) ||
	    !add_type(c, s, json_array_get(value, 1)) ||
	    !(s->types & TYPE_NULL) || s->types == TYPE_NULL)
		return schema_refuse(c, "type must be a name or [name, null]");
	return true;
}

static bool
fits_type(const struct schema *s, const json_t *value)
{
	return !s->types || (s->types & schema_types_of(value));
}

static bool
compile_enum(struct compile *c, struct schema *s, json_t *value)
{
	size_t i, used = 0;
	json_t *item;

	if (!json_is_array(value) || !json_array_size(value))
		return schema_refuse(c, "must be a list");
	s->enumeration = value;
	s->enumeration_text = xstrdup("");
	json_array_foreach(value, i, item)
	{
		char *text = text_of(item);
		size_t n = strlen(text);

		if (!fits_type(s, item)) {
			free(text);
			return schema_refuse(c, "a value is not of the type");
		}
		s->enumeration_text =
			xrealloc(s->enumeration_text, used + n + 3);
		strcpy(s->enumeration_text + used, i ? ", " : "");
		used += i ? 2 : 0;
		memcpy(s->enumeration_text + used, text, n + 1);
		used += n;
		free(text);
	}
	return true;
}

static bool
compile_const(struct compile *c, struct schema *s, json_t *value)
{
	if (!fits_type(s, value))
		return schema_refuse(c, "the value is not of the type");
	s->constant = value;
	s->constant_text = text_of(value);
	return true;
}

static bool
compile_default(struct compile *c, struct schema *s, json_t *value)
{
	(void)c; /* schema_compile() checks it when everything is built */
	s->default_ = value;
	return true;
}

static bool
number_bound(struct compile *c, struct bound *b, json_t *value)
{
	if (!json_is_number(value))
		return schema_refuse(c, "must be a number");
	b->value = value;
	b->text = text_of(value);
	return true;
}

static bool
positive_bound(struct compile *c, struct bound *b, json_t *value)
{
	if (!(json_number_value(value) > 0))
		return schema_refuse(c, "must be a number above 0");
	return number_bound(c, b, value);
}

static bool
count_bound(struct compile *c, struct bound *b, json_t *value)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return schema_refuse(c, "must be an integer, 0 or more");
	b->count = (size_t)json_integer_value(value);
	b->text = text_of(value);
	return true;
}

static bool
compile_pattern(struct compile *c, struct schema *s, json_t *value)
{
	char why[128];

	if (!json_is_string(value))
		return schema_refuse(c, "must be a string");
	s->pattern_text = json_string_value(value);
	s->pattern = schema_pattern_compile(s->pattern_text, why);
	return s->pattern || schema_refuse(c, "%s", why);
}

static bool
compile_format(struct compile *c, struct schema *s, json_t *value)
{
	if (!json_is_string(value))
		return schema_refuse(c, "must be a string");
	s->format_name = json_string_value(value);
	s->format = schema_format_find(s->format_name);
	return s->format ||
	       schema_refuse(c, "unknown format '%s'", s->format_name);
}

/* Depth of "never ends" counts what takes a level of the instance away. */
static const struct schema *
compile_below_level(struct compile *c, const char *step, json_t *node)
{
	const struct schema *s;

	c->level++;
	s = schema_child(c, step, node);
	c->level--;
	return s;
}

static bool
compile_items(struct compile *c, struct schema *s, json_t *value)
{
	s->items = compile_below_level(c, "", value);
	return s->items != NULL;
}

static bool
compile_unique(struct compile *c, struct schema *s, json_t *value)
{
	json_t *most = json_object_get(s->node, "maxItems");

	if (!json_is_boolean(value))
		return schema_refuse(c, "must be true or false");
	s->unique = json_is_true(value);
	if (s->unique && (!json_is_integer(most) ||
			  json_integer_value(most) > SCHEMA_MAX_UNIQUE))
		return schema_refuse(c, "needs a maxItems of at most %d",
				     SCHEMA_MAX_UNIQUE);
	return true;
}

static bool
compile_properties(struct compile *c, struct schema *s, json_t *value)
{
	const char *name;
	json_t *node;

	if (!json_is_object(value))
		return schema_refuse(c, "must be an object");
	s->properties =
		xmalloc(json_object_size(value) * sizeof(*s->properties));
	json_object_foreach(value, name, node)
	{
		struct property *p = &s->properties[s->property_count];

		p->name = name;
		p->schema = compile_below_level(c, name, node);
		if (!p->schema)
			return false;
		s->property_count++;
	}
	return true;
}

static struct property *
property_of(struct schema *s, const char *name)
{
	for (size_t i = 0; name && i < s->property_count; i++)
		if (strcmp(s->properties[i].name, name) == 0)
			return &s->properties[i];
	return NULL;
}

static bool
compile_required(struct compile *c, struct schema *s, json_t *value)
{
	size_t i;
	json_t *name;

	if (!json_is_array(value))
		return schema_refuse(c, "must be a list");
	json_array_foreach(value, i, name)
	{
		struct property *p = property_of(s, json_string_value(name));

		if (!p)
			return schema_refuse(c, "'%s' is not in properties",
					     json_is_string(name)
						     ? json_string_value(name)
						     : "?");
		p->required = true;
	}
	return true;
}

static bool
compile_additional(struct compile *c, struct schema *s, json_t *value)
{
	s->open = json_is_true(value);
	if (json_is_boolean(value))
		return true;
	s->additional = compile_below_level(c, "", value);
	return s->additional != NULL;
}

static bool
compile_discriminator(struct compile *c, struct schema *s, json_t *value)
{
	(void)value;
	return json_object_get(s->node, "oneOf") ||
	       schema_refuse(c, "discriminator without oneOf");
}

/* Compiled in this order: type first, since the others are held to it;
 * properties before required. No function: an annotation. */
static const struct keyword keywords[] = {
	{ "type", 0, compile_type, NULL, 0 },
	{ "enum", 0, compile_enum, NULL, 0 },
	{ "const", 0, compile_const, NULL, 0 },
	{ "minimum", NUMERIC, BOUND(number_bound, minimum) },
	{ "maximum", NUMERIC, BOUND(number_bound, maximum) },
	{ "exclusiveMinimum", NUMERIC, BOUND(number_bound, above) },
	{ "exclusiveMaximum", NUMERIC, BOUND(number_bound, below) },
	{ "multipleOf", NUMERIC, BOUND(positive_bound, multiple) },
	{ "minLength", TYPE_STRING, BOUND(count_bound, min_length) },
	{ "maxLength", TYPE_STRING, BOUND(count_bound, max_length) },
	{ "pattern", TYPE_STRING, compile_pattern, NULL, 0 },
	{ "format", TYPE_STRING, compile_format, NULL, 0 },
	{ "items", TYPE_ARRAY, compile_items, NULL, 0 },
	{ "minItems", TYPE_ARRAY, BOUND(count_bound, min_items) },
	{ "maxItems", TYPE_ARRAY, BOUND(count_bound, max_items) },
	{ "uniqueItems", TYPE_ARRAY, compile_unique, NULL, 0 },
	{ "properties", TYPE_OBJECT, compile_properties, NULL, 0 },
	{ "required", TYPE_OBJECT, compile_required, NULL, 0 },
	{ "additionalProperties", TYPE_OBJECT, compile_additional, NULL, 0 },
	{ "discriminator", 0, compile_discriminator, NULL, 0 },
	{ "oneOf", 0, schema_one_of, NULL, 0 },
	{ "default", 0, compile_default, NULL, 0 },
	{ "title", 0, NULL, NULL, 0 },
	{ "description", 0, NULL, NULL, 0 },
	{ "example", 0, NULL, NULL, 0 },
	{ "examples", 0, NULL, NULL, 0 },
	{ "deprecated", 0, NULL, NULL, 0 },
	{ "readOnly", 0, NULL, NULL, 0 },
	{ "writeOnly", 0, NULL, NULL, 0 },
};

#define KEYWORDS (sizeof(keywords) / sizeof(keywords[0]))

static bool
known_keyword(const char *name)
{
	for (size_t i = 0; i < KEYWORDS; i++)
		if (strcmp(keywords[i].name, name) == 0)
			return true;
	return strncmp(name, "x-", 2) == 0;
}

static bool
compile_keyword(struct compile *c, struct schema *s, const struct keyword *k)
{
	json_t *value = json_object_get(s->node, k->name);
	size_t mark;

	if (!value || (!k->compile && !k->read))
		return true;
	mark = schema_enter(c, k->name);
	if (k->types && !(s->types & k->types))
		return schema_refuse(c, "does not go with the type");
	if (k->read ? !k->read(c, (struct bound *)((char *)s + k->bound), value)
		    : !k->compile(c, s, value))
		return false;
	schema_leave(c, mark);
	return true;
}

bool
schema_keywords(struct compile *c, struct schema *s)
{
	const char *name;
	json_t *value;

	json_object_foreach(s->node, name, value)
	{
		if (!known_keyword(name))
			return schema_refuse(c, "unknown keyword '%s'", name);
	}
	for (size_t i = 0; i < KEYWORDS; i++)
		if (!compile_keyword(c, s, &keywords[i]))
			return false;
	if (s->types == TYPE_ARRAY && !s->items)
		return schema_refuse(c, "an array without items");
	return true;
}
