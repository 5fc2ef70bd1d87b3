/*
 * How often one may ask: an account by its token, else the client's address,
 * and sign-ins by address more strictly. Who is turned away for another
 * reason has asked too.
 *
 * The headers are those of draft-ietf-httpapi-ratelimit-headers: a policy of
 * q requests in w seconds is the burst and the time it takes to come back.
 */
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "limit.h"
#include "metrics.h"
#include "proxy.h"
#include "request_internal.h"
#include "supervise.h"

#define SECOND_US ((int64_t)1000 * 1000)

enum who {
	ACTOR = LIMITED_ACTOR,
	ADDRESS = LIMITED_ADDRESS,
	LOGIN = LIMITED_LOGIN,
};

static long
seconds(int64_t us)
{
	return (long)((us + SECOND_US - 1) / SECOND_US);
}

static enum who
who_asks(const struct request *rq)
{
	if (rq->has_actor)
		return ACTOR;
	return rq->op && rq->op->limit == OP_LIMIT_LOGIN ? LOGIN : ADDRESS;
}

static struct limit_rate
rate_of(enum who who)
{
	switch (who) {
	case ACTOR:
		return limit_rate(config.actor_per_minute, config.actor_burst);
	case ADDRESS:
		return limit_rate(config.address_per_minute,
				  config.address_burst);
	case LOGIN:
		break;
	}
	return limit_rate(config.login_per_minute, config.login_burst);
}

static struct limit_answer
take(struct request *rq, enum who who, const struct limit_rate *rate)
{
	unsigned char key[1 + sizeof(rq->actor.account)] = { (char)who };
	size_t len = 16;

	if (who == ACTOR) {
		len = strlen(rq->actor.account);
		memcpy(key + 1, rq->actor.account, len);
	} else {
		proxy_key(rq->address, key + 1);
	}
	return limit_take(&rq->worker->shared->limits, rate, key, 1 + len,
			  rq->start_us);
}

static void
tell(struct request *rq, enum who who, const struct limit_rate *rate,
     const struct limit_answer *a)
{
	static const char *const names[] = { "actor", "address", "login" };
	char text[64];

	snprintf(text, sizeof(text), "\"%s\";r=%ld;t=%ld", names[who], a->left,
		 seconds(a->full_us));
	reply_header(rq, "RateLimit", text);
	snprintf(text, sizeof(text), "\"%s\";q=%ld;w=%ld", names[who],
		 rate->burst, seconds(rate->burst * rate->interval_us));
	reply_header(rq, "RateLimit-Policy", text);
	if (a->allowed)
		return;
	snprintf(text, sizeof(text), "%ld", seconds(a->wait_us));
	reply_header(rq, "Retry-After", text);
}

int
request_limit(struct request *rq)
{
	enum who who = who_asks(rq);
	struct limit_rate rate = rate_of(who);
	struct limit_answer a;

	if (!rate.interval_us || (rq->op && rq->op->limit == OP_LIMIT_NONE))
		return 0;
	a = take(rq, who, &rate);
	tell(rq, who, &rate, &a);
	if (a.allowed)
		return 0;
	metrics_limited((enum metrics_limit)who);
	return fail(rq, "rate_limited");
}

int
request_turn_away(struct request *rq, const char *code)
{
	int answered = request_limit(rq);

	return answered ? answered : fail(rq, code);
}
