/*
 * Preloaded (LD_PRELOAD): makes the n-th allocation of chosen processes fail,
 * whoever asks for it, our code or a library. What is wanted and what happened
 * stands in the file named by NOMEM, which test_memory.py maps as well; its
 * layout there and here must agree.
 *
 * By places: counts only the first allocation from each call stack, so that
 * a start with its hundred thousand allocations can be swept.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PROCESSES 16
#define DEPTH 12
#define PLACES (1 << 16)

static struct control {
	_Atomic int64_t at;     /* which one fails, 0 = none */
	_Atomic int64_t places; /* 1: count by places */
	_Atomic int64_t on;     /* 1: and all that follow it */
	_Atomic int64_t seen, failed;
	_Atomic int64_t pids[PROCESSES]; /* -1 = every process */
	_Atomic uint64_t known[PLACES];
} *control;

/* Unwinding may allocate itself. Initial-exec: reached without a function of
 * the linker's, which a sanitizer's start is not ready for. */
static _Thread_local int inside __attribute__((tls_model("initial-exec")));

__attribute__((constructor)) static void
open_control(void)
{
	const char *path = getenv("NOMEM");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *warm[1], *p;

	inside = 1;
	backtrace(warm, 1);
	if (fd >= 0) {
		p = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE,
			 MAP_SHARED, fd, 0);
		close(fd);
		if (p != MAP_FAILED)
			control = p;
	}
	inside = 0;
}

static int
chosen(void)
{
	int64_t pid = getpid();

	for (int i = 0; i < PROCESSES && control->pids[i]; i++)
		if (control->pids[i] == -1 || control->pids[i] == pid)
			return 1;
	return 0;
}

/* Is this call stack one that has not been seen before? */
static int
new_place(void)
{
	void *frames[DEPTH];
	int n = backtrace(frames, DEPTH);
	uint64_t hash = 14695981039346656037u, empty;

	for (int i = 2; i < n; i++)
		hash = (hash ^ (uintptr_t)frames[i]) * 1099511628211u;
	hash |= 1;
	for (uint64_t i = hash >> 20;; i++) {
		_Atomic uint64_t *slot = &control->known[i % PLACES];

		empty = 0;
		if (atomic_compare_exchange_strong(slot, &empty, hash))
			return 1;
		if (empty == hash)
			return 0;
	}
}

static int
fails(void)
{
	int64_t seen;
	int yes = 0;

	if (!control || inside || !control->at || !chosen())
		return 0;
	inside = 1;
	if (!control->places || new_place()) {
		seen = ++control->seen;
		yes = seen == control->at ||
		      (control->on && seen > control->at);
	}
	inside = 0;
	if (yes) {
		control->failed++;
		errno = ENOMEM;
	}
	return yes;
}

#define NEXT(name)                    \
	static __typeof__(name) *next; \
	if (!next)                    \
	*(void **)&next = dlsym(RTLD_NEXT, #name)

void *
malloc(size_t size)
{
	NEXT(malloc);
	return fails() ? NULL : next(size);
}

void *
calloc(size_t count, size_t size)
{
	NEXT(calloc);
	return fails() ? NULL : next(count, size);
}

void *
realloc(void *p, size_t size)
{
	NEXT(realloc);
	return fails() ? NULL : next(p, size);
}

int
posix_memalign(void **p, size_t align, size_t size)
{
	NEXT(posix_memalign);
	return fails() ? ENOMEM : next(p, align, size);
}

/* Libsodium's passwords take theirs from here. */
void *
mmap(void *addr, size_t len, int prot, int flags, int fd, off_t at)
{
	NEXT(mmap);
	return (flags & MAP_ANONYMOUS) && fails()
		       ? MAP_FAILED
		       : next(addr, len, prot, flags, fd, at);
}
