/* What contract_load() refuses, with file, line and operation. */
#include "contract_unit.h"

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
		{ "/v1/t/{id}", "put",
		  "{\"requestBody\":{\"content\":{\"a/a\":{},\"a/b\":{},"
		  "\"a/c\":{},\"a/d\":{},\"a/e\":{},\"a/f\":{},\"a/g\":{},"
		  "\"a/h\":{},\"a/i\":{}}}}",
		  "more than 8 media types" },
		{ "/v1/t/{id}", "put", "{\"x-limit\":\"often\"}",
		  "x-limit must be caller, login or none" },
		{ "/v1/t/{id}", "put", "{\"x-secret\":1}",
		  "x-secret must be true or false" },
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
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_all_faults),
		cmocka_unit_test(test_not_a_contract),
		cmocka_unit_test(test_bad_problem),
		cmocka_unit_test(test_same_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
