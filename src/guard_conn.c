/*
 * The guard on a connection's input. A callback on the evbuffer sees every
 * byte before evhttp's read callback does; what is refused or dropped never
 * stays there.
 *
 * evhttp answers one request at a time and leaves pipelined ones in the
 * buffer, so "how many came in whole" and "how many are answered" say whose
 * turn it is.
 */
#include "guard_conn.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "config.h"
#include "guard_conn_internal.h"
#include "log.h"
#include "proxy.h"
#include "text.h"
#include "uri.h"

#define VECTORS 4

static bool
is_busy(const struct guard_conn *gc)
{
	return guard_count(gc->guard) != gc->answered;
}

static enum wait
wait_of(const struct guard_conn *gc)
{
	static const enum wait waits[] = {
		[GUARD_IDLE] = WAIT_REQUEST, [GUARD_HEAD] = WAIT_HEAD,
		[GUARD_BODY] = WAIT_BODY,    [GUARD_CLOSED] = WAIT_NONE,
		[GUARD_REFUSED] = WAIT_NONE,
	};

	if (gc->wait == WAIT_CLOSE)
		return WAIT_CLOSE;
	if (!is_busy(gc))
		return waits[guard_phase(gc->guard)];
	return evbuffer_get_length(bufferevent_get_output(gc->bev)) ?
		       WAIT_REPLY :
		       WAIT_NONE;
}

void
guard_conn_settle(struct guard_conn *gc)
{
	enum wait wait = wait_of(gc);

	if (wait != gc->wait)
		guard_wait_move(gc, wait);
	if (guard_phase(gc->guard) == GUARD_REFUSED && !is_busy(gc) &&
	    wait != WAIT_CLOSE)
		guard_answer_soon(gc);
}

void
guard_conn_refuse(struct guard_conn *gc, const char *code, const char *reason)
{
	if (guard_phase(gc->guard) != GUARD_REFUSED)
		guard_refuse(gc->guard, code, reason);
	guard_conn_settle(gc);
}

/* ---- the input ---- */

/* What becomes of the bytes that were added: the first passed of them stay,
 * and out, unless NULL, replaces the rest. */
struct sieve {
	size_t passed;
	struct evbuffer *out;
};

static void
sieve_cut(struct sieve *s)
{
	if (!s->out)
		s->out = evbuffer_new();
	if (!s->out)
		abort();
}

static void
sieve_bytes(struct guard *g, struct sieve *s, const unsigned char *bytes,
	    size_t n)
{
	while (n) {
		size_t used;
		enum guard_verdict v = guard_feed(g, bytes, n, &used);

		if (v != GUARD_PASS)
			sieve_cut(s);
		else if (s->out)
			evbuffer_add(s->out, bytes, used);
		else
			s->passed += used;
		if (v == GUARD_REFUSE)
			return;
		bytes += used;
		n -= used;
	}
}

/* in := its first keep bytes, then out. */
static void
replace_rest(struct guard_conn *gc, struct evbuffer *in, size_t keep,
	     struct evbuffer *out)
{
	struct evbuffer *kept = evbuffer_new();

	if (!kept)
		abort();
	gc->editing = true;
	evbuffer_remove_buffer(in, kept, keep);
	evbuffer_drain(in, evbuffer_get_length(in));
	evbuffer_add_buffer(in, kept);
	evbuffer_add_buffer(in, out);
	gc->editing = false;
	evbuffer_free(kept);
}

static void
judge(struct guard_conn *gc, struct evbuffer *in, size_t from)
{
	struct sieve s = { .out = NULL };
	struct evbuffer_iovec vectors[VECTORS];
	struct evbuffer_ptr at;
	size_t end = evbuffer_get_length(in), offset = from;

	while (offset < end) {
		int n;

		evbuffer_ptr_set(in, &at, offset, EVBUFFER_PTR_SET);
		n = evbuffer_peek(in, -1, &at, vectors, VECTORS);
		for (int i = 0; i < n && i < VECTORS; i++) {
			sieve_bytes(gc->guard, &s, vectors[i].iov_base,
				    vectors[i].iov_len);
			offset += vectors[i].iov_len;
		}
	}
	if (!s.out)
		return;
	replace_rest(gc, in, from + s.passed, s.out);
	evbuffer_free(s.out);
}

static void
on_input(struct evbuffer *in, const struct evbuffer_cb_info *info, void *arg)
{
	struct guard_conn *gc = arg;

	if (gc->editing || info->n_added == 0)
		return;
	/* What comes before its turn waits in the kernel; evhttp turns
	 * reading on again when it wants more. */
	if (is_busy(gc))
		bufferevent_disable(gc->bev, EV_READ);
	gc->moved += info->n_added;
	judge(gc, in, info->orig_size);
	guard_conn_settle(gc);
}

/* A reply that did not fit into the socket waits for its client. */
static void
on_output(struct evbuffer *out, const struct evbuffer_cb_info *info, void *arg)
{
	struct guard_conn *gc = arg;

	(void)out;
	gc->moved += info->n_deleted;
	if (info->n_added && gc->wait == WAIT_NONE && is_busy(gc))
		guard_conn_settle(gc);
}

