#include "blob.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

#include "config.h"
#include "temp_dir.h"

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static int
setup(void **state)
{
	(void)state;
	make_dir();
	config.data_dir = dir;
	return 0;
}

static char *
path_of(const char *hash)
{
	return arena_printf(a, "%s/photos/%.2s/%s", dir, hash, hash + 2);
}

static void
same_content(const char *hash, const char *bytes, size_t len)
{
	char *got = arena_alloc(a, len + 1);
	size_t size = 0;
	int fd = blob_open(hash, &size);

	assert_true(fd >= 0);
	assert_int_equal(size, len);
	assert_int_equal(read(fd, got, len + 1), len);
	assert_memory_equal(got, bytes, len);
	close(fd);
}

static void
test_put_open_delete(void **state)
{
	char hash[65];
	struct stat st;
	size_t size;

	(void)state;
	assert_true(blob_put("abc", 3, hash));
	assert_string_equal(hash, ABC);
	assert_int_equal(stat(path_of(ABC), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	same_content(ABC, "abc", 3);
	assert_true(blob_put("abc", 3, hash));
	same_content(ABC, "abc", 3);
	assert_true(blob_delete(ABC, 0));
	assert_int_equal(blob_open(ABC, &size), -1);
	assert_false(blob_delete(ABC, 0));
	assert_true(blob_put("", 0, hash));
	same_content(hash, "", 0);
}

/* Bytes stored again while their last row goes must stay. */
static void
test_delete_idle(void **state)
{
	struct timespec hours_ago[2] = {{0}};
	char hash[65];

	(void)state;
	hours_ago[0].tv_sec = hours_ago[1].tv_sec = time(NULL) - 7200;
	assert_true(blob_put("abc", 3, hash));
	assert_false(blob_delete(ABC, 3600));
	assert_int_equal(utimensat(AT_FDCWD, path_of(ABC), hours_ago, 0), 0);
	assert_true(blob_put("abc", 3, hash));
	assert_false(blob_delete(ABC, 3600));
	assert_int_equal(utimensat(AT_FDCWD, path_of(ABC), hours_ago, 0), 0);
	assert_true(blob_delete(ABC, 3600));
}

/* What a crash or a full disk may have left is repaired, not served. */
static void
test_half_file(void **state)
{
	char hash[65];

	(void)state;
	assert_true(blob_put("abc", 3, hash));
	assert_int_equal(truncate(path_of(ABC), 1), 0);
	assert_true(blob_put("abc", 3, hash));
	same_content(ABC, "abc", 3);
}

static void
test_names(void **state)
{
	static const char *const names[] = {
		"", "ba", "../../../etc/passwd", ABC "0",
		"BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"..7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"ba/816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	};
	char hash[65];
	size_t size;

	(void)state;
	assert_true(blob_put("abc", 3, hash));
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		assert_int_equal(blob_open(names[i], &size), -1);
		assert_false(blob_delete(names[i], 0));
	}
	/* a file outside, that only such a name could reach */
	close(open(arena_printf(a, "%s/%s", dir, ABC + 2), O_CREAT | O_WRONLY,
		   0600));
	assert_int_equal(access(arena_printf(a, "%s/photos/../%s", dir,
					     ABC + 2), F_OK), 0);
	assert_int_equal(blob_open(arena_printf(a, "..%s", ABC + 2), &size),
			 -1);
	/* nor through a link put in its place */
	assert_int_equal(unlink(path_of(ABC)), 0);
	assert_int_equal(symlink("/etc/passwd", path_of(ABC)), 0);
	assert_int_equal(blob_open(ABC, &size), -1);
}

static void
test_no_room(void **state)
{
	char hash[65], *no_folder = arena_printf(a, "%s/none", dir);

	(void)state;
	config.data_dir = no_folder;
	assert_false(blob_put("abc", 3, hash));
	/* A file where the folder should be. */
	config.data_dir = dir;
	close(open(arena_printf(a, "%s/photos", dir), O_CREAT | O_WRONLY, 0600));
	assert_false(blob_put("abc", 3, hash));
}

static void *
put_many(void *failed)
{
	char text[16], hash[65];

	for (int i = 0; i < 50; i++) {
		int n = snprintf(text, sizeof(text), "photo %d", i);

		if (!blob_put(text, (size_t)n, hash))
			*(bool *)failed = true;
	}
	return NULL;
}

/* The same content from many threads at once is one whole file, and nothing
 * temporary stays behind. */
static void
test_at_once(void **state)
{
	pthread_t threads[4];
	bool failed[4] = {0};
	char *list;
	FILE *f;
	int count = 0;

	(void)state;
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, put_many, &failed[i]);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_false(failed[i]);
	}
	list = arena_printf(a, "find %s -type f", dir);
	f = popen(list, "r");
	for (char line[256]; fgets(line, sizeof(line), f); count++)
		assert_null(strstr(line, ".new-"));
	pclose(f);
	assert_int_equal(count, 50);
}

static void
count_hash(const char *hash, void *seen)
{
	assert_int_equal(strlen(hash), 64);
	++*(int *)seen;
}

/* Old files only, each once; what a crash left half-written goes. */
static void
test_each(void **state)
{
	char hash[65], *path;
	unsigned first;
	int seen = 0, fd;

	(void)state;
	assert_true(blob_put("abc", 3, hash));
	assert_int_equal(sscanf(hash, "%2x", &first), 1);
	path = arena_printf(a, "%s/photos/%.2s/.new-1", dir, hash);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	blob_each((unsigned char)first, 3600, count_hash, &seen);
	assert_int_equal(seen, 0);
	assert_int_equal(access(path, F_OK), 0);
	blob_each((unsigned char)first, 0, count_hash, &seen);
	assert_int_equal(seen, 1);
	assert_int_equal(access(path, F_OK), -1);
	blob_each((unsigned char)(first + 1), 0, count_hash, &seen);
	assert_int_equal(seen, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_put_open_delete), TEST(test_delete_idle), TEST(test_half_file),
		TEST(test_names), TEST(test_no_room), TEST(test_at_once),
		TEST(test_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
