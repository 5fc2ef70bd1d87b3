#include "text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

static void
test_utf8(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		bool valid;
	} cases[] = {
		{ "", 0, true },
		{ "plain", 5, true },
		{ "\0", 1, true },
		{ "\xc2\x80", 2, true },
		{ "\xe9\x82\xbb\xe9\x87\x8c", 6, true },
		{ "\xf0\x9f\x8f\xa0", 4, true },
		{ "\xf4\x8f\xbf\xbf", 4, true },
		{ "\xed\x9f\xbf", 3, true },
		{ "\x80", 1, false },
		{ "\xc0\x80", 2, false },
		{ "\xc1\xbf", 2, false },
		{ "\xc3", 1, false },
		{ "\xc3\x28", 2, false },
		{ "\xe0\x9f\xbf", 3, false },
		{ "\xed\xa0\x80", 3, false },
		{ "\xe9\x82", 2, false },
		{ "\xe9\x82\x28", 3, false },
		{ "\xf0\x8f\xbf\xbf", 4, false },
		{ "\xf4\x90\x80\x80", 4, false },
		{ "\xf5\x80\x80\x80", 4, false },
		{ "\xff", 1, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (utf8_valid(cases[i].bytes, cases[i].n) != cases[i].valid)
			fail_msg("case %zu", i);
	assert_int_equal(utf8_length("邻里 a", strlen("邻里 a")), 4);
	assert_int_equal(utf8_length("", 0), 0);
}

static void
test_base64url(void **state)
{
	static const char *const texts[] = { "",       "f",	      "fo",
					     "foo",    "foob",	      "fooba",
					     "foobar", "\xff\xfe\xfb" };
	static const char *const codes[] = { "",	 "Zg",	   "Zm8",
					     "Zm9v",	 "Zm9vYg", "Zm9vYmE",
					     "Zm9vYmFy", "__77" };
	static const char *const bad[] = { "A",	   "Zg==", "Zh",    "Zm9",
					   "Zm 8", "Zm+v", "Zm9v/", "Zm9v\n" };
	struct arena *a = arena_new();
	unsigned char *out;
	char text[16];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		n = base64url_encode(text, texts[i], strlen(texts[i]));
		assert_int_equal(n, strlen(codes[i]));
		assert_string_equal(text, codes[i]);
		assert_true(base64url_decode(a, codes[i], n, &out, &n));
		assert_int_equal(n, strlen(texts[i]));
		assert_memory_equal(out, texts[i], n);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (base64url_decode(a, bad[i], strlen(bad[i]), &out, &n))
			fail_msg("accepted %s", bad[i]);
	arena_free(a);
}

static void
test_hex(void **state)
{
	char out[7];

	(void)state;
	hex_encode(out, "\x00\xa5\xff", 3);
	assert_string_equal(out, "00a5ff");
}

static void
test_uuid(void **state)
{
	static const unsigned streets[] = { 0, 1, 4095, 4096, 40961, 65535 };
	char id[37], twin[37], head[14];
	int64_t before;

	(void)state;
	for (size_t i = 0; i < sizeof(streets) / sizeof(streets[0]); i++) {
		uuid_make(id, streets[i]);
		assert_true(uuid_valid(id));
		assert_int_equal(uuid_street(id), streets[i]);
		assert_int_equal(id[14], '8');
		assert_non_null(strchr("89ab", id[19]));
	}
	before = clock_ms();
	uuid_make(id, 7);
	uuid_make(twin, 7);
	assert_string_not_equal(id, twin);
	/* one after the other: never backwards, down to the microsecond */
	assert_true(strncmp(id, twin, 23) <= 0);
	for (int i = 0; i < 1000; i++) {
		memcpy(id, twin, sizeof(id));
		uuid_make(twin, 7);
		assert_true(strncmp(id, twin, 23) <= 0);
	}
	uuid_make(id, 7);
	memcpy(head, id, 8);
	memcpy(head + 8, id + 9, 4);
	head[12] = '\0';
	assert_in_range(strtoll(head, NULL, 16), before, clock_ms());
	/* the layout itself, as SQL's core.new_id() must have it */
	assert_int_equal(uuid_street("0193a0b0-0000-8abc-b400-000000000000"),
			 0xdabc);
}

static void
test_uuid_valid(void **state)
{
	static const char *const bad[] = {
		"",
		"0193a0b0-0000-8abc-b400-00000000000",
		"0193a0b0-0000-8abc-b400-0000000000000",
		"0193a0b0-0000-8abc-b400-00000000000g",
		"0193a0b000008abcb400000000000000",
		"{0193a0b0-0000-8abc-b400-00000000000}",
		"0193a0b0-0000-8abc-b40-00000000000-0",
		" 193a0b0-0000-8abc-b400-000000000000",
	};

	(void)state;
	assert_true(uuid_valid("0193a0b0-0000-8ABC-b400-000000000000"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (uuid_valid(bad[i]))
			fail_msg("accepted %s", bad[i]);
}

/* Two children of one parent whose buffer was filled before the fork. */
static void
test_uuid_fork(void **state)
{
	char ids[3][37];
	int fds[2], status;

	(void)state;
	uuid_make(ids[0], 1);
	for (int i = 0; i < 2; i++) {
		pid_t child;

		assert_int_equal(pipe(fds), 0);
		child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			uuid_make(ids[0], 1);
			_exit(write(fds[1], ids[0], 37) == 37 ? 0 : 1);
		}
		close(fds[1]);
		assert_int_equal(read(fds[0], ids[i], 37), 37);
		close(fds[0]);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	uuid_make(ids[2], 1);
	/* the random tail only: the times differ anyhow */
	assert_string_not_equal(ids[0] + 21, ids[1] + 21);
	assert_string_not_equal(ids[0] + 21, ids[2] + 21);
	assert_string_not_equal(ids[1] + 21, ids[2] + 21);
}

static void
test_clock(void **state)
{
	int64_t t = monotonic_us();

	(void)state;
	assert_true(clock_ms() > 1735689600000); /* 2025 */
	assert_true(monotonic_us() >= t);
}

/* security 42: as it was before somebody set the clock back an hour. */
static void
test_clock_set_back(void **state)
{
	static atomic_llong lead;
	const int64_t hour = 3600 * 1000;
	char before[37], after[37];
	int64_t now;

	(void)state;
	uuid_make(before, 1);
	clock_share(&lead);
	now = clock_ms();
	atomic_fetch_add(&lead, hour * 1000);
	assert_in_range(clock_ms(), now + hour, now + hour + 20000);
	uuid_make(after, 1);
	assert_true(strncmp(before, after, 8) < 0);
	/* set forward again, by two hours: followed at once */
	atomic_fetch_sub(&lead, 2 * hour * 1000);
	assert_in_range(clock_ms(), now, now + 20000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_base64url),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_uuid),
		cmocka_unit_test(test_uuid_valid),
		cmocka_unit_test(test_uuid_fork),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_clock_set_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
