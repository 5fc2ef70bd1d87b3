/*
 * What was done offline, brought in one go: each item is a request of its own
 * (request_within()), one after the other, and answered for itself.
 *
 * C is here because a query cannot run requests.
 */
#include <stdlib.h>
#include <string.h>

#include "linli.h"

struct round {
	json_t *items;
	size_t next;
	bool turning, over;
};

static void
add_text(struct request *rq, const char *name, const char *text)
{
	json_t *value = text ? json_string(text) : json_null();
	char *dump = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

	json_decref(value);
	if (!dump)
		abort();
	evbuffer_add_printf(rq->out, ",\"%s\":%s", name, dump);
	free(dump);
}

static const char *
text_of(const struct round *r, size_t i, const char *name)
{
	return json_string_value(
		json_object_get(json_array_get(r->items, i), name));
}

/* An answer that is not JSON cannot be: files have no key. */
static void
heard(struct request *rq, const struct answer *a)
{
	struct round *r = rq->hook_data;
	size_t i = r->next++;

	evbuffer_add_printf(rq->out, "%s{\"n\":%zu", i ? "," : "", i);
	add_text(rq, "key", text_of(r, i, "key"));
	evbuffer_add_printf(rq->out, ",\"status\":%d", a->status);
	add_text(rq, "etag", a->etag);
	add_text(rq, "location", a->location);
	evbuffer_add_printf(rq->out, ",\"retry_after\":%s,\"body\":",
			    a->retry_after ? a->retry_after : "null");
	evbuffer_add(rq->out, a->len ? a->body : "null", a->len ? a->len : 4);
	evbuffer_add(rq->out, "}", 1);
	r->over = true;
}

static void turn(struct request *rq);

static void
heard_later(struct request *rq, const struct answer *a)
{
	struct round *r = rq->hook_data;

	heard(rq, a);
	if (!r->turning)
		turn(rq);
}

/* Those that end at once are gone through in a loop, not by recursion. */
static void
turn(struct request *rq)
{
	struct round *r = rq->hook_data;
	json_t *body;
	char *dump;

	r->turning = true;
	for (r->over = true; r->over && r->next < json_array_size(r->items);) {
		body = json_object_get(json_array_get(r->items, r->next),
				       "body");
		dump = json_is_object(body) ? json_dumps(body, JSON_COMPACT)
					    : NULL;
		r->over = false;
		request_within(rq, text_of(r, r->next, "method"),
			       text_of(r, r->next, "path"),
			       dump ? arena_strdup(rq->arena, dump) : NULL,
			       text_of(r, r->next, "key"),
			       text_of(r, r->next, "if_match"), heard_later);
		free(dump);
	}
	r->turning = false;
	if (!r->over)
		return;
	evbuffer_add(rq->out, "]}", 2);
	reply_buffer(rq, 200);
}

static int
sync_begin(struct request *rq)
{
	struct round *r = arena_alloc(rq->arena, sizeof(*r));

	r->items = arg_json(rq, "items");
	rq->hook_data = r;
	evbuffer_add(rq->out, "{\"items\":[", 10);
	turn(rq);
	return DONE;
}

const struct hook sync_hooks[] = {
	{ .operation = "sync", .before = sync_begin },
	{ 0 },
};
