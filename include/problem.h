/* RFC 9457 problems, and the one table from SQLSTATE to them. */
#ifndef LINLI_PROBLEM_H
#define LINLI_PROBLEM_H
#include <libpq-fe.h>
#include <stdbool.h>
#include "request.h"

/* Sends code's problem with the faults (may be NULL); faults found in a
 * parameter carry "in" and "name" beside the pointer. A 404 carries nothing
 * that differs from one request to the next. */
int problem_send(struct request *rq, const char *code,
		 const struct fault *faults);

/* Its members type, title, status, code and, unless id is NULL, instance:
 * an object left open. */
void problem_begin(struct evbuffer *out, const char *code, int status,
		   const char *sentence, const char *id);

struct problem {
	const char *code;
	const char *pointer; /* or NULL */
	bool retry;          /* 40001, 40P01: again, ≤ 3 times */
	int retry_after;     /* seconds, 0 = none */
};
/* Class LN: LN409 with the code as message, pointer as HINT; else by class.
 * Never quotes the server's text. */
struct problem problem_of_sql(struct arena *a, const PGresult *error);
#endif
