/*
 * Reading a compiled schema: reply shapes, binds and the start-up check.
 */
#include <string.h>

#include "schema_internal.h"

bool
schema_has_type(const struct schema *s, const char *type)
{
	unsigned bit = schema_type_bit(type);

	for (; s->target; s = s->target)
		if (s->nullable && bit == TYPE_NULL)
			return true;
	return bit && (!s->types || (s->types & bit));
}

static const struct property *
find_property(const struct schema *s, const char *name)
{
	s = schema_target(s);
	for (size_t i = 0; i < s->property_count; i++)
		if (strcmp(s->properties[i].name, name) == 0)
			return &s->properties[i];
	return NULL;
}

const struct schema *
schema_property(const struct schema *s, const char *name)
{
	const struct property *p = find_property(s, name);

	return p ? p->schema : NULL;
}

bool
schema_property_required(const struct schema *s, const char *name)
{
	const struct property *p = find_property(s, name);

	return p && p->required;
}

size_t
schema_property_count(const struct schema *s)
{
	return schema_target(s)->property_count;
}

const char *
schema_property_name(const struct schema *s, size_t i)
{
	return schema_target(s)->properties[i].name;
}

const struct schema *
schema_items(const struct schema *s)
{
	return schema_target(s)->items;
}

json_t *
schema_extension(const struct schema *s, const char *keyword)
{
	json_t *value = json_object_get(s->node, keyword);

	while (!value && s->target) {
		s = s->target;
		value = json_object_get(s->node, keyword);
	}
	return value;
}

bool
schema_any_extension(const struct schema *s, const char *keyword)
{
	const struct schema *t = schema_target(s);

	for (size_t i = 0; i < t->property_count; i++)
		if (schema_extension(t->properties[i].schema, keyword))
			return true;
	return false;
}

json_t *
schema_default(const struct schema *s)
{
	while (!s->default_ && s->target)
		s = s->target;
	return s->default_;
}
