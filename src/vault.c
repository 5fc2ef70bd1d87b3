/*
 * vault/<id> under config.data_dir, a sealed file each, bound to its id.
 */
#include "vault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "config.h"
#include "file.h"
#include "seal.h"
#include "text.h"

static int
folder(void)
{
	int root = open(config.data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int dir = -1;

	if (root < 0)
		return -1;
	if (mkdirat(root, "vault", 0700) == 0 ? fsync(root) == 0
					      : errno == EEXIST)
		dir = openat(root, "vault",
			     O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(root);
	return dir;
}

bool
vault_put(const char *id, const unsigned char *bytes, size_t len)
{
	unsigned char *sealed = seal_bytes(bytes, &len, id);
	int dir = uuid_valid(id) ? folder() : -1;
	bool done = dir >= 0 && file_write(dir, id, sealed, len, true);

	if (dir >= 0)
		close(dir);
	free(sealed);
	return done;
}

static unsigned char *
read_all(int fd, size_t *len)
{
	unsigned char *bytes = NULL;
	struct stat st;
	size_t n = 0;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return NULL;
	*len = (size_t)st.st_size;
	bytes = xmalloc(*len + 1);
	while (n < *len) {
		ssize_t got = read(fd, bytes + n, *len - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			free(bytes);
			return NULL;
		}
		n += (size_t)got;
	}
	return bytes;
}

unsigned char *
vault_get(const char *id, size_t *len)
{
	unsigned char *sealed, *bytes = NULL;
	int dir = uuid_valid(id) ? folder() : -1, fd = -1;

	if (dir >= 0) {
		fd = openat(dir, id, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		close(dir);
	}
	if (fd < 0)
		return NULL;
	sealed = read_all(fd, len);
	close(fd);
	if (sealed)
		bytes = unseal_bytes(sealed, len, id);
	free(sealed);
	return bytes;
}

void
vault_delete(const char *id)
{
	int dir = uuid_valid(id) ? folder() : -1;

	if (dir < 0)
		return;
	if (unlinkat(dir, id, 0) == 0)
		(void)!fsync(dir);
	close(dir);
}

void
vault_each(long idle_seconds, void (*each)(const char *id, void *arg),
	   void *arg)
{
	time_t before = time(NULL) - idle_seconds;
	int fd = folder();
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	struct stat st;

	if (!dir && fd >= 0)
		close(fd);
	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(st.st_mode) || st.st_mtime > before)
			continue;
		if (strncmp(name, ".new-", 5) == 0)
			unlinkat(fd, name, 0); /* of a crash */
		else if (uuid_valid(name))
			each(name, arg);
	}
	if (dir)
		closedir(dir);
}
