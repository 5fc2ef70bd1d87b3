/* The guard's machine: each message whole, byte by byte, and cut in two at
 * every place, must end the same way. */
#include "guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define H "Host: a.example\r\n"
#define GET "GET / HTTP/1.1\r\n" H "\r\n"

static uint64_t
body_limit(void *arg, const char *method, const char *path)
{
	(void)arg;
	if (strcmp(method, "PUT") == 0 && strcmp(path, "/big") == 0)
		return 100;
	return 20;
}

static const struct guard_rules rules = {
	.line = 64,
	.header_bytes = 160,
	.headers = 6,
	.body = body_limit,
};

struct outcome {
	char passed[4096];
	size_t length;
	unsigned long count;
	enum guard_phase phase;
	const char *code, *reason, *lang;
};

/* False once refused. */
static bool
offer(struct guard *g, const char *bytes, size_t n, struct outcome *o)
{
	while (n) {
		size_t used = 0;
		/* A copy of the exact size: reading past it is seen. */
		unsigned char *copy = malloc(n);
		enum guard_verdict v;

		memcpy(copy, bytes, n);
		v = guard_feed(g, copy, n, &used);
		free(copy);
		assert_true(used <= n);
		if (v == GUARD_REFUSE) {
			assert_int_equal(used, 0);
			return false;
		}
		assert_true(used > 0);
		if (v == GUARD_PASS) {
			assert_true(o->length + used < sizeof(o->passed));
			memcpy(o->passed + o->length, bytes, used);
			o->length += used;
		}
		bytes += used;
		n -= used;
	}
	return true;
}

/* Fed in pieces of the given size, or cut once at cut. */
static struct outcome
run(const char *bytes, size_t n, size_t piece, size_t cut)
{
	struct guard *g = guard_new(&rules);
	struct outcome o = { .length = 0 };
	size_t at = 0;

	while (at < n) {
		size_t some = cut ? (at ? n - cut : cut) : piece;

		some = some < n - at ? some : n - at;
		if (!offer(g, bytes + at, some, &o))
			break;
		at += some;
	}
	o.passed[o.length] = '\0';
	o.count = guard_count(g);
	o.phase = guard_phase(g);
	o.code = o.phase == GUARD_REFUSED ? guard_code(g) : "";
	o.reason = o.phase == GUARD_REFUSED ? guard_reason(g) : "";
	o.lang = guard_lang(g);
	guard_free(g);
	return o;
}

static void
same(const char *message, const struct outcome *a, const struct outcome *b)
{
	if (a->length != b->length || a->count != b->count ||
	    a->phase != b->phase || strcmp(a->code, b->code) != 0 ||
	    memcmp(a->passed, b->passed, a->length) != 0)
		fail_msg("splitting changes the outcome of:\n%s\n(%s/%s)",
			 message, a->reason, b->reason);
}

static struct outcome
judge(const char *bytes, size_t n)
{
	struct outcome whole = run(bytes, n, n, 0), other;

	other = run(bytes, n, 1, 0);
	same(bytes, &whole, &other);
	for (size_t cut = 1; cut < n; cut++) {
		other = run(bytes, n, n, cut);
		same(bytes, &whole, &other);
	}
	return whole;
}

/* ---- what is refused ---- */

struct bad {
	const char *bytes;
	const char *code;
	const char *reason; /* part of it: the fault is the one meant */
};

#define BAD "bad_framing"
#define POST(fields) "POST / HTTP/1.1\r\n" H fields "\r\n"
#define CHUNKED POST("Transfer-Encoding: chunked\r\n")

