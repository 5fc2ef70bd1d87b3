/*
 * What every connection has alike: the registered statements and the session
 * settings.
 */
#include "db_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

struct db_statement *db_statements;
size_t db_statement_count;
static size_t statement_room;

size_t
db_register(const char *name, const char *sql)
{
	if (db_statement_count == statement_room) {
		statement_room = statement_room ? statement_room * 2 : 64;
		db_statements = xrealloc(db_statements, statement_room *
					 sizeof(*db_statements));
	}
	db_statements[db_statement_count] = (struct db_statement){
		.name = xstrdup(name),
		.sql = xstrdup(sql),
	};
	return db_statement_count++;
}

/* options of the conninfo itself ("-c geqo=off"), or NULL. */
static char *
own_options(const char *conninfo)
{
	PQconninfoOption *all = PQconninfoParse(conninfo, NULL);
	char *found = NULL;

	for (PQconninfoOption *o = all; o && o->keyword; o++)
		if (o->val && strcmp(o->keyword, "options") == 0)
			found = xstrdup(o->val);
	PQconninfoFree(all);
	return found;
}

static char *
session_options(const char *conninfo, long statement_timeout_ms)
{
	char *own = own_options(conninfo), *text;
	size_t size = 512 + (own ? strlen(own) : 0);

	/* client_connection_check_interval: a query whose client is gone ends
	 * soon, so a dropped connection frees its locks. jit off: it never
	 * pays for statements of a few milliseconds. Generic plans: queries are
	 * written for one plan; planning each anew cost a list of tickets six
	 * times what running it did. */
	text = xmalloc(size);
	snprintf(text, size,
		 "-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres "
		 "-c extra_float_digits=1 -c jit=off "
		 "-c plan_cache_mode=force_generic_plan "
		 "-c client_connection_check_interval=1000 "
		 "-c lock_timeout=%d -c statement_timeout=%ld %s",
		 LOCK_TIMEOUT_MS, statement_timeout_ms, own ? own : "");
	free(own);
	return text;
}

struct db_params *
db_params_new(const char *conninfo, long statement_timeout_ms)
{
	struct db_params *p = xmalloc(sizeof(*p));
	size_t n = 0;

	p->conninfo = xstrdup(conninfo);
	p->statement_timeout_ms = statement_timeout_ms;
	p->options = session_options(conninfo, statement_timeout_ms);
	/* A later entry overrides an earlier one, so the conninfo may change
	 * what stands before dbname and nothing of what stands after. */
	const char *const table[][2] = {
		{ "application_name", "linlid" },
		{ "connect_timeout", "3" },
		/* A network that swallows packets is found out before those
		 * who wait have waited 5 s. */
		{ "tcp_user_timeout", "4000" },
		{ "keepalives_idle", "10" },
		{ "keepalives_interval", "5" },
		{ "keepalives_count", "3" },
		{ "dbname", p->conninfo },
		{ "client_encoding", "UTF8" },
		{ "options", p->options },
	};
	for (; n < sizeof(table) / sizeof(table[0]); n++) {
		p->keywords[n] = table[n][0];
		p->values[n] = table[n][1];
	}
	return p;
}

void
db_params_free(struct db_params *p)
{
	if (!p)
		return;
	free(p->conninfo);
	free(p->options);
	free(p);
}

const char *
db_session_fault(PGconn *pg)
{
	/* PGTZ and PGDATESTYLE in the environment beat the options. */
	static const char *const wanted[][2] = {
		{ "TimeZone", "UTC" },
		{ "DateStyle", "ISO" },
		{ "client_encoding", "UTF8" },
		{ "server_encoding", "UTF8" },
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		const char *is = PQparameterStatus(pg, wanted[i][0]);

		if (!is || strncmp(is, wanted[i][1], strlen(wanted[i][1])) != 0)
			return wanted[i][0];
	}
	return NULL;
}
