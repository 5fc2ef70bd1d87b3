/* The guard on each connection of a worker: what it refuses is answered and
 * closed here, in its turn behind the replies to what came before; deadlines
 * and the limits on connections live here too. evhttp keeps none of its own. */
#ifndef LINLI_GUARD_CONN_H
#define LINLI_GUARD_CONN_H
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdbool.h>
#include <stdint.h>
#include "contract.h"

struct guards;
struct guard_conn;

struct shared;
/* shared: how many connections all workers have. */
struct guards *guards_new(struct event_base *base,
			  const struct contract *contract,
			  const struct shared *shared);
/* After the last guard_conn_free(). */
void guards_free(struct guards *gs);

/* Before evhttp has seen the bufferevent. */
struct guard_conn *guard_conn_new(struct guards *gs, struct bufferevent *bev);
/* evhttp's connection for it, soon after; may refuse the connection. */
void guard_conn_bind(struct guard_conn *gc, struct evhttp_connection *http);
/* evhttp hands over a request. */
void guard_conn_request(struct guard_conn *gc, struct evhttp_request *ev);
/* Waits for a request of which nothing has come yet, since before then. */
bool guard_conn_idle(const struct guard_conn *gc, int64_t then_us);
/* The connection is about to close; its descriptor is still open. */
void guard_conn_free(struct guard_conn *gc);
#endif