static const struct bad bad[] = {
	/* Host */
	{ "GET / HTTP/1.1\r\n\r\n", BAD, "no Host" },
	{ "GET / HTTP/1.1\r\n" H H "\r\n", BAD, "second Host" },
	{ "GET / HTTP/1.0\r\n" H H "\r\n", BAD, "second Host" },
	{ "GET / HTTP/1.1\r\nHost:\r\n\r\n", BAD, "malformed Host" },
	{ "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", BAD, "malformed Host" },
	{ "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", BAD, "malformed Host" },
	{ "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", BAD, "malformed Host" },
	{ "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", BAD, "malformed Host" },
	{ "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", BAD, "malformed Host" },
	{ "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", BAD, "malformed Host" },
	{ "GET / HTTP/1.1\r\nHost: a,b\xc3\xa9\r\n\r\n", BAD, "malformed Host" },
	{ "GET / HTTP/1.1\r\nHost: a%4\r\n\r\n", BAD, "malformed Host" },
	{ "GET / HTTP/1.1\r\nHost: a%zz\r\n\r\n", BAD, "malformed Host" },
	{ "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", BAD, "malformed Host" },
	{ "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", BAD, "malformed Host" },
	{ "GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n", BAD, "malformed Host" },
	{ "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", BAD, "malformed Host" },
	{ "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", BAD, "malformed Host" },
	/* names and values */
	{ "GET / HTTP/1.1\r\n" H "X Y: 1\r\n\r\n", BAD, "white space" },
	{ "GET / HTTP/1.1\r\n" H "X : 1\r\n\r\n", BAD, "white space" },
	{ "GET / HTTP/1.1\r\n" H "X\t: 1\r\n\r\n", BAD, "white space" },
	{ "GET / HTTP/1.1\r\n" H "X(: 1\r\n\r\n", BAD, "illegal byte in a he" },
	{ "GET / HTTP/1.1\r\n" H "X\x7f: 1\r\n\r\n", BAD, "illegal byte in" },
	{ "GET / HTTP/1.1\r\n" H "X\xc3\xa9: 1\r\n\r\n", BAD, "illegal byte in" },
	{ "GET / HTTP/1.1\r\n" H "\"X\": 1\r\n\r\n", BAD, "illegal byte in a" },
	{ "GET / HTTP/1.1\r\n" H ": 1\r\n\r\n", BAD, "without a name" },
	{ "GET / HTTP/1.1\r\n" H "X\r\n\r\n", BAD, "illegal byte in a heade" },
	{ "GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", BAD, "white space bef" },
	{ "GET / HTTP/1.1\r\n" H "X: a\r\n\tb\r\n\r\n", BAD, "white space bef" },
	{ "GET / HTTP/1.1\r\n X: 1\r\n" H "\r\n", BAD, "white space before" },
	{ "GET / HTTP/1.1\r\n" H "X: a\x01" "b\r\n\r\n", BAD, "control" },
	{ "GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n", BAD, "control" },
	{ "GET / HTTP/1.1\r\n" H "X: a\x1b[31m\r\n\r\n", BAD, "control" },
	/* line ends */
	{ "GET / HTTP/1.1\n" H "\r\n", BAD, "LF without CR" },
	{ "GET / HTTP/1.1\r" H "\r\n", BAD, "CR without LF" },
	{ "GET / HTTP/1.1\r\r\n" H "\r\n", BAD, "CR without LF" },
	{ "GET / HTTP/1.1\r\nHost: a\n\r\n", BAD, "LF without CR" },
	{ "GET / HTTP/1.1\r\nHost: a\rX: 1\r\n\r\n", BAD, "CR without LF" },
	{ "GET / HTTP/1.1\r\n" H "X\nY: 1\r\n\r\n", BAD, "LF without CR" },
	{ "GET / HTTP/1.1\r\n" H "\n", BAD, "LF without CR" },
	{ "GET / HTTP/1.1\r\n" H "\rX", BAD, "CR without LF" },
	{ "\r\n\r\n" GET, BAD, "unknown method" },
	{ "\n" GET, BAD, "unknown method" },
	{ "\r" GET, BAD, "CR without LF" },
	/* the request line */
	{ "get / HTTP/1.1\r\n" H "\r\n", BAD, "unknown method" },
	{ "GETS / HTTP/1.1\r\n" H "\r\n", BAD, "unknown method" },
	{ "G / HTTP/1.1\r\n" H "\r\n", BAD, "unknown method" },
	{ "GET\t/ HTTP/1.1\r\n" H "\r\n", BAD, "unknown method" },
	{ " GET / HTTP/1.1\r\n" H "\r\n", BAD, "unknown method" },
	{ "PROPFIND / HTTP/1.1\r\n" H "\r\n", BAD, "unknown method" },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD, "unknown method" },
	{ "CONNECT a:443 HTTP/1.1\r\n" H "\r\n", BAD, "unknown method" },
	{ "GET  / HTTP/1.1\r\n" H "\r\n", BAD, "target is no path" },
	{ "GET a:80 HTTP/1.1\r\n" H "\r\n", BAD, "target is no path" },
	{ "GET * HTTP/1.1\r\n" H "\r\n", BAD, "target is no path" },
	{ "OPTIONS *x HTTP/1.1\r\n" H "\r\n", BAD, "target is no path" },
	{ "GET ?a=b HTTP/1.1\r\n" H "\r\n", BAD, "target is no path" },
	{ "GET //a/b HTTP/1.1\r\n" H "\r\n", "bad_uri", "begins with //" },
	{ "GET http://a//b HTTP/1.1\r\n" H "\r\n", "bad_uri", "begins wit" },
	{ "GET http:/a HTTP/1.1\r\n" H "\r\n", BAD, "target is no path" },
	{ "GET httpx://a HTTP/1.1\r\n" H "\r\n", BAD, "target is no path" },
	{ "GET ftp://a/ HTTP/1.1\r\n" H "\r\n", BAD, "target is no path" },
	{ "GET http:///x HTTP/1.1\r\n" H "\r\n", BAD, "malformed host in" },
	{ "GET http://u@a/ HTTP/1.1\r\n" H "\r\n", BAD, "malformed host in" },
	{ "GET http://a:80\r\n" H "\r\n", BAD, "illegal byte in the target" },
	{ "GET /a b HTTP/1.1\r\n" H "\r\n", BAD, "unknown version" },
	{ "GET /\xe9\x82\xbb HTTP/1.1\r\n" H "\r\n", BAD, "illegal byte in th" },
	{ "GET /a\tb HTTP/1.1\r\n" H "\r\n", BAD, "illegal byte in the" },
	{ "GET /a\x7f HTTP/1.1\r\n" H "\r\n", BAD, "illegal byte in the tar" },
	{ "GET /\r\n" H "\r\n", BAD, "illegal byte in the target" },
	{ "GET / HTTP/1.1 \r\n" H "\r\n", BAD, "unknown version" },
	{ "GET /  HTTP/1.1\r\n" H "\r\n", BAD, "unknown version" },
	{ "GET / HTTP/1.2\r\n" H "\r\n", BAD, "unknown version" },
	{ "GET / HTTP/2.0\r\n" H "\r\n", BAD, "unknown version" },
	{ "GET / HTTP/4294967297.1\r\n" H "\r\n", BAD, "unknown version" },
	{ "GET / HTTP/1.10\r\n" H "\r\n", BAD, "unknown version" },
	{ "GET / http/1.1\r\n" H "\r\n", BAD, "unknown version" },
	{ "GET / HTTP/1\r\n" H "\r\n", BAD, "unknown version" },
	/* the body's length */
	{ POST("Content-Length: 3\r\nContent-Length: 5\r\n") "abc", BAD,
	  "second Content-Length" },
	{ POST("Content-Length: 3\r\ncontent-length: 3\r\n") "abc", BAD,
	  "second Content-Length" },
	{ POST("Content-Length: 3, 3\r\n") "abc", BAD, "malformed Content-L" },
	{ POST("Content-Length: +3\r\n") "abc", BAD, "malformed Content-L" },
	{ POST("Content-Length: -3\r\n") "abc", BAD, "malformed Content-L" },
	{ POST("Content-Length: 0x3\r\n") "abc", BAD, "malformed Content-L" },
	{ POST("Content-Length: 3 3\r\n") "abc", BAD, "malformed Content-L" },
	{ POST("Content-Length: 3.0\r\n") "abc", BAD, "malformed Content-L" },
	{ POST("Content-Length:\r\n") "abc", BAD, "malformed Content-Length" },
	{ POST("Content-Length: 18446744073709551619\r\n"), BAD, "malformed C" },
	{ POST("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n") "0\r\n",
	  BAD, "Content-Length and Transfer-Encoding" },
	{ POST("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n") "0\r\n",
	  BAD, "Content-Length and Transfer-Encoding" },
	{ POST("Transfer-Encoding : chunked\r\n") "0\r\n\r\n", BAD, "white spa" },
	{ POST("Transfer-Encoding: identity, chunked\r\n"), BAD, "other than" },
	{ POST("Transfer-Encoding: chunked, identity\r\n"), BAD, "other than" },
	{ POST("Transfer-Encoding: gzip\r\n"), BAD, "other than chunked" },
	{ POST("Transfer-Encoding: xchunked\r\n"), BAD, "other than chunked" },
	{ POST("Transfer-Encoding: chunked;q=1\r\n"), BAD, "other than chunk" },
	{ POST("Transfer-Encoding: \"chunked\"\r\n"), BAD, "other than chunk" },
	{ POST("Transfer-Encoding:\r\n"), BAD, "other than chunked" },
	{ POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"), BAD,
	  "second Transfer-Encoding" },
	{ "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD,
	  "in HTTP/1.0" },
	{ "HEAD / HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\nx", BAD, "body whe" },
	{ "TRACE / HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\nx", BAD, "body wh" },
	{ "HEAD / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", BAD,
	  "body where" },
	{ POST("Content-Length: 21\r\n"), "body_too_large", "Content-Length" },
	{ POST("Content-Length: 999999999999999999\r\n"), "body_too_large", "" },
	{ "PUT /big HTTP/1.1\r\n" H "Content-Length: 101\r\n\r\n",
	  "body_too_large", "Content-Length" },
	/* chunks */
	{ CHUNKED "0x3\r\nabc\r\n0\r\n\r\n", BAD, "malformed chunk size" },
	{ CHUNKED "+3\r\nabc\r\n0\r\n\r\n", BAD, "malformed chunk size" },
	{ CHUNKED "-3\r\nabc\r\n0\r\n\r\n", BAD, "malformed chunk size" },
	{ CHUNKED " 3\r\nabc\r\n0\r\n\r\n", BAD, "malformed chunk size" },
	{ CHUNKED "3 \r\nabc\r\n0\r\n\r\n", BAD, "malformed chunk size" },
	{ CHUNKED "g\r\n", BAD, "malformed chunk size" },
	{ CHUNKED "\r\n0\r\n\r\n", BAD, "malformed chunk size" },
	{ CHUNKED ";a=b\r\nabc\r\n0\r\n\r\n", BAD, "malformed chunk size" },
	{ CHUNKED "00000000000000003\r\nabc", BAD, "chunk size too long" },
	{ CHUNKED "3\nabc\r\n0\r\n\r\n", BAD, "LF without CR" },
	{ CHUNKED "3\rabc\r\n0\r\n\r\n", BAD, "CR without LF" },
	{ CHUNKED "3\r\nabc\n0\r\n\r\n", BAD, "longer than its size" },
	{ CHUNKED "3\r\nabc\r0\r\n\r\n", BAD, "CR without LF" },
	{ CHUNKED "3\r\nabcd\r\n0\r\n\r\n", BAD, "longer than its size" },
	{ CHUNKED "3\r\nabc0\r\n\r\n", BAD, "longer than its size" },
	{ CHUNKED "3;a\nb\r\nabc\r\n0\r\n\r\n", BAD, "LF without CR" },
	{ CHUNKED "3;a\x01\r\nabc\r\n0\r\n\r\n", BAD, "control in a chunk" },
	{ CHUNKED "3;a\rb\r\nabc\r\n0\r\n\r\n", BAD, "CR without LF" },
	{ CHUNKED "3\r\nabc\r\n" GET, BAD, "malformed chunk size" },
	{ CHUNKED "3\r\nabc\r\n0\r\n" GET, BAD, "white space before or in" },
	{ CHUNKED "0\r\nX\r\n\r\n", BAD, "illegal byte in a header name" },
	{ CHUNKED "0\r\nX: 1\r\n Y\r\n\r\n", BAD, "white space before" },
	{ CHUNKED "0\r\nX: 1\n\r\n", BAD, "LF without CR" },
	{ CHUNKED "0\r\nContent-Length: 3\r\n\r\n", BAD, "in the trailer" },
	{ CHUNKED "0\r\nTransfer-Encoding: chunked\r\n\r\n", BAD, "trailer" },
	{ CHUNKED "0\r\nhost: b\r\n\r\n", BAD, "in the trailer" },
	{ CHUNKED "15\r\n", "body_too_large", "chunks" },
	{ CHUNKED "14\r\nabcdefghijklmnopqrst\r\n1\r\n", "body_too_large",
	  "chunks" },
	{ CHUNKED "ffffffffffffffff\r\n", "body_too_large", "chunks" },
	{ CHUNKED "1\r\na\r\nffffffffffffffff\r\n", "body_too_large", "chunks" },
	/* limits */
	{ "GET /567890123456789012345678901234567890123456789012345 HTTP/1.1"
	  "\r\n" H "\r\n",
	  "uri_too_long", "" },
	{ "GET http://a.example.xx/678901234567890123456789012345678901234567",
	  "uri_too_long", "" },
	{ "GET / HTTP/1.1\r\n" H "a:\r\nb:\r\nc:\r\nd:\r\ne:\r\nf:\r\n\r\n",
	  "headers_too_large", "too many" },
	{ "GET / HTTP/1.1\r\n" H
	  "x:678901234567890123456789012345678901234567890123456789012345678901"
	  "2345678901234567890123456789012345678901234567890123456789012345678"
	  "901234567\r\n\r\n",
	  "headers_too_large", "too long" },
	{ "GET / HTTP/1.1\r\n" H "x: 45678901234567890123456789012345678901234"
	  "56789012345678901234567890123456789012345678901234567890123456789012"
	  "34567890123456789012345678901234567890123456789012345678901234567890",
	  "headers_too_large", "too long" },
	{ CHUNKED "1;34567890123456789012345678901234567890123456789012345678901"
		  "2345678901234567890123456789012345678901234567890123456789012"
		  "3456789012345678901234567890123456789012345678901234567890123",
	  "headers_too_large", "too long" },
	{ CHUNKED "1                                                           "
		  "                                                             "
		  "                                                             ",
	  "headers_too_large", "too long" },
	{ POST("Expect: 200-ok\r\nContent-Length: 1\r\n") "a",
	  "expectation_failed", "" },
	{ POST("Expect: 100-continue, x\r\nContent-Length: 1\r\n") "a",
	  "expectation_failed", "" },
};

