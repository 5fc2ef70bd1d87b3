/*
 * Forms of OAuth. What is taken is printable, each field once and with a value;
 * written down again, each byte escaped, it is the same. What is printable,
 * escaped, is taken.
 */
#include "form.h"
#include "fuzz.h"

static bool
printable(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

static char *
escape(char *to, const char *text)
{
	for (; *text; text++)
		to += sprintf(to, "%%%02x", (unsigned char)*text);
	return to;
}

static char *
write_down(struct arena *a, const struct form *f, size_t room)
{
	char *text = arena_alloc(a, room), *p = text;

	for (size_t i = 0; i < f->count; i++) {
		const struct field *field = &f->fields[i];

		must(printable(field->name) && printable(field->value));
		must(*field->value);
		must(form_value(f, field->name) == field->value);
		p = escape(p, field->name);
		*p++ = '=';
		p = escape(p, field->value);
		*p++ = '&';
	}
	must((size_t)(p - text) < room);
	return text;
}

static void
check_taken(struct arena *a, const struct form *f, size_t n)
{
	char *text = write_down(a, f, 3 * n + FORM_FIELDS + 1);
	struct form again;

	must(f->count <= FORM_FIELDS);
	must(form_read(a, text, strlen(text), &again));
	must(again.count == f->count);
	for (size_t i = 0; i < f->count; i++) {
		const struct field *x = &f->fields[i], *y = &again.fields[i];

		must(strcmp(x->name, y->name) == 0);
		must(strcmp(x->value, y->value) == 0);
	}
}

static void
check_made(struct arena *a, const char *value)
{
	char *text = arena_alloc(a, 3 * strlen(value) + 16), *p;
	const char *taken;
	struct form f;

	p = text + sprintf(text, "&a+%%62=");
	p = escape(p, value);
	sprintf(p, "&&c=");
	must(form_read(a, text, strlen(text), &f) == printable(value));
	if (!printable(value))
		return;
	taken = form_value(&f, "a b");
	must(*value ? taken && strcmp(taken, value) == 0 : !taken);
	must(!form_value(&f, "c") && !form_value(&f, "a"));
}

/* security 51 */
int
LLVMFuzzerTestOneInput(const uint8_t *s, size_t n)
{
	struct arena *a = arena_new();
	uint8_t *body = xmalloc(n); /* of exact size */
	struct form f;

	if (n)
		memcpy(body, s, n);
	if (form_read(a, body, n, &f))
		check_taken(a, &f, n);
	check_made(a, fuzz_cut(a, &s, &n, '\0'));
	free(body);
	arena_free(a);
	return 0;
}
