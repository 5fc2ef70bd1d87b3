/*
 * multipart/form-data as browsers, mini-programs and curl send it, and not
 * one byte more: what could be read in two ways is refused. The parts point
 * into the body; only names are copied, because they are decoded.
 */
#include "multipart.h"

#include <string.h>
#include <strings.h>

#include "text.h"

#define BOUNDARY_MAX 70
#define HEAD_MAX 4096 /* bytes of one part's headers */

static const char bad[] = "bad_multipart";
static const char too_many[] = "too_many_parts";

/* What is left to read. */
struct in {
	const char *p, *end;
};

static bool
is_token(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool
take(struct in *in, const char *text)
{
	size_t n = strlen(text);

	if ((size_t)(in->end - in->p) < n || memcmp(in->p, text, n) != 0)
		return false;
	in->p += n;
	return true;
}

static void
skip_space(struct in *in)
{
	while (in->p < in->end && (*in->p == ' ' || *in->p == '\t'))
		in->p++;
}

static char *
take_token(struct in *in, struct arena *a)
{
	const char *start = in->p;

	while (in->p < in->end && is_token(*in->p))
		in->p++;
	if (in->p == start)
		return NULL;
	return arena_strndup(a, start, (size_t)(in->p - start));
}

/* %22, %0D and %0A are the escapes of browsers; \" and \\ those of others. A
 * backslash before anything else is itself ("C:\photo.jpg"). */
static char
unescape(struct in *in)
{
	if (take(in, "%22") || take(in, "\\\""))
		return '"';
	if (take(in, "\\\\"))
		return '\\';
	return *in->p++;
}

static char *
take_quoted(struct in *in, struct arena *a)
{
	char *out;
	size_t n = 0;

	if (!take(in, "\""))
		return NULL;
	out = arena_alloc(a, (size_t)(in->end - in->p) + 1);
	while (in->p < in->end && *in->p != '"') {
		out[n] = unescape(in);
		if ((unsigned char)out[n] < 0x20 || out[n] == 0x7F)
			return NULL;
		n++;
	}
	out[n] = '\0';
	return take(in, "\"") && utf8_valid(out, n) ? out : NULL;
}

/* `; name=value`: 1 = got one, 0 = the end, -1 = fault. */
static int
take_param(struct in *in, struct arena *a, char **name, char **value)
{
	skip_space(in);
	if (in->p == in->end)
		return 0;
	if (!take(in, ";"))
		return -1;
	skip_space(in);
	if (!(*name = take_token(in, a)) || !take(in, "="))
		return -1;
	*value = in->p < in->end && *in->p == '"' ? take_quoted(in, a) :
						     take_token(in, a);
	return *value ? 1 : -1;
}

static bool
boundary_valid(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > BOUNDARY_MAX || s[n - 1] == ' ')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!(s[i] >= 'a' && s[i] <= 'z') &&
		    !(s[i] >= 'A' && s[i] <= 'Z') &&
		    !(s[i] >= '0' && s[i] <= '9') &&
		    !strchr("'()+_,-./:=? ", s[i]))
			return false;
	return true;
}

/* The boundary of a Content-Type, or NULL. */
static char *
boundary_of(struct arena *a, const char *header)
{
	static const char type[] = "multipart/form-data";
	struct in in = {header, header + strlen(header)};
	char *name, *value, *boundary = NULL;
	int got;

	if (strncasecmp(header, type, strlen(type)) != 0)
		return NULL;
	in.p += strlen(type);
	while ((got = take_param(&in, a, &name, &value)) == 1) {
		if (strcasecmp(name, "boundary") != 0)
			continue;
		if (boundary)
			return NULL;
		boundary = value;
	}
	return got == 0 && boundary && boundary_valid(boundary) ? boundary :
								   NULL;
}

