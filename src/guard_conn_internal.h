/* A guarded connection, shared by the guard_conn*.c files. */
#ifndef LINLI_GUARD_CONN_INTERNAL_H
#define LINLI_GUARD_CONN_INTERNAL_H
#include <sys/queue.h>

#include "guard.h"
#include "guard_conn.h"
#include "peer.h"
#include "supervise.h"

/* What the client has to do next, within a time that is the same for all in
 * the list: so the one whose time is up first stands first. */
enum wait {
	WAIT_REQUEST, /* between requests */
	WAIT_HEAD,
	WAIT_BODY,
	WAIT_REPLY, /* to take it */
	WAIT_CLOSE, /* refused and answered */
	WAIT_COUNT,
	WAIT_NONE = WAIT_COUNT, /* it is our turn */
};

TAILQ_HEAD(guard_list, guard_conn);

struct guards {
	struct event_base *base;
	const struct contract *contract;
	struct guard_rules rules;
	struct guard_list waiting[WAIT_COUNT];
	struct guard_list due; /* refused, to be answered */
	struct event *answer, *tick;
	const struct shared *shared;
};

struct guard_conn {
	struct guards *owner;
	struct guard *guard;
	struct bufferevent *bev;
	struct evhttp_connection *http;
	struct peer peer;
	unsigned long answered; /* replies gone out whole */
	enum wait wait;
	TAILQ_ENTRY(guard_conn) in_waiting, in_due;
	int64_t since_us;  /* in this list, or the last extension */
	uint64_t moved;    /* bytes in or out since then */
	bool due;
	bool editing; /* the input changes by our own hand */
	bool ended;   /* WAIT_CLOSE: the client has closed its side */
};

/* guard_conn.c */
/* Refuses what comes from here on, unless something else has been. */
void guard_conn_refuse(struct guard_conn *gc, const char *code,
		       const char *reason);
/* Brings gc->wait up to date. */
void guard_conn_settle(struct guard_conn *gc);

/* guard_wait.c: deadlines */
void guard_wait_move(struct guard_conn *gc, enum wait wait);
void guard_wait_open(struct guards *gs);
void guard_wait_close(struct guards *gs);

/* guard_answer.c: the end of a refused connection */
void guard_answer_open(struct guards *gs);
void guard_answer_close(struct guards *gs);
void guard_answer_soon(struct guard_conn *gc);
/* On EOF in the midst of a message, when nothing can be queued any more. */
void guard_answer_last(struct guard_conn *gc);
#endif
