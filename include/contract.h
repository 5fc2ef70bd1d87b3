/* The OpenAPI 3.1 bundle as the program's table: routes, roles, parameters,
 * bodies, replies. Loaded once before the workers fork; read-only after. */
#ifndef LINLI_CONTRACT_H
#define LINLI_CONTRACT_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "schema.h"
#include "uri.h"

enum role {
	ROLE_RESIDENT = 1,
	ROLE_GRID_LEAD = 2,
	ROLE_COMMUNITY = 4,
	ROLE_STREET = 8,
	ROLE_VISITOR = 16, /* signed in, nowhere at home yet */
	ROLE_DEPARTMENT = 32,
	ROLE_MERCHANT = 64,
	ROLE_CLIENT = 128, /* a program */
};
unsigned role_bit(const char *name); /* 0 = no such role */
const char *role_name(unsigned bit);

enum param_in { IN_PATH, IN_QUERY, IN_HEADER };

struct param {
	const char *name; /* as in the contract */
	const char *pointer; /* as faults name it: ?limit, :id, @If-Match */
	char *bind;       /* snake_case name in queries: If-Match → if_match */
	enum param_in in;
	bool required;
	const struct schema *schema;
};

/* Who is counted against which limit: x-limit of the operation. */
enum op_limit {
	OP_LIMIT_CALLER, /* the account, or the address without one */
	OP_LIMIT_LOGIN,  /* the address, strictly */
	OP_LIMIT_NONE,   /* nobody */
};

struct operation {
	const char *id;     /* operationId */
	const char *method; /* GET, POST … */
	const char *path;   /* template */
	const char *source; /* "tickets.yaml:41" */
	size_t segment_count;
	const char *segments[16]; /* literal; NULL: a parameter */
	bool public_;             /* security: [] */
	unsigned roles;           /* bits of enum role */
	const char *scope;        /* x-scope a client needs, or NULL */
	size_t param_count;
	struct param *params;
	bool has_body, body_required;
	const struct schema *body;   /* JSON; NULL if raw media only */
	size_t media_count;          /* other accepted content types */
	const char *media[8];
	size_t max_body;             /* x-max-body, bytes; 0 = config */
	enum op_limit limit;
	bool secret;                 /* x-secret: the reply holds tokens */
	int status;                  /* the one 2xx */
	const struct schema *reply;  /* the JSON of it, or NULL */
	const char *reply_media;     /* application/json or geo+json */
	bool reply_list;             /* {"items": …, "next": …} */
	const struct schema *reply_item; /* of items, when reply_list */
	const struct schema *reply_sealed; /* of a row, if it has x-personal */
	bool idempotent;             /* takes Idempotency-Key */
	bool conditional;            /* takes If-Match (required) */
	bool personal;               /* anything behind a token: no-store */
	const struct query *query;   /* filled by query_attach(), may be NULL */
	const struct hook *hook;     /* filled by hook_attach(), may be NULL */
	size_t index;                /* position, for metrics */
};

struct contract {
	json_t *doc;
	const char *text; /* what /openapi.json serves, byte for byte */
	size_t text_len;
	size_t operation_count;
	struct operation *operations;
	struct route *routes; /* of route.c */
	struct arena *arena;
};

/* text: the embedded bundle. On any fault prints "file:line: why" and NULL. */
struct contract *contract_load(const char *text, size_t len);
void contract_free(struct contract *c);
const struct operation *contract_find(const struct contract *c, const char *id);

/* problems.yaml in the bundle ("x-problems"): status and sentence of a code,
 * lang "zh" or "en". False when the code is unknown. */
bool contract_problem(const struct contract *c, const char *code, int *status,
		      const char *lang, const char **sentence);

/* Route: ROUTE_OK sets *op and values[] (the path parameters' texts in order
 * of appearance); ROUTE_METHOD sets *allow ("GET, HEAD, POST, OPTIONS"). HEAD
 * finds GET. A literal segment wins over a parameter. */
enum route_result { ROUTE_OK, ROUTE_NONE, ROUTE_METHOD };
enum route_result route_find(const struct contract *c, const char *method,
			     const struct uri *uri, struct arena *a,
			     const struct operation **op,
			     const char *values[16], const char **allow);
#endif
