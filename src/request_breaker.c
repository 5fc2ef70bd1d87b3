/*
 * Somebody holds a lock for long (an administrator, a migration gone wrong):
 * statements that need it wait until lock_timeout, and an operation that many
 * ask for would fill every connection with its waiting. After a few such in a
 * row it is refused at once, but for a trial now and then.
 */
#include <string.h>

#include "arena.h"
#include "log.h"
#include "request_internal.h"
#include "supervise.h"
#include "text.h"

#define IN_A_ROW 3
#define PAUSE_US ((int64_t)2 * 1000 * 1000)

static struct breaker {
	int locked; /* in a row */
	int64_t until_us;
} *breakers; /* by index of the operation; this worker's */

static struct breaker *
breaker_of(const struct request *rq)
{
	if (!breakers)
		breakers = xmalloc(rq->worker->contract->operation_count *
				   sizeof(*breakers));
	return &breakers[rq->op->index];
}

int
request_breaker(struct request *rq)
{
	struct breaker *b = breaker_of(rq);
	int64_t now = monotonic_us();

	if (b->locked < IN_A_ROW)
		return 0;
	if (now < b->until_us) {
		reply_header(rq, "Retry-After", "2");
		fail(rq, "overloaded");
		return DONE;
	}
	b->until_us = now + PAUSE_US; /* this one is the trial */
	return 0;
}

static bool
lock_not_available(const PGresult *error)
{
	const char *state = PQresultErrorField(error, PG_DIAG_SQLSTATE);

	return state && strcmp(state, "55P03") == 0;
}

void
request_breaker_note(const struct request *rq)
{
	struct breaker *b = breaker_of(rq);

	if (rq->job.outcome == DB_OK) {
		b->locked = 0;
	} else if (rq->job.outcome == DB_ERROR) {
		if (!lock_not_available(rq->job.error)) {
			b->locked = 0;
			return;
		}
		b->until_us = monotonic_us() + PAUSE_US;
		if (++b->locked == IN_A_ROW)
			log_event(LOG_WARN_, "operation_locked", "%s",
				  rq->op->id);
	}
}
