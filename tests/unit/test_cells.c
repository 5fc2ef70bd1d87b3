/* What people write into cells. */
#include "cells.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

static struct arena *a;

static void
is(const char *found, const char *wanted)
{
	if (wanted)
		assert_string_equal(found ? found : "(nothing)", wanted);
	else
		assert_null(found);
}

static const char *
day(const char *text)
{
	return cell_date(a, text, TABLE_DAYS_1900);
}

static void
test_dates(void **state)
{
	(void)state;
	is(day("2024-03-01"), "2024-03-01");
	is(day("2024/3/1"), "2024-03-01");
	is(day("2024.3.1"), "2024-03-01");
	is(day("２０２４年３月１日"), "2024-03-01");
	is(day("20240301"), "2024-03-01");
	is(day("2024-03-01 10:00:00"), "2024-03-01");
	is(day("2024-03-01T00:00:00"), "2024-03-01");
	is(day("45352"), "2024-03-01");
	is(day("45352.75"), "2024-03-01");
	is(cell_date(a, "43890", TABLE_DAYS_1904), "2024-03-01");
	is(day("25569"), "1970-01-01");
	is(day("2023-02-29"), NULL);
	is(day("2024-13-01"), NULL);
	is(day("2024-3"), NULL);
	is(day("2024"), NULL);
	is(day("2024-03-01x"), NULL);
	is(day("1e9"), NULL);
	is(day(""), NULL);
}

static void
test_phones(void **state)
{
	(void)state;
	is(cell_phone(a, "138 1234-5678"), "13812345678");
	is(cell_phone(a, "+86 13812345678"), "13812345678");
	is(cell_phone(a, "8613812345678"), "13812345678");
	is(cell_phone(a, "'１３８１２３４５６７８"), "13812345678");
	is(cell_phone(a, "028-85551234"), "028-85551234");
	is(cell_phone(a, "(028)85551234"), "028-85551234");
	is(cell_phone(a, "08162345678"), "0816-2345678");
	is(cell_phone(a, "12345"), NULL);
	is(cell_phone(a, "0"), NULL);
	is(cell_phone(a, ""), NULL);
}

static void
test_id_numbers(void **state)
{
	(void)state;
	is(cell_id_number(a, "11010519491231002x"), "11010519491231002X");
	is(cell_id_number(a, "'110105 19491231 002Ｘ"), "11010519491231002X");
	is(cell_id_number(a, "110105194912310020"), NULL);
	is(cell_id_number(a, "1.10105E+17"), NULL);
}

static void
test_words(void **state)
{
	(void)state;
	is(cell_sex(a, " 男 "), "male");
	is(cell_sex(a, "Female"), "female");
	is(cell_sex(a, "甲"), NULL);
	is(cell_kind(a, "租客"), "tenant");
	is(cell_kind(a, "OWNER"), "owner");
	is(cell_kind(a, "甲"), NULL);
}

static int
setup(void **state)
{
	(void)state;
	a = arena_new();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(a);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_phones),
		cmocka_unit_test(test_id_numbers),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
