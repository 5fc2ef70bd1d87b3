/* Pipelined libpq on the event loop: a few connections a process, each a FIFO;
 * one job = one pipeline segment = one transaction = one round trip.
 *
 * A job that takes a lock all others wait for may commit without waiting for
 * the disk (synchronous_commit off) and settle: its last call is a transaction
 * of its own that writes and does wait, and so for all before it. The lock is
 * free meanwhile, the job is answered when it is on disk, as any other. Jobs of
 * one lane go one behind the other on one connection, where a lock costs
 * nothing to hand on, and those that come while one settles settle together.
 *
 * Results are handed over only after a clean Sync. A connection that fails
 * answers all its jobs with DB_LOST and comes back by itself with jittered
 * back-off; nothing is ever sent a second time. */
#ifndef LINLI_DB_H
#define LINLI_DB_H
#include <event2/event.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every statement of the program, registered before any connection opens;
 * each connection prepares it when a job needs it first. Returns its index. */
size_t db_register(const char *name, const char *sql);

enum db_outcome {
	DB_OK,      /* committed; last = result of the last call */
	DB_ERROR,   /* the server said no, nothing happened; error set */
	DB_AWAY,    /* never sent: no connection, queue full, or deadline
		       passed while waiting */
	DB_LOST,    /* sent, then connection or deadline lost: who knows */
};

#define DB_MAX_PARAMS 48
#define DB_MAX_CALLS 14

struct db_call {
	size_t statement;      /* index of db_register(), or */
	const char *sql;       /* ad-hoc text when not NULL (rare paths) */
	bool binary;           /* the result's format */
	int param_count;
	const char *params[DB_MAX_PARAMS]; /* text format; NULL = SQL null */
};

struct db_job {
	/* set by the caller; must live until done() */
	int call_count;
	struct db_call calls[DB_MAX_CALLS];
	bool settles; /* see above; the result is the last but one's; the last
			 call has no parameters and is used after the job, so
			 its text, if it has one, outlives it */
	unsigned lane; /* of one that settles: what it locks */
	int64_t timeout_us; /* from submit to result; 0 = pool's default */
	void (*done)(struct db_job *job);
	void *data;
	/* set before done(), which may free the job or submit it again; the
	 * results are cleared after done() unless taken with db_take() */
	enum db_outcome outcome;
	PGresult *last;  /* DB_OK */
	PGresult *error; /* DB_ERROR */
	int64_t db_us;   /* submit to Sync */
	/* private */
	struct db_job *next;
	int64_t deadline_us, start_us;
};

struct db_pool;

struct db_pool_stats {
	int connections, ready, queued;
	unsigned long reconnects;
};

struct db_pool *db_pool_new(struct event_base *base, const char *conninfo,
			    int connections, long statement_timeout_ms);
/* Always calls done() exactly once, never from inside db_submit() itself. */
void db_submit(struct db_pool *p, struct db_job *job);
/* Caller keeps job->last beyond done(); PQclear it. */
PGresult *db_take(struct db_job *job);
/* There is a connection, idle or working. */
bool db_ready(const struct db_pool *p);
void db_stats(const struct db_pool *p, struct db_pool_stats *out);
/* Called whenever ready connections go 0→1 (true) or 1→0 (false). */
void db_on_change(struct db_pool *p, void (*fn)(bool ready, void *arg),
		  void *arg);
/* Answers what is open (DB_LOST, DB_AWAY); not from inside a done(). */
void db_pool_free(struct db_pool *p);

/* Start-up: connects synchronously, prepares every registered statement and
 * calls each(describe, index, arg) with PQdescribePrepared's result. Returns
 * 1 all fine; 0 a statement failed or each() said false (printed); -1 the
 * database could not be reached (*why). */
int db_verify(const char *conninfo,
	      bool (*each)(const PGresult *describe, size_t index, void *arg),
	      void *arg, const char **why);
#endif
