/*
 * The table of named queries, and how their faults are told.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query_internal.h"

struct query **query_all;
size_t query_count;

bool
query_fault(const struct query *q, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%d: %s: ", q->file, q->line, q->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return false;
}

char *
query_comment(const struct query *q, const char *what)
{
	return xprintf("/* %s: %s%s */ ", q->file, q->name, what);
}

/* Where name stands or would stand. */
static size_t
place_of(const char *name, bool *found)
{
	size_t low = 0, high = query_count;

	*found = false;
	while (low < high) {
		size_t mid = (low + high) / 2;
		int cmp = strcmp(query_all[mid]->name, name);

		if (cmp == 0)
			*found = true;
		if (cmp < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct query *
query_find(const char *name)
{
	bool found;
	size_t i = place_of(name, &found);

	return found ? query_all[i] : NULL;
}

const struct query *
query_at(size_t i)
{
	return i < query_count ? query_all[i] : NULL;
}

bool
query_add(struct query *q)
{
	bool found;
	size_t i = place_of(q->name, &found);

	if (found)
		query_fault(q, "is also at %s:%d", query_all[i]->file,
			    query_all[i]->line);
	query_all = xrealloc(query_all, ++query_count * sizeof(*query_all));
	memmove(&query_all[i + 1], &query_all[i],
		(query_count - 1 - i) * sizeof(*query_all));
	query_all[i] = q;
	return !found;
}
