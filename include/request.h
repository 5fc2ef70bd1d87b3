/* One request from evhttp's callback to the last log line. */
#ifndef LINLI_REQUEST_H
#define LINLI_REQUEST_H
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <jansson.h>
#include <stdbool.h>
#include "arena.h"
#include "contract.h"
#include "db.h"
#include "query.h"
#include "token.h"
#include "trace.h"

struct worker; /* supervise.h */

/* How a request within another's ended; it lives as long as the outer one. */
struct answer {
	int status;
	const char *etag, *location, *retry_after; /* NULL: none */
	const char *body;
	size_t len;
};

struct request {
	struct evhttp_request *ev;
	struct evhttp_connection *conn;
	struct worker *worker;
	struct arena *arena;
	const struct operation *op; /* NULL until routed */
	const char *method, *target;
	struct uri uri;
	const char *path_values[16];
	json_t **param_values;      /* by op->params index, NULL = absent */
	char id[37];                /* request id, also X-Request-Id */
	struct trace trace;
	const char *lang;           /* "zh" or "en" */
	const char *address;        /* client's */
	bool has_actor;
	struct claims actor;
	json_t *body;               /* checked, defaults applied */
	const unsigned char *raw;   /* whole body as received */
	size_t raw_len;
	const char *content_type;   /* media type, lower case, no parameters */
	const char *idem_key;       /* checked, or NULL */
	char idem_hash[65];
	char new_id[37], new_id2[37];
	int retries;
	struct bound *bound;        /* request_bind() list */
	struct db_job job;
	bool replaying;             /* the job looks for a stored reply */
	struct problem *held;       /* what to answer when there is none */
	int (*then)(struct request *rq, PGresult *res); /* request_query() */
	struct evbuffer *out;
	int status;
	const char *code;           /* of a problem, for the log */
	int64_t start_us, db_us;
	bool answered;
	void *hook_data;
	/* Of a request within another's: whose it is and who hears of it. */
	struct request *outer;
	void (*heard)(struct request *outer, const struct answer *a);
};

/* A hook: C where data cannot express the behaviour. Each function returns
 * one of the verbs' values below. */
enum { NEXT = 0, DONE = 1, PENDING = 2 };

struct hook {
	const char *operation;
	const char *binds[16];       /* :names it provides, NULL-terminated */
	/* before the query (or instead of it, returning DONE or PENDING);
	 * PENDING must later call request_resume() or a reply verb */
	int (*before)(struct request *rq);
	/* after a clean Sync, instead of the encoder; row 0 may be missing */
	int (*reply)(struct request *rq, PGresult *res);
	/* raw body in any size up to the operation's limit is in rq->raw */
};

extern const struct hook *const all_hooks[]; /* src/domain/hooks.c */
bool hook_attach(struct contract *c) __attribute__((warn_unused_result));

/* Registers the statements every request may need (enter, idempotency);
 * once, before any connection opens. */
void request_register(void);
/* evhttp's generic callback; arg is the worker. */
void request_begin(struct evhttp_request *ev, void *arg);

/* Verbs of a hook; all return DONE. code is one of openapi/problems.yaml. */
int fail(struct request *rq, const char *code);
int fail_at(struct request *rq, const char *code, const char *pointer);
int reply_json(struct request *rq, int status, json_t *body); /* steals body */
int reply_bytes(struct request *rq, int status, const char *type,
		const void *bytes, size_t len);
int reply_buffer(struct request *rq, int status); /* the JSON in rq->out */
int reply_empty(struct request *rq, int status);
/* Bytes that neither change nor go away, packed (gzip) once for all who ask. */
struct fixed {
	const void *bytes;
	size_t len;
	const void *packed; /* starts NULL */
	size_t packed_len;
};
int reply_fixed(struct request *rq, int status, const char *type,
		struct fixed *f);
int reply_header(struct request *rq, const char *name, const char *value);
/* Is etag, of the ETag header just set, what If-None-Match (known, may be
 * NULL) names? Then a 304 is due. */
bool reply_not_modified(struct request *rq, const char *known,
			const char *etag);
/* Text of a checked parameter or body field, NULL if absent. */
const char *arg(struct request *rq, const char *name);
json_t *arg_json(struct request *rq, const char *name);
/* Value for a :name the hook declares; text copied into the arena. */
void request_bind(struct request *rq, const char *name, const char *text);
/* After PENDING: runs the operation's query (NEXT of before). */
void request_resume(struct request *rq);
/* A request of its own by who asks in rq, through all that one from outside
 * goes through, except that it must be one of those that are safe to repeat.
 * body: JSON, NULL for none; key and etag: Idempotency-Key and If-Match, or
 * NULL. heard() is called once, perhaps at once, when it is over. */
void request_within(struct request *rq, const char *method, const char *target,
		    const char *body, const char *key, const char *etag,
		    void (*heard)(struct request *outer,
				  const struct answer *a));
/* Run another named query in its own segment with enter() first when there is
 * an actor; then(rq, res) when it has succeeded, else a problem is sent. */
int request_query(struct request *rq, const char *query,
		  int (*then)(struct request *rq, PGresult *res));
#endif
