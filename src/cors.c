/*
 * The list of origins. "*" is refused, and "null" too (a file, a sandboxed
 * frame: anybody's): whoever may call is named. Credentials are never allowed
 * by us and need not be: a token is sent by a page's own script, no browser
 * adds it by itself.
 */
#include "cors.h"

#include <stddef.h>
#include <string.h>

#define SEPARATORS ", \t"

/* The next word of *list, its length in *n; NULL at the end. */
static const char *
next_word(const char **list, size_t *n)
{
	const char *word = *list + strspn(*list, SEPARATORS);

	*n = strcspn(word, SEPARATORS);
	*list = word + *n;
	return *n ? word : NULL;
}

static size_t
scheme_length(const char *s, size_t n)
{
	static const char *const schemes[] = { "https://", "http://" };

	for (size_t i = 0; i < 2; i++) {
		size_t len = strlen(schemes[i]);

		if (n > len && memcmp(s, schemes[i], len) == 0)
			return len;
	}
	return 0;
}

/* As a browser writes it: lower case, no path, not even a slash. */
static bool
is_origin(const char *s, size_t n)
{
	size_t scheme = scheme_length(s, n);
	const char *allowed = "abcdefghijklmnopqrstuvwxyz0123456789-.:[]";

	return scheme && strspn(s + scheme, allowed) >= n - scheme;
}

const char *
cors_list_fault(const char *list)
{
	const char *word;
	size_t n;

	while ((word = next_word(&list, &n)))
		if (!is_origin(word, n))
			return "each origin is written https://host or "
			       "https://host:port, in lower case, and none "
			       "stands for all";
	return NULL;
}

bool
cors_listed(const char *list, const char *origin)
{
	const char *word;
	size_t n, len = strlen(origin);

	while ((word = next_word(&list, &n)))
		if (n == len && memcmp(word, origin, n) == 0)
			return true;
	return false;
}