static void
test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const struct bad *b = &bad[i];
		struct outcome o = judge(b->bytes, strlen(b->bytes));

		if (o.phase != GUARD_REFUSED || o.count != 0 ||
		    strcmp(o.code, b->code) != 0 || !strstr(o.reason, b->reason))
			fail_msg("%s\nphase %d count %lu %s (%s)", b->bytes,
				 (int)o.phase, o.count, o.code, o.reason);
	}
}

/* The same behind a sound request, which goes through untouched. */
static void
test_bad_pipelined(void **state)
{
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct outcome o;

		snprintf(text, sizeof(text), GET "%s", bad[i].bytes);
		o = judge(text, strlen(text));
		if (o.phase != GUARD_REFUSED || o.count != 1 ||
		    strcmp(o.code, bad[i].code) != 0 ||
		    strncmp(o.passed, GET, strlen(GET)) != 0)
			fail_msg("%s\n%lu %s (%s)", bad[i].bytes, o.count,
				 o.code, o.reason);
	}
}

/* NUL, which string literals hide. */
static void
test_bad_nul(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} cases[] = {
#define NUL(s) { s, sizeof(s) - 1 }
		NUL("GET /\0 HTTP/1.1\r\n" H "\r\n"),
		NUL("GET / HTTP/1.1\0\r\n" H "\r\n"),
		NUL("G\0T / HTTP/1.1\r\n" H "\r\n"),
		NUL("GET / HTTP/1.1\r\n" H "X\0Y: 1\r\n\r\n"),
		NUL("GET / HTTP/1.1\r\n" H "X: 1\0" "2\r\n\r\n"),
		NUL("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"),
		NUL("\0" GET),
		NUL(CHUNKED "3\0\r\nabc\r\n0\r\n\r\n"),
		NUL(CHUNKED "3;\0\r\nabc\r\n0\r\n\r\n"),
		NUL(CHUNKED "\0\r\n"),
#undef NUL
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct outcome o = judge(cases[i].bytes, cases[i].n);

		if (o.phase != GUARD_REFUSED || strcmp(o.code, BAD) != 0)
			fail_msg("case %zu", i);
	}
}

