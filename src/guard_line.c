/*
 * The request line: method, target, version, one space between, CRLF behind.
 *
 * Of an absolute target (RFC 9112, 3.2.2) evhttp gets the path only: it would
 * take the request for one to a proxy and close the connection.
 */
#include <string.h>

#include "guard_internal.h"

static guard_state method, target, target_slash, target_path, star, scheme,
	authority, version, version_cr, version_lf;

/* Everything up to the line's CR counts. */
static bool
count_line(struct guard *g)
{
	if (++g->line <= g->rules->line)
		return true;
	guard_refuse(g, "uri_too_long", "request line too long");
	return false;
}

static enum guard_verdict
next(struct guard *g, guard_state *state, enum guard_verdict v)
{
	g->state = state;
	g->at = 0;
	return v;
}

/* ---- method ---- */

/* Those evhttp knows, CONNECT aside: nobody is sent on from here. */
static bool
method_known(const struct guard *g)
{
	static const char *const names[] = { "GET",    "HEAD",	  "POST",
					     "PUT",    "DELETE",  "OPTIONS",
					     "PATCH",  "TRACE" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(g->method, names[i]) == 0)
			return true;
	return false;
}

static enum guard_verdict
method(struct guard *g, unsigned char c)
{
	if (!count_line(g))
		return GUARD_REFUSE;
	if (c == ' ') {
		g->method[g->at] = '\0';
		if (!method_known(g))
			return guard_bad(g, "unknown method");
		return next(g, target, GUARD_PASS);
	}
	if (c < 'A' || c > 'Z' || g->at == sizeof(g->method) - 1)
		return guard_bad(g, "unknown method");
	g->method[g->at++] = (char)c;
	return GUARD_PASS;
}

enum guard_verdict
guard_line_begin(struct guard *g, unsigned char c)
{
	g->at = 0;
	g->state = method;
	return method(g, c);
}

/* ---- target ---- */

static void
path_add(struct guard *g, unsigned char c)
{
	if (c == '?')
		g->in_path = false;
	if (!g->in_path)
		return;
	if (g->path_length < sizeof(g->path) - 1)
		g->path[g->path_length++] = (char)c;
	else
		g->path_cut = true;
}

static enum guard_verdict
target(struct guard *g, unsigned char c)
{
	if (!count_line(g))
		return GUARD_REFUSE;
	g->in_path = true;
	if (c == '/') {
		path_add(g, c);
		return next(g, target_slash, GUARD_PASS);
	}
	if (c == '*' && strcmp(g->method, "OPTIONS") == 0)
		return next(g, star, GUARD_PASS);
	if (guard_lower(c) == 'h') {
		g->value[0] = 'h';
		g->at = 1;
		g->state = scheme;
		return GUARD_DROP;
	}
	return guard_bad(g, "target is no path");
}

static enum guard_verdict
star(struct guard *g, unsigned char c)
{
	if (!count_line(g))
		return GUARD_REFUSE;
	if (c != ' ')
		return guard_bad(g, "target is no path");
	return next(g, version, GUARD_PASS);
}

/* After the first slash: a second would make the parser see a host. */
static enum guard_verdict
target_slash(struct guard *g, unsigned char c)
{
	if (c == '/')
		return guard_refuse(g, "bad_uri", "target begins with //");
	g->state = target_path;
	return target_path(g, c);
}

static enum guard_verdict
target_path(struct guard *g, unsigned char c)
{
	if (!count_line(g))
		return GUARD_REFUSE;
	if (c == ' ') {
		g->path[g->path_cut ? 0 : g->path_length] = '\0';
		return next(g, version, GUARD_PASS);
	}
	if (c < 0x21 || c > 0x7e)
		return guard_bad(g, "illegal byte in the target");
	path_add(g, c);
	return GUARD_PASS;
}

/* ---- absolute target ---- */

/* The second slash of "://" goes on as the path's own, which the target may
 * lack; all else is dropped. */
static enum guard_verdict
scheme(struct guard *g, unsigned char c)
{
	static const char http[] = "http://", https[] = "https://";

	if (!count_line(g))
		return GUARD_REFUSE;
	g->value[g->at++] = guard_lower(c);
	if (strncmp(g->value, http, g->at) != 0 &&
	    strncmp(g->value, https, g->at) != 0)
		return guard_bad(g, "target is no path");
	if (g->value[g->at - 1] != '/' || g->value[g->at - 2] != '/')
		return GUARD_DROP;
	path_add(g, c);
	return next(g, authority, GUARD_PASS);
}

static enum guard_verdict
authority(struct guard *g, unsigned char c)
{
	if (c != '/' && c != '?' && c != ' ') {
		if (!count_line(g))
			return GUARD_REFUSE;
		if (c < 0x21 || c > 0x7e)
			return guard_bad(g, "illegal byte in the target");
		if (g->at == sizeof(g->value))
			return guard_bad(g, "malformed host in the target");
		g->value[g->at++] = (char)c;
		return GUARD_DROP;
	}
	if (!guard_host_valid(g->value, g->at))
		return guard_bad(g, "malformed host in the target");
	if (c != '/') {
		g->state = target_path;
		return target_path(g, c);
	}
	return count_line(g) ? next(g, target_slash, GUARD_DROP) : GUARD_REFUSE;
}

/* ---- version ---- */

static enum guard_verdict
version(struct guard *g, unsigned char c)
{
	static const char text[] = "HTTP/1.";

	if (!count_line(g))
		return GUARD_REFUSE;
	if (g->at < sizeof(text) - 1) {
		if (c != (unsigned char)text[g->at])
			return guard_bad(g, "unknown version");
		g->at++;
		return GUARD_PASS;
	}
	if (c != '0' && c != '1')
		return guard_bad(g, "unknown version");
	g->http10 = c == '0';
	return next(g, version_cr, GUARD_PASS);
}

static enum guard_verdict
version_cr(struct guard *g, unsigned char c)
{
	if (c != '\r')
		return guard_bad(g, c == '\n' ? "LF without CR" :
						"unknown version");
	return next(g, version_lf, GUARD_PASS);
}

static enum guard_verdict
version_lf(struct guard *g, unsigned char c)
{
	if (c != '\n')
		return guard_bad(g, "CR without LF");
	return next(g, guard_field_start, GUARD_PASS);
}
