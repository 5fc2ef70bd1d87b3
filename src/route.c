/*
 * Method and path → operation: a tree of path segments, built once. A look-up
 * is a binary search a segment and allocates nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract_internal.h"

enum { METHODS = 5 };

/* In the order of an Allow header. */
static const char *const methods[METHODS] = { "GET", "POST", "PUT", "PATCH",
					      "DELETE" };

struct route {
	const char *literal;
	size_t child_count;
	struct route **children; /* by literal */
	struct route *param;	 /* the child a parameter leads to */
	bool ends;		 /* some operation's path ends here */
	const struct operation *operations[METHODS];
	char *allow;
};

static int
method_index(const char *method)
{
	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	for (int i = 0; i < METHODS; i++)
		if (strcmp(methods[i], method) == 0)
			return i;
	return -1;
}

static struct route *
find_child(const struct route *r, const char *literal)
{
	size_t low = 0, high = r->child_count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(literal, r->children[middle]->literal);

		if (order == 0)
			return r->children[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

static struct route *
add_child(struct arena *a, struct route *r, const char *literal)
{
	struct route *child = arena_alloc(a, sizeof(*child)), **children;
	size_t i = r->child_count;

	child->literal = literal;
	if (!literal)
		return r->param = child;
	children = arena_alloc(a, (i + 1) * sizeof(*children));
	if (i)
		memcpy(children, r->children, i * sizeof(*children));
	for (; i && strcmp(children[i - 1]->literal, literal) > 0; i--)
		children[i] = children[i - 1];
	children[i] = child;
	r->children = children;
	r->child_count++;
	return child;
}

static bool
add_operation(struct arena *a, struct route *r, const struct operation *op)
{
	const struct operation **slot;

	for (size_t i = 0; i < op->segment_count; i++) {
		const char *literal = op->segments[i];
		struct route *next =
			literal ? find_child(r, literal) : r->param;

		r = next ? next : add_child(a, r, literal);
	}
	slot = &r->operations[method_index(op->method)];
	if (*slot) {
		fprintf(stderr, "%s: %s: the same route as %s at %s\n",
			op->source, op->id, (*slot)->id, (*slot)->source);
		return false;
	}
	*slot = op;
	r->ends = true;
	return true;
}

static void
write_allow(struct arena *a, struct route *r)
{
	r->allow = arena_strdup(a, "");
	for (int i = 0; i < METHODS; i++)
		if (r->operations[i])
			r->allow = arena_printf(a, "%s%s, ", r->allow,
						i ? methods[i] : "GET, HEAD");
	r->allow = arena_printf(a, "%sOPTIONS", r->allow);
	for (size_t i = 0; i < r->child_count; i++)
		write_allow(a, r->children[i]);
	if (r->param)
		write_allow(a, r->param);
}

bool
route_build(struct contract *c)
{
	bool ok = true;

	c->routes = arena_alloc(c->arena, sizeof(*c->routes));
	for (size_t i = 0; i < c->operation_count; i++)
		if (!add_operation(c->arena, c->routes, &c->operations[i]))
			ok = false;
	write_allow(c->arena, c->routes);
	return ok;
}

/* Goes back to the parameter when the literal leads nowhere: /a/{id}/x is
 * found for /a/b/x beside /a/b. */
static const struct route *
walk(const struct route *r, const struct uri *uri, size_t i)
{
	const struct route *found = NULL, *child;

	if (i == uri->segment_count)
		return r->ends ? r : NULL;
	child = find_child(r, uri->segments[i]);
	if (child)
		found = walk(child, uri, i + 1);
	if (!found && r->param)
		found = walk(r->param, uri, i + 1);
	return found;
}

enum route_result
route_find(const struct contract *c, const char *method, const struct uri *uri,
	   struct arena *a, const struct operation **op, const char *values[16],
	   const char **allow)
{
	const struct route *r = walk(c->routes, uri, 0);
	int m = method_index(method);
	size_t n = 0;

	(void)a;
	if (!r)
		return ROUTE_NONE;
	if (m < 0 || !r->operations[m]) {
		*allow = r->allow;
		return ROUTE_METHOD;
	}
	*op = r->operations[m];
	for (size_t i = 0; i < uri->segment_count; i++)
		if (!(*op)->segments[i])
			values[n++] = uri->segments[i];
	return ROUTE_OK;
}
