/* The connections of one worker: counted, guarded (guard_conn.h), closed
 * when a drain has waited long enough. Their closecb (evhttp) is taken here;
 * a request learns of a hang-up by its own EV_CLOSED event instead. */
#ifndef LINLI_CONN_H
#define LINLI_CONN_H
#include <event2/event.h>
#include <event2/http.h>
#include <stdint.h>
#include "contract.h"

struct conns;
struct shared;

/* How many there are stands in the worker's slot for others to read. */
struct conns *conns_new(struct event_base *base,
			const struct contract *contract,
			struct shared *shared, int worker);
/* evhttp's bevcb; arg is the struct conns. */
struct bufferevent *conns_accept(struct event_base *base, void *arg);
/* A whole request has arrived. */
void conns_request(struct conns *cs, struct evhttp_request *ev);
/* Closes those that wait for a request of which nothing has come yet, and
 * have been quiet for so long. */
void conns_close_idle(struct conns *cs, int64_t quiet_us);
/* After evhttp_free(), which closes them all. */
void conns_free(struct conns *cs);
#endif
