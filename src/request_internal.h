/* Shared by the files that make up a request's life; not for others. */
#ifndef LINLI_REQUEST_INTERNAL_H
#define LINLI_REQUEST_INTERNAL_H
#include "problem.h"
#include "request.h"

struct bound {
	struct bound *next;
	const char *name, *text;
};

/* The text a :name stands for, NULL = SQL null. */
const char *request_text(struct request *rq, const struct bind *b);

/* The header's value; NULL when absent. *twice when it came more than once. */
const char *request_header(struct request *rq, const char *name, bool *twice);

/* Faults gathered in order: a list with its end; starts as
 * { NULL, &itself.first, false }. */
struct faults {
	struct fault *first, **end;
	bool in_body;
};
void faults_append(struct faults *fs, struct fault *f); /* NULL: nothing */
void faults_add(struct request *rq, struct faults *fs, const char *pointer,
		const char *code, const char *limit);

/* The body against the operation; personal fields sealed afterwards. */
int request_check_body(struct request *rq, struct faults *fs);
void request_seal_personal(struct request *rq);

/* The stages, of a request that is complete. */
void request_go(struct request *rq);

/* Stages; 0 = go on, else the request has been answered. */
int request_fit(struct request *rq);
int request_authenticate(struct request *rq);
int request_limit(struct request *rq);
int request_check(struct request *rq);
/* Sends the operation's query; the answer follows by itself. */
int request_run(struct request *rq);

/* 0, or the operation is refused: its statements keep waiting for a lock. */
int request_breaker(struct request *rq);
/* How the operation's query ended. */
void request_breaker_note(const struct request *rq);

/* fail() of those who get no further than the door: it counts as well. */
int request_turn_away(struct request *rq, const char *code);

/* Adds what a page of another origin needs to read the reply. */
void request_cors(struct request *rq);
/* Answers OPTIONS; allow: the methods of the path. */
int request_options(struct request *rq, const char *allow);

/* Adds a name to Vary. */
void reply_vary(struct request *rq, const char *name);
/* gzip, where the client asks and it pays. */
void reply_pack(struct request *rq, const char *type, struct evbuffer *out);

/* The request's log line. */
void request_log(struct request *rq, int64_t us);

/* reply.c: everything ends in one of these two. out may be NULL. */
int reply_send(struct request *rq, int status, const char *type,
	       struct evbuffer *out);
/* The end of a request within another's. */
int reply_within(struct request *rq, int status, struct evbuffer *out);
/* Logs, frees, and tells the worker. */
void request_end(struct request *rq);
#endif
