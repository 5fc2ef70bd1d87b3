/* What schema_compile() refuses, so that no request meets it. */
#include "schema_unit.h"

static void
test_refused(void **state)
{
	static const char *const rows[][2] = {
		{ "{\"typ\":\"string\"}", "(top): unknown keyword 'typ'" },
		{ "{\"allOf\":[]}", "(top): unknown keyword 'allOf'" },
		{ "{\"type\":\"text\"}", "/type: unknown type" },
		{ "{\"type\":[\"string\",\"integer\"]}",
		  "/type: type must be a name or [name, null]" },
		{ "{\"type\":[\"string\"]}",
		  "/type: type must be a name or [name, null]" },
		{ "{\"type\":[\"null\",\"null\"]}",
		  "/type: type must be a name or [name, null]" },
		{ "{\"type\":[\"null\",1]}",
		  "/type: type must be a name or [name, null]" },
		{ "{\"type\":\"object\",\"properties\":{\"a\":{\"properties\":"
		  "{\"b\":{\"nope\":1}},\"type\":\"object\"}}}",
		  "/properties/a/properties/b: unknown keyword 'nope'" },
		{ "{\"type\":\"array\",\"items\":{\"nope\":1}}",
		  "/items: unknown keyword 'nope'" },
		{ "{\"type\":\"array\"}", "(top): an array without items" },
		{ "{\"type\":\"integer\",\"minLength\":1}",
		  "/minLength: does not go with the type" },
		{ "{\"pattern\":\"x\"}",
		  "/pattern: does not go with the type" },
		{ "{\"type\":\"string\",\"minLength\":-1}",
		  "/minLength: must be an integer, 0 or more" },
		{ "{\"type\":\"integer\",\"minimum\":\"1\"}",
		  "/minimum: must be a number" },
		{ "{\"type\":\"integer\",\"multipleOf\":0}",
		  "/multipleOf: must be a number above 0" },
		{ "{\"type\":\"string\",\"pattern\":\"(\"}",
		  "/pattern: missing closing parenthesis" },
		{ "{\"type\":\"string\",\"pattern\":1}",
		  "/pattern: must be a string" },
		{ "{\"type\":\"string\",\"format\":1}",
		  "/format: must be a string" },
		{ "{\"type\":\"string\",\"format\":\"email\"}",
		  "/format: unknown format 'email'" },
		{ "{\"type\":\"string\",\"enum\":[1]}",
		  "/enum: a value is not of the type" },
		{ "{\"enum\":[]}", "/enum: must be a list" },
		{ "{\"type\":\"string\",\"const\":1}",
		  "/const: the value is not of the type" },
		{ "{\"type\":\"object\",\"properties\":[]}",
		  "/properties: must be an object" },
		{ "{\"type\":\"object\",\"required\":\"x\"}",
		  "/required: must be a list" },
		{ "{\"type\":\"object\",\"required\":[1]}",
		  "/required: '?' is not in properties" },
		{ "{\"type\":\"object\",\"required\":[\"x\"]}",
		  "/required: 'x' is not in properties" },
		{ "{\"type\":\"array\",\"items\":{},\"uniqueItems\":true}",
		  "/uniqueItems: needs a maxItems of at most 1000" },
		{ "{\"type\":\"array\",\"items\":{},\"uniqueItems\":true,"
		  "\"maxItems\":1001}",
		  "/uniqueItems: needs a maxItems of at most 1000" },
		{ "{\"type\":\"array\",\"items\":{},\"uniqueItems\":1}",
		  "/uniqueItems: must be true or false" },
		{ "{\"type\":\"integer\",\"default\":\"x\"}",
		  "(top): a default fails its own schema: type" },
		{ "{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"integer\"}]}",
		  "/oneOf: oneOf needs a discriminator with a propertyName" },
		{ "{\"discriminator\":{\"propertyName\":\"k\"}}",
		  "/discriminator: discriminator without oneOf" },
		{ "{\"oneOf\":[{\"$ref\":\"#/c/B\"}],\"discriminator\":"
		  "{\"propertyName\":\"kind\"}}",
		  "/oneOf: branch 0 has neither a mapping nor a const" },
		{ "{\"oneOf\":[{\"$ref\":\"#/c/A\"}],\"discriminator\":"
		  "{\"propertyName\":\"x\"}}",
		  "/oneOf: 'x' must be a required property" },
		{ "{\"oneOf\":[{\"$ref\":\"#/c/A\"}],\"discriminator\":"
		  "{\"propertyName\":\"kind\",\"mapping\":{\"q\":\"#/c/Q\"}}}",
		  "/oneOf: mapping 'q' names no branch" },
		{ "{\"oneOf\":[{\"$ref\":\"#/c/A\"},{\"$ref\":\"#/c/A\"}],"
		  "\"discriminator\":{\"propertyName\":\"kind\"}}",
		  "/oneOf: 'a' names two branches" },
		{ "{\"type\":\"object\",\"properties\":{},\"oneOf\":["
		  "{\"$ref\":\"#/c/A\"}],\"discriminator\":"
		  "{\"propertyName\":\"kind\"}}",
		  "/oneOf: a keyword beside oneOf" },
		{ "{\"enum\":[1],\"oneOf\":[{\"$ref\":\"#/c/A\"}],"
		  "\"discriminator\":{\"propertyName\":\"kind\"}}",
		  "/oneOf: a keyword beside oneOf" },
		{ "{\"enum\":[1],\"oneOf\":[{\"$ref\":\"#/c/A\"},"
		  "{\"type\":\"null\"}]}",
		  "/oneOf: a keyword beside \"X or null\"" },
		{ "{\"type\":\"integer\",\"oneOf\":[{\"$ref\":\"#/c/A\"},"
		  "{\"type\":\"null\"}]}",
		  "/oneOf: a keyword beside \"X or null\"" },
		{ "{\"$ref\":\"A\"}",
		  "(top): $ref to A, which does not exist" },
		{ "{\"$ref\":\"#/c/None\"}",
		  "(top): $ref to #/c/None, which does not exist" },
		{ "{\"$ref\":\"#/c/A\",\"minimum\":1}",
		  "(top): 'minimum' beside $ref" },
		{ "{\"$ref\":\"#/c/Loop\"}",
		  "(top): $ref to #/c/Loop never ends" },
		{ "{\"type\":\"object\",\"properties\":{\"a\":true}}",
		  "/properties/a: a schema must be an object" },
	};
	static const char components[] =
		"{\"Loop\":{\"oneOf\":[{\"$ref\":\"#/c/Loop\"},"
		"{\"type\":\"null\"}]}," /* VARIANTS without its brace: */
		"\"A\":{\"type\":\"object\",\"required\":[\"kind\"],"
		"\"properties\":{\"kind\":{\"const\":\"a\"},"
		"\"x\":{\"type\":\"integer\"}}},"
		"\"B\":{\"type\":\"object\",\"required\":[\"kind\"],"
		"\"properties\":{\"kind\":{\"type\":\"string\"}}}}";

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *error;

		if (compile(rows[i][0], components, &error))
			fail_msg("compiled %s", rows[i][0]);
		if (strcmp(rows[i][1], "(top): $ref to #/c/Loop never ends") ==
		    0)
			assert_non_null(strstr(error, "never ends"));
		else
			assert_string_equal(error, rows[i][1]);
	}
}

