/* The guard's machine, shared by the guard*.c files.
 *
 * A state is a function: it takes one byte, says what becomes of it and
 * leaves the next state in g->state. The line feed that ends a line is passed
 * only when the whole line is sound, so the parser behind never acts on a bad
 * one. */
#ifndef LINLI_GUARD_INTERNAL_H
#define LINLI_GUARD_INTERNAL_H
#include "guard.h"

#define NAME_MAX_ 24   /* longer than any field name that matters here */
#define VALUE_MAX_ 272 /* a host name of 255, its port, and some */
#define PATH_MAX_ 512  /* longer than any route's */

typedef enum guard_verdict guard_state(struct guard *g, unsigned char c);

enum seen {
	SEEN_HOST = 1,
	SEEN_LENGTH = 2,
	SEEN_CODING = 4,
};

struct guard {
	const struct guard_rules *rules;
	guard_state *state;
	enum guard_phase phase;
	/* The verdict on a byte that ended the last run, already judged. */
	bool ahead;
	enum guard_verdict ahead_verdict;
	unsigned long count;
	const char *code, *reason, *lang;

	/* of the message */
	bool blank; /* an empty line came before it */
	size_t line, header_bytes;
	unsigned headers;
	char method[8];
	char path[PATH_MAX_];
	size_t at; /* in whatever is being spelled */
	size_t path_length;
	bool in_path, path_cut;
	bool http10, close, keep_alive, trailer;
	unsigned seen; /* bits of enum seen */
	const struct guard_field *field; /* NULL: one we need not read */
	char name[NAME_MAX_];
	size_t name_length;
	char value[VALUE_MAX_];
	size_t value_length;
	bool value_cut;
	uint64_t length; /* Content-Length */
	uint64_t body, body_max; /* so far, and at most */
	uint64_t left;   /* of the body or the chunk */
	unsigned digits;
};

struct guard_field {
	const char *name;
	enum guard_verdict (*done)(struct guard *g);
};

/* guard.c */
guard_state guard_start;
enum guard_verdict guard_bad(struct guard *g, const char *reason);
void guard_message_done(struct guard *g);

/* guard_line.c: the request line */
guard_state guard_line_begin;

/* guard_head.c: header and trailer fields */
guard_state guard_field_start, guard_value;
/* Counts towards the header bytes; false with the fault set. */
bool guard_head_count(struct guard *g, size_t n);

/* guard_field.c: what the fields say */
const struct guard_field *guard_field_find(const char *name, bool trailer);
bool guard_host_valid(const char *s, size_t n);
/* After the empty line: the head is sound, and the body's kind is known. */
enum guard_verdict guard_head_done(struct guard *g);

/* guard_body.c */
guard_state guard_body, guard_chunk_size, guard_chunk_data;

static inline bool
guard_is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
guard_is_text(unsigned char c) /* of a field value */
{
	return (c >= 0x20 && c != 0x7f) || c == '\t';
}

static inline char
guard_lower(unsigned char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}
#endif
