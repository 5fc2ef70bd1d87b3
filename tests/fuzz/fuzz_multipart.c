/*
 * Forms: a line with the Content-Type, then the body. The parts lie in the
 * body, in order and apart; written down again from what was understood, the
 * form says the same.
 */
#include "fuzz.h"
#include "multipart.h"
#include "text.h"

struct form {
	struct part parts[MULTIPART_MAX];
	size_t count;
};

/* One that was taken begins with its delimiter. */
static char *
boundary_of(struct arena *a, const char *body, size_t n)
{
	const char *end;

	if (memcmp(body, "\r\n", 2) == 0)
		body += 2, n -= 2;
	end = memmem(body, n, "\r\n", 2);
	must(memcmp(body, "--", 2) == 0 && end);
	return arena_strndup(a, body + 2, (size_t)(end - body) - 2);
}

static void
check_parts(const struct form *f, const uint8_t *body, size_t n,
	    const char *delimiter)
{
	const uint8_t *at = body;

	must(f->count > 0 && f->count <= MULTIPART_MAX);
	for (size_t i = 0; i < f->count; i++) {
		const struct part *p = &f->parts[i];

		must(p->bytes > at && p->bytes + p->len < body + n);
		at = p->bytes + p->len;
		must(!memmem(p->bytes, p->len, delimiter, strlen(delimiter)));
		must(p->len < strlen(delimiter + 2) ||
		     memcmp(p->bytes, delimiter + 2, strlen(delimiter + 2)));
		must(*p->name && utf8_valid(p->name, strlen(p->name)));
		must(!p->filename ||
		     utf8_valid(p->filename, strlen(p->filename)));
		must(!p->content_type || !strpbrk(p->content_type, "\r\n"));
	}
}

/* Only between quotes is %22 one, so a text with it came without them. */
static char *
quote(struct arena *a, const char *text, const char *mark)
{
	char *out = arena_alloc(a, 3 * strlen(text) + 3), *p = out;

	if (strstr(text, "%22"))
		return arena_strdup(a, text);
	*p++ = '"';
	for (; *text; text++)
		if (*text == '"')
			p += sprintf(p, "%s", mark);
		else
			p += sprintf(p, *text == '\\' ? "\\\\" : "%c", *text);
	*p = '"';
	return out;
}

/* False: a part's head has become too long by its escapes. */
static bool
write_down(struct arena *a, const struct form *f, const char *boundary,
	   uint8_t *to, size_t *n)
{
	uint8_t *p = to;

	for (size_t i = 0; i < f->count; i++) {
		const struct part *part = &f->parts[i];
		const char *type = part->content_type;
		char *file = "";
		int head;

		if (part->filename)
			file = arena_printf(a, "; filename=%s",
					    quote(a, part->filename, "\\\""));
		head = sprintf(
			(char *)p, "--%s\r\nContent-Disposition: form-data; "
			"name=%s%s%s%s\r\n\r\n", boundary,
			quote(a, part->name, "%22"), file,
			type ? "\r\nContent-Type: " : "", type ? type : "");

		if (head > 4000)
			return false;
		p += head;
		memcpy(p, part->bytes, part->len);
		p += part->len;
		p += sprintf((char *)p, "\r\n");
	}
	p += sprintf((char *)p, "--%s--", boundary);
	*n = (size_t)(p - to);
	return true;
}

static bool
same_text(const char *x, const char *y)
{
	return x && y ? strcmp(x, y) == 0 : x == y;
}

static void
check_again(struct arena *a, const struct form *f, const char *boundary,
	    size_t room)
{
	char *type = arena_printf(a, "Multipart/Form-Data ; Boundary=\"%s\"",
				  boundary);
	uint8_t *text = arena_alloc(a, room);
	struct form g;
	const char *why;
	size_t n;

	if (!write_down(a, f, boundary, text, &n))
		return;
	must(multipart_parse(a, type, text, n, g.parts, &g.count, &why));
	must(g.count == f->count);
	for (size_t i = 0; i < f->count; i++) {
		const struct part *x = &f->parts[i], *y = &g.parts[i];

		must(same_text(x->name, y->name));
		must(same_text(x->filename, y->filename));
		must(same_text(x->content_type, y->content_type));
		must(x->len == y->len);
		must(memcmp(x->bytes, y->bytes, x->len) == 0);
	}
}

/* A form that holds these bytes, and nothing odd, is taken. */
static void
check_made(struct arena *a, const uint8_t *s, size_t n)
{
	static const char head[] = "--b\r\nContent-Disposition: form-data; "
				   "name=a\r\n\r\n";
	static const char end[] = "\r\n--b--";
	size_t len = strlen(head) + n + strlen(end);
	uint8_t *text = arena_alloc(a, len);
	struct form f;
	const char *why;

	if (memmem(s, n, "--b", 3))
		return;
	memcpy(text, head, strlen(head));
	memcpy(text + strlen(head), s, n);
	memcpy(text + strlen(head) + n, end, strlen(end));
	must(multipart_parse(a, "multipart/form-data; boundary=b", text, len,
			     f.parts, &f.count, &why));
	must(f.count == 1 && strcmp(f.parts[0].name, "a") == 0);
	must(f.parts[0].len == n && memcmp(f.parts[0].bytes, s, n) == 0);
}

/* security 51 */
int
LLVMFuzzerTestOneInput(const uint8_t *s, size_t n)
{
	struct arena *a = arena_new();
	char *type = fuzz_cut(a, &s, &n, '\n'), *boundary;
	uint8_t *body = xmalloc(n); /* of exact size */
	struct form f;
	const char *why = NULL;

	if (n)
		memcpy(body, s, n);
	if (multipart_parse(a, type, body, n, f.parts, &f.count, &why)) {
		boundary = boundary_of(a, (char *)body, n);
		check_parts(&f, body, n, arena_printf(a, "\r\n--%s", boundary));
		check_again(a, &f, boundary, 4 * n + MULTIPART_MAX * 200);
	} else {
		must(why);
	}
	check_made(a, body, n);
	free(body);
	arena_free(a);
	return 0;
}
