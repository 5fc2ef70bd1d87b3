/* The verbs that end a request, and the headers every reply carries. */
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config.h"
#include "fault.h"
#include "request_internal.h"
#include "supervise.h"
#include "text.h"
#include "tls.h"

int
reply_header(struct request *rq, const char *name, const char *value)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(rq->ev);

	evhttp_remove_header(headers, name);
	evhttp_add_header(headers, name, value);
	return 0;
}

static char *
timing(struct request *rq)
{
	return arena_printf(rq->arena, "db;dur=%.2f, total;dur=%.2f",
			    (double)rq->db_us / 1000,
			    (double)(monotonic_us() - rq->start_us) / 1000);
}

/* evhttp would write it anew for each reply; it changes once a second. */
static const char *
date(void)
{
	static char text[40];
	static time_t of;
	time_t now = time(NULL);

	if (now != of)
		evutil_date_rfc1123(text, sizeof(text), NULL);
	of = now;
	return text;
}

static void
common_headers(struct request *rq, const char *type)
{
	reply_header(rq, "Date", date());
	reply_header(rq, "X-Request-Id", rq->id);
	reply_header(rq, "X-Content-Type-Options", "nosniff");
	if (type)
		reply_header(rq, "Content-Type", type);
	/* Whatever stands behind a token is somebody's; a 401 or 404 is too,
	 * and health is of now. A hook that knows better has set its own. */
	if (!evhttp_find_header(evhttp_request_get_output_headers(rq->ev),
				"Cache-Control"))
		reply_header(rq, "Cache-Control", "no-store");
	request_cors(rq);
	if (config.server_timing)
		reply_header(rq, "Server-Timing", timing(rq));
	if (rq->worker->draining)
		reply_header(rq, "Connection", "close");
}

#define AT_ONCE 16384 /* as much as the loop would write in one turn */

/* A reply mostly fits into the socket's buffer: written at once it costs no
 * turn of the loop, and no word with epoll before and after. What is left is
 * the loop's, as are errors. */
static void
write_at_once(struct bufferevent *bev)
{
	struct evbuffer *out = bufferevent_get_output(bev);
	int n;

	if (tls_on() || evbuffer_get_length(out) > AT_ONCE)
		return;
	evbuffer_unfreeze(out, 1);
	n = evbuffer_write(out, bufferevent_getfd(bev));
	evbuffer_freeze(out, 1);
	/* After the loop there is nobody to tell; evhttp_free() clears up. */
	if (n < 0 || evbuffer_get_length(out) > 0 ||
	    event_base_got_break(bufferevent_get_base(bev)))
		return;
	/* evhttp goes on when it hears of it, as if from the loop. */
	bufferevent_disable(bev, EV_WRITE);
	bufferevent_trigger(bev, EV_WRITE, BEV_TRIG_DEFER_CALLBACKS);
}

/* evhttp would read on while it writes, and drop the reply when it finds that
 * the client has closed its sending side. */
static void
send_off(struct evhttp_connection *conn)
{
	struct bufferevent *bev = evhttp_connection_get_bufferevent(conn);

	bufferevent_disable(bev, EV_READ);
	write_at_once(bev);
}

int
reply_send(struct request *rq, int status, const char *type,
	   struct evbuffer *out)
{
	struct evhttp_connection *conn = evhttp_request_get_connection(rq->ev);
	char length[24];
	bool head = strcmp(rq->method, "HEAD") == 0;

	if (rq->outer)
		return reply_within(rq, status, out);
	common_headers(rq, type);
	if (out)
		reply_pack(rq, type, out);
	if (head && out) {
		/* evhttp would send the body it is given, HEAD or not. */
		snprintf(length, sizeof(length), "%zu",
			 evbuffer_get_length(out));
		reply_header(rq, "Content-Length", length);
		out = NULL;
	}
	rq->status = status;
	rq->answered = true;
	evhttp_send_reply(rq->ev, status, NULL, out);
	fault_point("after_reply");
	/* Counted first: who has the answer finds it in the metrics. */
	request_end(rq);
	if (conn)
		send_off(conn);
	return DONE;
}

int
reply_empty(struct request *rq, int status)
{
	return reply_send(rq, status, NULL, NULL);
}

int
reply_buffer(struct request *rq, int status)
{
	return reply_send(rq, status, "application/json", rq->out);
}

int
reply_bytes(struct request *rq, int status, const char *type,
	    const void *bytes, size_t len)
{
	evbuffer_add(rq->out, bytes, len);
	return reply_send(rq, status, type, rq->out);
}

int
reply_json(struct request *rq, int status, json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT);

	json_decref(body);
	if (!text)
		return fail(rq, "internal_error");
	evbuffer_add(rq->out, text, strlen(text));
	free(text);
	return reply_send(rq, status, "application/json", rq->out);
}
