/*
 * Request targets. What is taken is clean text, and written down again, each
 * byte escaped, it is the same: nothing was lost, cut or read twice. What is
 * clean text, escaped, is taken.
 */
#include <jansson.h>

#include "fuzz.h"
#include "text.h"
#include "uri.h"

static char *
escape(char *to, const char *text)
{
	for (; *text; text++)
		to += sprintf(to, "%%%02x", (unsigned char)*text);
	return to;
}

static void
check_text(const char *text)
{
	size_t n = strlen(text);

	must(utf8_valid(text, n));
	for (size_t i = 0; i < n; i++)
		must((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
}

static char *
write_down(struct arena *a, const struct uri *u, size_t room)
{
	char *text = arena_alloc(a, room), *p = text;

	for (size_t i = 0; i < u->segment_count; i++) {
		check_text(u->segments[i]);
		must(*u->segments[i] && !strchr(u->segments[i], '/'));
		must(strcmp(u->segments[i], ".") != 0);
		must(strcmp(u->segments[i], "..") != 0);
		*p++ = '/';
		p = escape(p, u->segments[i]);
	}
	if (!u->segment_count)
		*p++ = '/';
	for (size_t i = 0; i < u->param_count; i++) {
		check_text(u->params[i].name);
		check_text(u->params[i].value);
		*p++ = i ? '&' : '?';
		p = escape(p, u->params[i].name);
		*p++ = '=';
		p = escape(p, u->params[i].value);
	}
	return text;
}

static void
same(const struct uri *x, const struct uri *y)
{
	must(x->segment_count == y->segment_count);
	must(x->param_count == y->param_count);
	for (size_t i = 0; i < x->segment_count; i++)
		must(strcmp(x->segments[i], y->segments[i]) == 0);
	for (size_t i = 0; i < x->param_count; i++) {
		must(strcmp(x->params[i].name, y->params[i].name) == 0);
		must(strcmp(x->params[i].value, y->params[i].value) == 0);
		for (size_t j = 0; j < i; j++)
			must(strcmp(x->params[i].name, x->params[j].name));
	}
}

/* Whether this is UTF-8 Jansson knows as well. */
static void
check_utf8(const char *text)
{
	json_t *known = json_string(text);

	must(utf8_valid(text, strlen(text)) == (known != NULL));
	json_decref(known);
}

/* Any clean text can stand in a target, escaped. */
static void
check_made(struct arena *a, const char *text)
{
	size_t n = strlen(text);
	char *target = arena_alloc(a, 6 * n + 8), *p = target;
	struct uri u;
	const char *why;

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f ||
		    text[i] == '/' || text[i] == '\xc2')
			return;
	if (!n || !utf8_valid(text, n) || !strcmp(text, ".") ||
	    !strcmp(text, ".."))
		return;
	*p++ = '/';
	p = escape(p, text);
	p += sprintf(p, "?x=");
	escape(p, text);
	must(uri_parse(a, target, &u, &why));
	must(u.segment_count == 1 && strcmp(u.segments[0], text) == 0);
	must(u.param_count == 1 && strcmp(u.params[0].value, text) == 0);
}

/* security 51 */
int
LLVMFuzzerTestOneInput(const uint8_t *s, size_t n)
{
	struct arena *a = arena_new();
	char *target = fuzz_cut(a, &s, &n, '\0');
	size_t len = strlen(target);
	struct uri u, again;
	const char *why;
	bool taken = uri_parse(a, target, &u, &why);

	must(taken == !why);
	check_utf8(target);
	check_made(a, target);
	if (taken) {
		target = write_down(a, &u, 3 * len + 4);
		must(uri_parse(a, target, &again, &why));
		same(&u, &again);
	}
	arena_free(a);
	return 0;
}
