/*
 * What is brought in one go: a byte for the caller, then a line for each item,
 * "METHOD path key if_match body". Each is answered, in order, as it would have
 * been alone, or is none that may be brought; nobody gets past the door who
 * would not alone.
 */
#include "door.h"

#define ITEMS 50

static const char *const roles[] = { "resident", "grid_lead", "community",
				     "street", "department", "merchant" };

struct item {
	char *method, *target, *key, *etag, *body;
};

static struct arena *a;
static struct item items[ITEMS];
static const char *role;

static void
looks(struct request *rq)
{
	must(role_bit(rq->actor.role) & rq->op->roles);
	if (rq->outer)
		must(rq->op != rq->outer->op && !rq->op->secret &&
		     (rq->op->idempotent || rq->op->conditional));
}

static char *
word(const uint8_t **s, size_t *n, int stop)
{
	char *text = fuzz_cut(a, s, n, stop);

	return *text ? text : NULL;
}

static int
take_items(const uint8_t *s, size_t n)
{
	int count = 0;

	for (; n && count < ITEMS; count++) {
		char *line = fuzz_cut(a, &s, &n, '\n');
		const uint8_t *at = (uint8_t *)line;
		size_t left = strlen(line);

		items[count].method = fuzz_cut(a, &at, &left, ' ');
		items[count].target = fuzz_cut(a, &at, &left, ' ');
		items[count].key = fuzz_cut(a, &at, &left, ' ');
		items[count].etag = word(&at, &left, ' ');
		items[count].body = word(&at, &left, '\n');
	}
	return count;
}

/* As sync will write it. */
static json_t *
plain(struct item *t)
{
	json_t *body = t->body ? json_loads(t->body, JSON_REJECT_DUPLICATES,
					    NULL)
			       : json_null();

	if (t->body && body) {
		t->body = json_dumps(body, JSON_COMPACT);
		arena_defer(a, free, t->body);
	}
	return body;
}

/* NULL where it is no UTF-8, or a body no JSON. */
static char *
body_of(int count)
{
	json_t *list = json_array(), *whole = json_pack("{s:o}", "items", list);
	char *text = NULL;

	for (int i = 0; i < count; i++) {
		struct item *t = &items[i];
		json_t *body = plain(t);

		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s?, s:o}", "method",
					t->method, "path", t->target, "key",
					t->key, "if_match", t->etag, "body",
					body));
	}
	if (json_array_size(list) == (size_t)count)
		text = json_dumps(whole, JSON_COMPACT);
	json_decref(whole);
	arena_defer(a, free, text);
	return text;
}

static void
ask(struct door *d, const char *key, const char *etag, const char *body)
{
	size_t n = 0;

	d->role = role;
	d->peer = "";
	d->body = (const uint8_t *)body;
	d->body_len = body ? strlen(body) : 0;
	if (body) {
		d->headers[n++] = "Content-Type";
		d->headers[n++] = "application/json";
	}
	if (key) {
		d->headers[n++] = "Idempotency-Key";
		d->headers[n++] = key;
	}
	if (etag) {
		d->headers[n++] = "If-Match";
		d->headers[n++] = etag;
	}
	door_ask(d);
}

static void
check_item(const struct item *t, const json_t *answer, int i)
{
	struct door alone = { .method = t->method, .target = t->target };
	const json_t *body = json_object_get(answer, "body");
	const char *code = json_string_value(json_object_get(body, "code"));
	int status =
		(int)json_integer_value(json_object_get(answer, "status"));

	must(json_integer_value(json_object_get(answer, "n")) == i);
	must(strcmp(json_string_value(json_object_get(answer, "key")),
		    t->key) == 0);
	must(json_is_object(body) && code && status != 500);
	if (strcmp(code, "not_in_sync") == 0)
		return;
	ask(&alone, t->key, t->etag, t->body);
	must(alone.status == status && strcmp(alone.code, code) == 0);
	door_close(&alone);
}

/* security 5, 51 */
int
LLVMFuzzerTestOneInput(const uint8_t *s, size_t n)
{
	struct door d = { .method = "POST", .target = "/v1/me/sync" };
	int count;
	char *body;

	a = arena_new();
	door_contract();
	door_looks = looks;
	role = roles[n ? *s % 6 : 0];
	count = n ? take_items(s + 1, n - 1) : 0;
	body = body_of(count);
	if (body) {
		const json_t *list;

		ask(&d, NULL, NULL, body);
		list = json_object_get(d.reply, "items");
		must(d.status == 200 || d.code);
		must(d.status != 500 && (d.status == 200) == !!list);
		must(!list || json_array_size(list) == (size_t)count);
		for (int i = 0; list && i < count; i++)
			check_item(&items[i], json_array_get(list, (size_t)i),
				   i);
		door_close(&d);
	}
	arena_free(a);
	return 0;
}
