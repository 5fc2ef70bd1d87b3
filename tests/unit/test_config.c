#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

static char path[] = "/tmp/test_config.XXXXXX";

static void
write_file(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* What config_load() says on stderr about text; "" when it is fine. */
static const char *
complaint(const char *text)
{
	static char said[512];
	char log[] = "/tmp/test_config_log.XXXXXX";
	int fd = mkstemp(log), saved = dup(STDERR_FILENO);
	ssize_t n;
	bool fine;

	write_file(text);
	dup2(fd, STDERR_FILENO);
	fine = config_load(path);
	dup2(saved, STDERR_FILENO);
	n = pread(fd, said, sizeof(said) - 1, 0);
	said[n] = '\0';
	close(fd);
	close(saved);
	unlink(log);
	assert_int_equal(fine, n == 0);
	return said;
}

static void
expect(const char *text, const char *said)
{
	char wanted[512];

	snprintf(wanted, sizeof(wanted), "%s:%s\n", path, said);
	assert_string_equal(complaint(text), wanted);
}

static void
test_defaults(void **state)
{
	(void)state;
	assert_true(config_load(NULL));
	assert_string_equal(config.listen, "127.0.0.1:8080");
	assert_string_equal(config.log_level, "info");
	assert_int_equal(config.access_token_seconds, 900);
	assert_int_equal(config.workers, 0);
}

static void
test_file(void **state)
{
	(void)state;
	setenv("TEST_PORT", "9090", 1);
	unsetenv("TEST_NONE");
	assert_string_equal(complaint("listen = \"[::]:${TEST_PORT}\"\n"
				      "# a remark\n"
				      "issuer = ${TEST_NONE:-nobody}\n"
				      "workers = ${TEST_NONE:-3}\n"),
			    "");
	assert_string_equal(config.listen, "[::]:9090");
	assert_string_equal(config.issuer, "nobody");
	assert_int_equal(config.workers, 3);
	/* what the file leaves out has its default again */
	assert_string_equal(complaint(""), "");
	assert_string_equal(config.issuer, "linli");
}

static void
test_faults(void **state)
{
	(void)state;
	expect("\nworker = 2\n", "2: no such option 'worker'");
	expect("workers = many\n",
	       "1: invalid integer value for option 'workers'");
	expect("workers = 65\n",
	       "1: workers is 65; it must lie between 0 and 64");
	expect("workers = -1\n",
	       "1: workers is -1; it must lie between 0 and 64");
	expect("\n\nlog_level = loud\n",
	       "3: log_level must be one of: error warn info debug ");
	expect("include(\"/etc/passwd\")\n", "1: no such option 'include'");
	/* parts of names and of choices are none */
	expect("log_level = \"error warn\"\n",
	       "1: log_level must be one of: error warn info debug ");
}

static void
test_unreadable(void **state)
{
	(void)state;
	assert_false(config_load("/tmp"));
	assert_false(config_load("/nonexistent/linlid.conf"));
}

static void
test_fault_changes_nothing(void **state)
{
	(void)state;
	assert_string_equal(complaint("issuer = before\n"), "");
	complaint("issuer = after\nworkers = 99\n");
	assert_string_equal(config.issuer, "before");
}

static void
test_reload(void **state)
{
	(void)state;
	assert_string_equal(complaint("workers = 2\nlog_level = warn\n"), "");
	write_file("workers = 5\nlog_level = debug\n"
		   "access_token_seconds = 60\n");
	assert_true(config_reload());
	assert_string_equal(config.log_level, "debug");
	assert_int_equal(config.access_token_seconds, 60);
	/* only a restart changes this one */
	assert_int_equal(config.workers, 2);
	write_file("log_level = shrill\n");
	assert_false(config_reload());
	assert_string_equal(config.log_level, "debug");
}

static char *
described(void)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	config_describe(f);
	fclose(f);
	return text;
}

/* What --settings prints is a file that means the defaults. */
static void
test_describe(void **state)
{
	char *text = described();

	(void)state;
	assert_string_equal(complaint(text), "");
	assert_non_null(strstr(text, "\nrequest_timeout_s = 30\n"));
	assert_int_equal(config.request_timeout_s, 30);
	free(text);
}

/* make runs the tests in the top folder. */
static void
test_sample(void **state)
{
	static char sample[16384];
	FILE *f = fopen("systemd/linlid.conf", "r");
	char *text = described();

	(void)state;
	assert_non_null(f);
	sample[fread(sample, 1, sizeof(sample) - 1, f)] = '\0';
	fclose(f);
	assert_non_null(strstr(sample, text));
	free(text);
}

static int
remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_fault_changes_nothing),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_describe),
		cmocka_unit_test(test_sample),
	};

	close(mkstemp(path));
	return cmocka_run_group_tests(tests, NULL, remove_file);
}
