#include "sqltext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

/* Joins the statements of text with "|"; "OPEN" ends what is left open. */
static const char *
split(const char *text)
{
	static char out[512];
	const char *end = text + strlen(text), *s = text, *stop;

	out[0] = '\0';
	while ((s = sqltext_start(s, end)) && s < end) {
		stop = sqltext_stop(s, end);
		if (!stop)
			return strcat(out, "OPEN");
		strncat(out, s, (size_t)(stop - s));
		strcat(out, "|");
		s = stop;
	}
	return s ? out : strcat(out, "OPEN");
}

static void
test_split(void **state)
{
	static const char *const cases[][2] = {
		{ "", "" },
		{ " ; ;\n", "" },
		{ "select 1", "select 1|" },
		{ "a;b;", "a|b|" },
		{ "-- x; y\na; /* ; */ b", "a|b|" },
		{ "a -- x; y\n; b", "a -- x; y\n|b|" },
		{ "a '; ''; ' b;c", "a '; ''; ' b|c|" },
		{ "a \"; \"\"; \";c", "a \"; \"\"; \"|c|" },
		{ "a '\\';c", "a '\\'|c|" },
		{ "a e'\\';';c", "a e'\\';'|c|" },
		{ "a E'\\\\';c", "a E'\\\\'|c|" },
		{ "name'x;';c", "name'x;'|c|" },
		{ "/* /* ; */ ; */ a", "a|" },
		{ "do $$ a; $x$ ; $$; b", "do $$ a; $x$ ; $$|b|" },
		{ "do $f$ a; $$ ; $f$; b", "do $f$ a; $$ ; $f$|b|" },
		{ "a $1; b $2", "a $1|b $2|" },
		{ "a $1$;b$1$", "a $1$|b$1$|" },
		{ "a $b c;d $", "a $b c|d $|" },
		{ "a$b$;c$b$", "a$b$|c$b$|" },
		{ "邻里 '里;';b", "邻里 '里;'|b|" },
		{ "a - b; c / d", "a - b|c / d|" },
		{ "-- only a remark", "" },
		{ "a 'open", "OPEN" },
		{ "a; /* open", "a|OPEN" },
		{ "a; b $$ open $", "a|OPEN" },
		{ "a \"open;", "OPEN" },
		{ "e'\\", "OPEN" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(split(cases[i][0]), cases[i][1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
