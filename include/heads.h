/* A head of an audit chain as a line outside the database, with a keyed hash
 * (data key, so seal_load() first): "street seq hash at mac". */
#ifndef LINLI_HEADS_H
#define LINLI_HEADS_H
#include <stdbool.h>
#include "arena.h"

struct head {
	const char *street, *seq, *hash, *at;
};

char *head_write(struct arena *a, const struct head *h);
/* False: not one of our lines, or its hash is wrong. */
bool head_read(struct arena *a, const char *line, struct head *h);
#endif
