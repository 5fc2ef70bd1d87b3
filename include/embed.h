/* Files carried in the binary: the contract bundle, queries, migrations. */
#ifndef LINLI_EMBED_H
#define LINLI_EMBED_H
#include <stddef.h>

struct embedded {
	const char *name; /* "openapi.json", "queries/tickets.sql", "migrations/0001_core.sql" */
	const char *start, *end;
};
extern const struct embedded embedded_files[]; /* sorted by name, NULL name ends */
const struct embedded *embedded_find(const char *name);
#endif
