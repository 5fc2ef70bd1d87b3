/*
 * A reply stored under an Idempotency-Key comes back byte for byte, whatever
 * its columns' types. On a real server (PGTEST), with stand-ins for what the
 * migrations make.
 */
#include "arena.h"
#include "db.h"
#include "encode.h"
#include "query.h"
#include "request.h" /* before cmocka, whose fail() is a macro */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "../../src/db_internal.h"

static const char stand_ins[] =
	"set client_min_messages = warning;"
	"drop schema if exists core cascade; create schema core;"
	"create table core.idempotency (street_id int, actor_id uuid, "
	"key text, hash text, status int, reply json, created_at timestamptz);"
	"create function core.now() returns timestamptz language sql stable "
	"as 'select now()';"
	"create function core.street() returns int language sql stable "
	"as 'select 7';"
	"create function core.actor() returns uuid language sql stable "
	"as $$select '00000000-0000-8000-8000-000000000001'::uuid$$;"
	"create function core.idem_put(text, text, int, json) returns void "
	"language sql as 'insert into core.idempotency values (core.street(), "
	"core.actor(), $1, $2, $3, $4, core.now())';";

static const char query[] =
	"-- name: createThing\n"
	"select :id::text as id, true as yes, null::bool as perhaps,\n"
	" 9223372036854775807 as big, -1::smallint as small,\n"
	" 1e20::float8 as far, 0.1::float8 as tenth, 'NaN'::float8 as nan,\n"
	" 1.50::numeric as fen, 'NaN'::numeric as none,\n"
	" '2026-11-22 06:43:14.1234+00'::timestamptz as at,\n"
	" '2026-11-22 06:43:14+00'::timestamptz as at_second,\n"
	" 'infinity'::timestamptz as never, '2026-11-22'::date as day,\n"
	" '化粪池 \"堵\"' || chr(10) || chr(1) || '\\' as text, '' as empty,\n"
	" '{\"b\": [1 ,2],  \"a\": null}'::json as doc,\n"
	" '{\"b\": [1 ,2],  \"a\": 1.0}'::jsonb as docb,\n"
	" 'null'::json as json_null, '12'::xid8 as xact,\n"
	" 3 as _etag, '/v1/x' as _location\n"
	"order by id;\n";

static struct operation op = {
	.id = "createThing", .source = "t.yaml:1", .status = 201,
	.idempotent = true,
};
static struct contract contract = { .operations = &op, .operation_count = 1 };

static int
reply_done(struct request *rq, PGresult *res)
{
	(void)rq;
	(void)res;
	return DONE;
}

static int
before(struct request *rq)
{
	(void)rq;
	return NEXT;
}

/* The shapes are not the subject: a hook's replies are not compared. */
static const struct hook hook = {
	.operation = "createThing", .binds = { "id" },
	.before = before, .reply = reply_done,
};

static PGresult *
ask(PGconn *pg, const char *sql, int count, const char *const *params)
{
	PGresult *r = PQexecParams(pg, sql, count, NULL, params, NULL, NULL, 0);

	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		fail_msg("%s\n%s", sql, PQerrorMessage(pg));
	return r;
}

static char *
encoded(const PGresult *res)
{
	struct evbuffer *b = evbuffer_new();
	size_t n;
	char *text;

	assert_int_equal(PQntuples(res), 1);
	encode_row(b, res, 0, NULL);
	n = evbuffer_get_length(b);
	text = xmalloc(n + 1);
	evbuffer_remove(b, text, n);
	evbuffer_free(b);
	return text;
}

static void
run_stand_ins(PGconn *pg)
{
	PGresult *r = PQexec(pg, stand_ins);

	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		fail_msg("%s", PQerrorMessage(pg));
	PQclear(r);
}

static PGconn *
connect_as_the_pool(void)
{
	struct db_params *p = db_params_new(getenv("PGTEST"), 5000);
	PGconn *pg = PQconnectdbParams(p->keywords, p->values, 1);

	db_params_free(p);
	assert_int_equal(PQstatus(pg), CONNECTION_OK);
	return pg;
}

