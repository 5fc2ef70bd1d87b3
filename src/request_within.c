/*
 * A request within another's: of the same caller, by the same token, through
 * the same stages, in a transaction of its own. It has a request of libevent's
 * that belongs to no connection, for the headers it brings and gets.
 */
#include <string.h>

#include "request_internal.h"
#include "supervise.h"
#include "text.h"

static void
bring(struct request *rq, const char *name, const char *value)
{
	if (value)
		evhttp_add_header(evhttp_request_get_input_headers(rq->ev),
				  name, value);
}

/* Text of the outer one's outlives this one. */
static struct request *
request_inner(struct request *outer, const char *method, const char *target,
	      const char *body)
{
	struct arena *arena = arena_new();
	struct request *rq = arena_alloc(arena, sizeof(*rq));

	rq->ev = evhttp_request_new(NULL, NULL);
	rq->out = evbuffer_new();
	if (!rq->ev || !rq->out)
		abort();
	rq->arena = arena;
	rq->outer = outer;
	rq->method = method;
	rq->target = target;
	rq->worker = outer->worker;
	rq->start_us = monotonic_us();
	uuid_make(rq->id, 0);
	rq->trace = outer->trace;
	rq->lang = outer->lang;
	rq->address = outer->address;
	rq->raw = (const unsigned char *)body;
	rq->raw_len = body ? strlen(body) : 0;
	return rq;
}

void
request_within(struct request *outer, const char *method, const char *target,
	       const char *body, const char *key, const char *etag,
	       void (*heard)(struct request *outer, const struct answer *a))
{
	struct request *rq = request_inner(outer, method, target, body);
	bool twice;

	rq->heard = heard;
	bring(rq, "Authorization",
	      request_header(outer, "Authorization", &twice));
	bring(rq, "Content-Type", body ? "application/json" : NULL);
	bring(rq, "Idempotency-Key", key);
	bring(rq, "If-Match", etag);
	request_go(rq);
}

/* Nothing that waits for a connection, answers in secrets, cannot be repeated
 * or begins another round. */
int
request_fit(struct request *rq)
{
	const struct operation *op = rq->op;

	if (!rq->outer || (op != rq->outer->op && !op->secret &&
			   (op->idempotent || op->conditional)))
		return 0;
	return fail(rq, "not_in_sync");
}

int
reply_within(struct request *rq, int status, struct evbuffer *out)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(rq->ev);
	struct evhttp_request *ev = rq->ev;
	struct request *outer = rq->outer;
	struct arena *a = outer->arena;
	void (*heard)(struct request *, const struct answer *) = rq->heard;
	struct answer x = { .status = status };
	const char *text;

	text = evhttp_find_header(headers, "ETag");
	x.etag = text ? arena_strdup(a, text) : NULL;
	text = evhttp_find_header(headers, "Location");
	x.location = text ? arena_strdup(a, text) : NULL;
	text = evhttp_find_header(headers, "Retry-After");
	x.retry_after = text ? arena_strdup(a, text) : NULL;
	x.len = out ? evbuffer_get_length(out) : 0;
	if (x.len)
		x.body = arena_strndup(
			a, (const char *)evbuffer_pullup(out, -1), x.len);
	rq->status = status;
	rq->answered = true;
	request_end(rq);
	evhttp_request_free(ev);
	heard(outer, &x);
	return DONE;
}
