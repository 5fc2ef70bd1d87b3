/* Calls to servers of others (WeChat, SMS gateways) on the worker's loop:
 * HTTPS with verified certificates, no redirects, one deadline for the whole
 * call (outbound_timeout_ms), a small answer. Names resolve on a thread of
 * libcurl's, so nothing here ever blocks. */
#ifndef LINLI_OUTBOUND_H
#define LINLI_OUTBOUND_H
#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define OUTBOUND_MAX_BODY 65536

/* Whom we call, for the metrics. */
enum outbound_service {
	OUTBOUND_WECHAT,
	OUTBOUND_SMS,
	OUTBOUND_OIDC,
	OUTBOUND_SERVICES
};

enum outbound_end {
	OUTBOUND_ANSWERED,
	OUTBOUND_TIMEOUT,
	OUTBOUND_UNREACHABLE, /* or not who the certificate should name */
	OUTBOUND_TOO_LARGE,
	OUTBOUND_BUSY,        /* too many calls at once: not even tried */
	OUTBOUND_ENDS,
};

struct outbound_reply {
	enum outbound_end end;
	int status; /* of HTTP, when answered */
	const char *body;
	size_t len;
};

struct outbound_call {
	enum outbound_service service;
	const char *url;
	const char *body; /* JSON for a POST; NULL: a GET */
	const char *headers[4];
	/* On the loop, once, never before outbound() returns. */
	void (*done)(void *arg, const struct outbound_reply *reply);
	void *arg;
};

bool outbound_start(struct event_base *base);
/* Calls under way are dropped; their done() is never called. */
void outbound_stop(void);
/* Everything of the call but arg is copied. */
void outbound(const struct outbound_call *call);
/* The JSON object of a 2xx answer; NULL when it is none. The caller frees. */
json_t *outbound_json(const struct outbound_reply *reply);
const char *outbound_end_name(enum outbound_end end);
const char *outbound_service_name(enum outbound_service service);
#endif
