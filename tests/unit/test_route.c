/* Finding an operation by method and path. */
#include "contract_unit.h"

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
				params,
				json_pack("{s:s%, s:s, s:b, s:{}}", "name",
					  s + 1, strcspn(s + 1, "}"), "in",
					  "path", "required", 1, "schema"));
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_same_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
