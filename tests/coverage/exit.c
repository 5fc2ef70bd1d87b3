/*
 * gcov writes its counters in exit(). The coverage build links with
 * --wrap=_exit,--wrap=_Exit,--wrap=abort to write them here too.
 */
#include <gcov.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);
_Noreturn void __wrap__Exit(int status);
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