static void
test_same_bytes(void **state)
{
	const char *params[] = { "a \"b\"", "key-1", "hash" }, *why;
	PGconn *pg = connect_as_the_pool();
	const struct statement *st;
	PGresult *plain, *first, *again;
	char *texts[3];

	(void)state;
	run_stand_ins(pg);
	op.hook = &hook;
	assert_true(query_load("t.sql", query, strlen(query)));
	assert_true(query_attach(&contract));
	/* The replay, too, is prepared here. */
	assert_int_equal(db_verify(getenv("PGTEST"), query_check_reply,
				   &contract, &why), 1);
	st = &op.query->statements[0];
	assert_non_null(op.query->replay_sql);

	plain = ask(pg, st->sql, 1, params);
	first = ask(pg, db_statements[st->db_index_idem].sql, 3, params);
	again = ask(pg, op.query->replay_sql, 1, params + 1);
	texts[0] = encoded(plain);
	texts[1] = encoded(first);
	texts[2] = encoded(again);
	assert_string_equal(texts[0], texts[1]);
	assert_string_equal(texts[0], texts[2]);
	assert_non_null(strstr(texts[0], "\"far\":1e+20,\"tenth\":0.1,"
			       "\"nan\":null,\"fen\":1.50,"));
	assert_string_equal(encode_meta(again, "_etag"), "3");
	assert_string_equal(encode_meta(again, "_location"), "/v1/x");
	assert_null(encode_meta(again, "_idem"));
	PQclear(again);

	/* Another key, or one of yesterday: nothing. */
	again = ask(pg, op.query->replay_sql, 1, params + 2);
	assert_int_equal(PQntuples(again), 0);
	PQclear(again);
	PQclear(PQexec(pg, "update core.idempotency set created_at = "
			   "created_at - interval '25 hours'"));
	again = ask(pg, op.query->replay_sql, 1, params + 1);
	assert_int_equal(PQntuples(again), 0);
	PQclear(again);

	for (int i = 0; i < 3; i++)
		free(texts[i]);
	PQclear(plain);
	PQclear(first);
	PQclear(PQexec(pg, "drop schema core cascade"));
	PQfinish(pg);
}

/* Whatever PostgreSQL would have written. */
static const char series[] =
	"select n::text || '\"化' as text, -n as small, n * 4611686018427387 as "
	"big, (n % 30000)::int2 as least, n % 3 = 0 as yes, nullif(n % 5, 0) "
	"as some, md5(n::text)::uuid as id, json_build_object('n', n) as doc, "
	"case n when 1 then 'infinity' when 2 then '-infinity' when 3 then "
	"'0001-01-01 00:00:00+00' when 4 then '0001-12-31 23:59:59+00 BC' when "
	"5 then '9999-12-31 23:59:59.999999+00' when 6 then "
	"'10000-01-01 00:00:00+00' else '2000-01-01 00:00:00+00'::timestamptz "
	"+ (n - 1000) * interval '37 days 5 hours 3.25 s' "
	"+ interval '1 us' * (n % 7) * 10 ^ (n % 6) end as at, "
	"'2000-02-29'::timestamptz + interval '1 day' * n as day, "
	"'at,day,id,big,yes' as _cursor_by from generate_series(0, 1999) n";

static void
test_binary(void **state)
{
	PGconn *pg = connect_as_the_pool();
	PGresult *res[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		res[i] = PQexecParams(pg, series, 0, NULL, NULL, NULL, NULL, i);
	assert_int_equal(PQntuples(res[0]), 2000);
	assert_int_equal(PQfformat(res[1], 0), 1);
	for (int limit = 8; limit < 2000; limit += 83) {
		struct evbuffer *b[2] = { evbuffer_new(), evbuffer_new() };
		char *next[2];

		for (int i = 0; i < 2; i++) {
			encode_list(b[i], res[i], limit, NULL, &next[i]);
			evbuffer_add(b[i], "", 1);
		}
		assert_string_equal(evbuffer_pullup(b[0], -1),
				    evbuffer_pullup(b[1], -1));
		assert_string_equal(next[0], next[1]);
		for (int i = 0; i < 2; i++) {
			evbuffer_free(b[i]);
			free(next[i]);
		}
	}
	for (int i = 0; i < 2; i++) {
		assert_true(encode_can(res[i]));
		PQclear(res[i]);
	}
	/* A type that was another one at start-up. */
	for (int i = 0; i < 2; i++) {
		res[i] = PQexecParams(pg, "select 1 as a, 1.5 as n", 0, NULL,
				      NULL, NULL, NULL, i);
		assert_int_equal(encode_can(res[i]), i == 0);
		PQclear(res[i]);
	}
	PQfinish(pg);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_bytes),
		cmocka_unit_test(test_binary),
	};

	if (!getenv("PGTEST")) {
		fputs("PGTEST must name a superuser of a throw-away cluster\n",
		      stderr);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
