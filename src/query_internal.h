/* Shared by the query_*.c files. */
#ifndef LINLI_QUERY_INTERNAL_H
#define LINLI_QUERY_INTERNAL_H
#include "query.h"

extern struct query **query_all; /* by name */
extern size_t query_count;

/* False (printed) when the name is taken. */
bool query_add(struct query *q);
/* Reads "resident street without q mine" into q. False: printed. */
bool query_case_read(struct query *q, const char *s, const char *end);
/* Finds what a case names in its operation. */
bool query_case_attach(struct query *q, const struct operation *op);
/* Prints "file:line: …". Always false. */
bool query_fault(const struct query *q, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The comment each statement of q starts with; malloc'd. */
char *query_comment(const struct query *q, const char *what);
#endif