/* After a failure nothing half-built may be found again. */
static void
test_failure_leaves_nothing(void **state)
{
	json_t *root = parse("{\"c\":{\"A\":{\"type\":\"object\","
			     "\"properties\":{\"b\":{\"$ref\":\"#/c/B\"},"
			     "\"z\":{\"nope\":1}}},\"B\":{\"type\":\"integer\""
			     "}}}");
	json_t *node = parse("{\"$ref\":\"#/c/A\"}");
	char *error;

	(void)state;
	assert_null(schema_compile(root, node, &error));
	assert_null(schema_compile(root, node, &error));
	assert_string_equal(error, "/properties/z: unknown keyword 'nope'");
	json_decref(root);
	json_decref(node);
}

/* Names longer than the buffers that hold them. */
static void
test_long_names(void **state)
{
	char name[700];
	json_t *root = json_object(), *node;
	char *error;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	/* every length around the buffer's end */
	for (size_t n = 490; n < sizeof(name); n++) {
		name[n] = '\0';
		node = json_pack("{s:s, s:{s:{s:i}}}", "type", "object",
				 "properties", name, "nope", 1);
		assert_null(schema_compile(root, node, &error));
		assert_memory_equal(error, "/properties/nnn", 15);
		json_decref(node);
		name[n] = 'n';
	}
	memcpy(name, "#/", 2);
	for (size_t n = 120; n < 140; n++) {
		name[n] = '\0';
		node = json_pack("{s:s}", "$ref", name);
		assert_null(schema_compile(root, node, &error));
		assert_non_null(strstr(error, "which does not exist"));
		json_decref(node);
		name[n] = 'n';
	}
	json_decref(root);
}

static void
test_nested_too_deep(void **state)
{
	json_t *root = json_object(), *node = json_object();
	char *error;

	(void)state;
	for (int i = 0; i < 200; i++)
		node = json_pack("{s:s, s:o}", "type", "array", "items", node);
	assert_null(schema_compile(root, node, &error));
	assert_non_null(strstr(error, "nested too deep"));
	json_decref(root);
	json_decref(node);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_failure_leaves_nothing),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_nested_too_deep),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
