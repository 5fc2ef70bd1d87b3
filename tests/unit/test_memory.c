/*
 * Text that could not be written whole is nobody's. What becomes of each
 * refused allocation is for tests/test_memory.py.
 */
#include "memory.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

/* How a child ends that closes such a stream: 0, or the signal. */
static int
end_of(const char *path, char *text)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		FILE *stream = fopen(path, "we");

		setvbuf(stream, NULL, _IONBF, 0);
		fputs("x", stream);
		memory_stream_end(stream, &text);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

/* security 51 */
static void
test_stream_end(void **state)
{
	char text[] = "x";

	(void)state;
	assert_int_equal(end_of("/dev/null", text), 0);
	assert_int_equal(end_of("/dev/full", text), SIGABRT);
	/* as glibc leaves it when there is no memory at the very end */
	assert_int_equal(end_of("/dev/null", NULL), SIGABRT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_stream_end) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
