/* application/x-www-form-urlencoded, for OAuth. */
#ifndef LINLI_FORM_H
#define LINLI_FORM_H
#include <stdbool.h>
#include <stddef.h>
#include "arena.h"

#define FORM_FIELDS 12

struct field {
	const char *name, *value;
};

struct form {
	struct field fields[FORM_FIELDS];
	size_t count;
};

/* False: not well formed, a field twice, or too many. Fields without a value
 * count as left out (RFC 6749, 3.2). */
bool form_read(struct arena *a, const void *bytes, size_t len,
	       struct form *form);
const char *form_value(const struct form *form, const char *name);
/* One value decoded; NULL: anything but printable ASCII in it. */
char *form_decode(struct arena *a, const char *s, size_t n);
#endif
