/* What the subcommands that speak to the database share. */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "text.h"

#define FILE_MAX (16 * 1024 * 1024)

static void
no_notice(void *arg, const char *message)
{
	(void)arg, (void)message;
}

/* Our own errors carry a code people can look up; the server's a sentence. */
static void
say_error(const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *hint = PQresultErrorField(res, PG_DIAG_MESSAGE_HINT);

	if (state && strncmp(state, "LN", 2) == 0)
		fprintf(stderr, "linlid: refused: %s%s%s\n", text,
			hint ? " at " : "", hint ? hint : "");
	else if (state && strcmp(state, "23505") == 0)
		fprintf(stderr, "linlid: refused: there already\n");
	else if (state && strcmp(state, "23514") == 0)
		fprintf(stderr, "linlid: refused: a value is not allowed\n");
	else
		fprintf(stderr, "linlid: the database: %s\n",
			text ? text : PQresultErrorMessage(res));
}

PGresult *
cli_query(const char *sql, int count, const char *const *params)
{
	PGconn *conn = PQconnectdb(config.database_owner);
	PGresult *res = NULL;

	if (PQstatus(conn) != CONNECTION_OK) {
		fprintf(stderr, "linlid: the database is away: %s",
			PQerrorMessage(conn));
	} else {
		PQsetNoticeProcessor(conn, no_notice, NULL);
		res = PQexecParams(conn, sql, count, NULL, params, NULL, NULL,
				   0);
		if (PQresultStatus(res) != PGRES_TUPLES_OK) {
			say_error(res);
			PQclear(res);
			res = NULL;
		}
	}
	PQfinish(conn);
	return res;
}

bool
cli_number(const char *text, long min, long max, long *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtol(text, &end, 10);
	return errno == 0 && *end == '\0' && *out >= min && *out <= max;
}

/* malloc'd; NULL when it cannot be read, is empty or too long. */
static char *
read_all(FILE *in)
{
	char *text = xmalloc(FILE_MAX + 1);
	size_t n = fread(text, 1, FILE_MAX + 1, in);

	if (n == 0 || n > FILE_MAX || ferror(in) || memchr(text, '\0', n)) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	return text;
}

char *
cli_read_file(const char *path)
{
	bool piped = strcmp(path, "-") == 0;
	FILE *in = piped ? stdin : fopen(path, "re");
	char *text = in ? read_all(in) : NULL;

	if (in && !piped)
		fclose(in);
	if (!text)
		fprintf(stderr, "linlid: %s cannot be read, is empty, binary "
			"or too long\n", path);
	return text;
}
