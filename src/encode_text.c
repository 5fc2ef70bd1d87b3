/*
 * Single values as JSON.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "encode_internal.h"

void
encode_commit(struct writer *w)
{
	if (!w->end)
		return;
	w->room.iov_len = (size_t)(w->p - (char *)w->room.iov_base);
	evbuffer_commit_space(w->out, &w->room, 1);
	w->end = NULL;
}

void
encode_reserve(struct writer *w, size_t n)
{
	encode_commit(w);
	if (evbuffer_reserve_space(w->out, (ev_ssize_t)n, &w->room, 1) != 1)
		abort();
	w->p = w->room.iov_base;
	w->end = w->p + w->room.iov_len;
}

static void
put_escaped(struct writer *w, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char short_[32] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
		['\r'] = 'r',
	};

	if (c >= 0x20 && c != '"' && c != '\\') {
		put_byte(w, (char)c);
		return;
	}
	need(w, 6);
	*w->p++ = '\\';
	if (c >= 0x20) {
		*w->p++ = (char)c;
	} else if (short_[c]) {
		*w->p++ = short_[c];
	} else {
		memcpy(w->p, "u00", 3);
		w->p[3] = hex[c >> 4];
		w->p[4] = hex[c & 15];
		w->p += 5;
	}
}

static inline uint64_t
ones_of(unsigned char c)
{
	return 0x0101010101010101u * c;
}

/* Does any of eight bytes need an escape? The usual tricks of finding a zero
 * byte; bytes of multi-byte characters (>= 0x80) are never found. */
static inline bool
any_to_escape(uint64_t x)
{
	const uint64_t ones = ones_of(1), tops = ones << 7;
	uint64_t quote = x ^ ones_of('"'), slash = x ^ ones_of('\\');

	return (((x - ones_of(0x20)) & ~x) | ((quote - ones) & ~quote) |
		((slash - ones) & ~slash)) & tops;
}

void
encode_put_string(struct writer *w, const char *s, size_t n)
{
	uint64_t eight;

	need(w, n + 2);
	*w->p++ = '"';
	for (; n >= 8; s += 8, n -= 8) {
		memcpy(&eight, s, 8);
		if (any_to_escape(eight)) {
			for (int i = 0; i < 8; i++)
				put_escaped(w, (unsigned char)s[i]);
		} else {
			need(w, 8);
			memcpy(w->p, &eight, 8);
			w->p += 8;
		}
	}
	eight = ones_of(' ');
	memcpy(&eight, s, n);
	if (!any_to_escape(eight)) {
		put(w, s, n);
		n = 0;
	}
	for (; n; s++, n--)
		put_escaped(w, (unsigned char)*s);
	put_byte(w, '"');
}

/* "2026-11-22 06:43:14.123456+00"; RFC 3339 knows no infinity, no BC and no
 * year of five digits: null. */
void
encode_put_time(struct writer *w, const char *s, size_t n)
{
	if (n < 22 || s[10] != ' ' || memcmp(s + n - 3, "+00", 3) != 0) {
		put(w, "null", 4);
		return;
	}
	need(w, n + 2);
	*w->p++ = '"';
	memcpy(w->p, s, n - 3);
	w->p[10] = 'T';
	w->p += n - 3;
	*w->p++ = 'Z';
	put_byte(w, '"');
}

void
encode_put_number(struct writer *w, const char *s, size_t n)
{
	/* NaN, Infinity, -Infinity have no place in JSON. */
	if (n == 0 || *s == 'N' || *s == 'I' || (n > 1 && s[1] == 'I'))
		put(w, "null", 4);
	else
		put(w, s, n);
}
