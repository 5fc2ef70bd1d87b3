/* Event numbers are a cluster's transaction numbers; a dump restored into
 * another cluster needs a new era of them (migrations/0010_operations.sql). */
#ifndef LINLI_ERA_H
#define LINLI_ERA_H
#include <libpq-fe.h>
#include <stdbool.h>

/* Begins one when it is due, and says so. As linli_owner. */
void era_begin(PGconn *pg);
/* False, and said on stderr, when one is due. */
bool era_fits(PGconn *pg);
#endif
