/* Strict decoding of request targets: what evhttp lets pass is refused. */
#ifndef LINLI_URI_H
#define LINLI_URI_H
#include <stdbool.h>
#include <stddef.h>
#include "arena.h"

struct uri_param {
	const char *name, *value; /* decoded, valid UTF-8, no controls */
};

struct uri {
	size_t segment_count;
	const char *segments[16]; /* decoded; never empty, never with '/' */
	size_t param_count;
	struct uri_param params[32];
};

/* Parses an origin-form target ("/v1/tickets?limit=5") or absolute-form
 * (scheme and authority dropped). False with *why = a problem code:
 * bad_uri (bad or %00 escape, raw byte outside RFC 3986, bad UTF-8, empty or
 * dot segment, trailing slash, encoded slash), too_many_parameters,
 * repeated_parameter, bad_query ("?a" without "="). '+' is a plus, not a
 * space; both %20 only. */
bool uri_parse(struct arena *a, const char *target, struct uri *out,
	       const char **why);
#endif
