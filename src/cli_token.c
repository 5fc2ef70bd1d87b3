/*
 * linlid token: a session without a password, for operators, demos and tests.
 * Whoever may read the signing keys and connect as linli_owner may do this.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "config.h"
#include "contract.h"
#include "token.h"

#define TTL_MAX (31L * 24 * 60 * 60)

struct wish {
	const char *account, *role, *street;
	long ttl;
};

static int
usage(void)
{
	fputs("usage: linlid token --account LOGIN [--role ROLE] [--street N] "
	      "[--ttl SECONDS]\n"
	      "  ROLE: resident, grid_lead, community, street, department, "
	      "merchant or visitor;\n    without it the widest held\n"
	      "  N: number of the street, 1 to 65535; without it the first\n"
	      "  SECONDS: 1 to 2678400, default access_token_seconds\n",
	      stderr);
	return 2;
}

static bool
parse(int argc, char **argv, struct wish *w)
{
	static const struct option options[] = {
		{"account", required_argument, NULL, 'a'},
		{"role", required_argument, NULL, 'r'},
		{"street", required_argument, NULL, 's'},
		{"ttl", required_argument, NULL, 't'},
		{0},
	};
	bool good = true;
	long street;
	int c;

	optind = 1;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'a')
			w->account = optarg;
		else if (c == 'r')
			good = good && role_bit(w->role = optarg) != 0;
		else if (c == 's')
			good = good && cli_number(w->street = optarg, 1, 65535,
						  &street);
		else if (c == 't')
			good = good && cli_number(optarg, 1, TTL_MAX, &w->ttl);
		else
			good = false;
	}
	return good && w->account && optind == argc;
}

static bool
take(char *to, size_t size, const PGresult *res, int column)
{
	return snprintf(to, size, "%s", PQgetvalue(res, 0, column)) < (int)size;
}

static bool
open_session(const struct wish *w, struct claims *c)
{
	char seconds[24];
	const char *params[] = {w->account, w->role, w->street, seconds};
	PGresult *res;
	bool done;

	snprintf(seconds, sizeof(seconds), "%ld", w->ttl);
	res = cli_query("select session_id, account_id, role, street_id, epoch "
			"from identity.open_session($1::text, $2::text, "
			"$3::int, $4::int)", 4, params);
	if (!res)
		return false;
	done = PQntuples(res) == 1 &&
	       take(c->session, sizeof(c->session), res, 0) &&
	       take(c->account, sizeof(c->account), res, 1) &&
	       take(c->role, sizeof(c->role), res, 2);
	if (done) {
		c->street = atol(PQgetvalue(res, 0, 3));
		c->epoch = atol(PQgetvalue(res, 0, 4));
		c->iat = time(NULL);
		c->exp = c->iat + w->ttl;
	}
	PQclear(res);
	return done;
}

/* A program's token says what it may do. */
static bool
take_client(struct claims *c)
{
	const char *params[] = {c->account};
	PGresult *res;
	bool done;

	if (role_bit(c->role) != ROLE_CLIENT)
		return true;
	res = cli_query("select scope, nets, per_minute, burst from "
			"identity.client_claims($1::uuid)", 1, params);
	if (!res)
		return false;
	done = PQntuples(res) == 1 &&
	       take(c->scope, sizeof(c->scope), res, 0) &&
	       take(c->nets, sizeof(c->nets), res, 1);
	if (done) {
		c->per_minute = atol(PQgetvalue(res, 0, 2));
		c->burst = atol(PQgetvalue(res, 0, 3));
	}
	PQclear(res);
	return done;
}

int
cmd_token(int argc, char **argv)
{
	struct wish wish = {.ttl = config.access_token_seconds};
	struct claims claims = {0};
	char *token, *why = NULL;

	if (!parse(argc, argv, &wish))
		return usage();
	if (!keys_load(config.keys_dir, &why)) {
		fprintf(stderr, "linlid token: %s\n", why);
		free(why);
		return 1;
	}
	if (!open_session(&wish, &claims) || !take_client(&claims))
		return 1;
	token = token_sign(&claims, config.issuer, config.audience);
	if (!token) {
		fputs("linlid token: could not sign\n", stderr);
		return 1;
	}
	puts(token);
	free(token);
	return 0;
}
