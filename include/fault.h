/* Named points at which a test build ends abruptly, as by kill -9; nothing at
 * all in a build for use. FAULT=name:n dies at a process' n-th pass of the
 * point; with FAULT_ARM=path only when that file is there, which it takes
 * away, so that one crash happens and not one a restart. And numbers that a
 * test build takes from the environment, for what nobody wants to wait for. */
#ifndef LINLI_FAULT_H
#define LINLI_FAULT_H
#ifdef LINLI_FAULTS
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void
fault_point(const char *name)
{
	static long passes;
	const char *wanted = getenv("FAULT"), *arm = getenv("FAULT_ARM");
	size_t n = strlen(name);

	if (!wanted || strncmp(wanted, name, n) != 0 || wanted[n] != ':' ||
	    ++passes < atol(wanted + n + 1))
		return;
	if (!arm || unlink(arm) == 0)
		_exit(137);
}

static inline long
fault_number(const char *name, long usual)
{
	const char *text = getenv(name);

	return text ? atol(text) : usual;
}
#else
#define fault_point(name) ((void)0)
#define fault_number(name, usual) (usual)
#endif
#endif