/* ---- what is not ---- */

struct good {
	const char *bytes;
	unsigned long count;
	enum guard_phase phase;
	const char *passed; /* NULL: just so */
};

#define ABC "Content-Length: 3\r\n"

static const struct good good[] = {
	{ GET, 1, GUARD_IDLE, NULL },
	{ GET GET GET, 3, GUARD_IDLE, NULL },
	{ "\r\n" GET "\r\n" GET, 2, GUARD_IDLE, GET GET },
	{ "\r\n", 0, GUARD_IDLE, "" },
	{ "GET / HTTP/1.1\r\nHost:a\r\n\r\n", 1, GUARD_IDLE, NULL },
	{ "GET / HTTP/1.1\r\nhOsT: \t a:80 \t \r\n\r\n", 1, GUARD_IDLE, NULL },
	{ "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 1, GUARD_IDLE, NULL },
	{ "GET / HTTP/1.1\r\nHost: 127.0.0.1:\r\n\r\n", 1, GUARD_IDLE, NULL },
	{ "GET / HTTP/1.1\r\nHost: a_b-c.d%41~\r\n\r\n", 1, GUARD_IDLE, NULL },
	{ "GET / HTTP/1.1\r\nHost: a:65535\r\n\r\n", 1, GUARD_IDLE, NULL },
	{ "GET / HTTP/1.0\r\n\r\n", 1, GUARD_CLOSED, NULL },
	{ "GET / HTTP/1.0\r\n\r\n" GET "junk", 1, GUARD_CLOSED,
	  "GET / HTTP/1.0\r\n\r\n" },
	{ "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n" GET, 2, GUARD_IDLE,
	  NULL },
	{ "GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n" GET, 1,
	  GUARD_CLOSED, "GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n" },
	{ "GET / HTTP/1.1\r\n" H "Connection: TE ,Close\r\n\r\n\n", 1,
	  GUARD_CLOSED, "GET / HTTP/1.1\r\n" H "Connection: TE ,Close\r\n\r\n" },
	{ "GET / HTTP/1.1\r\n" H "Connection: closed,close2\r\n\r\n", 1,
	  GUARD_IDLE, NULL },
	{ "HEAD /a?b=c%20d HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n" GET, 2,
	  GUARD_IDLE, NULL },
	{ "OPTIONS * HTTP/1.1\r\n" H "\r\n", 1, GUARD_IDLE, NULL },
	{ "OPTIONS /a HTTP/1.1\r\n" H "\r\n", 1, GUARD_IDLE, NULL },
	{ "DELETE /a HTTP/1.1\r\n" H "\r\n", 1, GUARD_IDLE, NULL },
	{ "PATCH /a HTTP/1.1\r\n" H "\r\n", 1, GUARD_IDLE, NULL },
	{ "TRACE /a HTTP/1.1\r\n" H "\r\n", 1, GUARD_IDLE, NULL },
	{ "GET /{\"<>|\\^`}#'' HTTP/1.1\r\n" H "\r\n", 1, GUARD_IDLE, NULL },
	/* absolute targets reach the parser as paths */
	{ "GET http://a.example/b//c?d HTTP/1.1\r\n" H "\r\n", 1, GUARD_IDLE,
	  "GET /b//c?d HTTP/1.1\r\n" H "\r\n" },
	{ "GET HTTPS://[::1]:80/ HTTP/1.1\r\n" H "\r\n", 1, GUARD_IDLE, GET },
	{ "GET http://a HTTP/1.1\r\n" H "\r\n", 1, GUARD_IDLE, GET },
	{ "GET http://a?b HTTP/1.1\r\n" H "\r\n", 1, GUARD_IDLE,
	  "GET /?b HTTP/1.1\r\n" H "\r\n" },
	/* header fields */
	{ "GET / HTTP/1.1\r\n" H "X:\r\nY: \r\nZ:\ta\tb \r\n\r\n", 1,
	  GUARD_IDLE, NULL },
	{ "GET / HTTP/1.1\r\n" H "!#$%&'*+-.^_`|~09azAZ: \xe9\x82\xbb\r\n\r\n",
	  1, GUARD_IDLE, NULL },
	{ "GET / HTTP/1.1\r\n" H "Content-Lengthy: x\r\nX-Host: ,\r\n\r\n", 1,
	  GUARD_IDLE, NULL },
	/* bodies */
	{ POST(ABC) "abc" GET, 2, GUARD_IDLE, NULL },
	{ POST(ABC) "\r\n\n" GET, 2, GUARD_IDLE, NULL },
	{ POST(ABC) "ab", 0, GUARD_BODY, NULL },
	{ POST("Content-Length: 0\r\n") GET, 2, GUARD_IDLE, NULL },
	{ POST("Content-Length: 003\r\n") "abc" GET, 2, GUARD_IDLE, NULL },
	{ POST("Content-Length: 20\r\n") "12345678901234567890", 1, GUARD_IDLE,
	  NULL },
	{ POST("Expect: 100-Continue\r\n" ABC) "abc", 1, GUARD_IDLE, NULL },
	{ "POST / HTTP/1.0\r\nExpect: x\r\n" ABC "\r\nabc", 1, GUARD_CLOSED,
	  NULL },
	{ "PUT /big?x HTTP/1.1\r\n" H "Content-Length: 21\r\n\r\n"
	  "123456789012345678901",
	  1, GUARD_IDLE, NULL },
	{ "PUT http://a/big?x HTTP/1.1\r\n" H "Content-Length: 21\r\n\r\n", 0,
	  GUARD_BODY, "PUT /big?x HTTP/1.1\r\n" H "Content-Length: 21\r\n\r\n" },
	{ CHUNKED "3\r\nabc\r\n0\r\n\r\n" GET, 2, GUARD_IDLE, NULL },
	{ CHUNKED "03\r\n\r\n\n\r\na\r\n0123456789\r\n000\r\n\r\n" GET, 2,
	  GUARD_IDLE, NULL },
	{ POST("transfer-encoding: CHUNKED \r\n") "0\r\n\r\n", 1, GUARD_IDLE,
	  NULL },
	{ CHUNKED "3;a\r\nabc\r\n0 \t;b=\"c;d\" ;e\r\n\r\n" GET, 2, GUARD_IDLE,
	  CHUNKED "3\r\nabc\r\n0\r\n\r\n" GET },
	{ CHUNKED "3\r\nabc\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n" GET, 2, GUARD_IDLE,
	  NULL },
	{ CHUNKED "3\r\nabc\r\n0\r\nExpect: x\r\nConnection: close\r\n\r\n" GET,
	  2, GUARD_IDLE, NULL },
	{ CHUNKED "3\r\nabc\r\n0\r\n", 0, GUARD_BODY, NULL },
	{ "GET /x", 0, GUARD_HEAD, NULL },
};

static void
test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		const struct good *g = &good[i];
		struct outcome o = judge(g->bytes, strlen(g->bytes));

		if (o.phase != g->phase || o.count != g->count ||
		    strcmp(o.passed, g->passed ? g->passed : g->bytes) != 0)
			fail_msg("%s\nphase %d count %lu %s (%s) passed:\n%s",
				 g->bytes, (int)o.phase, o.count, o.code,
				 o.reason, o.passed);
	}
}

