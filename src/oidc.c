/*
 * The key sets of outside issuers: fetched when needed, kept for an hour, asked
 * for again when a token names a key we do not know (at most every
 * OIDC_PAUSE_S), and used on for a day while their server is away. One a
 * process: keys are public, and a fetch is rare.
 */
#include "oidc.h"

#include <string.h>

#include "fault.h"
#include "jws.h"
#include "log.h"
#include "outbound.h"
#include "text.h"

#define FRESH_US ((int64_t)3600 * 1000 * 1000)
#define STALE_US ((int64_t)24 * 3600 * 1000 * 1000)

struct waiter {
	struct waiter *next;
	struct arena *arena; /* the request's, which outlives the wait */
	const char *token;
	oidc_done *done;
	void *arg;
};

struct issuer {
	struct issuer *next;
	char *url;
	json_t *jwks;
	int64_t fetched_us, tried_us; /* 0 = never */
	bool failed;                  /* the latest try */
	bool asking;
	struct waiter *waiting;
};

static struct issuer *issuers;

static struct issuer *
issuer_of(const char *url)
{
	struct issuer *i = issuers;

	while (i && strcmp(i->url, url) != 0)
		i = i->next;
	if (!i) {
		i = xmalloc(sizeof(*i));
		i->url = xstrdup(url);
		i->next = issuers;
		issuers = i;
	}
	return i;
}

static bool
usable(const struct issuer *i)
{
	return i->jwks && monotonic_us() - i->fetched_us < STALE_US;
}

/* With what we have now. */
static void
tell(const struct issuer *i, const struct waiter *w)
{
	json_t *payload = NULL;
	const char *why = "issuer_unavailable";

	if (usable(i))
		why = jws_verify(w->arena, w->token, i->jwks, &payload) ==
				      JWS_GOOD
			      ? NULL
			      : "token_invalid";
	w->done(w->arg, payload, why);
	json_decref(payload);
}

static void
fetched(void *arg, const struct outbound_reply *reply)
{
	struct issuer *i = arg;
	struct waiter *w = i->waiting;
	json_t *jwks = outbound_json(reply);

	i->asking = false;
	i->waiting = NULL;
	i->failed = !json_is_array(json_object_get(jwks, "keys"));
	if (i->failed) {
		log_event(LOG_WARN_, "issuer_keys", "%s: %s %d", i->url,
			  outbound_end_name(reply->end), reply->status);
		json_decref(jwks);
	} else {
		json_decref(i->jwks);
		i->jwks = jwks;
		i->fetched_us = monotonic_us();
	}
	for (struct waiter *next; w; w = next) {
		next = w->next; /* w goes with its request */
		tell(i, w);
	}
}

static int64_t
pause_us(void)
{
	return (int64_t)fault_number("OIDC_PAUSE_MS", OIDC_PAUSE_S * 1000) *
	       1000;
}

static bool
fetch_due(const struct issuer *i, const struct waiter *w)
{
	int64_t now = monotonic_us();
	json_t *payload;
	bool unknown;

	if (i->asking)
		return true;
	if (i->tried_us && now - i->tried_us < pause_us())
		return false;
	if (!i->jwks || now - i->fetched_us >= FRESH_US)
		return true;
	unknown = jws_verify(w->arena, w->token, i->jwks, &payload) ==
		  JWS_NO_KEY;
	json_decref(payload);
	return unknown;
}

void
oidc_verify(struct arena *a, const char *url, const char *token,
	    oidc_done *done, void *arg)
{
	struct issuer *i = issuer_of(url);
	struct waiter *w = arena_alloc(a, sizeof(*w));
	const struct outbound_call call = {
		.service = OUTBOUND_OIDC, .url = url, .done = fetched, .arg = i,
	};

	*w = (struct waiter){ .arena = a, .token = token, .done = done,
			      .arg = arg };
	if (!fetch_due(i, w)) {
		tell(i, w);
		return;
	}
	w->next = i->waiting;
	i->waiting = w;
	if (i->asking)
		return;
	i->asking = true;
	i->tried_us = monotonic_us();
	outbound(&call);
}
