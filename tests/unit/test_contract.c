#include "contract.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* An operation good in every way; the tests change one thing each. */
static const char good[] =
	"{\"operationId\":\"getThing\",\"x-source\":\"things.yaml:7\","
	"\"security\":[{\"jwt\":[\"resident\"]},{\"jwt\":[\"street\"]}],"
	"\"parameters\":[{\"name\":\"id\",\"in\":\"path\",\"required\":true,"
	"\"schema\":{\"type\":\"string\",\"format\":\"uuid\"}}],"
	"\"responses\":{\"200\":{\"content\":{\"application/json\":{\"schema\":"
	"{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"}}}}}},"
	"\"404\":{\"description\":\"none\"}}}";

static char text[65536], printed[4096];

static json_t *
parse(const char *s)
{
	json_error_t e;
	json_t *v = json_loads(s, JSON_DECODE_ANY, &e);

	if (!v)
		fail_msg("%s: %s", e.text, s);
	return v;
}

/* What contract_load() says to stderr goes into printed. */
static struct contract *
load_text(const char *s)
{
	FILE *file = tmpfile();
	int kept = dup(2);
	struct contract *c;
	size_t n;

	assert_non_null(file);
	fflush(stderr);
	dup2(fileno(file), 2);
	c = contract_load(s, strlen(s));
	fflush(stderr);
	dup2(kept, 2);
	close(kept);
	rewind(file);
	n = fread(printed, 1, sizeof(printed) - 1, file);
	printed[n] = '\0';
	fclose(file);
	return c;
}

static struct contract *
load_doc(json_t *doc)
{
	size_t n = json_dumpb(doc, text, sizeof(text) - 1, 0);

	assert_true(n < sizeof(text));
	text[n] = '\0';
	json_decref(doc);
	return load_text(text);
}

/* The good operation with some members replaced (null: taken away). */
static json_t *
operation(const char *patch)
{
	json_t *op = parse(good), *changes = parse(patch), *value;
	const char *key;

	json_object_foreach(changes, key, value) {
		if (json_is_null(value))
			json_object_del(op, key);
		else
			json_object_set(op, key, value);
	}
	json_decref(changes);
	return op;
}

static json_t *
document(const char *path, const char *method, json_t *op)
{
	return json_pack(
		"{s:s, s:{s:{s:o}}, s:{s:{s:i,s:s,s:s}}, s:o}", "openapi",
		"3.1.0", "paths", path, method, op, "x-problems", "not_found",
		"status", 404, "zh", "没有", "en", "None", "components",
		parse("{\"parameters\":{\"Key\":{\"name\":\"Idempotency-Key\","
		      "\"in\":\"header\",\"schema\":{\"type\":\"string\"}},"
		      "\"Match\":{\"name\":\"If-Match\",\"in\":\"header\","
		      "\"required\":true,\"schema\":{\"type\":\"string\"}},"
		      "\"Twice\":{\"$ref\":\"#/components/parameters/Key\"}}"
		      "}"));
}

static struct contract *
load(const char *path, const char *method, const char *patch)
{
	return load_doc(document(path, method, operation(patch)));
}

static struct contract *
must_load(const char *path, const char *method, const char *patch)
{
	struct contract *c = load(path, method, patch);

	if (!c)
		fail_msg("%s: %s", patch, printed);
	assert_string_equal(printed, "");
	return c;
}

static void
test_operation(void **state)
{
	struct contract *c = must_load("/v1/things/{id}", "get", "{}");
	const struct operation *op = contract_find(c, "getThing");

	(void)state;
	assert_non_null(op);
	assert_ptr_equal(op, &c->operations[0]);
	assert_int_equal(c->operation_count, 1);
	assert_string_equal(op->id, "getThing");
	assert_string_equal(op->method, "GET");
	assert_string_equal(op->path, "/v1/things/{id}");
	assert_string_equal(op->source, "things.yaml:7");
	assert_int_equal(op->segment_count, 3);
	assert_string_equal(op->segments[1], "things");
	assert_null(op->segments[2]);
	assert_false(op->public_);
	assert_true(op->personal);
	assert_int_equal(op->roles, ROLE_RESIDENT | ROLE_STREET);
	assert_int_equal(op->param_count, 1);
	assert_int_equal(op->params[0].in, IN_PATH);
	assert_true(op->params[0].required);
	assert_false(op->has_body);
	assert_int_equal(op->status, 200);
	assert_non_null(schema_property(op->reply, "id"));
	assert_false(op->reply_list);
	assert_false(op->idempotent);
	assert_false(op->conditional);
	assert_null(contract_find(c, "getOther"));
	assert_ptr_equal(c->text, text);
	contract_free(c);
}

