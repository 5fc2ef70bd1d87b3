/* Memory of one request: allocate freely, free all at once. Out of memory
 * aborts the process (the supervisor starts another): no call returns NULL. */
#ifndef LINLI_ARENA_H
#define LINLI_ARENA_H
#include <stdarg.h>
#include <stddef.h>

struct arena;

struct arena *arena_new(void);
void *arena_alloc(struct arena *a, size_t size); /* zeroed, 16-aligned */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Calls fn(ptr) when the arena goes, last registered first. */
void arena_defer(struct arena *a, void (*fn)(void *), void *ptr);
void arena_free(struct arena *a);

/* malloc family that never returns NULL, for what outlives a request. */
void *xmalloc(size_t size); /* zeroed */
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#endif