static bool
disposition(struct in *value, struct arena *a, struct part *part)
{
	char *type = take_token(value, a), *name, *text;
	int got;

	if (!type || strcasecmp(type, "form-data") != 0 || part->name)
		return false;
	while ((got = take_param(value, a, &name, &text)) == 1) {
		const char **to = NULL;

		if (strcasecmp(name, "name") == 0)
			to = &part->name;
		else if (strcasecmp(name, "filename") == 0)
			to = &part->filename;
		/* filename* and the rest carry nothing we use. */
		if (to && *to)
			return false;
		if (to)
			*to = text;
	}
	return got == 0 && part->name && *part->name;
}

static bool
content_type(struct in *value, struct arena *a, struct part *part)
{
	if (part->content_type || value->p == value->end ||
	    strncasecmp(value->p, "multipart/", strlen("multipart/")) == 0)
		return false;
	part->content_type = arena_strndup(a, value->p,
					   (size_t)(value->end - value->p));
	return true;
}

/* Bodies come as they are; base64 here is an e-mail's habit. */
static bool
transfer_encoding(const struct in *value)
{
	static const char *const plain[] = {"binary", "8bit", "7bit"};
	size_t n = (size_t)(value->end - value->p);

	for (size_t i = 0; i < 3; i++)
		if (n == strlen(plain[i]) &&
		    strncasecmp(value->p, plain[i], n) == 0)
			return true;
	return false;
}

static bool
header_line(struct in line, struct arena *a, struct part *part)
{
	char *name = take_token(&line, a);

	if (!name || !take(&line, ":"))
		return false;
	skip_space(&line);
	while (line.end > line.p &&
	       (line.end[-1] == ' ' || line.end[-1] == '\t'))
		line.end--;
	for (const char *p = line.p; p < line.end; p++)
		if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7F)
			return false;
	if (strcasecmp(name, "Content-Disposition") == 0)
		return disposition(&line, a, part);
	if (strcasecmp(name, "Content-Type") == 0)
		return content_type(&line, a, part);
	if (strcasecmp(name, "Content-Transfer-Encoding") == 0)
		return transfer_encoding(&line);
	return true;
}

/* The part's headers up to and with the empty line. */
static bool
take_headers(struct in *in, struct arena *a, struct part *part)
{
	const char *start = in->p;

	while (!take(in, "\r\n")) {
		size_t room = HEAD_MAX - (size_t)(in->p - start);
		size_t left = (size_t)(in->end - in->p);
		const char *eol = memmem(in->p, left < room ? left : room,
					 "\r\n", 2);

		if (!eol || !header_line((struct in){in->p, eol}, a, part))
			return false;
		in->p = eol + 2;
	}
	return part->name != NULL;
}

/* One part, from behind its boundary line to the next delimiter. */
static bool
take_part(struct in *in, struct arena *a, const char *delimiter,
	  struct part *part)
{
	const char *end;

	*part = (struct part){0};
	if (!take(in, "\r\n") || !take_headers(in, a, part))
		return false;
	/* A delimiter right here would be a part without even an empty body;
	 * others would read on to the next one. */
	if (take(in, delimiter + 2))
		return false;
	end = memmem(in->p, (size_t)(in->end - in->p), delimiter,
		     strlen(delimiter));
	if (!end)
		return false;
	part->bytes = (const unsigned char *)in->p;
	part->len = (size_t)(end - in->p);
	in->p = end + strlen(delimiter);
	return true;
}

bool
multipart_parse(struct arena *a, const char *header, const unsigned char *body,
		size_t len, struct part *parts, size_t *count,
		const char **why)
{
	const char *boundary = boundary_of(a, header);
	struct in in = {(const char *)body, (const char *)body + len};
	char *delimiter;

	*count = 0;
	*why = bad;
	if (!boundary || len == 0)
		return false;
	delimiter = arena_printf(a, "\r\n--%s", boundary);
	/* The first delimiter has no line before it to end. */
	if (!take(&in, delimiter + 2) && !take(&in, delimiter))
		return false;
	while (!take(&in, "--")) {
		if (*count == MULTIPART_MAX) {
			*why = too_many;
			return false;
		}
		if (!take_part(&in, a, delimiter, &parts[*count]))
			return false;
		++*count;
	}
	take(&in, "\r\n");
	return in.p == in.end && *count > 0;
}
