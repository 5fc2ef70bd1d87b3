/* Strict HTTP/1.1 ahead of evhttp's parser: a byte-level machine that knows
 * where each message begins and ends, passes what RFC 9112 allows and stops
 * at the first byte of what it does not. Pure: no I/O, no clock. */
#ifndef LINLI_GUARD_H
#define LINLI_GUARD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guard_rules {
	size_t line;         /* longest request line */
	size_t header_bytes; /* of one message, with trailers and the like */
	unsigned headers;    /* how many of them */
	/* Longest body of an operation, asked before any of it is read; the
	 * path is without its query, or "" when it is out of all measure. */
	uint64_t (*body)(void *arg, const char *method, const char *path);
	void *arg;
};

enum guard_verdict {
	GUARD_PASS,   /* go on to the parser */
	GUARD_DROP,   /* legal, but the parser must not see them */
	GUARD_REFUSE, /* a fault: neither this byte nor any later one */
};

enum guard_phase {
	GUARD_IDLE, /* between messages */
	GUARD_HEAD,
	GUARD_BODY,
	GUARD_CLOSED,  /* the last message has come; the rest is dropped */
	GUARD_REFUSED,
};

struct guard;

struct guard *guard_new(const struct guard_rules *rules);
void guard_free(struct guard *g);

/* Judges the first *used of n > 0 bytes; call again with those that follow.
 * *used may be 0 only with GUARD_REFUSE. */
enum guard_verdict guard_feed(struct guard *g, const unsigned char *bytes,
			      size_t n, size_t *used);
/* Why not, as a code of openapi/problems.yaml; reason is for the log. */
enum guard_verdict guard_refuse(struct guard *g, const char *code,
				const char *reason);
const char *guard_code(const struct guard *g);
const char *guard_reason(const struct guard *g);
/* "zh" or "en", as far as the head had told. */
const char *guard_lang(const struct guard *g);

enum guard_phase guard_phase(const struct guard *g);
/* Messages that have come in whole. */
unsigned long guard_count(const struct guard *g);
#endif
