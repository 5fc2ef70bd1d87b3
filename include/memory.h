/* Out of memory is the same for libraries as for us (arena.h): the process
 * ends and another is started. */
#ifndef LINLI_MEMORY_H
#define LINLI_MEMORY_H
#include <stdio.h>

/* First of all: what has allocated before keeps its own. */
void memory_open(void);

/* After a call (errno = 0 before it) of a library that would pass off a failed
 * allocation as another refusal. */
void memory_check(void);

/* Closes what open_memstream(text) gave: it is whole, or nobody gets it. */
void memory_stream_end(FILE *stream, char *const *text);
#endif
