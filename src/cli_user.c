/*
 * linlid user: accounts and what they may do. The rules are functions of
 * schema identity; here are only the arguments and the password's hash.
 */
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "password.h"

enum { LOGIN, NAME, HASH, ROLE, STREET, PATH };

static const struct option options[] = {
	{"login", required_argument, NULL, LOGIN},
	{"name", required_argument, NULL, NAME},
	{"password-stdin", no_argument, NULL, HASH},
	{"role", required_argument, NULL, ROLE},
	{"street", required_argument, NULL, STREET},
	{"path", required_argument, NULL, PATH},
	{0},
};

static const struct cli_row rows[] = {
	{"add", "--login L --name N [--password-stdin]",
	 "select identity.add_account($1, $2, $3)", {LOGIN, NAME, HASH}, 3, 2},
	{"password", "--login L --password-stdin",
	 "select identity.set_password($1, $2)", {LOGIN, HASH}, 2, 2},
	{"grant", "--login L --role R --street N [--path P]",
	 "select identity.grant_role($1, $2, $3::int, $4)",
	 {LOGIN, ROLE, STREET, PATH}, 4, 3},
	{"revoke", "--login L --role R --street N [--path P]",
	 "select identity.end_role($1, $2, $3::int, $4)",
	 {LOGIN, ROLE, STREET, PATH}, 4, 3},
	{"disable", "--login L", "select identity.disable($1)", {LOGIN}, 1, 1},
	{"no-totp", "--login L", "select identity.drop_totp($1)",
	 {LOGIN}, 1, 1},
	{"enable", "--login L", "select identity.enable($1)", {LOGIN}, 1, 1},
};

/* argon2id of the password on standard input; NULL with a reason said. */
static const char *
read_password(void)
{
	static char hash[PASSWORD_HASH];
	char line[PASSWORD_MAX + 3];
	size_t len;
	bool done;

	if (!fgets(line, sizeof(line), stdin))
		line[0] = '\0';
	len = strcspn(line, "\r\n");
	if (len < PASSWORD_MIN || len > PASSWORD_MAX) {
		fprintf(stderr, "linlid user: the password needs %d to %d "
			"bytes\n", PASSWORD_MIN, PASSWORD_MAX);
		return NULL;
	}
	line[len] = '\0';
	done = sodium_init() >= 0 && password_hash(hash, line);
	sodium_memzero(line, sizeof(line));
	if (!done)
		fputs("linlid user: no memory for argon2id\n", stderr);
	return done ? hash : NULL;
}

static bool
ready(const char *fields[CLI_FIELDS])
{
	return !fields[HASH] || (fields[HASH] = read_password());
}

static const struct cli_table table = {
	.name = "user",
	.options = options,
	.role = ROLE,
	.street = STREET,
	.legend = "  R: resident, grid_lead, community or street\n"
		  "  L: the name they sign in by, or the id of an account "
		  "without one\n"
		  "  no-totp: for who lost phone and recovery codes\n"
		  "  P: grid path such as 1/9/ (without it the whole street)\n"
		  "  --password-stdin: one line of 8 to 256 bytes\n",
	.rows = rows,
	.count = sizeof(rows) / sizeof(*rows),
	.ready = ready,
};
_Static_assert(PASSWORD_MIN == 8 && PASSWORD_MAX == 256, "the legend says so");

int
cmd_user(int argc, char **argv)
{
	return cli_table_run(&table, argc, argv);
}
