/*
 * Parameters arrive as text: made the value their schema's type says, spelled
 * as JSON spells it (no "+5", "007", "1e2" for an integer, "True").
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "schema_internal.h"

static const char *
skip_digits(const char *s)
{
	while (*s >= '0' && *s <= '9')
		s++;
	return s;
}

/* The end of JSON's number grammar at s, or NULL; *whole: no fraction, no
 * exponent. */
static const char *
scan_number(const char *s, bool *whole)
{
	const char *start;

	s += *s == '-';
	start = s;
	s = skip_digits(s);
	if (s == start || (*start == '0' && s != start + 1))
		return NULL;
	*whole = true;
	if (*s == '.') {
		*whole = false;
		start = ++s;
		s = skip_digits(s);
		if (s == start)
			return NULL;
	}
	if (*s == 'e' || *s == 'E') {
		*whole = false;
		s++;
		s += *s == '+' || *s == '-';
		start = s;
		s = skip_digits(s);
		if (s == start)
			return NULL;
	}
	return s;
}

static json_t *
parse_number(const char *text, bool fractions)
{
	bool whole;
	const char *end = scan_number(text, &whole);
	double real;

	if (!end || *end || (!whole && !fractions))
		return NULL;
	errno = 0;
	if (whole) {
		long long n = strtoll(text, NULL, 10);

		return errno ? NULL : json_integer(n);
	}
	real = strtod(text, NULL);
	return isfinite(real) ? json_real(real) : NULL;
}

static json_t *
parse_scalar(unsigned types, const char *text)
{
	if (types & (TYPE_INTEGER | TYPE_NUMBER))
		return parse_number(text, types & TYPE_NUMBER);
	if (types & TYPE_BOOLEAN) {
		if (strcmp(text, "true") == 0)
			return json_true();
		return strcmp(text, "false") == 0 ? json_false() : NULL;
	}
	return json_string(text); /* NULL when it is not UTF-8 */
}

static struct fault *
type_fault(const struct schema *s, const char *pointer, struct arena *a)
{
	struct fault *f = arena_alloc(a, sizeof(*f));

	f->pointer = pointer;
	f->code = "type";
	f->limit = s->type_text ? s->type_text : "string";
	return f;
}

/* "a,b": items of the item schema's type; "" is the empty list. Those that
 * do not convert are faults of their own. */
static struct fault *
parse_array(const struct schema *s, const char *text, const char *pointer,
	    json_t *array, struct arena *a)
{
	const struct schema *items = schema_target(s->items);
	struct fault *first = NULL, **end = &first;
	int count = 0;

	for (size_t i = 0; *text && count < SCHEMA_MAX_FAULTS; i++) {
		size_t n = strcspn(text, ",");
		json_t *item =
			parse_scalar(items->types, arena_strndup(a, text, n));

		if (item) {
			json_array_append_new(array, item);
		} else {
			*end = type_fault(items,
					  arena_printf(a, "%s/%zu", pointer, i),
					  a);
			end = &(*end)->next;
			count++;
		}
		text += n;
		if (!*text)
			break;
		if (!*++text) /* "a," ends in an empty item */
			json_array_append_new(array, json_string(""));
	}
	return first;
}

struct fault *
schema_check_text(const struct schema *s, const char *text, const char *pointer,
		  json_t **value, struct arena *a)
{
	const struct schema *held = schema_target(s);
	struct fault *f = NULL;

	if ((held->types & TYPE_ARRAY) && held->items) {
		*value = json_array();
		f = parse_array(held, text, pointer, *value, a);
	} else {
		*value = parse_scalar(held->types, text);
		if (!*value)
			f = type_fault(held, arena_strdup(a, pointer), a);
	}
	if (!f)
		f = schema_check_at(s, value, pointer, a);
	if (f) {
		json_decref(*value);
		*value = NULL;
	}
	return f;
}
