/* Shared by query.c (reading), query_attach.c and query_reply.c. */
#ifndef LINLI_QUERY_INTERNAL_H
#define LINLI_QUERY_INTERNAL_H
#include "query.h"

extern struct query **query_all; /* by name */
extern size_t query_count;

/* Prints "file:line: …". Always false. */
bool query_fault(const struct query *q, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The comment each statement of q starts with; malloc'd. */
char *query_comment(const struct query *q, const char *what);
char *query_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#endif
