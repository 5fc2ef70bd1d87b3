/*
 * linlid migrate: the embedded migrations, forward only. Each is one
 * transaction, sent a statement at a time (as Citus wants it), under a lock
 * on core.migration; what has been applied may never change again.
 */
#include <libpq-fe.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "cli.h"
#include "config.h"
#include "embed.h"
#include "era.h"
#include "log.h"
#include "sqltext.h"
#include "text.h"
#include "verify.h"

#define FOLDER "migrations/"
/* A lock not had in 3 s would queue the server's requests behind us: let go,
 * and come back when they have had their turn. */
#define LOCK_TIMEOUT "3s"
#define LOCK_TRIES 10
#define LOCK_NOT_AVAILABLE "55P03"

struct migration {
	const struct embedded *file;
	int version;
	char name[64], checksum[65];
	const char *applied_at; /* NULL = pending */
};

struct migrations {
	PGconn *pg;
	struct migration *list;
	size_t count;
	PGresult *applied; /* version, checksum, applied_at */
};

static PGresult *
run(PGconn *pg, const char *sql)
{
	PGresult *res = PQexec(pg, sql);
	ExecStatusType status = PQresultStatus(res);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		die("migrate: %s%s", PQerrorMessage(pg), sql);
	return res;
}

static void
run_quietly(PGconn *pg, const char *sql)
{
	PQclear(run(pg, sql));
}

/* "migrations/0002_sessions.sql" */
static void
migration_name(struct migration *m, const struct embedded *file)
{
	const char *base = file->name + strlen(FOLDER);
	unsigned char digest[crypto_hash_sha256_BYTES];
	int n = 0;

	m->file = file;
	if (sscanf(base, "%4d_%63[a-z0-9_].sql%n", &m->version, m->name, &n) <
		    2 || base[n] != '\0' || n == 0)
		die("%s: a migration is called NNNN_name.sql", file->name);
	crypto_hash_sha256(digest, (const unsigned char *)file->start,
			   (size_t)(file->end - file->start));
	hex_encode(m->checksum, digest, sizeof(digest));
}

static void
migrations_embedded(struct migrations *ms)
{
	for (const struct embedded *f = embedded_files; f->name; f++) {
		if (strncmp(f->name, FOLDER, strlen(FOLDER)) != 0)
			continue;
		ms->list = xrealloc(ms->list,
				    (ms->count + 1) * sizeof(*ms->list));
		memset(&ms->list[ms->count], 0, sizeof(*ms->list));
		migration_name(&ms->list[ms->count], f);
		ms->count++;
		if (ms->list[ms->count - 1].version != (int)ms->count)
			die("%s: expected number %04zu", f->name, ms->count);
	}
}

static bool
has_table(PGconn *pg)
{
	PGresult *res = run(pg, "select to_regclass('core.migration')");
	bool there = !PQgetisnull(res, 0, 0);

	PQclear(res);
	return there;
}

/* The advisory lock only spares two first runs from making the same table;
 * what protects the migrations is the lock on the table. */
static void
bootstrap(PGconn *pg)
{
	run_quietly(pg, "begin");
	run_quietly(pg, "select pg_advisory_xact_lock(5108010802)");
	run_quietly(pg, "create schema if not exists core");
	run_quietly(pg, "create table if not exists core.migration ("
			"version int primary key, name text not null, "
			"checksum text not null, "
			"applied_at timestamptz not null default now())");
	run_quietly(pg, "comment on table core.migration is "
			"'class: local. What linlid migrate has applied.'");
	/* For migrate_verify(), which runs before anything else is asked. */
	run_quietly(pg, "grant usage on schema core to linli_app");
	run_quietly(pg, "grant select on core.migration to linli_app");
	run_quietly(pg, "commit");
}

/* Reads what the database has, and refuses what does not fit. */
static void
migrations_compare(struct migrations *ms)
{
	PQclear(ms->applied);
	ms->applied = run(ms->pg,
			  "select version, checksum, to_char(applied_at at "
			  "time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') "
			  "from core.migration order by version");
	for (int i = 0; i < PQntuples(ms->applied); i++) {
		int version = atoi(PQgetvalue(ms->applied, i, 0));
		struct migration *m;

		if (version > (int)ms->count)
			die("migrate: the database has migration %04d, this "
			    "program knows %04zu; use the newer program",
			    version, ms->count);
		if (version != i + 1)
			die("migrate: the database lacks migration %04d",
			    i + 1);
		m = &ms->list[i];
		if (strcmp(m->checksum, PQgetvalue(ms->applied, i, 1)) != 0)
			die("%s: altered since it was applied; write a new "
			    "migration instead",
			    m->file->name);
		m->applied_at = PQgetvalue(ms->applied, i, 2);
	}
}

static int
line_of(const struct embedded *file, const char *at)
{
	int line = 1;

	for (const char *p = file->start; p < at; p++)
		line += *p == '\n';
	return line;
}

/* The server counts characters, we look for the byte. */
static const char *
position(const char *s, const char *end, const PGresult *res)
{
	const char *field = PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION);
	int left = field ? atoi(field) - 1 : 0;

	while (s < end && (left > 0 || (*s & 0xc0) == 0x80)) {
		left -= (*s & 0xc0) != 0x80;
		s++;
	}
	return s;
}

enum result { APPLIED, ALREADY, BUSY };

/* True when done; false when a lock was not to be had. */
static bool
statement(PGconn *pg, const struct embedded *file, const char *s,
	  const char *stop)
{
	char *sql = xprintf("%.*s", (int)(stop - s), s);
	PGresult *res = PQexecParams(pg, sql, 0, NULL, NULL, NULL, NULL, 0);
	ExecStatusType status = PQresultStatus(res);
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	bool fine = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;

	if (!fine && !(state && strcmp(state, LOCK_NOT_AVAILABLE) == 0))
		die("%s:%d: %s", file->name,
		    line_of(file, position(s, stop, res)),
		    PQresultErrorMessage(res));
	PQclear(res);
	free(sql);
	return fine;
}