/* A bad line's end is held back, so that the parser never acts on it. */
static void
test_held_back(void **state)
{
	static const char *const cases[][2] = {
		{ POST("Content-Length: x\r\n"),
		  "POST / HTTP/1.1\r\n" H "Content-Length: x\r" },
		{ "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r" },
		{ CHUNKED "15\r\n", CHUNKED "15\r" },
		{ "GET http://u@a/ HTTP/1.1\r\n", "GET /" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct outcome o = judge(cases[i][0], strlen(cases[i][0]));

		assert_string_equal(o.passed, cases[i][1]);
	}
}

static void
test_lang(void **state)
{
	static const char en[] = "GET / HTTP/1.1\r\nAccept-Language: en\r\n\n";
	static const char old[] =
		"GET / HTTP/1.1\r\n" H "Accept-Language: en\r\n\r\nx";

	(void)state;
	assert_string_equal(judge(en, strlen(en)).lang, "en");
	/* The next request may be somebody else's. */
	assert_string_equal(judge(old, strlen(old)).lang, "zh");
	assert_string_equal(judge("x", 1).lang, "zh");
}

/* Each field's limit is its last allowed byte, not one less. */
static void
test_exact_limits(void **state)
{
	char text[512];
	struct outcome o;

	(void)state;
	snprintf(text, sizeof(text), "GET /%.*s HTTP/1.1\r\n" H "\r\n", 50,
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	o = judge(text, strlen(text));
	assert_int_equal(o.count, 1);
	assert_int_equal(strchr(text, '\r') - text, rules.line);
	/* "Host: a.example\r\n" 17, "x:" 2, CRLF CRLF 4 */
	snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n" H "x:%0*d\r\n\r\n",
		 160 - 17 - 2 - 4, 0);
	o = judge(text, strlen(text));
	assert_int_equal(o.count, 1);
	snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n" H "x:%0*d\r\n\r\n",
		 160 - 17 - 2 - 3, 0);
	o = judge(text, strlen(text));
	assert_string_equal(o.code, "headers_too_large");
}

