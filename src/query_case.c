/*
 * "-- for: resident street without q mine": another way to answer the same
 * operation.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "query_internal.h"

/* The next word from *s on, "" at the end; malloc'd. */
static char *
next_word(const char **s, const char *end)
{
	const char *start;

	while (*s < end && isspace((unsigned char)**s))
		++*s;
	for (start = *s; *s < end && !isspace((unsigned char)**s);)
		++*s;
	return xprintf("%.*s", (int)(*s - start), start);
}

static bool
take_role(struct query *q, char *word)
{
	unsigned bit = role_bit(word);

	if (!bit)
		query_fault(q, "%s is no role", word);
	free(word);
	q->roles |= bit;
	return bit;
}

bool
query_case_read(struct query *q, const char *s, const char *end)
{
	bool roles = true;
	char *word;

	while (*(word = next_word(&s, end))) {
		if (roles && strcmp(word, "without") == 0) {
			roles = false;
			free(word);
		} else if (!roles) {
			q->absent = xrealloc(q->absent, (q->absent_count + 1) *
					     sizeof(*q->absent));
			q->absent[q->absent_count++] =
				(struct bind){ .name = word };
		} else if (!take_role(q, word)) {
			return false;
		}
	}
	free(word);
	return q->roles || query_fault(q, "-- for: whom?");
}

static bool
find_param(const struct operation *op, struct bind *b)
{
	for (size_t i = 0; i < op->param_count; i++) {
		if (strcmp(op->params[i].bind, b->name) == 0) {
			b->index = i;
			return true;
		}
	}
	return false;
}

bool
query_case_attach(struct query *q, const struct operation *op)
{
	if (!op || op->idempotent || (q->roles & ~op->roles))
		return query_fault(q, "-- for: a role that may not call it, a "
				   "helper, or what takes an Idempotency-Key");
	for (size_t i = 0; i < q->absent_count; i++)
		if (!find_param(op, &q->absent[i]))
			return query_fault(q, "-- for: %s (%s) has no "
					   "parameter %s", op->id, op->source,
					   q->absent[i].name);
	return true;
}
