/* The writer below encode.c: JSON values into reserved room of an evbuffer. */
#ifndef LINLI_ENCODE_INTERNAL_H
#define LINLI_ENCODE_INTERNAL_H
#include <event2/buffer.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <string.h>

#define MORE_ROOM 4096 /* when escapes outgrow the first reservation */

struct writer {
	struct evbuffer *out;
	struct evbuffer_iovec room;
	char *p, *end;
};

/* Hands what was written to the buffer; what is reserved must be committed
 * before anybody else uses the buffer. */
void encode_commit(struct writer *w);
void encode_reserve(struct writer *w, size_t n);

void encode_put_string(struct writer *w, const char *s, size_t n);
/* timestamptz and numbers as PostgreSQL writes them. */
void encode_put_time(struct writer *w, const char *s, size_t n);
void encode_put_number(struct writer *w, const char *s, size_t n);

/* Of a binary value its text, unterminated; returns the length. Text and JSON
 * are text already. */
#define ENCODE_PLAIN 48
size_t encode_plain(char out[ENCODE_PLAIN], Oid type, const char *s, size_t n);
bool encode_is_plain(Oid type);

static inline void
need(struct writer *w, size_t n)
{
	if ((size_t)(w->end - w->p) < n)
		encode_reserve(w, n > MORE_ROOM ? n : MORE_ROOM);
}

static inline void
put(struct writer *w, const char *s, size_t n)
{
	need(w, n);
	memcpy(w->p, s, n);
	w->p += n;
}

static inline void
put_byte(struct writer *w, char c)
{
	need(w, 1);
	*w->p++ = c;
}
#endif