static bool
statements(PGconn *pg, const struct embedded *file)
{
	const char *s = file->start, *stop;

	while ((s = sqltext_start(s, file->end)) && s < file->end) {
		stop = sqltext_stop(s, file->end);
		if (!stop)
			die("%s:%d: something is left open in the statement "
			    "that begins here",
			    file->name, line_of(file, s));
		if (!statement(pg, file, s, stop))
			return false;
		s = stop;
	}
	if (!s)
		die("%s: a comment is left open", file->name);
	return true;
}

static bool
lock(PGconn *pg)
{
	PGresult *res;
	bool got;

	run_quietly(pg, "begin");
	run_quietly(pg, "set local lock_timeout = '" LOCK_TIMEOUT "'");
	res = PQexec(pg, "lock table core.migration in exclusive mode");
	got = PQresultStatus(res) == PGRES_COMMAND_OK;
	if (!got && strcmp(PQresultErrorField(res, PG_DIAG_SQLSTATE) ?
				   PQresultErrorField(res, PG_DIAG_SQLSTATE) :
				   "",
			   LOCK_NOT_AVAILABLE) != 0)
		die("migrate: %s", PQresultErrorMessage(res));
	PQclear(res);
	return got;
}

static enum result
apply(struct migrations *ms, struct migration *m)
{
	char insert[512];

	if (!lock(ms->pg))
		return BUSY;
	/* Another runner may have been here while we waited. */
	migrations_compare(ms);
	if (m->applied_at)
		return ALREADY;
	if (!statements(ms->pg, m->file))
		return BUSY;
	snprintf(insert, sizeof(insert),
		 "insert into core.migration (version, name, checksum) "
		 "values (%d, '%s', '%s')",
		 m->version, m->name, m->checksum);
	run_quietly(ms->pg, insert);
	run_quietly(ms->pg, "commit");
	return APPLIED;
}

static void
apply_patiently(struct migrations *ms, struct migration *m)
{
	enum result result = BUSY;

	for (int i = 0; i < LOCK_TRIES && result == BUSY; i++) {
		result = apply(ms, m);
		if (result != APPLIED)
			run_quietly(ms->pg, "rollback");
		if (result == BUSY && i + 1 < LOCK_TRIES) {
			fprintf(stderr, "%s: waiting for a lock\n",
				m->file->name);
			sleep(1);
		}
	}
	if (result == BUSY)
		die("%s: a table stays locked by others; nothing of it was "
		    "applied",
		    m->file->name);
	if (result == APPLIED)
		printf("applied %04d %s\n", m->version, m->name);
}

static int
status(const struct migrations *ms)
{
	int pending = 0;

	for (size_t i = 0; i < ms->count; i++) {
		const struct migration *m = &ms->list[i];

		printf("%04d %-24s %s\n", m->version, m->name,
		       m->applied_at ? m->applied_at : "pending");
		pending += !m->applied_at;
	}
	return pending ? 1 : 0;
}

int
cmd_migrate(int argc, char **argv)
{
	struct migrations ms = { .pg = NULL };
	bool only_status = argc == 2 && strcmp(argv[1], "--status") == 0;
	int code = 0;

	if (argc > 1 && !only_status) {
		fputs("linlid migrate [--status]\n", stderr);
		return 2;
	}
	migrations_embedded(&ms);
	ms.pg = PQconnectdb(config.database_owner);
	if (PQstatus(ms.pg) != CONNECTION_OK)
		die("migrate: %s", PQerrorMessage(ms.pg));
	run_quietly(ms.pg, "set client_min_messages = warning");
	if (!only_status && !has_table(ms.pg))
		bootstrap(ms.pg);
	if (has_table(ms.pg))
		migrations_compare(&ms);
	if (only_status)
		code = status(&ms);
	for (size_t i = 0; i < ms.count && !only_status; i++)
		if (!ms.list[i].applied_at)
			apply_patiently(&ms, &ms.list[i]);
	if (!only_status)
		era_begin(ms.pg);
	PQclear(ms.applied);
	PQfinish(ms.pg);
	free(ms.list);
	return code;
}

/* row: that of m's version, or beyond the last. */
static bool
is_applied(const struct migration *m, const PGresult *applied, int row)
{
	if (row >= PQntuples(applied)) {
		fprintf(stderr, "%s: not applied to the database\n",
			m->file->name);
		return false;
	}
	if (strcmp(m->checksum, PQgetvalue(applied, row, 1)) != 0) {
		fprintf(stderr, "%s: altered since it was applied\n",
			m->file->name);
		return false;
	}
	return true;
}

/* What the database has beyond ours is a newer program's, which may migrate
 * while we serve. */
int
migrate_verify(const char *conninfo)
{
	struct migrations ms = { .pg = PQconnectdb(conninfo) };
	bool fine = true;

	if (PQstatus(ms.pg) != CONNECTION_OK) {
		PQfinish(ms.pg);
		return -1;
	}
	migrations_embedded(&ms);
	/* A database nobody migrated has no such table, and no rows. */
	ms.applied = PQexec(ms.pg, "select version, checksum "
				   "from core.migration order by version");
	for (size_t i = 0; i < ms.count; i++)
		fine = is_applied(&ms.list[i], ms.applied, (int)i) && fine;
	fine = era_fits(ms.pg) && fine;
	PQclear(ms.applied);
	PQfinish(ms.pg);
	free(ms.list);
	return fine;
}
