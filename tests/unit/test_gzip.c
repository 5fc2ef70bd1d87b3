/* Who asks for gzip, and that what is packed unpacks to the same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "gzip.h"

static void
test_asked(void **state)
{
	static const char *const yes[] = {
		"gzip", "gzip, deflate, br", "br;q=1.0, gzip;q=0.8, *;q=0.1",
		"GZIP", "x-gzip", "*", "deflate,gzip;q=0.001",
		"gzip;q=1,identity;q=1", "gzip ; q=0.5", "identity;q=0, gzip",
		"identity;q=0.5, *;q=0.6", "gzip;Q=0.3",
	};
	static const char *const no[] = {
		"", "identity", "br", "gzip;q=0", "gzip;q=0.0", "*;q=0",
		"gzip;q=0,*", "gzip;q=0.5, identity", "gzipped", "x-gzipped",
		"deflate, br;q=0.1", "gzip;q=x", "gzip;level=1", "gzip;q=",
	};

	(void)state;
	assert_false(gzip_asked(NULL));
	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++)
		if (!gzip_asked(yes[i]))
			fail_msg("%s asks", yes[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
		if (gzip_asked(no[i]))
			fail_msg("%s does not ask", no[i]);
}

static void
unpack(struct evbuffer *packed, unsigned char *out, size_t cap, size_t *len)
{
	size_t n = evbuffer_get_length(packed);
	z_stream z = { .next_in = evbuffer_pullup(packed, -1),
		       .avail_in = (uInt)n,
		       .next_out = out,
		       .avail_out = (uInt)cap };

	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.avail_in, 0);
	*len = z.total_out;
	inflateEnd(&z);
}

static void
round_trip(const unsigned char *bytes, size_t n, size_t chunk, int level)
{
	struct evbuffer *buf = evbuffer_new();
	unsigned char *back = malloc(n + 1);
	size_t len;

	for (size_t at = 0; at < n; at += chunk) {
		struct evbuffer *part = evbuffer_new();

		evbuffer_add(part, bytes + at, n - at < chunk ? n - at : chunk);
		evbuffer_add_buffer(buf, part);
		evbuffer_free(part);
	}
	gzip_buffer(buf, level);
	unpack(buf, back, n + 1, &len);
	assert_int_equal(len, n);
	assert_memory_equal(back, bytes, n);
	free(back);
	evbuffer_free(buf);
}

static void
test_round_trips(void **state)
{
	size_t n = 300000;
	unsigned char *bytes = malloc(n);
	unsigned seed = 7;

	(void)state;
	/* what packs well, and what grows by it */
	for (size_t i = 0; i < n; i++)
		bytes[i] = (unsigned char)"{\"name\":\"x\"}"[i % 12];
	for (int level = 1; level <= 6; level++)
		round_trip(bytes, n, 4096, level);
	for (size_t i = 0; i < n; i++)
		bytes[i] = (unsigned char)((seed = seed * 1103515245 + 12345) >>
					   16);
	round_trip(bytes, n, 1000, 1);
	round_trip(bytes, 1024, 1, 1);
	round_trip(bytes, 1024, 1024, 4);
	free(bytes);
}

/* A file of no bytes leaves a chain of none in the buffer. */
static void
test_nothing(void **state)
{
	struct evbuffer *buf = evbuffer_new();
	unsigned char back[1];
	size_t len;

	(void)state;
	alarm(60); /* once it went round for ever */
	evbuffer_add_reference(buf, "", 0, NULL, NULL);
	gzip_buffer(buf, 1);
	alarm(0);
	unpack(buf, back, sizeof(back), &len);
	assert_int_equal(len, 0);
	evbuffer_free(buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_asked),
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
