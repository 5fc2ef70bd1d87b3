/*
 * linlid user: accounts and what they may do. The rules are functions of
 * schema identity; here are only the arguments and the password's hash.
 */
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "contract.h"
#include "password.h"

enum { LOGIN, NAME, HASH, ROLE, STREET, PATH, FIELDS };

static const struct command {
	const char *name, *usage;
	const char *sql;
	int params[4]; /* fields in the order of $1…; the rest must be absent */
	int count, required;
} commands[] = {
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
#define COUNT (sizeof(commands) / sizeof(*commands))

static int
usage(void)
{
	for (size_t i = 0; i < COUNT; i++)
		fprintf(stderr, "%s linlid user %s %s\n",
			i ? "      " : "usage:", commands[i].name,
			commands[i].usage);
	fprintf(stderr,
		"  R: resident, grid_lead, community or street\n"
		"  L: the name they sign in by, or the id of an account "
		"without one\n"
		"  no-totp: for who lost phone and recovery codes\n"
		"  P: grid path such as 1/9/ (without it the whole street)\n"
		"  --password-stdin: one line of %d to %d bytes\n",
		PASSWORD_MIN, PASSWORD_MAX);
	return 2;
}

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
parse(int argc, char **argv, const char *fields[FIELDS], bool *password)
{
	static const struct option options[] = {
		{"login", required_argument, NULL, LOGIN},
		{"name", required_argument, NULL, NAME},
		{"password-stdin", no_argument, NULL, HASH},
		{"role", required_argument, NULL, ROLE},
		{"street", required_argument, NULL, STREET},
		{"path", required_argument, NULL, PATH},
		{0},
	};
	long street;
	int c;

	optind = 1;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c < 0 || c >= FIELDS)
			return false;
		if (c == HASH)
			*password = true;
		fields[c] = c == HASH ? "" : optarg;
	}
	return optind == argc && (!fields[ROLE] || role_bit(fields[ROLE])) &&
	       (!fields[STREET] ||
		cli_number(fields[STREET], 1, 65535, &street));
}

/* Exactly what the command takes, and all it needs. */
static bool
fits(const struct command *cmd, const char *const fields[FIELDS])
{
	bool takes[FIELDS] = {false};

	for (int i = 0; i < cmd->count; i++) {
		takes[cmd->params[i]] = true;
		if (i < cmd->required && !fields[cmd->params[i]])
			return false;
	}
	for (int i = 0; i < FIELDS; i++)
		if (fields[i] && !takes[i])
			return false;
	return true;
}

static int
run(const struct command *cmd, const char *const fields[FIELDS])
{
	const char *params[4];
	PGresult *res;

	for (int i = 0; i < cmd->count; i++)
		params[i] = fields[cmd->params[i]];
	res = cli_query(cmd->sql, cmd->count, params);
	if (!res)
		return 1;
	if (*PQgetvalue(res, 0, 0))
		puts(PQgetvalue(res, 0, 0));
	PQclear(res);
	return 0;
}

int
cmd_user(int argc, char **argv)
{
	const char *fields[FIELDS] = {NULL};
	const struct command *cmd = NULL;
	bool password = false;

	for (size_t i = 0; argc > 1 && i < COUNT; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			cmd = &commands[i];
	if (!cmd || !parse(argc - 1, argv + 1, fields, &password) ||
	    !fits(cmd, fields))
		return usage();
	if (password && !(fields[HASH] = read_password()))
		return 1;
	return run(cmd, fields);
}
