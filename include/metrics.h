/* Counters and histograms in shared memory: each process writes a slot of its
 * own without locks, whoever is asked adds them up. A slot outlives the death
 * of its process, so counters only ever grow. Without metrics_open() all of
 * it is silent. */
#ifndef LINLI_METRICS_H
#define LINLI_METRICS_H
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include "contract.h"
#include "db.h"
#include "outbound.h"

struct shared; /* supervise.h */

/* Before the children fork, when queries and contract are loaded. */
void metrics_open(const struct contract *c, int workers);
/* This process writes here from now on: a worker's index, -1 = the jobs. */
void metrics_attach(int index);

/* op NULL: the request named none. */
void metrics_request(const struct operation *op, int status, int64_t us,
		     int64_t db_us);
/* A reply was this problem; a connection was closed for it by the guard. */
void metrics_problem(const char *code);
void metrics_refused(const char *code);

enum metrics_limit { LIMITED_ACTOR, LIMITED_ADDRESS, LIMITED_LOGIN };
void metrics_limited(enum metrics_limit limit);

enum metrics_token { TOKEN_CACHED, TOKEN_VERIFIED, TOKEN_REFUSED };
void metrics_token(enum metrics_token result);

void metrics_outbound(enum outbound_service service, enum outbound_end end,
		      int64_t us);

/* Once a second: the pool's state (may be NULL), this process' memory and
 * time. */
void metrics_sample(const struct db_pool *pool);

/* All jobs had their turn, with a database. */
void metrics_round(void);
/* name: of a query named job…. rows < 0: it failed. */
void metrics_job(const char *name, long rows, int64_t us);
/* What waits for a job: how many are due, for how long the oldest. */
void metrics_backlog(const char *name, long waiting, double oldest_s);

/* For /readyz. */
struct metrics_jobs {
	int failing;      /* jobs that failed the last three times or more */
	double lag_s;     /* since the last round, or a failing one's success */
	double backlog_s; /* the oldest thing that is due */
};
void metrics_jobs(struct metrics_jobs *out);

/* All of it in Prometheus' text format. metrics_text.c */
void metrics_write(struct evbuffer *out, const struct shared *shared);
/* Its part of outbound calls. metrics_outbound.c */
void metrics_write_outbound(struct evbuffer *out);
/* key="value", escaped. */
void metrics_label(struct evbuffer *out, const char *key, const char *value);
/* Answers GET /metrics on a listening socket; NULL when it cannot.
 * metrics_http.c */
struct evhttp *metrics_serve(struct event_base *base, int fd,
			     const struct shared *shared);
#endif
