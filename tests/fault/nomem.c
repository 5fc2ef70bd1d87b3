/*
 * Preloaded (LD_PRELOAD): makes the n-th allocation of chosen processes fail,
 * whoever asks for it, our code or a library. What is wanted and what happened
 * stands in the file named by NOMEM, which test_memory.py maps as well; its
 * layout there and here must agree.
 *
 * By places: counts only the first allocation from each call stack, that is
 * from the same few functions one calling the other, so that a start with its
 * hundred thousand allocations can be swept. A place is the same in every
 * process of the same program.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PROCESSES 64
#define DEPTH 7
#define SHORT 3
#define PLACES (1 << 16)
#define MODULES 256

static struct control {
	_Atomic int64_t at;     /* which one fails, 0 = none */
	_Atomic int64_t places; /* 1: count by places, 2: unless refused once */
	_Atomic int64_t seen, failed;
	_Atomic int64_t pids[PROCESSES]; /* -1 = every process */
	_Atomic uint64_t known[PLACES];
	_Atomic uint64_t refused[PLACES];
} *control;

/* Where the linker put what: addresses are another run's too, as offsets. */
static struct module {
	uintptr_t from, to;
} modules[MODULES], *own = modules; /* the program itself is the first */
static int module_count;

/* Unwinding may allocate itself. Initial-exec: reached without a function of
 * the linker's, which a sanitizer's start is not ready for. */
static _Thread_local int inside __attribute__((tls_model("initial-exec")));

static int
is_in(const struct module *m, const void *frame)
{
	return (uintptr_t)frame >= m->from && (uintptr_t)frame < m->to;
}

static int
note_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct module *m = &modules[module_count];

	(void)size;
	(void)arg;
	if (module_count == MODULES)
		return 1;
	*m = (struct module){ UINTPTR_MAX, 0 };
	for (int i = 0; i < info->dlpi_phnum; i++) {
		uintptr_t from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
		uintptr_t to = from + info->dlpi_phdr[i].p_memsz;

		if (info->dlpi_phdr[i].p_type != PT_LOAD)
			continue;
		m->from = from < m->from ? from : m->from;
		m->to = to > m->to ? to : m->to;
	}
	if (is_in(m, (void *)(uintptr_t)note_module))
		own = m;
	module_count++;
	return 0;
}

static uint64_t
offset(const void *frame)
{
	for (int i = 0; i < module_count; i++)
		if (is_in(&modules[i], frame))
			return (uint64_t)i << 48 |
			       ((uintptr_t)frame - modules[i].from);
	return (uintptr_t)frame;
}

__attribute__((constructor)) static void
open_control(void)
{
	const char *path = getenv("NOMEM");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *warm[1], *p;

	inside = 1;
	backtrace(warm, 1);
	dl_iterate_phdr(note_module, NULL);
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

/* Its slot in a table: its own, or the empty one where it belongs. */
static _Atomic uint64_t *
slot_of(_Atomic uint64_t *table, uint64_t here)
{
	uint64_t i = here >> 20;

	while (table[i % PLACES] && table[i % PLACES] != here)
		i++;
	return &table[i % PLACES];
}

/* What the program itself asks ends it at once (arena.c, memory.c; the lint
 * memory_is_checked): who called whom before is all the same. */
static uint64_t
place(void)
{
	void *frames[DEPTH + 5]; /* a sanitizer's, and up to four of ours */
	int n = backtrace(frames, DEPTH + 5), i = 0, depth = DEPTH;
	uint64_t hash = 14695981039346656037u;

	while (i < n && !is_in(own, frames[i]))
		i++;
	while (i < n && is_in(own, frames[i]))
		i++;
	if (i < n && is_in(&modules[0], frames[i]))
		depth = SHORT;
	for (; i < n && depth > 0; i++, depth--)
		hash = (hash ^ offset(frames[i])) * 1099511628211u;
	return hash | 1;
}

/* Does this place count, and is it the one? */
static int
place_fails(uint64_t here)
{
	_Atomic uint64_t *known = slot_of(control->known, here);
	_Atomic uint64_t *refused = slot_of(control->refused, here);

	if (*known || (control->places == 2 && *refused))
		return 0;
	*known = here;
	if (++control->seen != control->at)
		return 0;
	*refused = here;
	return 1;
}

static int
fails(void)
{
	int yes;

	if (!control || inside || !control->at || !chosen())
		return 0;
	inside = 1;
	yes = control->places ? place_fails(place())
			      : ++control->seen == control->at;
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
