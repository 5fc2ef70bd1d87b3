/*
 * Request targets. evhttp cuts a query value at %00, passes %zz through,
 * stops at "?a" and takes the first of two equal names: none of its parsing
 * is used.
 */
#include "uri.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "text.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* pchar of RFC 3986 but for the escapes; a query may have / and ? too. */
static bool
is_pchar(char c)
{
	return isalnum((unsigned char)c) ||
	       (c && strchr("-._~!$&'()*+,;=:@", c));
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* C0, DEL, and C1 (which UTF-8 writes as C2 80 … C2 9F). */
static bool
has_control(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 0x20 || c == 0x7F)
			return true;
		if (c == 0xC2 && i + 1 < n && (unsigned char)s[i + 1] < 0xA0)
			return true;
	}
	return false;
}

/* Decodes s[0..n) into *out, which moves behind the NUL. NULL: bad. */
static const char *
decode(const char *s, size_t n, const char *also, char **out)
{
	char *start = *out, *p = start;
	int high, low;

	for (size_t i = 0; i < n; i++) {
		if (s[i] != '%') {
			if (!is_pchar(s[i]) && !strchr(also, s[i]))
				return NULL;
			*p++ = s[i];
			continue;
		}
		if (n - i < 3)
			return NULL;
		high = hex_value(s[i + 1]);
		low = hex_value(s[i + 2]);
		if (high < 0 || low < 0)
			return NULL;
		*p++ = (char)(high << 4 | low);
		i += 2;
	}
	n = (size_t)(p - start);
	if (has_control(start, n) || !utf8_valid(start, n))
		return NULL;
	*p++ = '\0';
	*out = p;
	return start;
}

static bool
parse_segment(struct uri *u, const char *s, size_t n, char **out)
{
	const char *text = n ? decode(s, n, "", out) : NULL;

	if (!text || strchr(text, '/') || strcmp(text, ".") == 0 ||
	    strcmp(text, "..") == 0 || u->segment_count == COUNT(u->segments))
		return false;
	u->segments[u->segment_count++] = text;
	return true;
}

/* "/a/b", and it begins so; "/" alone has no segments. */
static bool
parse_path(struct uri *u, const char *s, size_t n, char **out)
{
	for (const char *end = s + n; n > 1 && s < end;) {
		size_t len;

		s++;
		for (len = 0; s + len < end && s[len] != '/';)
			len++;
		if (!parse_segment(u, s, len, out))
			return false;
		s += len;
	}
	return true;
}

static const char *
parse_param(struct uri *u, const char *s, size_t n, char **out)
{
	const char *equals = memchr(s, '=', n), *name, *value;
	size_t name_len;

	if (!equals || equals == s)
		return "bad_query";
	name_len = (size_t)(equals - s);
	name = decode(s, name_len, "/?", out);
	value = decode(equals + 1, n - name_len - 1, "/?", out);
	if (!name || !value)
		return "bad_uri";
	for (size_t i = 0; i < u->param_count; i++)
		if (strcmp(u->params[i].name, name) == 0)
			return "repeated_parameter";
	if (u->param_count == COUNT(u->params))
		return "too_many_parameters";
	u->params[u->param_count++] = (struct uri_param){ name, value };
	return NULL;
}

static const char *
parse_query(struct uri *u, const char *s, char **out)
{
	const char *why = NULL;

	while (*s && !why) {
		size_t n = strcspn(s, "&");

		why = parse_param(u, s, n, out);
		s += n;
		if (*s == '&' && !*++s)
			why = why ? why : "bad_query";
	}
	return why;
}

/* Behind "http://authority", or NULL when that is not well-formed. Which host
 * is meant is not ours to ask: we serve one. */
static const char *
skip_authority(const char *s)
{
	const char *start;

	if (strncasecmp(s, "http://", 7) == 0)
		s += 7;
	else if (strncasecmp(s, "https://", 8) == 0)
		s += 8;
	else
		return NULL;
	for (start = s; *s && *s != '/' && *s != '?'; s++)
		if (!isalnum((unsigned char)*s) && !strchr("-._~:[]", *s))
			return NULL;
	return s == start ? NULL : s;
}

bool
uri_parse(struct arena *a, const char *target, struct uri *out,
	  const char **why)
{
	size_t n;
	char *bytes;

	memset(out, 0, sizeof(*out));
	*why = "bad_uri";
	if (target && *target != '/') {
		target = skip_authority(target);
		if (target && *target != '/')
			target = *target ? NULL : "/";
	}
	if (!target)
		return false;
	/* Each text is no longer than its source and ends in the place of a
	 * separator, or of the target's own NUL. */
	bytes = arena_alloc(a, strlen(target) + 1);
	n = strcspn(target, "?");
	if (!parse_path(out, target, n, &bytes))
		return false;
	if (target[n])
		*why = parse_query(out, target + n + 1, &bytes);
	else
		*why = NULL;
	return *why == NULL;
}
