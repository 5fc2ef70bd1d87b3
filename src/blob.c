/*
 * photos/ab/cdef… under config.data_dir. The name is the content's hash, so
 * a file is written once, never changed, and storing it twice is harmless.
 */
#include "blob.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "fault.h"
#include "file.h"
#include "text.h"

#define HASH_LENGTH 64

static bool
hash_valid(const char *hash)
{
	return strlen(hash) == HASH_LENGTH &&
	       strspn(hash, "0123456789abcdef") == HASH_LENGTH;
}

/* Opens the folder name in dir; created is durable when this returns. */
static int
subfolder(int dir, const char *name, bool create)
{
	if (create && mkdirat(dir, name, 0700) == 0) {
		if (fsync(dir)) {
			/* Or the next would take it for durable. */
			unlinkat(dir, name, AT_REMOVEDIR);
			return -1;
		}
	} else if (create && errno != EEXIST) {
		return -1;
	}
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The folder that holds (or will hold) this hash, or -1. */
static int
folder(const char *hash, bool create)
{
	const char pair[3] = {hash[0], hash[1], '\0'};
	int root, photos, fd = -1;

	root = open(config.data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -1;
	photos = subfolder(root, "photos", create);
	if (photos >= 0) {
		fd = subfolder(photos, pair, create);
		close(photos);
	}
	close(root);
	return fd;
}

static bool
present(int dir, const char *name, size_t len)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) && (size_t)st.st_size == len;
}

/* What is there and whole gets a new time, for blob_delete(), and is made
 * durable: whoever named it may not have come to the folder's fsync yet. */
static bool
put(int dir, const char *name, const void *bytes, size_t len)
{
	if (present(dir, name, len))
		return utimensat(dir, name, NULL, AT_SYMLINK_NOFOLLOW) == 0 &&
		       fsync(dir) == 0;
	if (file_write(dir, name, bytes, len, true))
		return true;
	/* The next fsync() may succeed without what this one could not do. */
	unlinkat(dir, name, 0);
	return false;
}

bool
blob_put(const void *bytes, size_t len, char hash[65])
{
	unsigned char digest[crypto_hash_sha256_BYTES];
	bool done;
	int dir;

	crypto_hash_sha256(digest, bytes, len);
	hex_encode(hash, digest, sizeof(digest));
	dir = folder(hash, true);
	if (dir < 0)
		return false;
	/* A delete of the same content must not come between: one waits. */
	done = flock(dir, LOCK_EX) == 0 && put(dir, hash + 2, bytes, len);
	fault_point("after_blob");
	close(dir);
	return done;
}

int
blob_open(const char *hash, size_t *size)
{
	struct stat st;
	int dir, fd;

	if (!hash_valid(hash) || (dir = folder(hash, false)) < 0)
		return -1;
	fd = openat(dir, hash + 2, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	close(dir);
	if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode))) {
		close(fd);
		fd = -1;
	}
	if (fd >= 0)
		*size = (size_t)st.st_size;
	return fd;
}

bool
blob_delete(const char *hash, long idle_seconds)
{
	struct stat st;
	bool done;
	int dir;

	if (!hash_valid(hash) || (dir = folder(hash, false)) < 0)
		return false;
	done = flock(dir, LOCK_EX) == 0 &&
	       fstatat(dir, hash + 2, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_mtime <= time(NULL) - idle_seconds &&
	       unlinkat(dir, hash + 2, 0) == 0 && fsync(dir) == 0;
	close(dir);
	return done;
}

static bool
idle(int dir, const char *name, long seconds)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_mtime <= time(NULL) - seconds;
}

void
blob_each(unsigned char first, long idle_seconds,
	  void (*each)(const char *hash, void *arg), void *arg)
{
	char hash[HASH_LENGTH + 1];
	struct dirent *entry;
	int fd;
	DIR *dir;

	snprintf(hash, sizeof(hash), "%02x%062d", first, 0);
	fd = folder(hash, false);
	if (fd < 0 || !(dir = fdopendir(fd)))
		return;
	while ((entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (!idle(fd, name, idle_seconds))
			continue;
		if (strncmp(name, ".new-", 5) == 0)
			unlinkat(fd, name, 0); /* of a crash */
		if (strlen(name) != HASH_LENGTH - 2)
			continue;
		memcpy(hash + 2, name, HASH_LENGTH - 1);
		if (hash_valid(hash))
			each(hash, arg);
	}
	closedir(dir);
}