static void
test_public_and_body(void **state)
{
	struct contract *c = must_load(
		"/v1/things", "post",
		"{\"security\":[],\"x-max-body\":1000,\"parameters\":["
		"{\"$ref\":\"#/components/parameters/Key\"},"
		"{\"$ref\":\"#/components/parameters/Match\"}],"
		"\"requestBody\":{\"required\":true,\"content\":{"
		"\"application/json\":{\"schema\":{\"type\":\"object\"}},"
		"\"image/png\":{},\"multipart/form-data\":{}}},"
		"\"responses\":{\"204\":{}}}");
	const struct operation *op = &c->operations[0];

	(void)state;
	assert_true(op->public_);
	assert_false(op->personal);
	assert_int_equal(op->roles, 0);
	assert_true(op->idempotent);
	assert_true(op->conditional);
	assert_string_equal(op->params[0].bind, "idempotency_key");
	assert_string_equal(op->params[1].bind, "if_match");
	assert_string_equal(op->params[1].name, "If-Match");
	assert_int_equal(op->params[1].in, IN_HEADER);
	assert_true(op->has_body && op->body_required);
	assert_non_null(op->body);
	assert_int_equal(op->media_count, 2);
	assert_string_equal(op->media[1], "multipart/form-data");
	assert_int_equal(op->max_body, 1000);
	assert_int_equal(op->status, 204);
	assert_null(op->reply);
	contract_free(c);
}

#define REPLY(schema)                                                         \
	"{\"responses\":{\"201\":{\"content\":{\"application/json\":{"        \
	"\"schema\":" schema "}}}}}"