/* Every byte in the midst of a value long enough to be read in words. */
static void
test_value_bytes(void **state)
{
	static const char head[] = "GET / HTTP/1.1\r\n" H "X: 0123456789";
	static const char tail[] = "0123456789012345678901234\r\n\r\n";
	char text[256];

	(void)state;
	for (int c = 0; c < 256; c++) {
		bool fine = (c >= 0x20 && c != 0x7f) || c == '\t';
		struct outcome o;

		strcpy(text, head);
		text[strlen(head)] = (char)c;
		memcpy(text + strlen(head) + 1, tail, sizeof(tail));
		o = judge(text, strlen(head) + 1 + strlen(tail));
		if ((o.phase != GUARD_REFUSED) != fine)
			fail_msg("byte %d", c);
	}
}

/* Limits and counts are one message's, not the connection's. */
static void
test_nothing_carries_over(void **state)
{
	static const char get[] = "GET / HTTP/1.1\r\n" H
				  "A: 0123456789\r\nB: 0123456789\r\n\r\n";
	static const char post[] = CHUNKED
		"14;0123456789\r\n01234567890123456789\r\n0\r\n\r\n";
	char text[2048] = "";
	struct outcome o;

	(void)state;
	for (int i = 0; i < 8; i++) {
		strcat(text, get);
		strcat(text, post);
	}
	o = judge(text, strlen(text));
	assert_int_equal(o.count, 16);
	assert_int_equal(o.phase, GUARD_IDLE);
}

