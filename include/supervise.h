/* Supervisor, workers, job process. */
#ifndef LINLI_SUPERVISE_H
#define LINLI_SUPERVISE_H
#include <event2/event.h>
#include <event2/http.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "contract.h"
#include "db.h"
#include "limit.h"

/* Shared by all processes (anonymous mmap, one slot a child). */
struct slot {
	atomic_int pid;
	atomic_int serving;    /* accepts connections, or runs jobs */
	atomic_int ready;      /* database connected */
	atomic_int connections;
	atomic_int inflight;
	atomic_ulong requests;
	atomic_ulong restarts;
	atomic_llong beat_ms;  /* clock_ms() of a late turn of the loop */
};
struct shared {
	atomic_int draining;
	int notify;    /* eventfd: a child's serving or ready has changed */
	bool verified; /* the database agreed with the contract at start */
	atomic_int adopted; /* the listening socket outlives us */
	int worker_count;
	struct slot job;
	struct slot workers[64];
	struct limit_table limits;
	atomic_llong clock; /* clock_share() */
};

struct worker {
	struct event_base *base;
	struct evhttp *http;
	struct contract *contract;
	struct db_pool *db;
	struct shared *shared;
	struct slot *slot;
	int index;
	struct conns *conns; /* conn.h */
	struct evhttp_bound_socket *socket;
	bool verified; /* as shared's, or by this process since */
	bool draining;
	int64_t drain_us; /* when the drain began */
	int inflight; /* requests between begin and answer */
};

/* Opens config.listen, forks config.workers workers and one job process,
 * restarts what dies (at once, backing off when one dies within a second of
 * its start), forwards SIGHUP, drains on SIGTERM/SIGINT. Returns exit code.
 * verified: see struct shared. */
int supervise(struct contract *contract, bool verified);
/* Child mains: return the exit code. CHILD_UNFIT: starting another is no use,
 * so the supervisor stops everything. */
enum { CHILD_UNFIT = 78 };
int worker_main(struct contract *contract, struct shared *shared, int index,
		int listen_fd);
/* metrics_fd: listening, -1 = no metrics are asked for. */
int job_main(struct shared *shared, int metrics_fd);

/* What C does with the rows of a query named job…, after its commit. */
struct job_hook {
	const char *query;
	int every_s; /* 0 = each round; else it only looks, and is quiet */
	/* Again at once while the first row says that there was something, for
	 * a second; then others have their turn. */
	bool eager;
	/* Much work: rests a quarter of what it took, for others' sake. */
	bool gentle;
	/* The query's one :name, for this round; NULL skips the round. */
	const char *(*bind)(void);
	void (*done)(const PGresult *res); /* NULL: the query was all */
	/* May be NULL. True: there is more to do, the next round is now. */
	bool (*more)(void);
};
/* There is something to bind now: the next round begins at once. */
void job_soon(void);
extern const struct job_hook *const all_job_hooks[]; /* src/domain/hooks.c */
const struct job_hook *job_hook_find(const char *query); /* or NULL */
/* A child's news for its slot and the supervisor. */
void slot_set(struct shared *shared, atomic_int *field, int value);
/* worker_listen.c: opens w->http and w->socket. */
void worker_listen(struct worker *w, int listen_fd);
/* Called by request.c around each request for the drain. */
void worker_request_begun(struct worker *w);
void worker_request_done(struct worker *w);
#endif
