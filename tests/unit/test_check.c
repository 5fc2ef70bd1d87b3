/* What a repeated Idempotency-Key is compared by. */
#include "../../src/request_internal.h"
/* cmocka's fail() is another */
#include "contract_unit.h"
#include "config.h"

#define FORM "{\"parameters\":[{\"$ref\":\"#/components/parameters/Key\"}]," \
	     "\"requestBody\":{\"content\":{\"multipart/form-data\":{}}}}"

/* The hash of a POST with this body and Content-Type. */
static char *
hash_of(const char *type, const char *body)
{
	struct contract *c = must_load("/v1/things", "post", FORM);
	struct evhttp_request *ev = evhttp_request_new(NULL, NULL);
	struct evkeyvalq *headers = evhttp_request_get_input_headers(ev);
	struct request rq = {
		.ev = ev,
		.arena = arena_new(),
		.op = c->operations,
		.method = "POST",
		.target = "/v1/things",
		.raw = *body ? (const unsigned char *)body : NULL,
		.raw_len = strlen(body),
	};
	char *hash;

	evhttp_add_header(headers, "Idempotency-Key", "k");
	evhttp_add_header(headers, "Content-Type", type);
	assert_int_equal(request_check(&rq), 0);
	hash = strdup(rq.idem_hash);
	assert_int_equal(strlen(hash), 64);
	arena_free(rq.arena);
	evhttp_request_free(ev);
	contract_free(c);
	return hash;
}

static void
same(bool expected, const char *type, const char *body, const char *type2,
     const char *body2)
{
	char *one = hash_of(type, body), *two = hash_of(type2, body2);

	assert_int_equal(strcmp(one, two) == 0, expected);
	free(one);
	free(two);
}

static void
test_hash(void **state)
{
	static const char x[] = "multipart/form-data; boundary=x1";
	static const char y[] = "multipart/form-data; boundary=\"y22\"";

	(void)state;
	assert_true(config_load(NULL));
	same(true, x, "--x1 a --x1--", y, "--y22 a --y22--");
	same(false, x, "--x1 a --x1--", y, "--y22 b --y22--");
	same(false, x, "--x1 a --x1--", y, "--x1 a --x1--");
	/* nothing at all, whatever it is called */
	same(true, x, "", y, "");
	same(false, x, "", x, "a");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