static void
test_lists(void **state)
{
	static const struct {
		const char *patch;
		bool list;
	} rows[] = {
		{ REPLY("{\"type\":\"object\",\"properties\":{\"items\":{"
			"\"type\":\"array\",\"items\":{\"type\":\"integer\"}},"
			"\"next\":{\"type\":[\"string\",\"null\"]}}}"),
		  true },
		{ REPLY("{\"type\":\"object\",\"properties\":{\"items\":{"
			"\"type\":\"array\",\"items\":{\"type\":\"integer\"}}"
			"}}"),
		  false },
		{ REPLY("{\"type\":\"object\",\"properties\":{\"items\":{"
			"\"type\":\"array\",\"items\":{}},\"total\":{},"
			"\"next\":{}}}"),
		  false },
		{ REPLY("{\"type\":\"object\",\"properties\":{\"items\":{},"
			"\"next\":{}}}"),
		  false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct contract *c =
			must_load("/v1/things/{id}", "get", rows[i].patch);
		const struct operation *op = &c->operations[0];

		assert_int_equal(op->status, 201);
		assert_int_equal(op->reply_list, rows[i].list);
		if (rows[i].list)
			assert_true(schema_has_type(op->reply_item, "integer"));
		contract_free(c);
	}
}

/* Declared in any order, kept in the template's. */
static void
test_path_order(void **state)
{
	struct contract *c = must_load(
		"/v1/a/{x}/b/{y}", "get",
		"{\"parameters\":[{\"name\":\"q\",\"in\":\"query\",\"schema\":"
		"{\"type\":\"array\",\"items\":{}},\"explode\":false},"
		"{\"name\":\"y\",\"in\":\"path\",\"required\":true,"
		"\"schema\":{}},{\"name\":\"x\",\"in\":\"path\","
		"\"required\":true,\"schema\":{}}]}");
	const struct operation *op = &c->operations[0];

	(void)state;
	assert_int_equal(op->param_count, 3);
	assert_string_equal(op->params[0].name, "x");
	assert_string_equal(op->params[1].name, "y");
	assert_string_equal(op->params[2].name, "q");
	contract_free(c);
}

static void
test_headers(void **state)
{
	struct contract *c = must_load(
		"/v1/t", "get",
		"{\"parameters\":[{\"name\":\"If-Match\",\"in\":\"header\","
		"\"schema\":{}},{\"name\":\"If-None-Match\",\"in\":\"header\","
		"\"schema\":{}},{\"name\":\"x1\",\"in\":\"query\",\"schema\":"
		"{}}]}");
	const struct operation *op = &c->operations[0];

	(void)state;
	assert_false(op->idempotent);
	assert_false(op->conditional); /* not required */
	assert_string_equal(op->params[1].bind, "if_none_match");
	assert_string_equal(op->params[2].bind, "x1");
	contract_free(c);
}

static void
test_roles(void **state)
{
	(void)state;
	assert_int_equal(role_bit("grid_lead"), ROLE_GRID_LEAD);
	assert_int_equal(role_bit("community"), ROLE_COMMUNITY);
	assert_int_equal(role_bit("admin"), 0);
	assert_int_equal(role_bit(""), 0);
	assert_string_equal(role_name(ROLE_STREET), "street");
	assert_null(role_name(64));
}

static void
test_problems(void **state)
{
	struct contract *c = must_load("/v1/things/{id}", "get", "{}");
	const char *sentence;
	int status;

	(void)state;
	assert_true(contract_problem(c, "not_found", &status, "zh", &sentence));
	assert_int_equal(status, 404);
	assert_string_equal(sentence, "没有");
	assert_true(contract_problem(c, "not_found", &status, "en", &sentence));
	assert_string_equal(sentence, "None");
	assert_false(contract_problem(c, "nothing", &status, "en", &sentence));
	contract_free(c);
}

#define PARAM(members) "{\"parameters\":[{" members "}]}"
#define ID "\"name\":\"id\",\"in\":\"path\""

static void
test_refused(void **state)
{
	static const struct {
		const char *path, *method, *patch, *why;
	} rows[] = {
		{ "/v1/t/{id}", "get", "{\"operationId\":null}",
		  "no operationId" },
		{ "/v1/t/{id}", "fetch", "{}", "unknown method 'fetch'" },
		{ "/v1/t/{id}", "head", "{}", "unknown method 'head'" },
		{ "/v1/t/{id}", "get", "{\"callbacks\":{}}",
		  "the operation has unknown member 'callbacks'" },
		{ "/v1/t/{id}", "get", "{\"security\":null}",
		  "no security: say [] for a public one" },
		{ "/v1/t/{id}", "get", "{\"security\":[{}]}",
		  "security must be a list of {jwt: [role]}" },
		{ "/v1/t/{id}", "get", "{\"security\":[{\"jwt\":[]}]}",
		  "security must be a list of {jwt: [role]}" },
		{ "/v1/t/{id}", "get",
		  "{\"security\":[{\"jwt\":[\"street\",\"resident\"]}]}",
		  "security must be a list of {jwt: [role]}" },
		{ "/v1/t/{id}", "get", "{\"security\":[{\"key\":[\"x\"]}]}",
		  "security must be a list of {jwt: [role]}" },
		{ "/v1/t/{id}", "get", "{\"security\":[{\"jwt\":[\"boss\"]}]}",
		  "unknown role 'boss'" },
		{ "/v1/t/{id}", "get",
		  "{\"security\":[{\"jwt\":[\"street\"]},"
		  "{\"jwt\":[\"street\"]}]}",
		  "role 'street' twice" },
		/* paths and their parameters */
		{ "v1/{id}", "get", "{}", "the path must begin with /" },
		{ "/v1/{id}/", "get", "{}", "bad segment '' in the path" },
		{ "/v1//{id}", "get", "{}", "bad segment '' in the path" },
		{ "/v1/{id}.json", "get", "{}",
		  "bad segment '{id}.json' in the path" },
		{ "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/{id}", "get", "{}",
		  "more than 16 segments in the path" },
		{ "/v1/t", "get", "{}", "parameter 'id' is not in the path" },
		{ "/v1/{id}/{no}", "get", "{}", "no parameter for {no}" },
		{ "/v1/{id}/{id}", "get", "{}", "{id} twice in the path" },
		{ "/v1/{id}", "get", PARAM(ID ",\"schema\":{}"),
		  "path parameter 'id' must be required" },
		{ "/v1/{id}", "get", PARAM(ID ",\"required\":true"),
		  "id has no schema" },
		{ "/v1/{id}", "get",
		  PARAM(ID ",\"required\":true,\"schema\":{\"foo\":1}"),
		  "id: (top): unknown keyword 'foo'" },
		{ "/v1/{id}", "get",
		  PARAM(ID ",\"required\":true,\"schema\":{},\"foo\":1"),
		  "id has unknown member 'foo'" },
		{ "/v1/t", "get",
		  PARAM("\"name\":\"c\",\"in\":\"cookie\",\"schema\":{}"),
		  "parameter 'c' in 'cookie'" },
		{ "/v1/t", "get", PARAM("\"name\":\"c\",\"schema\":{}"),
		  "parameter 'c' in '?'" },
		{ "/v1/t", "get",
		  PARAM("\"name\":\"c[]\",\"in\":\"query\",\"schema\":{}"),
		  "parameter 'c[]' cannot be a :name" },
		{ "/v1/t", "get",
		  PARAM("\"name\":\"1p\",\"in\":\"query\",\"schema\":{}"),
		  "parameter '1p' cannot be a :name" },
		{ "/v1/t", "get",
		  PARAM("\"name\":\"a-b\",\"in\":\"query\",\"schema\":{}},"
			"{\"name\":\"A-B\",\"in\":\"header\",\"schema\":{}"),
		  "parameter 'A-B' twice" },
		{ "/v1/t", "get",
		  PARAM("\"name\":\"accept\",\"in\":\"header\",\"schema\":{}"),
		  "header accept is no parameter" },
		{ "/v1/t", "get",
		  PARAM("\"name\":\"s\",\"in\":\"query\",\"schema\":"
			"{\"type\":\"array\",\"items\":{}}"),
		  "parameter 's': a list needs explode: false" },
		{ "/v1/t", "get",
		  PARAM("\"name\":\"s\",\"in\":\"query\",\"schema\":{},"
			"\"style\":\"deepObject\""),
		  "parameter 's': style must be form" },
		{ "/v1/t", "get", PARAM("\"$ref\":\"#/components/x/y\""),
		  "$ref to #/components/x/y, which does not exist" },
		{ "/v1/t", "get",
		  PARAM("\"$ref\":\"#/components/parameters/Twice\""),
		  "#/components/parameters/Twice is a $ref itself" },
		/* bodies */
		{ "/v1/t/{id}", "get",
		  "{\"requestBody\":{\"content\":{\"image/png\":{}}}}",
		  "a GET has no body" },
		{ "/v1/t/{id}", "put", "{\"requestBody\":{}}",
		  "requestBody without content" },
		{ "/v1/t/{id}", "put",
		  "{\"requestBody\":{\"content\":{\"application/json\":{}}}}",
		  "requestBody has no schema" },
		{ "/v1/t/{id}", "put",
		  "{\"requestBody\":{\"content\":{\"application/json\":"
		  "{\"schema\":{\"type\":\"object\",\"properties\":"
		  "{\"a\":{\"anyOf\":[]}}}}}}}",
		  "requestBody: /properties/a: unknown keyword 'anyOf'" },
		{ "/v1/t/{id}", "put",
		  "{\"requestBody\":{\"content\":{\"Image/*\":{}}}}",
		  "media type 'Image/*' must be plain, lower case" },
		{ "/v1/t/{id}", "put", "{\"x-max-body\":\"1k\"}",
		  "x-max-body must be a number of bytes" },
		/* replies */
		{ "/v1/t/{id}", "get", "{\"responses\":null}", "no 2xx reply" },
		{ "/v1/t/{id}", "get", "{\"responses\":{\"404\":{}}}",
		  "no 2xx reply" },
		{ "/v1/t/{id}", "get",
		  "{\"responses\":{\"200\":{},\"204\":{}}}",
		  "replies 200 and 204: only one 2xx" },
		{ "/v1/t/{id}", "get",
		  "{\"responses\":{\"2XX\":{},\"204\":{}}}",
		  "response '2XX' is no status" },
		{ "/v1/t/{id}", "get",
		  "{\"responses\":{\"600\":{},\"204\":{}}}",
		  "response '600' is no status" },
		{ "/v1/t/{id}", "get",
		  "{\"responses\":{\"100\":{},\"204\":{}}}",
		  "response '100' is no status" },
		{ "/v1/t/{id}", "get",
		  "{\"responses\":{\"40x\":{},\"204\":{}}}",
		  "response '40x' is no status" },
		{ "/v1/t/{id}", "get", "{\"responses\":{\"200\":{}}}",
		  "reply 200 without content" },
		{ "/v1/t/{id}", "get",
		  "{\"responses\":{\"204\":{\"content\":{\"a/b\":{}}}}}",
		  "a 204 has no content" },
		{ "/v1/t/{id}", "get",
		  "{\"responses\":{\"200\":{\"content\":"
		  "{\"application/json\":{}}}}}",
		  "reply has no schema" },
		{ "/v1/t/{id}", "get",
		  "{\"responses\":{\"200\":{\"$ref\":\"#/components/a/b\"}}}",
		  "$ref to #/components/a/b, which does not exist" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct contract *c =
			load(rows[i].path, rows[i].method, rows[i].patch);
		char *line = strstr(printed, rows[i].why);

		if (c || !line || line[strlen(rows[i].why)] != '\n')
			fail_msg("%s: expected '%s', got '%s'", rows[i].patch,
				 rows[i].why, printed);
		assert_memory_equal(printed, "things.yaml:7: ", 15);
	}
}

/* Everything wrong is said in one start, with file, line and operation. */
static void
test_all_faults(void **state)
{
	(void)state;
	assert_null(load("/v1/t/{id}", "get",
			 "{\"security\":null,\"responses\":{}}"));
	assert_string_equal(
		printed,
		"things.yaml:7: getThing: no security: say [] for a public "
		"one\nthings.yaml:7: getThing: no 2xx reply\n");
}

static void
test_not_a_contract(void **state)
{
	(void)state;
	assert_null(load_text("{\"a\":1,\"a\":2}"));
	assert_non_null(strstr(printed, "openapi.json:1: duplicate"));
	assert_null(load_text("{}"));
	assert_string_equal(printed, "openapi.json: no paths\n");
	assert_null(load_text("[]"));
}

static void
test_bad_problem(void **state)
{
	json_t *doc = document("/v1/things/{id}", "get", operation("{}"));

	(void)state;
	json_object_set_new(doc, "x-problems",
			    parse("{\"odd\":{\"status\":200,\"zh\":\"\","
				  "\"en\":\"\"}}"));
	assert_null(load_doc(doc));
	assert_string_equal(printed, "problems.yaml: odd: needs status, zh and "
				     "en\n");
}

/* Operations by "METHOD path", each named by its place in the list. */
static struct contract *
load_routes(const char *const list[][2], size_t n)
{
	json_t *paths = json_object();

	for (size_t i = 0; i < n; i++) {
		json_t *item = json_object_get(paths, list[i][1]);
		json_t *op = operation("{\"parameters\":[]}"), *params;
		char id[32];

		params = json_object_get(op, "parameters");
		for (const char *s = strchr(list[i][1], '{'); s;
		     s = strchr(s + 1, '{'))
			json_array_append_new(
				params, json_pack("{s:s%, s:s, s:b, s:{}}",
						  "name", s + 1,
						  strcspn(s + 1, "}"), "in",
						  "path", "required", 1,
						  "schema"));
		snprintf(id, sizeof(id), "op%zu", i);
		json_object_set_new(op, "operationId", json_string(id));
		if (!item) {
			item = json_object();
			json_object_set_new(paths, list[i][1], item);
		}
		json_object_set_new(item, list[i][0], op);
	}
	return load_doc(json_pack("{s:o}", "paths", paths));
}

static const char *const routes[][2] = {
	{ "get", "/" },
	{ "get", "/v1/tickets" },
	{ "post", "/v1/tickets" },
	{ "get", "/v1/tickets/{id}" },
	{ "get", "/v1/tickets/summary" },
	{ "post", "/v1/tickets/{id}/accept" },
	{ "delete", "/v1/tickets/{ticket}/photos/{photo}" },
	{ "put", "/v1/tickets/{id}" },
	{ "get", "/v1/a" },
	{ "get", "/v1/z" },
	{ "get", "/.well-known/jwks.json" },
};

static void
test_routes(void **state)
{
	static const struct {
		const char *method, *target, *expected;
	} rows[] = {
		{ "GET", "/", "op0" },
		{ "GET", "/v1/tickets", "op1" },
		{ "HEAD", "/v1/tickets", "op1" },
		{ "POST", "/v1/tickets?x=1", "op2" },
		{ "GET", "/v1/tickets/7", "op3 7" },
		{ "GET", "/v1/tickets/summary", "op4" },
		{ "GET", "/v1/tickets/summarx", "op3 summarx" },
		{ "POST", "/v1/tickets/7/accept", "op5 7" },
		/* back from the literal to the parameter */
		{ "POST", "/v1/tickets/summary/accept", "op5 summary" },
		{ "DELETE", "/v1/tickets/7/photos/9", "op6 7 9" },
		{ "PUT", "/v1/tickets/%E9%82%BB", "op7 邻" },
		{ "GET", "/v1/a", "op8" },
		{ "GET", "/v1/z", "op9" },
		{ "GET", "/.well-known/jwks.json", "op10" },
		{ "GET", "/v1", "none" },
		{ "GET", "/v1/tickets/7/accept/x", "none" },
		{ "GET", "/V1/tickets", "none" },
		{ "GET", "/v1/Tickets", "none" },
		{ "GET", "/v1/ticket", "none" },
		{ "GET", "/v1/tickets/7/photos", "none" },
		{ "PUT", "/v1/tickets", "allow GET, HEAD, POST, OPTIONS" },
		{ "OPTIONS", "/v1/tickets", "allow GET, HEAD, POST, OPTIONS" },
		{ "TRACE", "/v1/a", "allow GET, HEAD, OPTIONS" },
		{ "get", "/v1/a", "allow GET, HEAD, OPTIONS" },
		{ "POST", "/v1/tickets/7", "allow GET, HEAD, PUT, OPTIONS" },
		{ "PUT", "/v1/tickets/summary", "allow GET, HEAD, OPTIONS" },
		{ "HEAD", "/v1/tickets/7/accept", "allow POST, OPTIONS" },
		{ "GET", "/v1/tickets/7/photos/9", "allow DELETE, OPTIONS" },
	};
	struct contract *c = load_routes(routes, COUNT(routes));

	(void)state;
	if (!c)
		fail_msg("%s", printed);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct arena *a = arena_new();
		const struct operation *op = NULL;
		const char *values[16] = { 0 }, *allow = NULL, *why;
		char *got;
		struct uri uri;

		assert_true(uri_parse(a, rows[i].target, &uri, &why));
		switch (route_find(c, rows[i].method, &uri, a, &op, values,
				   &allow)) {
		case ROUTE_OK:
			got = arena_strdup(a, op->id);
			for (int v = 0; values[v]; v++)
				got = arena_printf(a, "%s %s", got, values[v]);
			break;
		case ROUTE_METHOD:
			got = arena_printf(a, "allow %s", allow);
			break;
		default:
			got = arena_strdup(a, "none");
		}
		assert_string_equal(got, rows[i].expected);
		arena_free(a);
	}
	contract_free(c);
}

static void
test_same_route(void **state)
{
	static const char *const list[][2] = {
		{ "get", "/v1/a/{x}" },
		{ "get", "/v1/a/{y}" },
	};

	(void)state;
	assert_null(load_routes(list, COUNT(list)));
	assert_string_equal(printed, "things.yaml:7: op1: the same route as "
				     "op0 at things.yaml:7\n");
}

static void
test_same_id(void **state)
{
	json_t *doc = document("/v1/things/{id}", "get", operation("{}"));

	(void)state;
	json_object_set_new(json_object_get(json_object_get(doc, "paths"),
					    "/v1/things/{id}"),
			    "put", operation("{}"));
	assert_null(load_doc(doc));
	assert_string_equal(printed, "things.yaml:7: getThing: operationId "
				     "used twice\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_operation),
		cmocka_unit_test(test_public_and_body),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_path_order),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_problems),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_all_faults),
		cmocka_unit_test(test_not_a_contract),
		cmocka_unit_test(test_bad_problem),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_same_route),
		cmocka_unit_test(test_same_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
