/*
 * Files of persons are read, in the job process: some thousand rows at a time
 * on a thread, staged by the loop before the next are read. Whatever ends in
 * between, the database says how many rows it has, and the file is read again
 * up to there.
 */
#include <stdlib.h>
#include <string.h>

#include "linli.h"

#define PIECE_ROWS 4000
#define FILE_ROWS 300000
#define ATTEMPTS "3" /* at a file that ends its reader */
#define SWEEP_US ((int64_t)60 * 1000 * 1000)
#define IDLE_SECONDS 600 /* an upload whose row is on its way */

/* The one file in hand. */
static struct reader {
	enum { IDLE, READING, READ } state;
	char id[37];
	char *street;
	long rows; /* staged */
	json_t *given;
	/* the thread's, while READING */
	unsigned char *bytes;
	struct table *table;
	struct roster roster;
	json_t *mapping; /* to be told once */
	struct evbuffer *piece;
	long piece_rows;
	bool last;
} reader;

/* On the thread ----------------------------------------------------------- */

static void
ends_with(struct reader *r, const char *problem, const char *detail)
{
	evbuffer_add_printf(r->piece, ",\"problem\":\"%s\"", problem);
	if (detail)
		evbuffer_add_printf(r->piece, ",\"detail\":\"%s\"", detail);
	r->last = true;
}

/* Past the headers and the rows that are staged already. */
static const char *
open_file(struct reader *r, const char **detail)
{
	const char *why = "import_unreadable";
	struct table_row row;
	size_t len;
	int got;

	r->bytes = vault_get(r->id, &len);
	r->table = r->bytes ? table_open(r->bytes, len, &why) : NULL;
	if (!r->table)
		return why;
	got = table_next(r->table, &row, &why);
	if (got == 0)
		why = "import_empty";
	if (got == 1)
		why = roster_headers(&r->roster, &row, r->given, detail);
	if (why && (got < 1 || *detail))
		return why;
	r->roster.days = table_days(r->table);
	r->mapping = roster_mapping(&r->roster, &row);
	for (long i = 0; i < r->rows; i++)
		if (table_next(r->table, &row, &why) < 1)
			return why;
	return NULL;
}

static void
read_rows(struct reader *r)
{
	const char *why = NULL, *comma = "";
	struct table_row row;
	int got = 1;

	evbuffer_add_printf(r->piece, ",\"rows\":[");
	while (r->piece_rows < PIECE_ROWS && r->rows + r->piece_rows < FILE_ROWS
	       && (got = table_next(r->table, &row, &why)) == 1) {
		struct arena *a = arena_new();

		evbuffer_add_printf(r->piece, "%s", comma);
		roster_row(&r->roster, &row, a, r->piece);
		arena_free(a);
		r->piece_rows++;
		comma = ",";
	}
	evbuffer_add(r->piece, "]", 1);
	if (got == 1 && r->piece_rows < PIECE_ROWS &&
	    table_next(r->table, &row, &why) == 1)
		ends_with(r, "import_too_many_rows", NULL);
	else if (got < 0)
		ends_with(r, why, NULL);
	else if (got == 0)
		r->last = true;
}

static void
read_piece(void *arg_)
{
	struct reader *r = arg_;
	const char *why = NULL, *detail = NULL;
	char *columns;

	r->piece = evbuffer_new();
	r->piece_rows = 0;
	evbuffer_add_printf(r->piece,
			    "{\"street\":%s,\"import\":\"%s\",\"from\":%ld",
			    r->street, r->id, r->rows);
	if (!r->table)
		why = open_file(r, &detail);
	if (why)
		ends_with(r, why, detail);
	else
		read_rows(r);
	if (r->mapping) {
		columns = json_dumps(r->mapping, JSON_COMPACT);
		evbuffer_add_printf(r->piece, ",\"columns\":%s", columns);
		free(columns);
		json_decref(r->mapping);
		r->mapping = NULL;
	}
	evbuffer_add_printf(r->piece, ",\"last\":%s}",
			    r->last ? "true" : "false");
	evbuffer_add(r->piece, "", 1);
}

/* On the loop ------------------------------------------------------------- */

static void
piece_read(void *arg_)
{
	struct reader *r = arg_;

	r->state = READ;
	job_soon();
}

static void
let_go(struct reader *r)
{
	table_close(r->table);
	free(r->bytes);
	free(r->street);
	json_decref(r->given);
	*r = (struct reader){ .state = IDLE };
}

static void
go_on(struct reader *r)
{
	r->state = READING;
	if (!offload(read_piece, piece_read, r))
		let_go(r);
}

static const char *
while_idle(void)
{
	return reader.state == IDLE ? ATTEMPTS : NULL;
}

static void
next_found(const PGresult *res)
{
	struct reader *r = &reader;
	char *why = NULL;

	if (PQntuples(res) == 0)
		return;
	if (!seal_load(config.keys_dir, &why)) {
		log_event(LOG_ERROR_, "import_key_missing", "%s", why);
		free(why);
		return;
	}
	memcpy(r->id, PQgetvalue(res, 0, 0), sizeof(r->id));
	r->street = xstrdup(PQgetvalue(res, 0, 1));
	r->rows = atol(PQgetvalue(res, 0, 2));
	r->given = json_loads(PQgetvalue(res, 0, 3), 0, NULL);
	go_on(r);
}

static const char *
when_read(void)
{
	if (reader.state != READ)
		return NULL;
	return (const char *)evbuffer_pullup(reader.piece, -1);
}

static void
staged(const PGresult *res)
{
	struct reader *r = &reader;
	bool taken = *PQgetvalue(res, 0, 0) == 't';
	bool wanted = *PQgetvalue(res, 0, 1) == 't';

	evbuffer_free(r->piece);
	r->piece = NULL;
	r->rows += r->piece_rows;
	if (taken && wanted) {
		go_on(r);
		return;
	}
	if (taken)
		vault_delete(r->id);
	let_go(r);
}

/* The vault's files as an array literal, once in a while; NULL: none. */
static void
add_id(const char *id, void *list)
{
	evbuffer_add_printf(list, "%s%s",
			    evbuffer_get_length(list) > 1 ? "," : "", id);
}

static const char *
vault_ids(void)
{
	static struct evbuffer *list;
	static int64_t due_us;
	int64_t now = monotonic_us();

	if (now < due_us)
		return NULL;
	due_us = now + SWEEP_US;
	list = list ? list : evbuffer_new();
	evbuffer_drain(list, evbuffer_get_length(list));
	evbuffer_add(list, "{", 1);
	vault_each(IDLE_SECONDS, add_id, list);
	if (evbuffer_get_length(list) == 1)
		return NULL;
	evbuffer_add(list, "}", 2);
	return (const char *)evbuffer_pullup(list, -1);
}

static void
drop_files(const PGresult *res)
{
	for (int i = 0; i < PQntuples(res); i++)
		vault_delete(PQgetvalue(res, i, 0));
}

const struct job_hook imports_job_hooks[] = {
	{ .query = "jobNextImport", .bind = while_idle, .done = next_found },
	{ .query = "jobStageImport", .bind = when_read, .done = staged,
	  .gentle = true },
	{ .query = "jobWorkImports", .eager = true, .gentle = true },
	{ .query = "jobSweepImports", .eager = true, .gentle = true },
	{ .query = "jobSweepVault", .bind = vault_ids, .done = drop_files },
	{ 0 },
};
