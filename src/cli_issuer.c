/*
 * linlid issuer: outside issuers whose people may sign in (OpenID Connect),
 * and which of their claims give which role. The rules are functions of
 * schema identity.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli.h"
#include "config.h"
#include "contract.h"

enum { ISSUER, AUDIENCE, KEYS, LABEL, ACR, CLAIM, VALUE, ROLE, STREET, PATH,
       ORG, FIELDS };

static const struct option options[] = {
	{ "issuer", required_argument, NULL, ISSUER },
	{ "audience", required_argument, NULL, AUDIENCE },
	{ "keys", required_argument, NULL, KEYS },
	{ "label", required_argument, NULL, LABEL },
	{ "acr", required_argument, NULL, ACR },
	{ "claim", required_argument, NULL, CLAIM },
	{ "value", required_argument, NULL, VALUE },
	{ "role", required_argument, NULL, ROLE },
	{ "street", required_argument, NULL, STREET },
	{ "path", required_argument, NULL, PATH },
	{ "org", required_argument, NULL, ORG },
	{ 0 },
};

#define MAPPING { ISSUER, CLAIM, VALUE, ROLE, STREET, PATH, ORG }

static const struct command {
	const char *name, *usage, *sql;
	int params[7]; /* fields in the order of $1…; the rest must be absent */
	int count, required;
} commands[] = {
	{ "add", "--issuer URL --audience A --keys URL --label L [--acr V]",
	  "select identity.put_issuer($1, $2, $3, $4, $5)",
	  { ISSUER, AUDIENCE, KEYS, LABEL, ACR }, 5, 4 },
	{ "map", "--issuer URL --claim C --value V --role R --street N "
	  "[--path P] [--org ID]",
	  "select identity.map_claim($1, $2, $3, $4, $5::int, $6, $7::uuid)",
	  MAPPING, 7, 5 },
	{ "unmap", "--issuer URL --claim C --value V --role R --street N "
	  "[--path P]",
	  "select identity.unmap_claim($1, $2, $3, $4, $5::int, $6)",
	  MAPPING, 6, 5 },
	{ "list", "", "select * from identity.list_issuers()", { 0 }, 0, 0 },
	{ "remove", "--issuer URL", "select identity.end_issuer($1)",
	  { ISSUER }, 1, 1 },
};
#define COUNT (sizeof(commands) / sizeof(*commands))

static int
usage(void)
{
	for (size_t i = 0; i < COUNT; i++)
		fprintf(stderr, "%s linlid issuer %s %s\n",
			i ? "      " : "usage:", commands[i].name,
			commands[i].usage);
	fputs("  keys: where its JWKS is, https://…\n"
	      "  V of add: the acr of its tokens that means a second factor; "
	      "without it amr tells\n"
	      "  R: community, street, department or merchant (those with "
	      "--org)\n"
	      "  P: grid path such as 1/9/ (without it the whole street)\n"
	      "  remove: its people sign in no more, and what it gave ends\n",
	      stderr);
	return 2;
}

static bool
parse(int argc, char **argv, const char *fields[FIELDS])
{
	long street;
	int c;

	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c < 0 || c >= FIELDS)
			return false;
		fields[c] = optarg;
	}
	return optind == argc && (!fields[ROLE] || role_bit(fields[ROLE])) &&
	       (!fields[STREET] ||
		cli_number(fields[STREET], 1, 65535, &street));
}

/* Exactly what the command takes, and all it needs. */
static bool
fits(const struct command *cmd, const char *const fields[FIELDS])
{
	bool takes[FIELDS] = { false };

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
	const char *params[FIELDS], *text;
	PGresult *res;

	for (int i = 0; i < cmd->count; i++)
		params[i] = fields[cmd->params[i]];
	res = cli_query(cmd->sql, cmd->count, params);
	if (!res)
		return 1;
	for (int i = 0; i < PQntuples(res); i++) {
		for (int j = 0; j < PQnfields(res); j++) {
			text = PQgetvalue(res, i, j);
			printf("%s%s", j && *text ? "\t" : "", text);
		}
		if (*PQgetvalue(res, i, 0))
			putchar('\n');
	}
	PQclear(res);
	return 0;
}

int
cmd_issuer(int argc, char **argv)
{
	const char *fields[FIELDS] = { NULL };
	const struct command *cmd = NULL;

	for (size_t i = 0; argc > 1 && i < COUNT; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			cmd = &commands[i];
	if (!cmd || !parse(argc - 1, argv + 1, fields) || !fits(cmd, fields))
		return usage();
	if (fields[KEYS] && !config.issuer_private &&
	    strncasecmp(fields[KEYS], "https://", 8) != 0) {
		fputs("linlid issuer: keys come by https:// (or with the "
		      "setting issuer_private = 1)\n", stderr);
		return 1;
	}
	return run(cmd, fields);
}
