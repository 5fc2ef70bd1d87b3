/* What a browser asks and must be told before a page of another origin may
 * read our replies. Without configured origins: nothing. */
#include <string.h>

#include "config.h"
#include "cors.h"
#include "request_internal.h"

/* Browsers hold an answer for so long, some for less. */
#define PREFLIGHT_SECONDS "7200"

static const char *
page_origin(struct request *rq)
{
	bool twice;
	const char *origin = request_header(rq, "Origin", &twice);

	if (!origin || twice || !cors_listed(config.cors_origins, origin))
		return NULL;
	return origin;
}

void
request_cors(struct request *rq)
{
	const char *origin;

	if (!*config.cors_origins)
		return;
	/* Also for those who may not: a cache must not mix them up. */
	reply_vary(rq, "Origin");
	origin = page_origin(rq);
	if (!origin)
		return;
	reply_header(rq, "Access-Control-Allow-Origin", origin);
	reply_header(rq, "Access-Control-Expose-Headers",
		     "ETag, Location, Link, Retry-After, RateLimit, "
		     "RateLimit-Policy, X-Request-Id");
}

int
request_options(struct request *rq, const char *allow)
{
	bool twice;

	if (page_origin(rq) &&
	    request_header(rq, "Access-Control-Request-Method", &twice)) {
		reply_header(rq, "Access-Control-Allow-Methods", allow);
		reply_header(rq, "Access-Control-Allow-Headers",
			     "Authorization, Content-Type, Idempotency-Key, "
			     "If-Match, If-None-Match, traceparent");
		reply_header(rq, "Access-Control-Max-Age", PREFLIGHT_SECONDS);
	}
	return reply_empty(rq, 204);
}
