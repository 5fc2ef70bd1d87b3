/* Files carried in the binary: the contract bundle, queries, migrations. */
#ifndef LINLI_EMBED_H
#define LINLI_EMBED_H
#include <stddef.h>

struct embedded {
	/* "openapi.json", "queries/tickets.sql", "migrations/0001_core.sql" */
	const char *name;
	const char *start, *end;
};
/* Sorted by name; a NULL name ends. */
extern const struct embedded embedded_files[];
const struct embedded *embedded_find(const char *name);
#endif
