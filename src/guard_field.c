/*
 * The header fields that decide where a message ends, and what else evhttp
 * would answer by itself or read otherwise than RFC 9112 means it.
 */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "guard_internal.h"
#include "text.h"

/* ---- Host ---- */

static bool
is_hex(unsigned char c)
{
	c = (unsigned char)guard_lower(c);
	return guard_is_digit(c) || (c >= 'a' && c <= 'f');
}

static bool
is_name_byte(unsigned char c) /* unreserved and sub-delims of RFC 3986 */
{
	unsigned char low = (unsigned char)guard_lower(c);

	return guard_is_digit(c) || (low >= 'a' && low <= 'z') ||
	       (c && strchr("-._~!$&'()*+,;=", c));
}

static bool
port_valid(const char *s, size_t n)
{
	long port = 0;

	if (n > 5)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!guard_is_digit((unsigned char)s[i]))
			return false;
		port = port * 10 + (s[i] - '0');
	}
	return port <= 65535;
}

/* What stands between "[" and "]". */
static bool
literal_valid(const char *s, size_t n)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (n >= sizeof(text))
		return false;
	memcpy(text, s, n);
	text[n] = '\0';
	return inet_pton(AF_INET6, text, &address) == 1;
}

bool
guard_host_valid(const char *s, size_t n)
{
	size_t i = 0;

	if (n && s[0] == '[') {
		const char *end = memchr(s, ']', n);

		if (!end || !literal_valid(s + 1, (size_t)(end - s - 1)))
			return false;
		i = (size_t)(end - s) + 1;
	} else {
		for (; i < n && s[i] != ':'; i++) {
			if (s[i] == '%' && n - i > 2 &&
			    is_hex((unsigned char)s[i + 1]) &&
			    is_hex((unsigned char)s[i + 2]))
				i += 2;
			else if (!is_name_byte((unsigned char)s[i]))
				return false;
		}
	}
	if (i == 0)
		return false;
	return i == n || (s[i] == ':' && port_valid(s + i + 1, n - i - 1));
}

static enum guard_verdict
host(struct guard *g)
{
	if (g->seen & SEEN_HOST)
		return guard_bad(g, "second Host");
	g->seen |= SEEN_HOST;
	if (g->value_cut || !guard_host_valid(g->value, g->value_length))
		return guard_bad(g, "malformed Host");
	return GUARD_PASS;
}

/* ---- the body's length ---- */

static enum guard_verdict
content_length(struct guard *g)
{
	if (g->seen & SEEN_LENGTH)
		return guard_bad(g, "second Content-Length");
	g->seen |= SEEN_LENGTH;
	if (g->value_length == 0 || g->value_length > 18)
		return guard_bad(g, "malformed Content-Length");
	for (size_t i = 0; i < g->value_length; i++) {
		if (!guard_is_digit((unsigned char)g->value[i]))
			return guard_bad(g, "malformed Content-Length");
		g->length = g->length * 10 + (uint64_t)(g->value[i] - '0');
	}
	return GUARD_PASS;
}

static enum guard_verdict
transfer_encoding(struct guard *g)
{
	if (g->seen & SEEN_CODING)
		return guard_bad(g, "second Transfer-Encoding");
	g->seen |= SEEN_CODING;
	if (g->http10)
		return guard_bad(g, "Transfer-Encoding in HTTP/1.0");
	if (strcasecmp(g->value, "chunked") != 0)
		return guard_bad(g, "Transfer-Encoding other than chunked");
	return GUARD_PASS;
}

/* ---- the rest ---- */

static bool
is_option(const char *s, size_t n, const char *option)
{
	return n == strlen(option) && strncasecmp(s, option, n) == 0;
}

static enum guard_verdict
connection(struct guard *g)
{
	const char *s = g->value;

	/* Too long to be read: whatever it says, closing is never wrong. */
	g->close = g->close || g->value_cut;
	while (*s) {
		size_t n = strcspn(s, ", \t");

		g->close = g->close || is_option(s, n, "close");
		g->keep_alive = g->keep_alive || is_option(s, n, "keep-alive");
		s += n;
		s += strspn(s, ", \t");
	}
	return GUARD_PASS;
}

static enum guard_verdict
expect(struct guard *g)
{
	if (g->http10 || strcasecmp(g->value, "100-continue") == 0)
		return GUARD_PASS;
	return guard_refuse(g, "expectation_failed", "unknown expectation");
}

static enum guard_verdict
accept_language(struct guard *g)
{
	g->lang = language_pick(g->value);
	return GUARD_PASS;
}

static enum guard_verdict
in_trailer(struct guard *g)
{
	return guard_bad(g, "framing field in the trailer");
}

const struct guard_field *
guard_field_find(const char *name, bool trailer)
{
	static const struct guard_field framing[] = {
		{ "host", host },
		{ "content-length", content_length },
		{ "transfer-encoding", transfer_encoding },
	};
	static const struct guard_field others[] = {
		{ "connection", connection },
		{ "expect", expect },
		{ "accept-language", accept_language },
	};
	static const struct guard_field misplaced = { "", in_trailer };

	for (size_t i = 0; i < sizeof(framing) / sizeof(*framing); i++)
		if (strcmp(name, framing[i].name) == 0)
			return trailer ? &misplaced : &framing[i];
	if (trailer)
		return NULL;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (strcmp(name, others[i].name) == 0)
			return &others[i];
	return NULL;
}

enum guard_verdict
guard_head_done(struct guard *g)
{
	bool body = (g->seen & SEEN_CODING) || g->length > 0;

	if (!g->http10 && !(g->seen & SEEN_HOST))
		return guard_bad(g, "no Host");
	if ((g->seen & SEEN_CODING) && (g->seen & SEEN_LENGTH))
		return guard_bad(g, "Content-Length and Transfer-Encoding");
	if (!body) {
		guard_message_done(g);
		return GUARD_PASS;
	}
	/* evhttp would take the body for the next request. */
	if (strcmp(g->method, "HEAD") == 0 || strcmp(g->method, "TRACE") == 0)
		return guard_bad(g, "body where the method takes none");
	g->body_max = g->rules->body(g->rules->arg, g->method, g->path);
	if (g->length > g->body_max)
		return guard_refuse(g, "body_too_large", "Content-Length");
	g->phase = GUARD_BODY;
	g->left = g->length;
	g->digits = 0;
	g->state = g->seen & SEEN_CODING ? guard_chunk_size : guard_body;
	return GUARD_PASS;
}
