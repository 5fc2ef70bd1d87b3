/* A temporary folder and an arena around each test. */
#ifndef TEMP_DIR_H
#define TEMP_DIR_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "arena.h"

static char dir[] = "/tmp/linli-unit-XXXXXX";
static struct arena *a;

/* For a test's setup. */
static inline void
make_dir(void)
{
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	a = arena_new();
	assert_non_null(mkdtemp(dir));
}

static inline int
teardown(void **state)
{
	(void)state;
	assert_int_equal(system(arena_printf(a, "rm -rf %s", dir)), 0);
	arena_free(a);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#endif
