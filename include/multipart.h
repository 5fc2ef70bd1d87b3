/* multipart/form-data (RFC 7578) of one upload: strict, in place, no copies. */
#ifndef LINLI_MULTIPART_H
#define LINLI_MULTIPART_H
#include <stdbool.h>
#include <stddef.h>
#include "arena.h"

#define MULTIPART_MAX 16 /* parts */

struct part {
	const char *name;         /* decoded, never NULL */
	const char *filename;     /* NULL for a plain field */
	const char *content_type; /* NULL if none */
	const unsigned char *bytes;
	size_t len;
};

/* header: the Content-Type with its boundary. False with *why = problem code
 * (bad_multipart, too_many_parts). parts has room for MULTIPART_MAX. */
bool multipart_parse(struct arena *a, const char *header,
		     const unsigned char *body, size_t len,
		     struct part *parts, size_t *count, const char **why);
#endif
