/*
 * The end of a refused connection: once all before the fault is answered,
 * take the bufferevent from evhttp, say why in one problem, and close only
 * when the client has had time to read it.
 */
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "guard_conn_internal.h"
#include "log.h"
#include "metrics.h"
#include "problem.h"
#include "text.h"
#include "tls.h"

static const char *
phrase(int status)
{
	switch (status) {
	case 408:
		return "Request Timeout";
	case 413:
		return "Content Too Large";
	case 414:
		return "URI Too Long";
	case 417:
		return "Expectation Failed";
	case 431:
		return "Request Header Fields Too Large";
	case 503:
		return "Service Unavailable";
	default:
		return "Bad Request";
	}
}

static struct evbuffer *
reply_new(const struct guard_conn *gc)
{
	struct evbuffer *body = evbuffer_new(), *out = evbuffer_new();
	const char *code = guard_code(gc->guard), *sentence = "";
	const char *lang = guard_lang(gc->guard);
	char date[40], id[37];
	int status = 400;

	if (!body || !out)
		abort();
	uuid_make(id, 0);
	contract_problem(gc->owner->contract, code, &status, lang, &sentence);
	problem_begin(body, code, status, sentence, id);
	evbuffer_add(body, "}", 1);
	metrics_refused(code);
	log_event(LOG_INFO_, "refused", "%s: %s (%s)", code,
		  guard_reason(gc->guard), id);
	evutil_date_rfc1123(date, sizeof(date), NULL);
	evbuffer_add_printf(
		out,
		"HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\n"
		"X-Request-Id: %s\r\n"
		"Content-Type: application/problem+json\r\n"
		"Content-Language: %s\r\nCache-Control: no-store\r\n"
		"X-Content-Type-Options: nosniff\r\n%s"
		"Content-Length: %zu\r\n\r\n",
		status, phrase(status), date, id,
		strcmp(lang, "en") == 0 ? "en" : "zh-CN",
		status == 503 ? "Retry-After: 1\r\n" : "",
		evbuffer_get_length(body));
	evbuffer_add_buffer(out, body);
	evbuffer_free(body);
	return out;
}

/* ---- closing ---- */

/* Closing at once, with bytes of the client's unread, would make its system
 * throw our reply away. */
static void
on_written(struct bufferevent *bev, void *arg)
{
	struct guard_conn *gc = arg;

	if (gc->ended) {
		evhttp_connection_free(gc->http);
		return;
	}
	tls_goodbye(bev);
	shutdown(bufferevent_getfd(bev), SHUT_WR);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct guard_conn *gc = arg;

	gc->ended = true;
	if (!(what & BEV_EVENT_EOF) ||
	    evbuffer_get_length(bufferevent_get_output(bev)) == 0)
		evhttp_connection_free(gc->http);
}

static void
take_over(struct guard_conn *gc)
{
	struct evbuffer *in = bufferevent_get_input(gc->bev);
	struct evbuffer *reply = reply_new(gc);

	/* evhttp may still have a read of what is there scheduled; it asks
	 * the bufferevent for its callback then and finds none. */
	bufferevent_setcb(gc->bev, NULL, on_written, on_event, gc);
	evbuffer_drain(in, evbuffer_get_length(in));
	guard_wait_move(gc, WAIT_CLOSE);
	evbuffer_add_buffer(bufferevent_get_output(gc->bev), reply);
	bufferevent_enable(gc->bev, EV_READ | EV_WRITE);
	evbuffer_free(reply);
}

/* Not from inside the input's callback, nor from the end of a reply's: evhttp
 * has its own work to finish there. */
static void
answer(evutil_socket_t fd, short what, void *arg)
{
	struct guards *gs = arg;
	struct guard_conn *gc;

	(void)fd;
	(void)what;
	while ((gc = TAILQ_FIRST(&gs->due))) {
		TAILQ_REMOVE(&gs->due, gc, in_due);
		gc->due = false;
		take_over(gc);
	}
}

void
guard_answer_soon(struct guard_conn *gc)
{
	if (gc->due)
		return;
	gc->due = true;
	TAILQ_INSERT_TAIL(&gc->owner->due, gc, in_due);
	event_active(gc->owner->answer, EV_TIMEOUT, 1);
}

void
guard_answer_last(struct guard_conn *gc)
{
	int fd = bufferevent_getfd(gc->bev);
	struct evbuffer *reply;
	char byte;

	if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0)
		return;
	guard_refuse(gc->guard, "bad_framing", "the message ends early");
	reply = reply_new(gc);
	/* All that came before is sent, so this fits the socket's buffer; and
	 * if not, there is hardly anybody left to read it. */
	(void)!tls_send(gc->bev, evbuffer_pullup(reply, -1),
			evbuffer_get_length(reply));
	evbuffer_free(reply);
}

void
guard_answer_open(struct guards *gs)
{
	TAILQ_INIT(&gs->due);
	gs->answer = event_new(gs->base, -1, 0, answer, gs);
	if (!gs->answer)
		abort();
}

void
guard_answer_close(struct guards *gs)
{
	event_free(gs->answer);
}
