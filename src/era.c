#include "era.h"

#include <stdio.h>

#include "log.h"

static PGresult *
ask(PGconn *pg, const char *sql)
{
	return PQexecParams(pg, sql, 0, NULL, NULL, NULL, NULL, 0);
}

void
era_begin(PGconn *pg)
{
	PGresult *res = ask(pg, "select core.era_begin()");

	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		die("migrate: %s", PQresultErrorMessage(res));
	if (*PQgetvalue(res, 0, 0) == 't')
		puts("restored from another cluster: the change feed goes on "
		     "in a new era");
	PQclear(res);
}

bool
era_fits(PGconn *pg)
{
	PGresult *res = ask(pg, "select core.era_fits()");
	/* A database without the function lacks the migration, which others
	 * say better. */
	bool fits = PQresultStatus(res) != PGRES_TUPLES_OK ||
		    *PQgetvalue(res, 0, 0) == 't';

	PQclear(res);
	if (!fits)
		fputs("the events are another cluster's: a restore ends with "
		      "\"linlid migrate\"\n",
		      stderr);
	return fits;
}
