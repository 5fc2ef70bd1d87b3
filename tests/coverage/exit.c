/*
 * gcov writes its counters in exit(). The coverage build links with --wrap for
 * each of these, to write them where a process ends in another way.
 */
#include <gcov.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);
_Noreturn void __wrap__Exit(int status);
int __real_execv(const char *path, char *const argv[]);
int __wrap_execv(const char *path, char *const argv[]);
_Noreturn void __real_abort(void);
_Noreturn void __wrap_abort(void);

void
__wrap__exit(int status)
{
	__gcov_dump();
	__real__exit(status);
}

void
__wrap__Exit(int status)
{
	__wrap__exit(status);
}

void
__wrap_abort(void)
{
	__gcov_dump();
	__real_abort();
}

int
__wrap_execv(const char *path, char *const argv[])
{
	__gcov_dump();
	__real_execv(path, argv);
	__gcov_reset(); /* still here: what is counted from now on, counts */
	return -1;
}
