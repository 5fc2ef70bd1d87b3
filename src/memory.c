/*
 * Libraries that let us say where their memory comes from get it from here.
 * They would hand a failure up through code that nobody has ever run: libevent
 * itself writes through NULL, and a header of a reply would be missing. libpq,
 * libjwt, libsodium, PCRE2 and libconfuse ask malloc() themselves: whoever
 * calls those looks what they say.
 */
#include "memory.h"

#include <errno.h>
#include <event2/event.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdlib.h>

static void *
allocate(size_t size)
{
	void *p = malloc(size ? size : 1);

	if (!p)
		abort();
	return p;
}

static void *
resize(void *p, size_t size)
{
	p = realloc(p, size ? size : 1);
	if (!p)
		abort();
	return p;
}

/* As OpenSSL has them: it is told where, and nothing is NULL there. */

static void *
ssl_allocate(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return size ? allocate(size) : NULL;
}

static void
ssl_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

static void *
ssl_resize(void *p, size_t size, const char *file, int line)
{
	if (size)
		return resize(p, size);
	ssl_free(p, file, line);
	return NULL;
}

void
memory_open(void)
{
	event_set_mem_functions(allocate, resize, free);
	json_set_alloc_funcs(allocate, free);
	if (CRYPTO_set_mem_functions(ssl_allocate, ssl_resize, ssl_free) != 1)
		abort();
}

void
memory_stream_end(FILE *stream, char *const *text)
{
	bool short_ = ferror(stream);

	/* glibc cuts the text to its length last, and says nothing if it
	 * cannot. */
	if (fclose(stream) != 0 || short_ || !*text)
		abort();
}

void
memory_check(void)
{
	if (errno == ENOMEM)
		abort();
}
