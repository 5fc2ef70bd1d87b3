/*
 * The life of a request, readable from top to bottom: route, authenticate,
 * limit, check, before, database, reply. Every stage may answer; then it is
 * over.
 */
#include "request.h"

#include <event2/keyvalq_struct.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "metrics.h"
#include "proxy.h"
#include "request_internal.h"
#include "supervise.h"
#include "text.h"

const char *
request_header(struct request *rq, const char *name, bool *twice)
{
	struct evkeyvalq *headers = evhttp_request_get_input_headers(rq->ev);
	const char *found = NULL;
	struct evkeyval *h;

	*twice = false;
	TAILQ_FOREACH (h, headers, next) {
		if (strcasecmp(h->key, name) != 0)
			continue;
		*twice = found != NULL;
		found = found ? found : h->value;
	}
	return found;
}

static const char *
method_name(enum evhttp_cmd_type cmd)
{
	switch (cmd) {
	case EVHTTP_REQ_GET:
		return "GET";
	case EVHTTP_REQ_HEAD:
		return "HEAD";
	case EVHTTP_REQ_POST:
		return "POST";
	case EVHTTP_REQ_PUT:
		return "PUT";
	case EVHTTP_REQ_DELETE:
		return "DELETE";
	case EVHTTP_REQ_OPTIONS:
		return "OPTIONS";
	case EVHTTP_REQ_PATCH:
		return "PATCH";
	case EVHTTP_REQ_TRACE:
		return "TRACE";
	case EVHTTP_REQ_CONNECT:
		return "CONNECT";
	default:
		return "UNKNOWN";
	}
}

/* All lines of X-Forwarded-For as one list, NULL when there is none. */
static const char *
forwarded_for(struct request *rq)
{
	struct evkeyvalq *headers = evhttp_request_get_input_headers(rq->ev);
	const char *all = NULL;
	struct evkeyval *h;

	TAILQ_FOREACH (h, headers, next)
		if (strcasecmp(h->key, "X-Forwarded-For") == 0)
			all = all ? arena_printf(rq->arena, "%s,%s", all,
						 h->value)
				  : h->value;
	return all;
}

static const char *
client_address(struct request *rq)
{
	char *peer = NULL;
	ev_uint16_t port = 0;

	evhttp_connection_get_peer(rq->conn, &peer, &port);
	if (!peer)
		peer = "";
	return proxy_client(rq->arena, peer,
			    proxy_trusted(peer) ? forwarded_for(rq) : NULL);
}

/* What came twice or is not as it should be is as good as none. */
static void
take_trace(struct request *rq)
{
	bool twice;
	const char *header = request_header(rq, "traceparent", &twice);

	if (!header || twice || !trace_parse(header, &rq->trace))
		trace_begin(rq->id, &rq->trace);
}

static struct request *
request_new(struct evhttp_request *ev, struct worker *worker)
{
	struct arena *arena = arena_new();
	struct request *rq = arena_alloc(arena, sizeof(*rq));
	struct evbuffer *in = evhttp_request_get_input_buffer(ev);
	bool twice;

	rq->ev = ev;
	rq->conn = evhttp_request_get_connection(ev);
	rq->method = method_name(evhttp_request_get_command(ev));
	rq->target = evhttp_request_get_uri(ev);
	rq->worker = worker;
	rq->arena = arena;
	rq->start_us = monotonic_us();
	uuid_make(rq->id, 0);
	take_trace(rq);
	rq->lang = language_pick(request_header(rq, "Accept-Language", &twice));
	rq->address = client_address(rq);
	rq->raw_len = evbuffer_get_length(in);
	rq->raw = rq->raw_len ? evbuffer_pullup(in, -1) : NULL;
	rq->out = evbuffer_new();
	return rq;
}

static int
request_route(struct request *rq)
{
	const char *why = NULL, *allow = NULL;

	/* "OPTIONS *" asks about the server; the guard lets no other "*" in. */
	if (strcmp(rq->target, "*") == 0) {
		reply_header(rq, "Allow", "GET, HEAD, POST, PUT, DELETE, "
					  "OPTIONS");
		return reply_empty(rq, 204);
	}
	if (!uri_parse(rq->arena, rq->target, &rq->uri, &why))
		return request_turn_away(rq, why);
	switch (route_find(rq->worker->contract, rq->method, &rq->uri,
			   rq->arena, &rq->op, rq->path_values, &allow)) {
	case ROUTE_OK:
		return 0;
	case ROUTE_NONE:
		return request_turn_away(rq, "not_found");
	case ROUTE_METHOD:
		break;
	}
	reply_header(rq, "Allow", allow);
	if (strcmp(rq->method, "OPTIONS") == 0)
		return request_options(rq, allow);
	return request_turn_away(rq, "method_not_allowed");
}

static int
request_before(struct request *rq)
{
	const struct hook *hook = rq->op->hook;

	return hook && hook->before ? hook->before(rq) : NEXT;
}

void
request_go(struct request *rq)
{
	static int (*const stages[])(struct request *) = {
		request_route, request_authenticate, request_limit,
		request_fit,   request_check,	     request_before,
		request_run,
	};

	worker_request_begun(rq->worker);
	for (size_t i = 0; i < sizeof(stages) / sizeof(*stages); i++)
		if (stages[i](rq) != 0)
			return;
}

void
request_begin(struct evhttp_request *ev, void *worker)
{
	request_go(request_new(ev, worker));
}

void
request_resume(struct request *rq)
{
	(void)request_run(rq);
}

void
request_end(struct request *rq)
{
	struct worker *worker = rq->worker;
	int64_t us = monotonic_us() - rq->start_us;

	metrics_request(rq->op, rq->status, us, rq->db_us);
	request_log(rq, us);
	json_decref(rq->body);
	evbuffer_free(rq->out);
	arena_free(rq->arena);
	worker_request_done(worker);
}
