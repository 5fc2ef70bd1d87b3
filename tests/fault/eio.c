/* For LD_PRELOAD: a disk that fails. While the file named by EIO_WHEN holds
 * "write", "file" or "folder", writing, or fsync() of a file or a folder, fails
 * below EIO_WHERE. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
wanted(char what[16])
{
	FILE *when = getenv("EIO_WHEN") ? fopen(getenv("EIO_WHEN"), "re") : NULL;
	int n = when ? fscanf(when, "%15s", what) : 0;

	if (when)
		fclose(when);
	return n == 1;
}

static int
fails(int fd, const char *on_file, const char *on_folder)
{
	const char *where = getenv("EIO_WHERE"), *name;
	char what[16], link[32], path[4096];
	struct stat st;
	ssize_t n;

	if (!where || fstat(fd, &st))
		return 0;
	name = S_ISREG(st.st_mode) ? on_file : S_ISDIR(st.st_mode) ? on_folder : "";
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	return strncmp(path, where, strlen(where)) == 0 && wanted(what) && strcmp(what, name) == 0;
}

int
fsync(int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");

	if (!fails(fd, "file", "folder"))
		return real(fd);
	errno = EIO;
	return -1;
}

ssize_t
write(int fd, const void *bytes, size_t len)
{
	ssize_t (*real)(int, const void *, size_t) =
		(ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");

	if (!fails(fd, "write", ""))
		return real(fd, bytes, len);
	errno = EIO;
	return -1;
}
