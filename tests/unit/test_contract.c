/* What the contract becomes. */
#include "contract_unit.h"

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

#define REPLY(schema)                                                          \
	"{\"responses\":{\"201\":{\"content\":{\"application/json\":{"         \
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
	assert_null(role_name(ROLE_STREET | ROLE_VISITOR));
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
