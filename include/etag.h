/* Entity tags. A packed reply's tag is the plain one's with a mark, since the
 * bytes differ; whoever sends either back means the same version. */
#ifndef LINLI_ETAG_H
#define LINLI_ETAG_H
#include <stdbool.h>
#include "arena.h"

enum etag_match { ETAG_OTHER, ETAG_SAME, ETAG_SAME_PACKED };

/* Does If-None-Match (NULL: absent) name the strong tag etag, quotes and all,
 * in a list, weakly or by "*"? */
enum etag_match etag_match(const char *if_none_match, const char *etag);
/* Of one strong tag of If-Match, the version in it; NULL for anything else. */
const char *etag_version(struct arena *a, const char *if_match);
/* "7" → "7-gzip"; as it is when that cannot be. */
const char *etag_packed(struct arena *a, const char *etag);
#endif
