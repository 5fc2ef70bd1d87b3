/*
 * Start-up: does every registered statement fit this database?
 */
#include "db_internal.h"

#include <stdio.h>

static bool
verify_one(PGconn *pg, size_t i,
	   bool (*each)(const PGresult *describe, size_t index, void *arg),
	   void *arg)
{
	const struct db_statement *s = &db_statements[i];
	PGresult *r = PQprepare(pg, s->name, s->sql, 0, NULL);
	bool ok = PQresultStatus(r) == PGRES_COMMAND_OK;

	if (ok) {
		PQclear(r);
		r = PQdescribePrepared(pg, s->name);
		ok = PQresultStatus(r) == PGRES_COMMAND_OK;
	}
	if (!ok)
		fprintf(stderr, "%s: %s%s\n", s->name, PQresultErrorMessage(r),
			s->sql);
	else if (each)
		ok = each(r, i, arg);
	PQclear(r);
	return ok;
}

int
db_verify(const char *conninfo,
	  bool (*each)(const PGresult *describe, size_t index, void *arg),
	  void *arg, const char **why)
{
	static char message[512];
	struct db_params *params = db_params_new(conninfo, 10000);
	PGconn *pg = PQconnectdbParams(params->keywords, params->values, 1);
	const char *fault;
	int result = 1;

	*why = message;
	db_params_free(params);
	if (PQstatus(pg) != CONNECTION_OK) {
		snprintf(message, sizeof(message), "%s", PQerrorMessage(pg));
		PQfinish(pg);
		return -1;
	}
	fault = db_session_fault(pg);
	if (fault) {
		fprintf(stderr, "database session: %s is %s\n", fault,
			PQparameterStatus(pg, fault));
		result = 0;
	}
	/* each() may register more: the count is read again every time. */
	for (size_t i = 0; i < db_statement_count; i++)
		if (!verify_one(pg, i, each, arg))
			result = 0;
	if (PQstatus(pg) != CONNECTION_OK) {
		snprintf(message, sizeof(message), "%s", PQerrorMessage(pg));
		result = -1;
	}
	PQfinish(pg);
	return result;
}
