#include "arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 8192
#define ALIGN 16

struct block {
	struct block *next;
	size_t used, size;
	_Alignas(ALIGN) char bytes[];
};

struct cleanup {
	struct cleanup *next;
	void (*fn)(void *);
	void *ptr;
};

struct arena {
	struct block *blocks;
	struct cleanup *cleanups;
};

void *
xmalloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (!p)
		abort();
	return p;
}

void *
xrealloc(void *p, size_t size)
{
	p = realloc(p, size ? size : 1);
	if (!p)
		abort();
	return p;
}

char *
xstrdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(xmalloc(n), s, n);
}

char *
xprintf(const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	return text;
}

static struct block *
block_new(struct block *next, size_t size)
{
	/* malloc, not calloc: arena_alloc() zeroes just what it hands out. */
	struct block *b = malloc(sizeof(*b) + size);

	if (!b)
		abort();
	b->next = next;
	b->used = 0;
	b->size = size;
	return b;
}

struct arena *
arena_new(void)
{
	/* The arena itself lives in its first block: one malloc a request. */
	struct block *b = block_new(NULL, BLOCK_SIZE);
	struct arena *a = (struct arena *)(void *)b->bytes;

	b->used = (sizeof(*a) + ALIGN - 1) / ALIGN * ALIGN;
	a->blocks = b;
	a->cleanups = NULL;
	return a;
}

void *
arena_alloc(struct arena *a, size_t size)
{
	size_t need = (size + ALIGN - 1) / ALIGN * ALIGN;
	struct block *b = a->blocks;
	void *p;

	if (need < size)
		abort();
	if (b->size - b->used < need) {
		if (need > BLOCK_SIZE / 2) {
			/* Large: a block of its own, behind the current. */
			b = block_new(a->blocks->next, need);
			a->blocks->next = b;
		} else {
			b = block_new(a->blocks, BLOCK_SIZE);
			a->blocks = b;
		}
	}
	p = b->bytes + b->used;
	b->used += need;
	return memset(p, 0, need);
}

char *
arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *p = arena_alloc(a, n + 1);

	memcpy(p, s, n);
	return p;
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	int n;
	char *p;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	p = arena_alloc(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p;
}

void
arena_defer(struct arena *a, void (*fn)(void *), void *ptr)
{
	struct cleanup *c = arena_alloc(a, sizeof(*c));

	c->fn = fn;
	c->ptr = ptr;
	c->next = a->cleanups;
	a->cleanups = c;
}

void
arena_free(struct arena *a)
{
	struct block *b, *next;

	if (!a)
		return;
	for (struct cleanup *c = a->cleanups; c; c = c->next)
		c->fn(c->ptr);
	for (b = a->blocks; b; b = next) {
		next = b->next;
		free(b);
	}
}
