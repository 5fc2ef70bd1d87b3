/*
 * One libcurl multi handle on the worker's event loop. libcurl says which
 * sockets it waits for and when it wants to be woken; libevent does both.
 */
#include "outbound.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "address.h"
#include "arena.h"
#include "config.h"
#include "metrics.h"
#include "text.h"

#define MOST_CALLS 64
#define MOST_CONNECTIONS 16

struct call {
	CURL *easy; /* NULL: never begun */
	struct curl_slist *headers;
	enum outbound_service service;
	void (*done)(void *arg, const struct outbound_reply *reply);
	void *arg;
	char *body;
	size_t len;
	bool too_large;
	int64_t start_us;
	struct call *next, **link;
};

static CURLM *multi;
static struct event_base *loop;
static struct event *timer;
static struct call *calls;
static int call_count;

const char *
outbound_end_name(enum outbound_end end)
{
	static const char *const names[] = {
		[OUTBOUND_ANSWERED] = "answered",
		[OUTBOUND_TIMEOUT] = "timeout",
		[OUTBOUND_UNREACHABLE] = "unreachable",
		[OUTBOUND_TOO_LARGE] = "too_large",
		[OUTBOUND_BUSY] = "busy",
	};

	return names[end];
}

const char *
outbound_service_name(enum outbound_service service)
{
	static const char *const names[] = {
		[OUTBOUND_WECHAT] = "wechat",
		[OUTBOUND_OIDC] = "oidc",
		[OUTBOUND_SMS] = "sms",
	};

	return names[service];
}

static void
call_free(struct call *c)
{
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	call_count--;
	curl_easy_cleanup(c->easy);
	curl_slist_free_all(c->headers);
	free(c->body);
	free(c);
}

/* ---- the end of a call ---- */

static enum outbound_end
end_of(const struct call *c, CURLcode code)
{
	if (c->too_large)
		return OUTBOUND_TOO_LARGE;
	if (code == CURLE_OK)
		return OUTBOUND_ANSWERED;
	return code == CURLE_OPERATION_TIMEDOUT ? OUTBOUND_TIMEOUT
						: OUTBOUND_UNREACHABLE;
}

static void
call_end(struct call *c, enum outbound_end end)
{
	struct outbound_reply reply = { .end = end };
	long status = 0;

	if (end == OUTBOUND_ANSWERED) {
		curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
		reply.status = (int)status;
		reply.body = c->body;
		reply.len = c->len;
	}
	metrics_outbound(c->service, end, monotonic_us() - c->start_us);
	if (c->easy)
		curl_multi_remove_handle(multi, c->easy);
	c->done(c->arg, &reply);
	call_free(c);
}

static void
collect(void)
{
	CURLMsg *m;
	CURLcode code;
	char *private;
	int left;

	while ((m = curl_multi_info_read(multi, &left))) {
		if (m->msg != CURLMSG_DONE)
			continue;
		code = m->data.result;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
		call_end((struct call *)(void *)private,
			 end_of((struct call *)(void *)private, code));
	}
}

/* ---- libcurl's wishes, libevent's events ---- */

static void
on_socket(evutil_socket_t fd, short what, void *unused)
{
	int running, mask = ((what & EV_READ) ? CURL_CSELECT_IN : 0) |
			    ((what & EV_WRITE) ? CURL_CSELECT_OUT : 0);

	(void)unused;
	curl_multi_socket_action(multi, fd, mask, &running);
	collect();
}

static void
on_timer(evutil_socket_t fd, short what, void *unused)
{
	int running;

	(void)fd, (void)what, (void)unused;
	curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect();
}

static int
want_timer(CURLM *m, long ms, void *unused)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	(void)m, (void)unused;
	if (ms < 0)
		event_del(timer);
	else
		event_add(timer, &tv);
	return 0;
}

static int
want_socket(CURL *easy, curl_socket_t fd, int what, void *unused, void *known)
{
	struct event *ev = known;
	short events = EV_PERSIST | ((what & CURL_POLL_IN) ? EV_READ : 0) |
		       ((what & CURL_POLL_OUT) ? EV_WRITE : 0);

	(void)easy, (void)unused;
	if (ev)
		event_free(ev);
	ev = NULL;
	if (what != CURL_POLL_REMOVE) {
		ev = event_new(loop, fd, events, on_socket, NULL);
		if (!ev || event_add(ev, NULL) != 0)
			abort();
	}
	curl_multi_assign(multi, fd, ev);
	return 0;
}

