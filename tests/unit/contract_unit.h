/* What the unit tests of the contract and its routes share. */
#ifndef CONTRACT_UNIT_H
#define CONTRACT_UNIT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "contract.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* An operation good in every way; the tests change one thing each. */
static const char good[] =
	"{\"operationId\":\"getThing\",\"x-source\":\"things.yaml:7\","
	"\"security\":[{\"jwt\":[\"resident\"]},{\"jwt\":[\"street\"]}],"
	"\"parameters\":[{\"name\":\"id\",\"in\":\"path\",\"required\":true,"
	"\"schema\":{\"type\":\"string\",\"format\":\"uuid\"}}],"
	"\"responses\":{\"200\":{\"content\":{\"application/json\":{\"schema\":"
	"{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"}}}}}}"
	","
	"\"404\":{\"description\":\"none\"}}}";

static char text[65536], printed[4096];

static inline json_t *
parse(const char *s)
{
	json_error_t e;
	json_t *v = json_loads(s, JSON_DECODE_ANY, &e);

	if (!v)
		fail_msg("%s: %s", e.text, s);
	return v;
}

/* What contract_load() says to stderr goes into printed. */
static inline struct contract *
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

static inline struct contract *
load_doc(json_t *doc)
{
	size_t n = json_dumpb(doc, text, sizeof(text) - 1, 0);

	assert_true(n < sizeof(text));
	text[n] = '\0';
	json_decref(doc);
	return load_text(text);
}

/* The good operation with some members replaced (null: taken away). */
static inline json_t *
operation(const char *patch)
{
	json_t *op = parse(good), *changes = parse(patch), *value;
	const char *key;

	json_object_foreach(changes, key, value)
	{
		if (json_is_null(value))
			json_object_del(op, key);
		else
			json_object_set(op, key, value);
	}
	json_decref(changes);
	return op;
}

static inline json_t *
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

static inline struct contract *
load(const char *path, const char *method, const char *patch)
{
	return load_doc(document(path, method, operation(patch)));
}

static inline struct contract *
must_load(const char *path, const char *method, const char *patch)
{
	struct contract *c = load(path, method, patch);

	if (!c)
		fail_msg("%s: %s", patch, printed);
	assert_string_equal(printed, "");
	return c;
}
#endif
