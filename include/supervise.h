/* Supervisor, workers, job process. */
#ifndef LINLI_SUPERVISE_H
#define LINLI_SUPERVISE_H
#include <event2/event.h>
#include <event2/http.h>
#include <stdatomic.h>
#include <stdbool.h>
#include "contract.h"
#include "db.h"

/* Shared by all processes (anonymous mmap, one slot a child). */
struct slot {
	atomic_int pid;
	atomic_int ready;      /* database connected */
	atomic_int connections;
	atomic_ulong requests;
	atomic_ulong restarts;
	atomic_llong beat_ms;  /* last turn of the loop */
};
struct shared {
	atomic_int draining;
	int worker_count;
	struct slot job;
	struct slot workers[64];
};

struct worker {
	struct event_base *base;
	struct evhttp *http;
	struct contract *contract;
	struct db_pool *db;
	struct shared *shared;
	struct slot *slot;
	int index;
	bool draining;
	int inflight; /* requests between begin and answer */
	int connections;
};

/* Opens config.listen, forks config.workers workers and one job process,
 * restarts what dies (at once, backing off when one dies within a second of
 * its start), forwards SIGHUP, drains on SIGTERM/SIGINT. Returns exit code. */
int supervise(struct contract *contract);
/* Child mains; never return to the caller's loop. */
int worker_main(struct contract *contract, struct shared *shared, int index,
		int listen_fd);
int job_main(struct shared *shared);
/* Called by request.c around each request for the drain. */
void worker_request_begun(struct worker *w);
void worker_request_done(struct worker *w);
#endif
