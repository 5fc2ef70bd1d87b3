/* The server from evhttp's callback to the database, without either: what a
 * request is answered, or asks the database. */
#ifndef DOOR_H
#define DOOR_H
#include <event2/http.h>

#include "fuzz.h"
#include "outbound.h"
#include "request.h"

struct door {
	/* in */
	const char *method, *target;
	const char *role;	 /* of the caller; NULL = no token */
	const char *peer;	 /* "" = a unix socket */
	const char *headers[32]; /* name, value, …, NULL */
	const uint8_t *body;
	size_t body_len;
	/* what the database says; NULL: it is away */
	PGresult *(*rows)(struct request *rq);
	/* out: the reply, once and always */
	int status;
	json_t *reply; /* NULL when it is no JSON; door_close() frees it */
	char *link;
	char *code; /* of a problem, or NULL */
	bool asked; /* the request was fine, and went to the database */
};

/* The contract, with keys and a data key of this run only. */
const struct contract *door_contract(void);
void door_ask(struct door *d);
void door_close(struct door *d);
/* Called when a checked request asks the database, before it is answered. */
extern void (*door_looks)(struct request *rq);
/* A server of somebody else's is asked: nobody expects it, unless set. */
extern void (*door_calls)(const struct outbound_call *call);
/* A request waits, and not for the database: true = it was told something. */
extern bool (*door_waits)(void);
extern int64_t door_time_us; /* what monotonic_us() says, unless 0 */
#endif
