/* Loading the contract, shared by the contract_*.c files. */
#ifndef LINLI_CONTRACT_INTERNAL_H
#define LINLI_CONTRACT_INTERNAL_H
#include "contract.h"

/* The operation being read: its JSON, where it goes, and whether it is good
 * so far. Every fault is printed, so that one start shows them all. */
struct loader {
	struct contract *contract;
	json_t *path_item, *node;
	struct operation *op;
	bool ok;
};

/* "tickets.yaml:41: getTicket: why" */
void contract_fault(struct loader *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Follows a $ref to a component, if node is one. */
json_t *contract_deref(struct loader *l, json_t *node);
/* NULL with a fault when node is missing or not one of ours. */
const struct schema *contract_schema(struct loader *l, json_t *node,
				     const char *what);
/* Faults every member of node not listed (NULL ends) and not x-…. */
void contract_members(struct loader *l, json_t *node, const char *what,
		      const char *const known[]);

/* contract_operation.c: everything of l->op from l->node. */
void contract_operation(struct loader *l);
/* contract_params.c */
void contract_params(struct loader *l);
/* contract_body.c */
void contract_body(struct loader *l);
void contract_reply(struct loader *l);

/* route.c: the table of a loaded contract; false when two operations answer
 * to the same (printed). */
bool route_build(struct contract *c);
#endif
