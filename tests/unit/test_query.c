/*
 * Query files against a small contract made here. What one case registers
 * stays in the process, so each runs in a child and is judged by what it
 * prints.
 */
#include "arena.h"
#include "db.h"
#include "query.h"
#include "request.h" /* before cmocka, whose fail() is a macro */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

static const char body_schema[] =
	"{\"type\":\"object\",\"properties\":{"
	"\"title\":{\"type\":\"string\"},"
	"\"contact_phone\":{\"type\":\"string\",\"x-personal\":\"phone\"}}}";
static const char plain_body[] =
	"{\"type\":\"object\",\"properties\":{\"street\":{\"type\":\"string\"},"
	"\"id\":{\"type\":\"string\"}}}";
static const char reply_schema[] =
	"{\"type\":\"object\",\"required\":[\"id\"],\"properties\":{"
	"\"id\":{\"type\":\"string\"},\"count\":{\"type\":\"integer\"},"
	"\"rate\":{\"type\":[\"number\",\"null\"]},"
	"\"mine\":{\"type\":\"boolean\"},\"at\":{\"type\":\"string\"},"
	"\"actions\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}";

static const struct schema *
schema_of(const char *text)
{
	char *why = NULL;
	json_t *node = json_loads(text, 0, NULL);
	const struct schema *s = schema_compile(node, node, &why);

	if (!s) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
	return s;
}

static int
before(struct request *rq)
{
	(void)rq;
	return DONE;
}

static const struct hook hook = {
	.operation = "createTicket",
	.binds = { "verdict" },
};
static const struct hook upload = { .operation = "upload", .before = before };

static struct param params[] = {
	{ .name = "id", .bind = (char *)"id" },
	{ .name = "If-Match", .bind = (char *)"if_match" },
	{ .name = "after", .bind = (char *)"after" },
};

/* In the order of their ids. */
static struct operation operations[] = {
	{ .id = "createTicket", .method = "POST", .source = "t.yaml:1",
	  .param_count = 2,
	  .params = params, .status = 201, .idempotent = true, .hook = &hook },
	{ .id = "listTickets", .method = "GET", .source = "t.yaml:2",
	  .param_count = 3,
	  .params = params, .status = 200, .reply_list = true,
	  .roles = ROLE_RESIDENT | ROLE_STREET },
	{ .id = "login", .method = "POST", .source = "t.yaml:3", .status = 200,
	  .public_ = true },
};

static struct contract *
small_contract(void)
{
	static struct contract c;

	operations[0].body = schema_of(body_schema);
	operations[0].reply = schema_of(reply_schema);
	operations[1].reply = operations[0].reply;
	operations[1].reply_item = operations[0].reply;
	operations[2].body = schema_of(plain_body);
	for (size_t i = 0; i < 3; i++)
		operations[i].index = i;
	c.operation_count = 3;
	c.operations = operations;
	return &c;
}

/* A whole set of queries that fits, to put a wrong one into. */
#define CREATE "-- name: createTicket\nselect 1;\n"
#define LIST "-- name: listTickets\nselect 1;\n"
#define LOGIN "-- name: login\nselect 1;\n"

static bool
load(const char *text)
{
	return query_load("queries/t.sql", text, strlen(text));
}

/* Runs f(arg) in a child; what it printed goes to out. Returns its verdict. */
static bool
apart(bool (*f)(const void *), const void *arg, char *out, size_t cap)
{
	int fds[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], 2);
		_exit(f(arg) ? 0 : 1);
	}
	close(fds[1]);
	while ((n = read(fds[0], out + len, cap - 1 - len)) > 0)
		len += (size_t)n;
	out[len] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_in_range(WEXITSTATUS(status), 0, 1);
	return WEXITSTATUS(status) == 0;
}

static void
expect_said(bool (*f)(const void *), const void *arg, const char *said)
{
	char out[8192];
	bool ok = apart(f, arg, out, sizeof(out));

	if (!said && !ok)
		fail_msg("refused: %s", out);
	if (said && (ok || !strstr(out, said)))
		fail_msg("wanted \"%s\", got (%s) \"%s\"", said,
			 ok ? "accepted" : "refused", out);
}

/* Reading ------------------------------------------------------------------ */

