/* Forms as RFC 6749 means them: printable ASCII, each field once. */
#include "form.h"

#include <string.h>

static int
hex(char c)
{
	const char *digits = "0123456789abcdef0123456789ABCDEF";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) % 16 : -1;
}

char *
form_decode(struct arena *a, const char *s, size_t n)
{
	char *out = arena_alloc(a, n + 1);
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			if (n - i < 3 || hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0)
				return NULL;
			c = (char)(hex(s[i + 1]) * 16 + hex(s[i + 2]));
			i += 2;
		}
		if ((unsigned char)c < ' ' || (unsigned char)c > '~')
			return NULL;
		out[len++] = c;
	}
	return out;
}

const char *
form_value(const struct form *form, const char *name)
{
	for (size_t i = 0; i < form->count; i++)
		if (strcmp(form->fields[i].name, name) == 0)
			return form->fields[i].value;
	return NULL;
}

static bool
add_field(struct arena *a, struct form *form, const char *s, size_t n)
{
	const char *equals = memchr(s, '=', n);
	size_t name_len = equals ? (size_t)(equals - s) : n;
	struct field *f = &form->fields[form->count];

	if (form->count == FORM_FIELDS)
		return false;
	f->name = form_decode(a, s, name_len);
	f->value = equals ? form_decode(a, equals + 1, n - name_len - 1) : "";
	/* Parameters without a value count as left out (RFC 6749, 3.2). */
	if (!f->name || !f->value || form_value(form, f->name))
		return false;
	form->count += *f->value != '\0';
	return true;
}

bool
form_read(struct arena *a, const void *bytes, size_t len, struct form *form)
{
	const char *s = bytes, *end = s + len;

	form->count = 0;
	while (s < end) {
		const char *amp = memchr(s, '&', (size_t)(end - s));
		size_t n = (size_t)((amp ? amp : end) - s);

		if (n && !add_field(a, form, s, n))
			return false;
		s += n + 1;
	}
	return true;
}
