#include "seal.h"

#include <sys/stat.h>

#include "temp_dir.h"

static char *
key_path(void)
{
	return arena_printf(a, "%s/data.key", dir);
}

static int
setup(void **state)
{
	char *why = NULL;

	(void)state;
	make_dir();
	assert_true(seal_new(dir, &why));
	assert_true(seal_load(dir, &why));
	return 0;
}

static void
test_round_trip(void **state)
{
	static const char *const texts[] = {"13812345678", "", "李四，3栋2单元"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char *one = seal(a, texts[i], "contact_phone");
		char *two = seal(a, texts[i], "contact_phone");

		assert_string_not_equal(one, two);
		assert_memory_equal(one, "v1.", 3);
		assert_string_equal(unseal(a, one, "contact_phone"), texts[i]);
		assert_string_equal(unseal(a, two, "contact_phone"), texts[i]);
	}
}

static void
test_forgeries(void **state)
{
	char *sealed = seal(a, "13812345678", "contact_phone");
	size_t n = strlen(sealed);

	(void)state;
	assert_null(unseal(a, sealed, "name"));
	assert_null(unseal(a, "", "contact_phone"));
	assert_null(unseal(a, "13812345678", "contact_phone"));
	assert_null(unseal(a, "v1.", "contact_phone"));
	assert_null(unseal(a, "v1.AAAA", "contact_phone"));
	assert_null(unseal(a, sealed + 3, "contact_phone"));
	assert_null(unseal(a, arena_printf(a, "%s=", sealed), "contact_phone"));
	/* every byte counts: prefix, nonce, text and tag */
	for (size_t i = 0; i < n; i++) {
		char *bad = arena_strdup(a, sealed);

		bad[i] = bad[i] == 'A' ? 'B' : 'A';
		assert_null(unseal(a, bad, "contact_phone"));
		assert_null(unseal(a, arena_strndup(a, sealed, i),
				   "contact_phone"));
	}
}

static void
test_mask(void **state)
{
	static const char *const cases[][2] = {
		{"13812345678", "138****5678"},
		{"+8613812345678", "+86*******5678"},
		{"02887654321", "028****4321"},
		{"87654321", "******21"},
		{"110", "*10"},
		{"12", "**"},
		{"1", "*"},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(mask_phone(a, cases[i][0]), cases[i][1]);
}

static void
test_blind_index(void **state)
{
	char *index = blind_index(a, "13812345678", "contact_phone");
	char *why = NULL;

	(void)state;
	assert_int_equal(strlen(index), 64);
	assert_string_equal(index,
			    blind_index(a, "+86 138-1234-5678", "contact_phone"));
	assert_string_equal(index,
			    blind_index(a, "008613812345678", "contact_phone"));
	assert_string_not_equal(index,
				blind_index(a, "13812345679", "contact_phone"));
	assert_string_not_equal(index, blind_index(a, "13812345678", "phone"));
	/* the same value under another key is another index */
	unlink(key_path());
	assert_true(seal_new(dir, &why));
	assert_true(seal_load(dir, &why));
	assert_string_not_equal(index,
				blind_index(a, "13812345678", "contact_phone"));
}

static void
test_reload_keeps_sealed(void **state)
{
	char *sealed = seal(a, "13812345678", "contact_phone"), *why = NULL;

	(void)state;
	assert_true(seal_load(dir, &why));
	assert_string_equal(unseal(a, sealed, "contact_phone"), "13812345678");
	unlink(key_path());
	assert_true(seal_new(dir, &why));
	assert_true(seal_load(dir, &why));
	assert_null(unseal(a, sealed, "contact_phone"));
}

static void
opens_not(const unsigned char *sealed, size_t len, const char *context)
{
	assert_null(unseal_bytes(sealed, &len, context));
}

static void
test_bytes(void **state)
{
	static const unsigned char plain[] = "\0\xff, not text";
	size_t lens[] = { 0, 1, sizeof(plain) };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		size_t len = lens[i], again = lens[i];
		unsigned char *one = seal_bytes(plain, &len, "a");
		unsigned char *two = seal_bytes(plain, &again, "a"), *got;

		assert_int_equal(len, lens[i] + 24 + 16);
		assert_memory_not_equal(one, two, len);
		got = unseal_bytes(one, &again, "a");
		assert_non_null(got);
		assert_int_equal(again, lens[i]);
		assert_memory_equal(got, plain, again);
		free(got);
		opens_not(one, len, "b");
		for (size_t n = 0; n < len; n++) {
			opens_not(one, n, "a");
			one[n] ^= 1;
			opens_not(one, len, "a");
			one[n] ^= 1;
		}
		free(one);
		free(two);
	}
}

static void
refused(const char *expected)
{
	char *why = NULL;

	assert_false(seal_load(dir, &why));
	assert_non_null(why);
	if (!strstr(why, expected))
		fail_msg("%s", why);
	free(why);
}

static void
test_key_file(void **state)
{
	char *sealed = seal(a, "13812345678", "contact_phone"), *why = NULL;
	struct stat st;

	(void)state;
	assert_int_equal(stat(key_path(), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 32);
	/* never over an existing one: it would lose every sealed field */
	assert_false(seal_new(dir, &why));
	free(why);
	chmod(key_path(), 0640);
	refused("open to group or others");
	chmod(key_path(), 0600);
	assert_int_equal(truncate(key_path(), 31), 0);
	refused("not 32 bytes");
	assert_int_equal(truncate(key_path(), 33), 0);
	refused("too large");
	unlink(key_path());
	refused("No such file");
	assert_string_equal(unseal(a, sealed, "contact_phone"), "13812345678");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),	 TEST(test_forgeries),
		TEST(test_mask),	 TEST(test_blind_index),
		TEST(test_reload_keeps_sealed), TEST(test_key_file),
		TEST(test_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