static void
test_names(void **state)
{
	const struct query *q;

	(void)state;
	assert_true(load(
		"-- about this file; a quote ' does no harm\n"
		"-- name: getA\n"
		"select :id::uuid, :n::int -- not :this::int, nor this;\n"
		"  /* :nor /* :this */ ; */ , ':no', 'it''s :no', E'\\':no',\n"
		"  \":col\", $$ :body; $$, $t$ :b $$ ; $t$, a::text, b[1:2],\n"
		"  f(x := 1)\n"
		"where id=:id::uuid;\n"
		"select :n2::int;\n"
		"\n"
		"-- helper: findB\n"
		"with x as (select 1) select * from x;\n"));
	q = query_find("getA");
	assert_int_equal(q->line, 2);
	assert_string_equal(q->file, "t.sql");
	assert_false(q->helper);
	assert_int_equal(q->statement_count, 2);
	assert_string_equal(q->statements[0].sql,
			    "/* t.sql: getA */ select $1::uuid, $2::int , "
			    "':no', 'it''s :no', E'\\':no', \":col\", "
			    "$$ :body; $$, $t$ :b $$ ; $t$, a::text, b[1:2], "
			    "f(x := 1) where id=$1::uuid");
	assert_int_equal(q->statements[0].bind_count, 2);
	assert_string_equal(q->statements[0].binds[0].name, "id");
	assert_string_equal(q->statements[0].binds[1].name, "n");
	assert_string_equal(q->statements[0].name, "getA_1");
	assert_string_equal(q->statements[1].name, "getA_2");
	assert_string_equal(q->statements[1].binds[0].name, "n2");
	assert_true(query_find("findB")->helper);
	assert_null(query_find("getB"));
}

static bool
loads(const void *text)
{
	return load(text);
}

