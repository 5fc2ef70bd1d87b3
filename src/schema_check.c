/*
 * An instance against a compiled schema: all faults in one go, defaults put
 * in where members are absent.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "schema_internal.h"
#include "text.h"

/* Where we are; turned into a JSON pointer only when there is a fault. */
struct step {
	const struct step *up;
	const char *name; /* member, or NULL: */
	size_t index;	  /* item */
	int depth;
};

struct check {
	struct arena *arena;
	const char *prefix;
	struct fault *first, **end;
	int count;
};

static void check_value(struct check *ck, const struct schema *s, json_t *value,
			const struct step *at);

/* "/items/3/a~1b": RFC 6901 */
static char *
pointer_of(struct check *ck, const struct step *at)
{
	const char *up;
	char *name, *p;

	if (!at)
		return arena_strdup(ck->arena, ck->prefix);
	up = pointer_of(ck, at->up);
	if (!at->name)
		return arena_printf(ck->arena, "%s/%zu", up, at->index);
	name = p = arena_alloc(ck->arena, 2 * strlen(at->name) + 1);
	for (const char *s = at->name; *s; s++) {
		if (*s == '~' || *s == '/') {
			*p++ = '~';
			*p++ = *s == '~' ? '0' : '1';
		} else {
			*p++ = *s;
		}
	}
	return arena_printf(ck->arena, "%s/%s", up, name);
}

static void
add_fault(struct check *ck, const struct step *at, const char *code,
	  const char *limit)
{
	struct fault *f;

	if (ck->count++ >= SCHEMA_MAX_FAULTS)
		return;
	f = arena_alloc(ck->arena, sizeof(*f));
	f->pointer = pointer_of(ck, at);
	f->code = code;
	f->limit = limit;
	*ck->end = f;
	ck->end = &f->next;
}

static bool
is_full(const struct check *ck)
{
	return ck->count >= SCHEMA_MAX_FAULTS;
}

/* Exact between any two numbers: long double holds int64 and double both. */
static int
compare(const json_t *a, const json_t *b)
{
	long double x = json_is_integer(a) ? (long double)json_integer_value(a)
					   : (long double)json_real_value(a);
	long double y = json_is_integer(b) ? (long double)json_integer_value(b)
					   : (long double)json_real_value(b);

	return (x > y) - (x < y);
}

/* 19.99 is a multiple of 0.01 though neither is exact in binary: the nearest
 * multiple may miss by the rounding of one double. */
static bool
is_multiple(const json_t *value, const json_t *of)
{
	double x = json_number_value(value), m = json_number_value(of);
	double nearest;

	if (json_is_integer(value) && json_is_integer(of))
		return json_integer_value(value) % json_integer_value(of) == 0;
	nearest = round(x / m) * m;
	return fabs(nearest - x) <= 2 * DBL_EPSILON * fabs(x);
}

static void
check_number(struct check *ck, const struct schema *s, const json_t *value,
	     const struct step *at)
{
	if (s->minimum.text && compare(value, s->minimum.value) < 0)
		add_fault(ck, at, "minimum", s->minimum.text);
	if (s->above.text && compare(value, s->above.value) <= 0)
		add_fault(ck, at, "exclusive_minimum", s->above.text);
	if (s->maximum.text && compare(value, s->maximum.value) > 0)
		add_fault(ck, at, "maximum", s->maximum.text);
	if (s->below.text && compare(value, s->below.value) >= 0)
		add_fault(ck, at, "exclusive_maximum", s->below.text);
	if (s->multiple.text && !is_multiple(value, s->multiple.value))
		add_fault(ck, at, "multiple_of", s->multiple.text);
}

static void
check_string(struct check *ck, const struct schema *s, const json_t *value,
	     const struct step *at)
{
	const char *text = json_string_value(value);
	size_t n = json_string_length(value);
	size_t length = utf8_length(text, n);

	if (s->min_length.text && length < s->min_length.count)
		add_fault(ck, at, "too_short", s->min_length.text);
	if (s->max_length.text && length > s->max_length.count) {
		/* One fault says it; no pattern runs over an oversized text. */
		add_fault(ck, at, "too_long", s->max_length.text);
		return;
	}
	if (s->pattern && !schema_pattern_match(s->pattern, text, n))
		add_fault(ck, at, "pattern", s->pattern_text);
	if (s->format && !s->format(text, n))
		add_fault(ck, at, "format", s->format_name);
}

static bool
is_before(json_t *array, size_t end)
{
	const json_t *item = json_array_get(array, end);

	for (size_t i = 0; i < end; i++)
		if (json_equal(json_array_get(array, i), item))
			return true;
	return false;
}

