/* What the fuzz targets share. */
#ifndef FUZZ_H
#define FUZZ_H
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

/* A property of the code does not hold. */
#define must(holds) \
	((holds) ? (void)0 \
		 : (fprintf(stderr, "%s:%d: must: %s\n", __FILE__, __LINE__, \
			    #holds), \
		    abort()))

int LLVMFuzzerTestOneInput(const uint8_t *s, size_t n);

/* Cuts the text up to the next stop (or all) off the front of the input. Of
 * exact size, so that reading on is seen; what is behind a NUL is left out. */
static inline char *
fuzz_cut(struct arena *a, const uint8_t **s, size_t *n, int stop)
{
	const uint8_t *end = memchr(*s, stop, *n);
	size_t len = end ? (size_t)(end - *s) : *n;
	char *text = xmalloc(len + 1);

	memcpy(text, *s, len);
	arena_defer(a, free, text);
	*s += len + (end != NULL);
	*n -= len + (end != NULL);
	return text;
}
#endif
