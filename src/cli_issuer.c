/*
 * linlid issuer: outside issuers whose people may sign in (OpenID Connect),
 * and which of their claims give which role. The rules are functions of
 * schema identity.
 */
#include <getopt.h>
#include <stdio.h>
#include <strings.h>

#include "cli.h"
#include "config.h"

enum { ISSUER, AUDIENCE, KEYS, LABEL, ACR, CLAIM, VALUE, ROLE, STREET, PATH,
       ORG };

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

static const struct cli_row rows[] = {
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

static bool
ready(const char *fields[CLI_FIELDS])
{
	if (fields[KEYS] && !config.issuer_private &&
	    strncasecmp(fields[KEYS], "https://", 8) != 0) {
		fputs("linlid issuer: keys come by https:// (or with the "
		      "setting issuer_private = 1)\n", stderr);
		return false;
	}
	return true;
}

static const struct cli_table table = {
	.name = "issuer",
	.options = options,
	.role = ROLE,
	.street = STREET,
	.legend = "  keys: where its JWKS is, https://…\n"
		  "  V of add: the acr of its tokens that means a second "
		  "factor; without it amr tells\n"
		  "  R: community, street, department or merchant (those "
		  "with --org)\n"
		  "  P: grid path such as 1/9/ (without it the whole street)\n"
		  "  remove: its people sign in no more, and what it gave "
		  "ends\n",
	.rows = rows,
	.count = sizeof(rows) / sizeof(*rows),
	.ready = ready,
};

int
cmd_issuer(int argc, char **argv)
{
	return cli_table_run(&table, argc, argv);
}