static void
check_array(struct check *ck, const struct schema *s, json_t *array,
	    const struct step *at)
{
	size_t n = json_array_size(array);

	if (s->min_items.text && n < s->min_items.count)
		add_fault(ck, at, "too_few", s->min_items.text);
	if (s->max_items.text && n > s->max_items.count) {
		add_fault(ck, at, "too_many", s->max_items.text);
		return;
	}
	for (size_t i = 0; i < n && !is_full(ck); i++) {
		struct step here = { at, NULL, i, at ? at->depth + 1 : 1 };

		if (s->unique && is_before(array, i))
			add_fault(ck, &here, "not_unique", NULL);
		check_value(ck, s->items, json_array_get(array, i), &here);
	}
}

static const struct property *
find_property(const struct schema *s, const char *name)
{
	for (size_t i = 0; i < s->property_count; i++)
		if (strcmp(s->properties[i].name, name) == 0)
			return &s->properties[i];
	return NULL;
}

/* Members that are absent: a fault when required, else their default. */
static void
check_absent(struct check *ck, const struct schema *s, json_t *object,
	     const struct step *at)
{
	for (size_t i = 0; i < s->property_count; i++) {
		const struct property *p = &s->properties[i];
		struct step here = { at, p->name, 0, 0 };
		json_t *value;

		if (json_object_get(object, p->name))
			continue;
		value = schema_default(p->schema);
		if (value)
			json_object_set_new(object, p->name,
					    json_deep_copy(value));
		else if (p->required)
			add_fault(ck, &here, "required", NULL);
	}
}

static void
check_object(struct check *ck, const struct schema *s, json_t *object,
	     const struct step *at)
{
	const char *name;
	json_t *member;

	json_object_foreach(object, name, member)
	{
		const struct property *p = find_property(s, name);
		struct step here = { at, name, 0, at ? at->depth + 1 : 1 };

		if (is_full(ck))
			return;
		if (p)
			check_value(ck, p->schema, member, &here);
		else if (s->additional)
			check_value(ck, s->additional, member, &here);
		else if (!s->open)
			add_fault(ck, &here, "unknown_field", NULL);
	}
	check_absent(ck, s, object, at);
}

/* The instance names its branch; a missing or unknown name is the fault. */
static void
check_variant(struct check *ck, const struct schema *s, json_t *object,
	      const struct step *at)
{
	struct step here = { at, s->discriminator, 0, 0 };
	const json_t *chosen = json_object_get(object, s->discriminator);

	if (!json_is_object(object)) {
		add_fault(ck, at, json_is_null(object) ? "null" : "type",
			  "object");
		return;
	}
	for (size_t i = 0; i < s->variant_count && json_is_string(chosen); i++)
		if (strcmp(s->variants[i].value, json_string_value(chosen)) ==
		    0) {
			check_value(ck, s->variants[i].schema, object, at);
			return;
		}
	add_fault(ck, &here, chosen ? "one_of" : "required", NULL);
}

static bool
is_in(const json_t *list, const json_t *value)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_equal(json_array_get(list, i), value))
			return true;
	return false;
}

static void
check_by_type(struct check *ck, const struct schema *s, json_t *value,
	      const struct step *at)
{
	if (s->constant && !json_equal(s->constant, value))
		add_fault(ck, at, "const", s->constant_text);
	if (s->enumeration && !is_in(s->enumeration, value))
		add_fault(ck, at, "enum", s->enumeration_text);
	if (json_is_number(value))
		check_number(ck, s, value, at);
	else if (json_is_string(value))
		check_string(ck, s, value, at);
	else if (json_is_array(value) && s->items)
		check_array(ck, s, value, at);
	else if (json_is_object(value) && (s->types & TYPE_OBJECT))
		check_object(ck, s, value, at);
}

static void
check_value(struct check *ck, const struct schema *s, json_t *value,
	    const struct step *at)
{
	for (; s->target; s = s->target)
		if (s->nullable && json_is_null(value))
			return;
	if (at && at->depth > SCHEMA_MAX_DEPTH)
		add_fault(ck, at, "too_deep", NULL);
	else if (s->variant_count)
		check_variant(ck, s, value, at);
	else if (s->types && !(s->types & schema_types_of(value)))
		add_fault(ck, at, json_is_null(value) ? "null" : "type",
			  s->type_text);
	else
		check_by_type(ck, s, value, at);
}

struct fault *
schema_check_at(const struct schema *s, json_t **value, const char *pointer,
		struct arena *a)
{
	struct check ck = { .arena = a, .prefix = pointer };

	ck.end = &ck.first;
	if (!*value)
		*value = json_deep_copy(schema_default(s));
	if (*value)
		check_value(&ck, s, *value, NULL);
	else
		add_fault(&ck, NULL, "required", NULL);
	return ck.first;
}

struct fault *
schema_check(const struct schema *s, json_t **value, struct arena *a)
{
	return schema_check_at(s, value, "", a);
}
