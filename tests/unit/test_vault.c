#include "vault.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "config.h"
#include "seal.h"
#include "temp_dir.h"

#define ID "01a205bf-b5c2-8000-8088-9dab82288422"
#define OTHER "01a205bf-b5c2-8000-8088-9dab82288423"
#define SECRET "张三，13812345678"

static char *
path_of(const char *name)
{
	return arena_printf(a, "%s/vault/%s", dir, name);
}

static int
setup(void **state)
{
	char *why = NULL;

	(void)state;
	make_dir();
	config.data_dir = dir;
	assert_true(seal_new(dir, &why));
	assert_true(seal_load(dir, &why));
	return 0;
}

static void
put(const char *id, const char *text)
{
	assert_true(vault_put(id, (const unsigned char *)text, strlen(text)));
}

/* NULL when it is not there or not what was put there. */
static const char *
got(const char *id)
{
	size_t len;
	unsigned char *bytes = vault_get(id, &len);
	char *text = bytes ? arena_strndup(a, (char *)bytes, len) : NULL;

	free(bytes);
	return text;
}

static void
test_put_and_got(void **state)
{
	struct stat st;

	(void)state;
	put(ID, SECRET);
	assert_string_equal(got(ID), SECRET);
	put(OTHER, "");
	assert_string_equal(got(OTHER), "");
	assert_int_equal(stat(path_of(""), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(path_of(ID), &st), 0);
	assert_int_equal(st.st_mode & 07077, 0);
	vault_delete(ID);
	assert_null(got(ID));
	assert_string_equal(got(OTHER), "");
	vault_delete(ID);
}

/* Who copies the disk has bytes; who swaps two files has neither. */
static void
test_sealed_and_bound_to_its_id(void **state)
{
	char *why = NULL;

	(void)state;
	put(ID, SECRET);
	assert_int_not_equal(
		system(arena_printf(a, "grep -qa 13812345678 %s", path_of(ID))),
		0);
	assert_int_equal(rename(path_of(ID), path_of(OTHER)), 0);
	assert_null(got(OTHER));
	assert_int_equal(rename(path_of(OTHER), path_of(ID)), 0);
	assert_string_equal(got(ID), SECRET);
	assert_int_equal(truncate(path_of(ID), 20), 0);
	assert_null(got(ID));
	put(ID, SECRET);
	unlink(arena_printf(a, "%s/data.key", dir));
	assert_true(seal_new(dir, &why));
	assert_true(seal_load(dir, &why));
	assert_null(got(ID));
}

static void
write_sealed(const char *name)
{
	size_t len = 1;
	unsigned char *sealed = seal_bytes((const unsigned char *)"x", &len,
					   name);
	int fd = creat(path_of(name), 0600);

	assert_int_equal(write(fd, sealed, len), len);
	close(fd);
	free(sealed);
}

static void
test_a_name_is_an_id_and_a_file(void **state)
{
	static const char *const bad[] = { "", "..", "../data.key", "x", ID "/",
					   ID "0" };

	(void)state;
	put(ID, SECRET);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_false(vault_put(bad[i], (const unsigned char *)"x", 1));
		assert_null(got(bad[i]));
		vault_delete(bad[i]);
	}
	assert_int_equal(rename(path_of(ID), path_of("x")), 0);
	assert_int_equal(symlink(path_of("x"), path_of(ID)), 0);
	assert_null(got(ID));
	write_sealed("x");
	assert_null(got("x"));
	assert_int_equal(mkdir(path_of(OTHER), 0700), 0);
	assert_null(got(OTHER));
	assert_int_equal(access(arena_printf(a, "%s/data.key", dir), F_OK), 0);
}

static void
note(const char *id, void *list)
{
	strcat(strcat(list, id), " ");
}

static void
make_old(const char *name)
{
	time_t then = time(NULL) - 1000;
	const struct timespec times[2] = { { then, 0 }, { then, 0 } };

	assert_int_equal(utimensat(AT_FDCWD, path_of(name), times, 0), 0);
}

static void
test_each_that_is_idle(void **state)
{
	char list[200] = "";

	(void)state;
	vault_each(600, note, list);
	put(ID, SECRET);
	put(OTHER, SECRET);
	vault_each(600, note, list);
	assert_string_equal(list, "");
	make_old(ID);
	vault_each(600, note, list);
	assert_string_equal(list, ID " ");
	/* What a crash left unfinished goes, once nobody can be at it. */
	assert_int_equal(rename(path_of(OTHER), path_of(".new-1")), 0);
	assert_int_equal(mkdir(path_of("folder"), 0700), 0);
	assert_int_equal(close(creat(path_of("stranger"), 0600)), 0);
	make_old("stranger");
	vault_each(600, note, list);
	assert_string_equal(list, ID " " ID " ");
	assert_int_equal(access(path_of(".new-1"), F_OK), 0);
	make_old(".new-1");
	vault_each(600, note, list);
	assert_int_equal(access(path_of(".new-1"), F_OK), -1);
	assert_int_equal(access(path_of("stranger"), F_OK), 0);
	assert_string_equal(list, ID " " ID " " ID " ");
}

static void
test_without_a_folder(void **state)
{
	char list[40] = "";

	(void)state;
	config.data_dir = arena_printf(a, "%s/nowhere", dir);
	assert_false(vault_put(ID, (const unsigned char *)"x", 1));
	assert_null(got(ID));
	vault_delete(ID);
	vault_each(0, note, list);
	assert_string_equal(list, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_put_and_got),
		TEST(test_sealed_and_bound_to_its_id),
		TEST(test_a_name_is_an_id_and_a_file),
		TEST(test_each_that_is_idle),
		TEST(test_without_a_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