static void
test_bad_files(void **state)
{
	static const char *const cases[][2] = {
		{ "select 1;", "t.sql:1: statement before the first" },
		{ "-- name: a\n", "t.sql:1: a: has no statement" },
		{ "-- name: a\n-- name: b\nselect 1;", "t.sql:1: a: has no" },
		{ "-- name: a\nselect 1", "t.sql:2: statement without" },
		{ "-- name: a\nselect 1\n-- name: b\nselect 2;",
		  "t.sql:2: statement without" },
		{ "-- name: a\nselect 1;\n\n;", "t.sql:4: empty statement" },
		{ "-- name: a b\nselect 1;", "t.sql:1: not a query's name" },
		{ "-- name: anumbered\nselect 1;", NULL },
		{ "-- name: a numbered\nselect 1;", NULL },
		{ "-- name: numbered numbered\nselect 1;", NULL },
		{ "-- name: numbered numbered x\nselect 1;",
		  "t.sql:1: not a query's name" },
		{ "-- helper: a numbered\nselect 1;",
		  "t.sql:1: not a query's name" },
		{ "-- name:\nselect 1;", "t.sql:1: not a query's name" },
		{ "-- name: a\nselect 1;\n-- name: a\nselect 1;",
		  "t.sql:3: a: is also at t.sql:1" },
		{ "-- name: a\nselect\n:id;", "t.sql:3: :id lacks a cast" },
		{ "-- name: a\nselect $1;", "t.sql:2: use :name, not $1" },
		{ "-- name: a\nselect 'x;\n", "t.sql:2: something is left" },
		{ "-- name: a\nselect 1;\n/* x", "t.sql:3: comment without" },
		{ "-- name: a\nbegin;", "t.sql:2: not a statement of a" },
		{ "-- name: a\nCOMMIT;", "not a statement of a query: COMMIT" },
		{ "-- name: a\nset local x = 1;", "not a statement" },
		{ "-- name: a\nSELECT 1;", NULL },
		{ "", NULL },
		{ "-- for: resident\nselect 1;", "t.sql:1: -- for: before" },
		{ "-- name: a\n-- for: street\nselect 1;", "t.sql:1: a: has" },
		{ "-- name: a\nselect 1;\n-- for: street\n", "t.sql:3: a: has" },
		{ "-- name: a\nselect 1\n-- for: street\nselect 1;",
		  "t.sql:2: statement without" },
		{ "-- name: a\nselect 1;\n-- for: nobody\nselect 1;",
		  "t.sql:3: a: nobody is no role" },
		{ "-- name: a\nselect 1;\n-- for: without q\nselect 1;",
		  "t.sql:3: a: -- for: whom?" },
		{ "-- name: a\nselect 1;\n-- for: street without q\nselect 1;",
		  NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_said(loads, cases[i][0], cases[i][1]);
}

static bool
loads_many_names(const void *count)
{
	char text[4096] = "-- name: a\nselect 1";
	size_t len = strlen(text);

	for (int i = 0; i < *(const int *)count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					", :n%d::int", i);
	strcpy(text + len, ";");
	return load(text);
}

static void
test_limits(void **state)
{
	int most = DB_MAX_PARAMS - 2, more = most + 1;

	(void)state;
	expect_said(loads_many_names, &most, NULL);
	expect_said(loads_many_names, &more, "t.sql:2: more than 46 names");
	expect_said(loads, "-- name: a\nselect 1;select 1;select 1;select 1;"
		    "select 1;select 1;select 1;select 1;select 1;select 1;"
		    "select 1;\nselect 1;", "t.sql:3: more than 11 statements");
}

/* Attaching ---------------------------------------------------------------- */

static bool
attaches(const void *text)
{
	return load(text) && query_attach(small_contract());
}

static void
test_bad_ties(void **state)
{
	static const char *const cases[][2] = {
		{ CREATE LIST LOGIN, NULL },
		{ CREATE LIST LOGIN "-- name: other\nselect 1;",
		  "t.sql:7: other: no such operation" },
		{ CREATE LIST, "t.yaml:3: login has neither query nor hook" },
		{ CREATE LIST "-- name: login\nselect :nope::text;",
		  ":nope is no parameter, body field" },
		/* what identifies the caller is never a client's to set */
		{ CREATE LIST "-- name: login\nselect :street::text;", NULL },
		{ CREATE LIST "-- name: login\nselect :actor::uuid;",
		  ":actor is unknown in login (t.yaml:3), which is public" },
		{ CREATE LIST "-- name: login\nselect :session::uuid;",
		  "which is public" },
		{ CREATE LOGIN "-- name: listTickets\nselect :body::json;",
		  "t.sql:5: listTickets: :body" },
		{ LIST LOGIN "-- name: createTicket\nselect :body::json;",
		  "or a personal field in it" },
		{ LIST LOGIN "-- name: createTicket\nselect :title_mask::text;",
		  ":title_mask is no parameter" },
		{ CREATE LOGIN "-- name: listTickets\nselect :verdict::text;",
		  ":verdict is no parameter" },
		{ CREATE LIST "-- for: resident without after\nselect 1;\n" LOGIN,
		  NULL },
		{ CREATE LIST "-- for: resident without nope\nselect 1;\n" LOGIN,
		  "(t.yaml:2) has no parameter nope" },
		{ CREATE LIST "-- for: merchant\nselect 1;\n" LOGIN,
		  "t.sql:5: listTickets: -- for: a role that may not" },
		{ CREATE "-- for: resident\nselect 1;\n" LIST LOGIN,
		  "t.sql:3: createTicket: -- for: a role that may not" },
		{ "-- name: createTicket numbered\nselect 1;\n" LIST LOGIN,
		  NULL },
		{ CREATE LOGIN "-- name: listTickets numbered\nselect 1;",
		  "t.sql:5: listTickets: numbered: listTickets (t.yaml:2) is " },
		{ CREATE LIST "-- name: login numbered\nselect 1;",
		  "t.sql:5: login: numbered: login (t.yaml:3) is public" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_said(attaches, cases[i][0], cases[i][1]);
}

static bool
cases_are_read(const void *text)
{
	struct contract *c = small_contract();
	const struct query *q;

	assert_true(load(text) && query_attach(c));
	q = operations[1].query;
	assert_ptr_equal(q, query_find("listTickets"));
	assert_int_equal(q->roles, 0);
	assert_string_equal(q->statements[0].name, "listTickets_1");
	q = q->next_case;
	assert_int_equal(q->roles, ROLE_RESIDENT | ROLE_STREET);
	assert_int_equal(q->absent_count, 2);
	assert_int_equal(q->absent[0].index, 2);
	assert_int_equal(q->absent[1].index, 0);
	assert_string_equal(q->statements[0].sql,
			    "/* t.sql: listTickets */ select 2");
	assert_string_equal(q->statements[0].name, "listTickets_1_for1");
	q = q->next_case;
	assert_int_equal(q->roles, ROLE_STREET);
	assert_string_equal(q->statements[0].name, "listTickets_1_for2");
	return !q->next_case;
}

static void
test_cases(void **state)
{
	(void)state;
	expect_said(cases_are_read, CREATE LIST
		    "-- for: resident street without after id\nselect 2;\n"
		    "-- for: street\nselect 3;\n" LOGIN, NULL);
}

static bool
shadows(const void *text)
{
	struct contract *c = small_contract();

	operations[1].body = operations[2].body; /* has a field "street" */
	return load(text) && query_attach(c);
}

static void
test_shadowed_context(void **state)
{
	(void)state;
	expect_said(shadows, CREATE LOGIN "-- name: listTickets\n"
		    "select :street::int;",
		    "t.sql:5: listTickets: :street is the context's; name the "
		    "field of listTickets (t.yaml:2) otherwise");
	expect_said(shadows, CREATE LOGIN "-- name: listTickets\n"
		    "select :id::uuid;", ":id is a parameter and a body field");
}

static bool
impossible_key(const void *text)
{
	struct contract *c = small_contract();

	operations[1].idempotent = true;
	return load(text) && query_attach(c);
}

static void
test_impossible_key(void **state)
{
	(void)state;
	expect_said(impossible_key, CREATE LIST LOGIN,
		    "cannot take an Idempotency-Key: it is a list");
}

static const struct bind *
bind_of(const struct statement *st, size_t i, int from, const char *name)
{
	assert_true(i < st->bind_count + 2);
	assert_int_equal(st->binds[i].from, from);
	assert_string_equal(st->binds[i].name, name);
	return &st->binds[i];
}

/* Not apart: these stay, and the reply tests below use them. */
static void
test_ties(void **state)
{
	static const char ties[] =
		"-- name: createTicket\n"
		"select :street::int;\n"
		"select :if_match::text, :title::text, :contact_phone::text, "
		":contact_phone_mask::text, :contact_phone_index::text, "
		":verdict::text, :new_id2::uuid;\n"
		"-- name: listTickets\nselect :after::text;\n"
		"-- name: login\nselect 1;\n"
		"-- helper: jobA\nselect :street::int, :anything::text;\n";
	struct contract *c = small_contract();
	const struct statement *st;
	size_t at = db_register("before", "select 1");

	(void)state;
	assert_true(query_load("u.sql", ties, strlen(ties)));
	assert_true(query_attach(c));
	assert_ptr_equal(operations[0].query, query_find("createTicket"));
	st = &operations[0].query->statements[0];
	assert_int_equal(bind_of(st, 0, BIND_CONTEXT, "street")->index,
			 CTX_STREET);
	assert_int_equal(st->idem_bind_count, 0);
	st = &operations[0].query->statements[1];
	assert_int_equal(bind_of(st, 0, BIND_PARAM, "if_match")->index, 1);
	bind_of(st, 1, BIND_BODY, "title");
	bind_of(st, 2, BIND_SEALED, "contact_phone");
	bind_of(st, 3, BIND_MASK, "contact_phone");
	bind_of(st, 4, BIND_BLIND, "contact_phone");
	bind_of(st, 5, BIND_HOOK, "verdict");
	assert_int_equal(bind_of(st, 6, BIND_CONTEXT, "new_id2")->index,
			 CTX_NEW_ID2);
	assert_int_equal(st->bind_count, 7);
	assert_int_equal(st->idem_bind_count, 9);
	assert_int_equal(bind_of(st, 7, BIND_CONTEXT, "idem_key")->index,
			 CTX_IDEM_KEY);
	assert_int_equal(bind_of(st, 8, BIND_CONTEXT, "idem_hash")->index,
			 CTX_IDEM_HASH);
	assert_int_equal(st->db_index, at + 2);
	assert_int_equal(st->db_index_idem, at + 3);
	bind_of(&operations[1].query->statements[0], 0, BIND_PARAM, "after");
	st = &query_find("jobA")->statements[0];
	bind_of(st, 0, BIND_CONTEXT, "street");
	bind_of(st, 1, BIND_HOOK, "anything");
}

/* Replies ------------------------------------------------------------------ */

struct column {
	const char *name;
	Oid type;
};

static PGresult *
describe(const struct column *columns)
{
	PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_COMMAND_OK);
	PGresAttDesc attrs[16] = { 0 };
	int n = 0;

	for (; columns[n].name; n++) {
		attrs[n].name = (char *)columns[n].name;
		attrs[n].typid = columns[n].type;
	}
	assert_true(PQsetResultAttrs(res, n, attrs));
	return res;
}

#define GOOD { "id", 2950 }, { "count", 20 }, { "rate", 1700 }, \
	{ "mine", 16 }, { "at", 1184 }, { "actions", 114 }
#define OTHER(name, type) { "id", 2950 }, { name, type }, { "rate", 701 }, \
	{ "mine", 16 }, { "at", 25 }, { "actions", 3802 }

static bool
list_reply(const void *columns)
{
	PGresult *res = describe(columns);
	bool ok = query_check_reply(
		res, operations[1].query->statements[0].db_index,
		small_contract());

	PQclear(res);
	return ok;
}

static void
test_replies(void **state)
{
	static const struct {
		struct column columns[12];
		const char *said;
	} cases[] = {
		{ { GOOD, { "_cursor", 25 } }, NULL },
		{ { OTHER("count", 21), { "_cursor", 25 } }, NULL },
		{ { GOOD }, "u.sql:4: listTickets: no column _cursor, "
		  "although listTickets (t.yaml:2)" },
		{ { GOOD, { "more", 25 }, { "_cursor", 25 } },
		  "u.sql:4: listTickets: column more is not in the reply of "
		  "listTickets (t.yaml:2)" },
		{ { GOOD, { "id", 2950 }, { "_cursor", 25 } },
		  "column id comes twice" },
		{ { { "id", 2950 }, { "_cursor", 25 } }, "no column rate" },
		{ { OTHER("count", 25), { "_cursor", 25 } },
		  "column count has a type (oid 25)" },
		{ { OTHER("count", 1700), { "_cursor", 25 } }, "column count" },
		{ { OTHER("count", 114), { "_cursor", 25 } }, "column count" },
		{ { OTHER("count", 16), { "_cursor", 25 } }, "column count" },
		{ { OTHER("?column?", 23), { "_cursor", 25 } },
		  "column ?column? is not" },
		/* an array's text form is no JSON */
		{ { { "id", 1009 }, { "count", 20 }, { "rate", 1700 },
		    { "mine", 16 }, { "at", 1184 }, { "actions", 1009 },
		    { "_cursor", 25 } }, "column actions has a type" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_said(list_reply, cases[i].columns, cases[i].said);
}

static void
test_replay(void **state)
{
	static const struct column columns[] = {
		GOOD, { "_etag", 25 }, { "_done", 2278 }, { NULL, 0 },
	};
	struct contract *c = small_contract();
	const struct query *q = operations[0].query;
	PGresult *res = describe(columns);
	size_t after;

	(void)state;
	assert_null(q->replay_sql);
	/* not the last statement: nothing to check */
	assert_true(query_check_reply(res, q->statements[0].db_index, c));
	assert_null(q->replay_sql);
	after = db_register("x", "select 1");
	assert_true(query_check_reply(res, q->statements[1].db_index, c));
	assert_string_equal(q->replay_sql,
		"/* u.sql: createTicket replay */ select x.* from "
		"core.idempotency i cross join lateral "
		"json_to_record(i.reply) as x(\"id\" uuid, \"count\" bigint, "
		"\"rate\" numeric, \"mine\" boolean, \"at\" timestamptz, "
		"\"actions\" json, \"_etag\" text, \"_done\" text) "
		"where i.street_id = core.street() and "
		"i.actor_id = core.actor() and i.key = $1::text and "
		"i.created_at > core.now() - interval '24 hours'");
	/* registered, so that it is verified too; once */
	assert_true(query_check_reply(res, q->statements[1].db_index, c));
	assert_int_equal(db_register("y", "select 1"), after + 2);
	PQclear(res);
}

static bool
hook_is_enough(const void *unused)
{
	struct contract *c = small_contract();

	(void)unused;
	operations[2].hook = &upload;
	return load(CREATE LIST) && query_attach(c);
}

static void
test_hook_without_query(void **state)
{
	(void)state;
	expect_said(hook_is_enough, NULL, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_bad_ties),
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_shadowed_context),
		cmocka_unit_test(test_impossible_key),
		cmocka_unit_test(test_hook_without_query),
		cmocka_unit_test(test_ties),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_replay),
	};
	const struct CMUnitTest reading[] = { cmocka_unit_test(test_names) };

	return cmocka_run_group_tests(tests, NULL, NULL) +
	       cmocka_run_group_tests(reading, NULL, NULL);
}
