/* W3C Trace Context (level 1): who takes part in which trace. */
#ifndef LINLI_TRACE_H
#define LINLI_TRACE_H
#include <stdbool.h>

struct trace {
	char id[33];     /* 32 lower-case hex digits */
	char parent[17]; /* 16 of them, "" when the trace begins here */
};

/* header: traceparent as received. False: it does not say what it should, and
 * *out is unchanged. */
bool trace_parse(const char *header, struct trace *out);
/* A trace that begins with a request: its id, without the dashes. */
void trace_begin(const char *uuid, struct trace *out);
#endif
