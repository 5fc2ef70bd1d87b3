/*
 * oneOf: the branch is named by the instance (discriminator), never guessed.
 * Besides, oneOf: [X, {type: null}] is the way to say "X or null" of a $ref.
 */
#include <stdio.h>
#include <string.h>

#include "schema_internal.h"

static bool
is_null_schema(const json_t *node)
{
	const char *type = json_string_value(json_object_get(node, "type"));

	return type && strcmp(type, "null") == 0 && json_object_size(node) == 1;
}

static const struct schema *
branch(struct compile *c, json_t *branches, size_t i)
{
	char step[24];

	snprintf(step, sizeof(step), "%zu", i);
	return schema_child(c, step, json_array_get(branches, i));
}

static bool
compile_nullable(struct compile *c, struct schema *s, json_t *branches)
{
	bool null_first = is_null_schema(json_array_get(branches, 0));

	if (s->types || s->constant || s->enumeration)
		return schema_refuse(c, "a keyword beside \"X or null\"");
	s->target = branch(c, branches, null_first ? 1 : 0);
	s->nullable = true;
	return s->target != NULL;
}

static bool
add_variant(struct compile *c, struct schema *s, const char *value,
	    const struct schema *chosen)
{
	for (size_t i = 0; i < s->variant_count; i++)
		if (strcmp(s->variants[i].value, value) == 0)
			return schema_refuse(c, "'%s' names two branches",
					     value);
	s->variants[s->variant_count].value = value;
	s->variants[s->variant_count++].schema = chosen;
	return true;
}

/* Values by mapping: those whose reference is the branch's own. */
static bool
add_mapped(struct compile *c, struct schema *s, json_t *mapping, json_t *node,
	   const struct schema *chosen)
{
	const char *ref = json_string_value(json_object_get(node, "$ref"));
	const char *value;
	json_t *to;

	json_object_foreach(mapping, value, to)
	{
		if (!ref || !json_is_string(to) ||
		    strcmp(json_string_value(to), ref) != 0)
			continue;
		if (!add_variant(c, s, value, chosen))
			return false;
	}
	return true;
}

/* The discriminating property of a branch must be a required one. */
static const struct schema *
discriminating(struct compile *c, const struct schema *s,
	       const struct schema *chosen)
{
	const struct schema *p = schema_property(chosen, s->discriminator);

	if (!p || !schema_property_required(chosen, s->discriminator)) {
		schema_refuse(c, "'%s' must be a required property",
			      s->discriminator);
		return NULL;
	}
	return schema_target(p);
}

static bool
add_branch(struct compile *c, struct schema *s, json_t *branches, size_t i,
	   json_t *mapping)
{
	const struct schema *chosen = branch(c, branches, i), *p;
	size_t before = s->variant_count;

	if (!chosen)
		return false;
	p = discriminating(c, s, chosen);
	if (!p ||
	    !add_mapped(c, s, mapping, json_array_get(branches, i), chosen))
		return false;
	if (s->variant_count > before)
		return true;
	if (!json_is_string(p->constant))
		return schema_refuse(c,
				     "branch %zu has neither a mapping nor "
				     "a const",
				     i);
	return add_variant(c, s, json_string_value(p->constant), chosen);
}

static bool
all_mapped(struct compile *c, const struct schema *s, json_t *mapping)
{
	const char *value;
	json_t *to;
	size_t i;

	json_object_foreach(mapping, value, to)
	{
		for (i = 0; i < s->variant_count; i++)
			if (strcmp(s->variants[i].value, value) == 0)
				break;
		if (i == s->variant_count)
			return schema_refuse(c, "mapping '%s' names no branch",
					     value);
	}
	return true;
}

bool
schema_one_of(struct compile *c, struct schema *s, json_t *branches)
{
	json_t *chooser = json_object_get(s->node, "discriminator");
	json_t *mapping = json_object_get(chooser, "mapping");
	size_t n = json_array_size(branches);

	if (n == 2 && !chooser &&
	    is_null_schema(json_array_get(branches, 0)) !=
		    is_null_schema(json_array_get(branches, 1)))
		return compile_nullable(c, s, branches);
	s->discriminator =
		json_string_value(json_object_get(chooser, "propertyName"));
	if (!n || !s->discriminator)
		return schema_refuse(c, "oneOf needs a discriminator with a "
					"propertyName");
	if (s->types & ~(unsigned)TYPE_OBJECT || s->properties ||
	    s->additional || s->open || s->constant || s->enumeration)
		return schema_refuse(c, "a keyword beside oneOf");
	s->variants =
		xmalloc((n + json_object_size(mapping)) * sizeof(*s->variants));
	for (size_t i = 0; i < n; i++)
		if (!add_branch(c, s, branches, i, mapping))
			return false;
	return all_mapped(c, s, mapping);
}
