#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "fault.h"
#include "text.h"

int
file_dir(const char *path, bool create, char **why)
{
	int fd;

	if (create && mkdir(path, 0700) && errno != EEXIST) {
		*why = xprintf("%s: %s", path, strerror(errno));
		return -1;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		*why = xprintf("%s: %s", path, strerror(errno));
	return fd;
}

/* NULL = fit to be read as a secret. */
static const char *
secret_fault(const struct stat *st, size_t max)
{
	if (!S_ISREG(st->st_mode))
		return "not a regular file";
	if (st->st_mode & (S_IRWXG | S_IRWXO))
		return "open to group or others (chmod 600)";
	if (st->st_size == 0)
		return "empty";
	if ((size_t)st->st_size > max)
		return "too large";
	return NULL;
}

unsigned char *
file_read_secret(int dir, const char *name, size_t max, size_t *len,
		 char **why)
{
	int fd = openat(dir, name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	const char *fault;
	unsigned char *bytes;
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		*why = xprintf("%s: %s", name, strerror(errno));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	fault = secret_fault(&st, max);
	if (fault) {
		*why = xprintf("%s: %s", name, fault);
		close(fd);
		return NULL;
	}
	*len = (size_t)st.st_size;
	bytes = xmalloc(*len + 1);
	if (pread(fd, bytes, *len, 0) != (ssize_t)*len) {
		*why = xprintf("%s: cannot be read whole", name);
		free(bytes);
		bytes = NULL;
	}
	close(fd);
	return bytes;
}

bool
file_write_all(int fd, const void *bytes, size_t len)
{
	const char *p = bytes;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static bool
write_temporary(int dir, const char *name, const void *bytes, size_t len)
{
	int fd = openat(dir, name,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0600);
	bool done;

	if (fd < 0)
		return false;
	done = file_write_all(fd, bytes, len) && fsync(fd) == 0;
	/* close() may report what write() could not, on network storage. */
	return close(fd) == 0 && done;
}

bool
file_write(int dir, const char *name, const void *bytes, size_t len,
	   bool replace)
{
	char temporary[] = ".new-0123456789abcdef";
	unsigned char random[8];
	bool done;
	int error;

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		abort();
	hex_encode(temporary + strlen(".new-"), random, sizeof(random));
	/* link() refuses an existing name where rename() replaces it. */
	done = write_temporary(dir, temporary, bytes, len);
	fault_point("before_rename");
	done = done &&
	       (replace ? renameat(dir, temporary, dir, name) :
			  linkat(dir, temporary, dir, name, 0)) == 0 &&
	       fsync(dir) == 0;
	error = errno;
	unlinkat(dir, temporary, 0);
	errno = error;
	return done;
}