/* ---- requests ---- */

static void
on_answered(struct evhttp_request *ev, void *arg)
{
	struct guard_conn *gc = arg;

	(void)ev;
	gc->answered++;
	guard_conn_settle(gc);
}

void
guard_conn_request(struct guard_conn *gc, struct evhttp_request *ev)
{
	bool last = guard_phase(gc->guard) == GUARD_CLOSED &&
		    gc->answered + 1 == guard_count(gc->guard);

	evhttp_request_set_on_complete_cb(ev, on_answered, gc);
	/* evhttp sees a request where we saw none whole: the two disagree on
	 * where messages end, and that must never last. */
	if (!is_busy(gc)) {
		log_event(LOG_ERROR_, "guard_mismatch", "connection closed");
		last = true;
	}
	/* evhttp reads the whole Connection field as one word. */
	if (last)
		evhttp_add_header(evhttp_request_get_output_headers(ev),
				  "Connection", "close");
}

bool
guard_conn_idle(const struct guard_conn *gc, int64_t then_us)
{
	return gc->wait == WAIT_REQUEST && gc->since_us <= then_us;
}

/* ---- coming and going ---- */

struct guard_conn *
guard_conn_new(struct guards *gs, struct bufferevent *bev)
{
	struct timeval stall = { config.request_timeout_s, 0 };
	struct guard_conn *gc = xmalloc(sizeof(*gc));

	gc->owner = gs;
	gc->guard = guard_new(&gs->rules);
	gc->bev = bev;
	gc->wait = WAIT_NONE;
	bufferevent_set_timeouts(bev, NULL, &stall);
	evbuffer_add_cb(bufferevent_get_input(bev), on_input, gc);
	evbuffer_add_cb(bufferevent_get_output(bev), on_output, gc);
	guard_conn_settle(gc);
	return gc;
}

static long
connections(const struct shared *shared)
{
	long all = 0;

	for (int i = 0; i < shared->worker_count; i++)
		all += atomic_load(&shared->workers[i].connections);
	return all;
}

/* Room for one more: whoever is refused already, or has waited longest
 * between requests, goes. Only one of our own: whoever accepts pays. */
static bool
make_room(struct guard_conn *gc)
{
	struct guard_list *waiting = gc->owner->waiting;
	struct guard_conn *oldest = TAILQ_FIRST(&waiting[WAIT_CLOSE]);

	if (connections(gc->owner->shared) <= config.max_connections)
		return true;
	if (!oldest)
		oldest = TAILQ_FIRST(&waiting[WAIT_REQUEST]);
	if (!oldest || oldest == gc || !oldest->http)
		return false;
	evhttp_connection_free(oldest->http);
	return true;
}

void
guard_conn_bind(struct guard_conn *gc, struct evhttp_connection *http)
{
	char *address = NULL;
	ev_uint16_t port;

	gc->http = http;
	evhttp_connection_get_peer(http, &address, &port);
	if (peer_enter(&gc->peer, address ? address : "") &&
	    config.max_connections_per_address && !proxy_trusted(address) &&
	    peer_count(&gc->peer) > config.max_connections_per_address)
		guard_conn_refuse(gc, "overloaded",
				  "too many connections from the address");
	else if (!make_room(gc))
		guard_conn_refuse(gc, "overloaded", "too many connections");
}

void
guard_conn_free(struct guard_conn *gc)
{
	struct guards *gs = gc->owner;

	if (gc->http && (gc->wait == WAIT_HEAD || gc->wait == WAIT_BODY))
		guard_answer_last(gc);
	guard_wait_move(gc, WAIT_NONE);
	if (gc->due)
		TAILQ_REMOVE(&gs->due, gc, in_due);
	peer_leave(&gc->peer);
	guard_free(gc->guard);
	free(gc);
}

/* ---- a worker's ---- */

static uint64_t
body_limit(void *arg, const char *method, const char *path)
{
	const struct guards *gs = arg;
	uint64_t limit = (uint64_t)config.max_body_bytes;
	const struct operation *op = NULL;
	const char *values[16], *allow, *why;
	struct arena *a = arena_new();
	struct uri uri;

	if (uri_parse(a, path, &uri, &why) &&
	    route_find(gs->contract, method, &uri, a, &op, values, &allow) ==
		    ROUTE_OK &&
	    op->max_body)
		limit = op->max_body;
	arena_free(a);
	return limit;
}

struct guards *
guards_new(struct event_base *base, const struct contract *contract,
	   const struct shared *shared)
{
	struct guards *gs = xmalloc(sizeof(*gs));

	gs->base = base;
	gs->contract = contract;
	gs->rules = (struct guard_rules){
		.line = (size_t)config.max_request_line,
		.header_bytes = (size_t)config.max_header_bytes,
		.headers = (unsigned)config.max_headers,
		.body = body_limit,
		.arg = gs,
	};
	gs->shared = shared;
	guard_wait_open(gs);
	guard_answer_open(gs);
	return gs;
}

void
guards_free(struct guards *gs)
{
	guard_wait_close(gs);
	guard_answer_close(gs);
	free(gs);
}
