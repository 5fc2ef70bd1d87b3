/*
 * How often one may ask: an account by its token, else the client's address,
 * and sign-ins by address more strictly. Who is turned away for another
 * reason has asked too.
 *
 * The headers are those of draft-ietf-httpapi-ratelimit-headers: a policy of
 * q requests in w seconds is the burst and the time it takes to come back.
 */
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
rate_of(const struct request *rq, enum who who)
{
	switch (who) {
	case ACTOR:
		if (role_bit(rq->actor.role) == ROLE_CLIENT)
			return limit_rate(rq->actor.per_minute,
					  rq->actor.burst);
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

/* printf would cost more than all the rest of the stage. */
static char *
add_text(char *at, const char *text)
{
	size_t n = strlen(text);

	memcpy(at, text, n);
	return at + n;
}

static char *
add_number(char *at, long value)
{
	char digits[24];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + value % 10);
	while ((value /= 10));
	while (n)
		*at++ = digits[--n];
	return at;
}

/* "name";a=1;b=2 */
static void
write_item(char *at, enum who who, const char *a, long va, const char *b,
	   long vb)
{
	static const char *const names[] = { "\"actor\"", "\"address\"",
					     "\"login\"" };

	at = add_number(add_text(add_text(at, names[who]), a), va);
	at = add_number(add_text(at, b), vb);
	*at = '\0';
}

/* It changes with the settings only. */
static const char *
policy(enum who who, const struct limit_rate *rate)
{
	static struct {
		struct limit_rate rate;
		char text[80];
	} known[3];

	if (known[who].rate.burst != rate->burst ||
	    known[who].rate.interval_us != rate->interval_us) {
		known[who].rate = *rate;
		write_item(known[who].text, who, ";q=", rate->burst, ";w=",
			   seconds(rate->burst * rate->interval_us));
	}
	return known[who].text;
}

static void
tell(struct request *rq, enum who who, const struct limit_rate *rate,
     const struct limit_answer *a)
{
	char text[80];

	write_item(text, who, ";r=", a->left, ";t=", seconds(a->full_us));
	reply_header(rq, "RateLimit", text);
	reply_header(rq, "RateLimit-Policy", policy(who, rate));
	if (a->allowed)
		return;
	*add_number(text, seconds(a->wait_us)) = '\0';
	reply_header(rq, "Retry-After", text);
}

int
request_limit(struct request *rq)
{
	enum who who = who_asks(rq);
	struct limit_rate rate = rate_of(rq, who);
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
