/*
 * Runs linlid-image on one picture. The picture and its results pass through
 * memory files: nothing is left behind whoever dies, and the program needs no
 * path it could write to.
 */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena.h"
#include "file.h"
#include "log.h"

#define PROGRAM "linlid-image"
#define SIDE_MAX 65535
#define TIMEOUT_MS (15 * 1000)
/* The program's descriptors: standard output says "width height". */
enum { OUT = 1, ERR = 2, IN = 3, PHOTO = 4, THUMB = 5, COUNT = 6 };

/* Above COUNT, so that putting one in its place never overwrites another. */
static int
memory_file(const char *name)
{
	int low = memfd_create(name, MFD_CLOEXEC);
	int fd = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, COUNT);

	if (low >= 0)
		close(low);
	return fd;
}

static bool
open_files(int fds[COUNT], const void *bytes, size_t len)
{
	static const char *const names[COUNT] = {
		[OUT] = "size", [IN] = "in", [PHOTO] = "photo",
		[THUMB] = "thumb",
	};

	for (int i = 0; i < COUNT; i++) {
		fds[i] = names[i] ? memory_file(names[i]) : -1;
		if (names[i] && fds[i] < 0)
			return false;
	}
	return file_write_all(fds[IN], bytes, len);
}

/* Beside our own program, wherever that is. */
static bool
program_path(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path,
			     PATH_MAX - sizeof(PROGRAM));
	char *slash;

	if (n <= 0)
		return false;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return false;
	strcpy(slash + 1, PROGRAM);
	return true;
}

static int
fill_actions(posix_spawn_file_actions_t *actions, const int fds[COUNT])
{
	int error = 0;

	error |= posix_spawn_file_actions_addopen(actions, 0, "/dev/null",
						  O_RDONLY, 0);
	error |= posix_spawn_file_actions_addopen(actions, ERR, "/dev/null",
						  O_WRONLY, 0);
	for (int i = 0; i < COUNT; i++)
		if (fds[i] >= 0)
			error |= posix_spawn_file_actions_adddup2(actions,
								  fds[i], i);
	error |= posix_spawn_file_actions_addclosefrom_np(actions, COUNT);
	return error;
}

/* Our threads block all signals and the daemon ignores some; the program
 * starts with none of that. */
static int
fill_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	return posix_spawnattr_setsigmask(attributes, &none) |
	       posix_spawnattr_setsigdefault(attributes, &all) |
	       posix_spawnattr_setflags(attributes,
					POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
}

static pid_t
spawn(const int fds[COUNT], long max_pixels)
{
	char pixels[24], path[PATH_MAX];
	char *argv[] = {PROGRAM, pixels, "3", "4", "5", NULL}, *env[] = {NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t pid;
	int error;

	if (!program_path(path))
		return -1;
	snprintf(pixels, sizeof(pixels), "%ld", max_pixels);
	if (posix_spawn_file_actions_init(&actions) ||
	    posix_spawnattr_init(&attributes))
		abort();
	error = fill_actions(&actions, fds) | fill_attributes(&attributes);
	if (!error)
		error = posix_spawn(&pid, path, &actions, &attributes, argv,
				    env);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	if (!error)
		return pid;
	log_event(LOG_ERROR_, "image_spawn", "%s: %s", path, strerror(error));
	return -1;
}

/* Its exit code; -1 when it was killed, by us after TIMEOUT_MS or another.
 * Out of descriptors, its own limit of processor time has to do. */
static int
wait_for(pid_t pid)
{
	int fd = pidfd_open(pid, 0), status = 0;
	struct pollfd ended = {.fd = fd, .events = POLLIN};

	if (fd >= 0 && poll(&ended, 1, TIMEOUT_MS) <= 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			abort(); /* nobody else may reap it */
	if (fd >= 0)
		close(fd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static unsigned char *
read_file(int fd, size_t *len)
{
	unsigned char *bytes;
	struct stat st;

	if (fstat(fd, &st) || st.st_size == 0)
		return NULL;
	*len = (size_t)st.st_size;
	bytes = xmalloc(*len + 1);
	if (pread(fd, bytes, *len, 0) == (ssize_t)*len)
		return bytes;
	free(bytes);
	return NULL;
}

/* Of a program that reads what strangers sent: only what a size can be. */
static bool
read_size(const char *text, struct image *out)
{
	char *end;
	long width = strtol(text, &end, 10), height = strtol(end, NULL, 10);

	out->width = (int)width;
	out->height = (int)height;
	return width > 0 && width <= SIDE_MAX && height > 0 &&
	       height <= SIDE_MAX;
}

static bool
read_results(const int fds[COUNT], struct image *out)
{
	size_t n;
	char *size = (char *)read_file(fds[OUT], &n);
	bool done;

	out->photo = read_file(fds[PHOTO], &out->photo_len);
	out->thumb = read_file(fds[THUMB], &out->thumb_len);
	done = size && out->photo && out->thumb &&
	       read_size(size, out);
	free(size);
	return done;
}

/* The exit codes of image/main.c. A program killed over its limits was given
 * a picture nobody took. */
static const char *
verdict(int code)
{
	switch (code) {
	case 0:
		return NULL;
	case 2:
		return "photo_unsupported";
	case 3:
		return "photo_too_many_pixels";
	case 4:
	case -1:
		return "photo_damaged";
	default: /* it found no room to work in */
		return "overloaded";
	}
}

const char *
image_convert(const void *bytes, size_t len, long max_pixels,
	      struct image *out)
{
	const char *why = "overloaded"; /* no descriptor, no memory */
	int fds[COUNT] = {-1, -1, -1, -1, -1, -1};
	pid_t pid = -1;

	*out = (struct image){0};
	if (open_files(fds, bytes, len))
		pid = spawn(fds, max_pixels);
	if (pid > 0)
		why = verdict(wait_for(pid));
	if (!why && !read_results(fds, out))
		why = "internal_error";
	for (int i = 0; i < COUNT; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (why)
		image_free(out);
	return why;
}

void
image_free(struct image *image)
{
	free(image->photo);
	free(image->thumb);
	*image = (struct image){0};
}
