/* What the files of the db module share: registry, pool, connection. */
#ifndef LINLI_DB_INTERNAL_H
#define LINLI_DB_INTERNAL_H
#include "db.h"

#define QUEUE_MAX 256           /* segments in flight on one connection */
#define RING (QUEUE_MAX + 2)    /* the last may need one that prepares, and
				   one may settle */
#define WAIT_MAX QUEUE_MAX      /* jobs waiting: one connection takes all */
#define WAIT_US 1000000         /* how long a job waits for a reconnect */
#define TICK_US 50000
#define SLOW_US 250000          /* a head that takes longer gets no followers */
#define LOCK_TIMEOUT_MS 500
#define GRACE_US 1000000        /* after statement_timeout, before we give up */
#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 5000

enum conn_state {
	CONN_CLOSED,     /* until the back-off timer fires */
	CONN_CONNECTING, /* on a thread (db_connect.c) */
	CONN_READY,      /* takes jobs */
	CONN_RETIRING,   /* finishes what it has, then closes */
};

enum segment_kind {
	SEGMENT_WHOLE,    /* of a job */
	SEGMENT_PREPARES, /* what the next one runs */
	SEGMENT_FIRST,    /* of a job that settles: its result is kept */
	SEGMENT_SETTLES,  /* then all that are kept are answered */
};

struct job_list {
	struct db_job *first, **last;
	int count;
};

/* One transaction as sent. The job itself may have been answered already (its
 * deadline passed): then job is NULL and the results are thrown away. */
struct segment {
	struct db_job *job;
	enum segment_kind kind;
	int calls;
	int64_t timeout_us;
};

struct db_conn {
	struct db_pool *pool;
	struct db_connect *connecting;
	PGconn *pg;
	enum conn_state state;
	struct event *timer;       /* back-off */
	struct event *read, *write;
	bool broken;               /* to be dropped as soon as it is safe */
	int attempt;               /* of connecting, for the back-off */
	int64_t since_us;          /* in this state */
	bool *prepared;            /* by statement, as sent */
	struct segment ring[RING];
	unsigned head, count;
	bool locked;               /* a lock was not to be had; till empty */
	int64_t head_since_us;     /* the server has had it alone */
	int64_t head_deadline_us;  /* the server is given up after this */
	/* results of the head segment so far */
	int seen;
	PGresult *last, *error;
	bool warned;               /* commit's outcome in doubt */
	struct job_list kept;      /* committed, not settled; last is set */
	struct db_call settle;     /* what settles them */
	bool settling;             /* is under way */
	bool more_to_settle;       /* has been sent behind it */
};

struct db_pool {
	struct event_base *base;
	struct db_params *params;
	struct db_conn *conns;
	int count, ready;
	struct job_list waiting;   /* not sent: no connection, or all slow */
	struct job_list refused;   /* to be answered DB_AWAY next turn */
	struct event *wake, *tick;
	bool ticking;
	int64_t timeout_us;
	unsigned long reconnects;
	void (*changed)(bool ready, void *arg);
	void *changed_arg;
};

/* db.c */
void db_list_push(struct job_list *l, struct db_job *job);
struct db_job *db_list_pop(struct job_list *l);
/* Takes those out that are past their deadline, or older than that. */
struct job_list db_list_late(struct job_list *l, int64_t now, int64_t age_us);
void db_deliver(struct db_job *job, enum db_outcome outcome, PGresult *last,
		PGresult *error);
void db_ready_changed(struct db_pool *p, int by);
void db_tick_start(struct db_pool *p);
void db_dispatch_waiting(struct db_pool *p);

/* db_conn.c */
void db_conn_start(struct db_conn *c);
/* Closes, answers what was sent with DB_LOST, plans the reconnect. Calls
 * done(): only from the loop, never from db_submit(). */
void db_conn_drop(struct db_conn *c, const char *why);
/* The same, later: for where done() must not be called. */
void db_conn_break(struct db_conn *c);
void db_conn_flush(struct db_conn *c);
void db_conn_tick(struct db_conn *c, int64_t now);
void db_conn_close(struct db_conn *c);

/* db_connect.c: *fd is readable when it has ended, well or not; NULL when
 * there is no thread to be had. */
struct db_connect *db_connect_start(const struct db_pool *p, int *fd);
/* What it came to, the caller's; NULL when it has not ended: abandoned. */
PGconn *db_connect_end(struct db_connect *connecting);

/* db_pipe.c */
/* False: not sent, certainly not executed; the connection is broken. */
bool db_pipe_send(struct db_conn *c, struct db_job *job);
void db_pipe_read(struct db_conn *c);
/* Answers jobs past their deadline; false: the head is stuck. */
bool db_pipe_expire(struct db_conn *c, int64_t now);
void db_pipe_take_jobs(struct db_conn *c, struct job_list *out);
void db_pipe_notice(void *arg, const PGresult *notice);

/* db_params.c */
struct db_statement {
	char *name, *sql;
};
extern struct db_statement *db_statements;
extern size_t db_statement_count;

/* Connection parameters: ours, then the conninfo, then what must hold. */
struct db_params {
	const char *keywords[20], *values[20];
	char *conninfo, *options;
	long statement_timeout_ms;
};
struct db_params *db_params_new(const char *conninfo,
				long statement_timeout_ms);
void db_params_free(struct db_params *params);
/* NULL, or which session setting is not as the encoder needs it. */
const char *db_session_fault(PGconn *pg);
#endif
