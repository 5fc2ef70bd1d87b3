/*
 * One deflate state a process, reset for each reply: making one anew costs
 * more than packing a small page.
 */
#include "gzip.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#define WINDOW_GZIP (15 + 16)
#define MEMORY 8
#define VECTORS 16

/* ";q=0.5" → 500; 1000 without one, 0 for what cannot be read. */
static int
quality(const char *s, size_t n)
{
	const char *q = memchr(s, ';', n), *end = s + n;
	int value, digit = 100;

	if (!q)
		return 1000;
	for (q++; q < end && (*q == ' ' || *q == '\t'); q++)
		;
	if (end - q < 3 || (*q != 'q' && *q != 'Q') || q[1] != '=' ||
	    (q[2] != '0' && q[2] != '1'))
		return 0;
	value = (q[2] - '0') * 1000;
	q += 3;
	if (q < end && *q == '.')
		for (q++; q < end && *q >= '0' && *q <= '9'; q++, digit /= 10)
			value += (*q - '0') * digit;
	return value > 1000 ? 1000 : value;
}

static bool
names(const char *s, size_t n, const char *coding)
{
	size_t len = strcspn(s, "; \t,");

	return len <= n && len == strlen(coding) &&
	       strncasecmp(s, coding, len) == 0;
}

bool
gzip_asked(const char *accept)
{
	int gzip = -1, plain = -1, any = -1;
	size_t n;

	if (!accept)
		return false;
	for (accept += strspn(accept, ", \t"); *accept;
	     accept += n + strspn(accept + n, ", \t")) {
		n = strcspn(accept, ",");
		if (names(accept, n, "gzip") || names(accept, n, "x-gzip"))
			gzip = quality(accept, n);
		else if (names(accept, n, "identity"))
			plain = quality(accept, n);
		else if (names(accept, n, "*"))
			any = quality(accept, n);
	}
	if (gzip < 0)
		gzip = any < 0 ? 0 : any;
	return gzip > 0 && gzip >= plain;
}

static z_stream *
stream_ready(int level)
{
	static z_stream stream;
	static int opened;

	if (opened != level) {
		if (opened)
			deflateEnd(&stream);
		memset(&stream, 0, sizeof(stream));
		if (deflateInit2(&stream, level, Z_DEFLATED, WINDOW_GZIP,
				 MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
			abort();
		opened = level;
	} else if (deflateReset(&stream) != Z_OK) {
		abort();
	}
	return &stream;
}

/* Packs the next bytes; all of them fit into what is reserved. */
static void
pack(z_stream *z, const struct evbuffer_iovec *in, int flush)
{
	z->next_in = in->iov_base;
	z->avail_in = (uInt)in->iov_len;
	if (deflate(z, flush) == Z_STREAM_ERROR || z->avail_in)
		abort();
}

void
gzip_buffer(struct evbuffer *buf, int level)
{
	size_t len = evbuffer_get_length(buf);
	z_stream *z = stream_ready(level);
	struct evbuffer *out = evbuffer_new();
	struct evbuffer_iovec in[VECTORS], room;
	const struct evbuffer_iovec none = { .iov_base = NULL };
	size_t bound = deflateBound(z, len);
	int n;

	if (!out ||
	    evbuffer_reserve_space(out, (ev_ssize_t)bound, &room, 1) != 1)
		abort();
	z->next_out = room.iov_base;
	z->avail_out = (uInt)room.iov_len;
	/* An empty buffer may still hold a chain of no bytes. */
	while (evbuffer_get_length(buf) > 0) {
		size_t done = 0;

		n = evbuffer_peek(buf, -1, NULL, in, VECTORS);
		for (int i = 0; i < n && i < VECTORS; i++) {
			pack(z, &in[i], Z_NO_FLUSH);
			done += in[i].iov_len;
		}
		evbuffer_drain(buf, done);
	}
	pack(z, &none, Z_FINISH);
	room.iov_len -= z->avail_out;
	evbuffer_commit_space(out, &room, 1);
	evbuffer_add_buffer(buf, out);
	evbuffer_free(out);
}