/* A path beyond all measure asks for no operation's limit. */
static uint64_t
wants_empty(void *arg, const char *method, const char *path)
{
	(void)method;
	*(bool *)arg = *path == '\0';
	return 3;
}

static void
test_endless_path(void **state)
{
	bool empty = false;
	const struct guard_rules wide = {
		.line = 8192,
		.header_bytes = 8192,
		.headers = 64,
		.body = wants_empty,
		.arg = &empty,
	};
	struct guard *g = guard_new(&wide);
	struct outcome o = { .length = 0 };
	char text[2048];

	(void)state;
	snprintf(text, sizeof(text), "POST /%0*d?q HTTP/1.1\r\n" H ABC "\r\nabc",
		 900, 7);
	assert_true(offer(g, text, strlen(text), &o));
	assert_int_equal(guard_count(g), 1);
	assert_true(empty);
	/* A Connection field too long to be read closes. */
	snprintf(text, sizeof(text),
		 "GET / HTTP/1.1\r\n" H "Connection: %0*d\r\n\r\n", 300, 7);
	assert_true(offer(g, text, strlen(text), &o));
	assert_int_equal(guard_phase(g), GUARD_CLOSED);
	guard_free(g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_bad_pipelined),
		cmocka_unit_test(test_bad_nul),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_held_back),
		cmocka_unit_test(test_lang),
		cmocka_unit_test(test_exact_limits),
		cmocka_unit_test(test_value_bytes),
		cmocka_unit_test(test_nothing_carries_over),
		cmocka_unit_test(test_endless_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
