#include "trace.h"

#include <string.h>

#define LENGTH 55 /* of version 00; a later one may be longer */

/* n lower-case hex digits, and not all zero unless they may be. */
static bool
hex(const char *s, size_t n, bool zero)
{
	return strspn(s, "0123456789abcdef") >= n &&
	       (zero || strspn(s, "0") < n);
}

bool
trace_parse(const char *header, struct trace *out)
{
	size_t len = strlen(header);

	if (len < LENGTH || header[2] != '-' || header[35] != '-' ||
	    header[52] != '-')
		return false;
	if (!hex(header, 2, true) || memcmp(header, "ff", 2) == 0 ||
	    !hex(header + 3, 32, false) || !hex(header + 36, 16, false) ||
	    !hex(header + 53, 2, true))
		return false;
	if (len > LENGTH &&
	    (memcmp(header, "00", 2) == 0 || header[LENGTH] != '-'))
		return false;
	memcpy(out->id, header + 3, 32);
	out->id[32] = '\0';
	memcpy(out->parent, header + 36, 16);
	out->parent[16] = '\0';
	return true;
}

void
trace_begin(const char *uuid, struct trace *out)
{
	size_t n = 0;

	for (; *uuid && n < 32; uuid++)
		if (*uuid != '-')
			out->id[n++] = *uuid;
	out->id[n] = '\0';
	out->parent[0] = '\0';
}