/* ---- a call ---- */

static size_t
take_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct call *c = arg;

	n *= size;
	if (c->len + n > OUTBOUND_MAX_BODY) {
		c->too_large = true;
		return 0; /* ends the call */
	}
	c->body = xrealloc(c->body, c->len + n + 1);
	memcpy(c->body + c->len, bytes, n);
	c->len += n;
	c->body[c->len] = '\0';
	return n;
}

/* The very address that is about to be connected to, whatever the name said
 * before. */
static curl_socket_t
open_public(void *unused, curlsocktype purpose, struct curl_sockaddr *a)
{
	(void)unused, (void)purpose;
	if (!address_is_public(&a->addr))
		return CURL_SOCKET_BAD;
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* Where issuers keep their keys is for them to say; where WeChat and the SMS
 * gateway are, our own settings say. */
static void
stay_outside(CURL *e)
{
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_public);
}

static void
set_up(struct call *c, const struct outbound_call *asked)
{
	CURL *e = c->easy;

	curl_easy_setopt(e, CURLOPT_URL, asked->url);
	curl_easy_setopt(e, CURLOPT_PRIVATE, c);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, c->headers);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, config.outbound_timeout_ms);
	/* Signals are the loop's; without them names resolve on a thread. */
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
	if (*config.outbound_ca_file)
		curl_easy_setopt(e, CURLOPT_CAINFO, config.outbound_ca_file);
	/* Not whatever the environment names. */
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	if (asked->body)
		curl_easy_setopt(e, CURLOPT_COPYPOSTFIELDS, asked->body);
	if (asked->service == OUTBOUND_OIDC && !config.issuer_private)
		stay_outside(e);
}

static struct call *
call_new(const struct outbound_call *asked)
{
	size_t max = sizeof(asked->headers) / sizeof(*asked->headers);
	struct call *c = xmalloc(sizeof(*c));

	c->service = asked->service;
	c->done = asked->done;
	c->arg = asked->arg;
	c->start_us = monotonic_us();
	c->next = calls;
	c->link = &calls;
	if (calls)
		calls->link = &c->next;
	calls = c;
	call_count++;
	if (asked->body)
		c->headers = curl_slist_append(
			NULL, "Content-Type: application/json");
	for (size_t i = 0; i < max && asked->headers[i]; i++)
		c->headers = curl_slist_append(c->headers, asked->headers[i]);
	return c;
}

static void
on_busy(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	call_end(arg, OUTBOUND_BUSY);
}

void
outbound(const struct outbound_call *asked)
{
	static const struct timeval now = { 0, 0 };
	struct call *c = call_new(asked);

	if (call_count <= MOST_CALLS) {
		c->easy = curl_easy_init();
		if (!c->easy)
			abort();
		set_up(c, asked);
		if (curl_multi_add_handle(multi, c->easy) != CURLM_OK)
			abort();
	} else {
		event_base_once(loop, -1, EV_TIMEOUT, on_busy, c, &now);
	}
}

json_t *
outbound_json(const struct outbound_reply *r)
{
	json_t *object = NULL;

	if (r->end == OUTBOUND_ANSWERED && r->status / 100 == 2 && r->len)
		object = json_loadb(r->body, r->len, JSON_REJECT_DUPLICATES,
				    NULL);
	if (json_is_object(object))
		return object;
	json_decref(object);
	return NULL;
}

/* ---- life ---- */

static void *
zeroed(size_t n, size_t size)
{
	if (size && n > SIZE_MAX / size)
		abort();
	return xmalloc(n * size);
}

bool
outbound_start(struct event_base *base)
{
	loop = base;
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, xmalloc, free, xrealloc,
				 xstrdup, zeroed) != CURLE_OK)
		return false;
	multi = curl_multi_init();
	timer = event_new(base, -1, 0, on_timer, NULL);
	if (!multi || !timer)
		return false;
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
			  (long)MOST_CONNECTIONS);
	return true;
}

void
outbound_stop(void)
{
	for (struct call *c = calls, *next; c; c = next) {
		next = c->next;
		if (c->easy)
			curl_multi_remove_handle(multi, c->easy);
		call_free(c);
	}
	curl_multi_cleanup(multi);
	multi = NULL;
	event_free(timer);
	timer = NULL;
	curl_global_cleanup();
}
