#include "etag.h"

#include <string.h>

#define MARK "-gzip"
#define MARK_LENGTH (sizeof(MARK) - 1)

static bool
is_marked(const char *s, size_t n)
{
	return n > MARK_LENGTH &&
	       memcmp(s + n - MARK_LENGTH, MARK, MARK_LENGTH) == 0;
}

/* One member of the list, against the n bytes between our quotes. */
static enum etag_match
member_match(const char *s, size_t len, const char *ours, size_t n)
{
	if (len >= 2 && memcmp(s, "W/", 2) == 0)
		s += 2, len -= 2;
	if (len < 2 || s[0] != '"' || s[len - 1] != '"')
		return ETAG_OTHER;
	s++, len -= 2;
	if (len == n && memcmp(s, ours, n) == 0)
		return ETAG_SAME;
	if (is_marked(s, len) && len - MARK_LENGTH == n &&
	    memcmp(s, ours, n) == 0)
		return ETAG_SAME_PACKED;
	return ETAG_OTHER;
}

enum etag_match
etag_match(const char *list, const char *etag)
{
	size_t n = strlen(etag), len;
	enum etag_match found;

	if (!list || n < 2)
		return ETAG_OTHER;
	if (strcmp(list, "*") == 0)
		return ETAG_SAME;
	for (list += strspn(list, ", \t"); *list;
	     list += len + strspn(list + len, ", \t")) {
		/* Our tags have no comma or blank in them. */
		len = strcspn(list, ", \t");
		found = member_match(list, len, etag + 1, n - 2);
		if (found != ETAG_OTHER)
			return found;
	}
	return ETAG_OTHER;
}

const char *
etag_version(struct arena *a, const char *text)
{
	size_t n = strlen(text);

	if (n < 3 || text[0] != '"' || text[n - 1] != '"' ||
	    memchr(text + 1, '"', n - 2))
		return NULL;
	text++, n -= 2;
	return arena_strndup(a, text, is_marked(text, n) ? n - MARK_LENGTH : n);
}

const char *
etag_packed(struct arena *a, const char *etag)
{
	size_t n = strlen(etag);

	if (n < 2 || *etag != '"')
		return etag;
	return arena_printf(a, "%.*s" MARK "\"", (int)(n - 1), etag);
}
